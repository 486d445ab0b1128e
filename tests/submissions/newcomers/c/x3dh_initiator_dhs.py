from x3dhlab.primitives import dh, verify


def initiator_dhs(identity_private, ephemeral_private, bundle):
    DH1 = dh(identity_private, bundle["signed_prekey"])
    DH2 = dh(ephemeral_private, bundle["identity_key"])
    DH3 = dh(ephemeral_private, bundle["signed_prekey"])
    DH4 = dh(ephemeral_private, bundle["one_time_prekey"])
    return [DH1, DH2, DH3, DH4]
