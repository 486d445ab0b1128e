from x3dhlab.primitives import dh


def shared_secret(private, public):
    return dh(private, public)
