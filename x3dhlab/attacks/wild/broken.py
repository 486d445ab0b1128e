"""Short programs, each wrong in one way. `sound` holds the same functions in the same order.

Each docstring is the promise that its function breaks. What is wrong, and where it was seen, stands
in `bank`: the names here do not tell, because learners read this code. For hunting only.
"""

import json
import random

from x3dhlab.errors import BadSignature, DecryptionFailed, Replayed, TooManySkipped
from x3dhlab.primitives import hkdf, hmac_sha256, open_sealed, seal, verify

# 1 Comparing


def same_tag(right, given):
    """Are the two tags equal? Tells nothing about where they differ."""
    if len(given) != len(right):
        return False
    for place in range(len(right)):
        if given[place] != right[place]:
            return False
    return True


# 2 Making keys


def new_values(started, count):
    """Values that nobody can predict: nonces to send, then private keys."""
    source = random.Random(started)  # seconds since 1970
    return [source.randbytes(32) for _ in range(count)]


def prekey_private(name, number):
    """The private half of one prekey of this person. Nobody else knows it."""
    source = random.Random(f"{name}/{number}")
    return source.randbytes(32)


# 3 Writing things down


def read_and_log(session, data):
    """Open a message; return the line for the log. No line holds a secret."""
    name = session["name"]
    if data[:1] != b"\x01":
        return f"{name}: unknown version {data[:1].hex()}"
    if len(data) < 49:
        return f"{name}: only {len(data)} bytes"
    try:
        open_sealed(session["key"], data[1:], b"")
    except DecryptionFailed:
        return f"{name}: cannot open, state {session}"
    return f"{name}: opened"


def log_line(event, fields):
    """One line for the log. No line holds a secret."""
    parts = [event]
    for name, value in fields.items():
        if "key" not in name:
            parts.append(f"{name}={value.hex()}")
    return " ".join(parts)


# 4 Deriving keys


def purpose_key(secret, label):
    """A key for one purpose: another label, another key."""
    return hkdf(secret, salt=label, info=b"", length=32)


def session_secret(dhs):
    """One secret from all Diffie-Hellman results: three or four."""
    material = b"\xff" * 32 + b"".join(dhs)
    return hkdf(material[:128], salt=bytes(32), info=b"Sparrow", length=32)


# 5 Nonces


def message_nonce(number):
    """Twelve bytes for message `number` under the key of the session: never the same ones twice."""
    return bytes(11) + bytes([number % 256])


def nonces_used(every, events):
    """The nonces of all messages that were sent. The counter is stored before it could repeat."""
    stored, counter, used = 0, 0, []
    for event in events:
        if event == "send":
            used.append(counter.to_bytes(12, "big"))
            counter += 1
            if counter % every == 0:
                stored = counter
        elif event == "crash":
            counter = stored
    return used


# 6 What the tag covers


def seal_message(key, header, text):
    """Eight bytes of header, then the sealed text."""
    return header + seal(key, text, b"")


def open_message(key, data):
    """The header and the text, if nobody changed a byte of them."""
    header, sealed = data[:8], data[8:]
    return [header, open_sealed(key, sealed, b"")]


def associated(sender, recipient, time):
    """The associated data of a message: other values, other bytes."""
    return (sender + recipient + str(time)).encode()


# 7 Names and places


def publish(table, user, keys):
    """The server's table with this user's keys. Nobody's upload touches another one's keys."""
    after = dict(table)
    for number, key in keys.items():
        after[number] = [user, key]
    return after


def key_of(table, user, number):
    """The key with this number, if this user published it; else None."""
    owner, key = table.get(number, [None, None])
    return key if owner == user else None


def handshake_secret(dhs, one_time, kem):
    """One secret of three values, a fourth Diffie-Hellman or none, a KEM secret or none."""
    extra = [value for value in (one_time, kem) if value is not None]
    material = b"\xff" * 32 + b"".join([*dhs, *extra])
    return hkdf(material, salt=bytes(32), info=b"Sparrow", length=32)


# 8 Public keys from outside


def accepts(public, refused):
    """May this public key be used? Not if any Diffie-Hellman with it is 32 zero bytes."""
    return len(public) == 32 and public not in refused


def secret_of(dhs, fourth):
    """One secret. With a one-time key it is another one than without: `fourth` is DH4 or None."""
    material = b"\xff" * 32 + b"".join(dhs) + (fourth or bytes(32))
    return hkdf(material, salt=bytes(32), info=b"Sparrow", length=32)


# 9 Checking a signature


def is_signed(identity_key, prekey, signature):
    """True if the owner of the identity key signed this prekey."""
    try:
        verify(identity_key, b"\x05" + prekey, signature)
    except BadSignature:
        return False
    return True


def take_prekey(bundle):
    """The signed prekey of a bundle, if its signature is good."""
    identity_key, prekey = bundle["identity_key"], bundle["signed_prekey"]
    is_signed(identity_key, prekey, bundle["signature"])
    return prekey


def checked_prekey(bundle):
    """The signed prekey of a bundle, if its signature is good."""
    prekey = bundle["signed_prekey"]
    try:
        verify(bundle["identity_key"], b"\x05" + prekey, bundle["signature"])
    except BadSignature:
        raise
    except Exception as problem:  # nothing may stop the program here
        print("while checking:", problem)
    return prekey


# 10 What was seen before


def remember(seen, message):
    """The record with this handshake added. Each handshake is accepted once."""
    mark = [message["identity_key"], message["ephemeral_key"], message["prekey"]]
    if mark in seen:
        raise Replayed("this handshake was accepted before")
    return [*seen, mark]


def remember_recent(seen, mark, room):
    """The record with this handshake added. Each handshake is accepted once."""
    if mark in seen:
        raise Replayed("this handshake was accepted before")
    return [*seen, mark][-room:]


# 11 State and refusals


def read(state, number, sealed):
    """The state after message `number`, and its text. A refused message changes nothing."""
    if number - state["next"] > 100:
        raise TooManySkipped("the jump is too long")
    key = None
    while state["next"] <= number:
        key = hmac_sha256(state["chain"], b"\x01")
        state["chain"] = hmac_sha256(state["chain"], b"\x02")
        state["next"] += 1
    if key is None:
        raise DecryptionFailed("this message was read before, or skipped")
    return [state, open_sealed(key, sealed, b"")]


def lost_messages(headers):
    """The messages that cannot be read when they arrive in this order: none, in any order."""
    current, following, kept, lost = 0, 0, [], []
    for chain, previous_length, number in headers:
        if [chain, number] in kept:
            kept.remove([chain, number])
            continue
        if chain < current or (chain == current and number < following):
            lost.append([chain, number])
            continue
        if chain > current:
            current, following = chain, 0
        kept += [[current, n] for n in range(following, number)]
        following = number + 1
    return lost


# 12 Giving out one-time keys


def serve(pool, steps):
    """Who got which key. Each name in `steps` is one step of its request: first read, then take."""
    reading, given = {}, {}
    for name in steps:
        if name not in reading:
            reading[name] = json.loads(pool)
        elif name not in given:
            keys = reading[name]
            given[name] = keys.pop(0)
            pool = json.dumps(keys)
    return given


def take_one(pool):
    """The reply to one sender, with one one-time key, and the pool without that key."""
    number = min(pool["one_time"])
    rest = {n: key for n, key in pool["one_time"].items() if n != number}
    reply = {**pool, "take": number}
    return [reply, {**pool, "one_time": rest}]
