def properties(scenario):
    x3dh = scenario["method"] == "X3DH"
    honest = scenario["server"] == "honest"
    # plain DH has no identity keys, so comparing can only help X3DH
    compared = x3dh and scenario["compared"]
    agreed = honest and (x3dh or scenario["bob_online"])
    return {
        "agreed": agreed,
        "server_reads": not honest and not compared,
        "name_proven": honest and compared,
        "thief_reads": (
            agreed and x3dh and scenario["stolen_later"] and not scenario["one_time_prekey"]
        ),
    }
