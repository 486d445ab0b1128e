def properties(scenario):
    x3dh = scenario["method"] == "X3DH"
    honest = scenario["server"] == "honest"
    agreed = honest and (x3dh or scenario["bob_online"])
    server_reads = not honest and not scenario["compared"]
    name_proven = agreed and scenario["compared"]
    thief_reads = (
        agreed and x3dh and scenario["stolen_later"] and not scenario["one_time_prekey"]
    )
    return {
        "agreed": agreed,
        "server_reads": server_reads,
        "name_proven": name_proven,
        "thief_reads": thief_reads,
    }
