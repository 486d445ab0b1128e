from x3dhlab.primitives import dh, verify


def responder_dhs(
    identity_private,
    signed_prekey_private,
    one_time_prekey_private,
    alice_identity,
    alice_ephemeral,
):
    out = [
        dh(identity_private, alice_ephemeral),
        dh(signed_prekey_private, alice_identity),
        dh(signed_prekey_private, alice_ephemeral),
    ]
    if one_time_prekey_private:
        out.append(dh(one_time_prekey_private, alice_ephemeral))
    return out
