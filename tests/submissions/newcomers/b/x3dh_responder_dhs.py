from x3dhlab.primitives import dh, verify


def responder_dhs(
    identity_private,
    signed_prekey_private,
    one_time_prekey_private,
    alice_identity,
    alice_ephemeral,
):
    DH1 = dh(signed_prekey_private, alice_identity)
    DH2 = dh(identity_private, alice_ephemeral)
    DH3 = dh(signed_prekey_private, alice_ephemeral)
    if one_time_prekey_private is None:
        return [DH1, DH2, DH3]
    DH4 = dh(one_time_prekey_private, alice_ephemeral)
    return [DH1, DH2, DH3, DH4]
