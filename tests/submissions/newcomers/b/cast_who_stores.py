def who_stores(key):
    gone = key["used"] and key["kind"] in ("OPK", "EK")
    if gone:
        return []
    if key["half"] == "private":
        return ["device"]
    return ["device", "server"]
