def encode_key(public):
    return b"\x05" + public


def associated_data(own, peer, initiator):
    if initiator:
        return encode_key(own) + encode_key(peer)
    else:
        return encode_key(peer) + encode_key(own)
