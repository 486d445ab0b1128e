"""The functions of `broken` in the same order, each without its flaw: the diff is the lesson."""

import hmac
import json
import os

from x3dhlab.errors import BadSignature, DecryptionFailed, Replayed, TooManySkipped
from x3dhlab.primitives import check_canonical, dh, hkdf, hmac_sha256, open_sealed, seal, verify

# 1 Comparing


def same_tag(right, given):
    """Are the two tags equal? Tells nothing about where they differ."""
    return hmac.compare_digest(right, given)


# 2 Making keys


def new_values(started, count):
    """Values that nobody can predict: nonces to send, then private keys."""
    return [os.urandom(32) for _ in range(count)]


def prekey_private(name, number):
    """The private half of one prekey of this person. Nobody else knows it."""
    return os.urandom(32)


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
        return f"{name}: cannot open"
    return f"{name}: opened"


def log_line(event, fields):
    """One line for the log. No line holds a secret."""
    parts = [event]
    for name, value in fields.items():
        if name in ("number", "version"):
            parts.append(f"{name}={value.hex()}")
    return " ".join(parts)


# 4 Deriving keys


def purpose_key(secret, label):
    """A key for one purpose: another label, another key."""
    return hkdf(secret, salt=bytes(32), info=label, length=32)


def session_secret(dhs):
    """One secret from all Diffie-Hellman results: three or four."""
    material = b"\xff" * 32 + b"".join(dhs)
    return hkdf(material, salt=bytes(32), info=b"Sparrow", length=32)


# 5 Nonces


def message_nonce(number):
    """Twelve bytes for message `number` under the key of the session: never the same ones twice."""
    return number.to_bytes(12, "big")


def nonces_used(every, events):
    """The nonces of all messages that were sent. The counter is stored before it could repeat."""
    stored, counter, used = 0, 0, []
    for event in events:
        if event == "send":
            if counter == stored:
                stored = counter + every
            used.append(counter.to_bytes(12, "big"))
            counter += 1
        elif event == "crash":
            counter = stored
    return used


# 6 What the tag covers


def seal_message(key, header, text):
    """Eight bytes of header, then the sealed text."""
    return header + seal(key, text, header)


def open_message(key, data):
    """The header and the text, if nobody changed a byte of them."""
    header, sealed = data[:8], data[8:]
    return [header, open_sealed(key, sealed, header)]


def associated(sender, recipient, time):
    """The associated data of a message: other values, other bytes."""
    joined = b""
    for part in (sender.encode(), recipient.encode(), str(time).encode()):
        joined += len(part).to_bytes(2, "big") + part
    return joined


# 7 Names and places


def publish(table, user, keys):
    """The server's table with this user's keys. Nobody's upload touches another one's keys."""
    return {**table, user: {**table.get(user, {}), **keys}}


def key_of(table, user, number):
    """The key with this number, if this user published it; else None."""
    return table.get(user, {}).get(number)


def handshake_secret(dhs, one_time, kem):
    """One secret of three values, a fourth Diffie-Hellman or none, a KEM secret or none."""
    extra = [value for value in (one_time, kem) if value is not None]
    material = b"\xff" * 32 + b"".join([*dhs, *extra])
    present = bytes([one_time is not None, kem is not None])
    return hkdf(material, salt=bytes(32), info=b"Sparrow" + present, length=32)


# 8 Public keys from outside


def accepts(public, refused):
    """May this public key be used? Not if any Diffie-Hellman with it is 32 zero bytes."""
    try:
        dh(os.urandom(32), check_canonical(public, "public key"))
    except Exception:
        return False
    return public not in refused


def secret_of(dhs, fourth):
    """One secret. With a one-time key it is another one than without: `fourth` is DH4 or None."""
    material = b"\xff" * 32 + b"".join(dhs) + (b"" if fourth is None else fourth)
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
    if not is_signed(identity_key, prekey, bundle["signature"]):
        raise BadSignature("the signed prekey is not signed by this identity key")
    return prekey


def checked_prekey(bundle):
    """The signed prekey of a bundle, if its signature is good."""
    prekey = bundle["signed_prekey"]
    verify(bundle["identity_key"], b"\x05" + prekey, bundle["signature"])
    return prekey


# 10 What was seen before


def remember(seen, message):
    """The record with this handshake added. Each handshake is accepted once."""
    check_canonical(message["ephemeral_key"], "ephemeral key")
    mark = [message["identity_key"], message["ephemeral_key"], message["prekey"]]
    if mark in seen:
        raise Replayed("this handshake was accepted before")
    return [*seen, mark]


def remember_recent(seen, mark, room):
    """The record with this handshake added. Each handshake is accepted once."""
    if mark in seen:
        raise Replayed("this handshake was accepted before")
    if len(seen) == room:
        raise Replayed("the record is full until the prekey is replaced")
    return [*seen, mark]


# 11 State and refusals


def read(state, number, sealed):
    """The state after message `number`, and its text. A refused message changes nothing."""
    if number - state["next"] > 100:
        raise TooManySkipped("the jump is too long")
    if number < state["next"]:
        raise DecryptionFailed("this message was read before, or skipped")
    chain = state["chain"]
    for _ in range(number - state["next"]):
        chain = hmac_sha256(chain, b"\x02")
    text = open_sealed(hmac_sha256(chain, b"\x01"), sealed, b"")
    return [{"chain": hmac_sha256(chain, b"\x02"), "next": number + 1}, text]


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
            kept += [[current, n] for n in range(following, previous_length)]
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
            keys = json.loads(pool)  # again: taking and storing are one step
            given[name] = keys.pop(0)
            pool = json.dumps(keys)
    return given


def take_one(pool):
    """The reply to one sender, with one one-time key, and the pool without that key."""
    number = min(pool["one_time"])
    rest = {n: key for n, key in pool["one_time"].items() if n != number}
    reply = {**pool, "one_time": {number: pool["one_time"][number]}, "take": number}
    return [reply, {**pool, "one_time": rest}]
