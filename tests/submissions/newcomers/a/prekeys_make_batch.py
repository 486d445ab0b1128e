from x3dhlab.primitives import public_key, sign


def make_batch(next_id, privates):
    keep, upload = {}, {}
    for number, private in enumerate(privates, next_id):
        keep[number] = private
        upload[number] = public_key(private)
    return {"keep": keep, "upload": upload, "next_id": next_id + len(privates)}
