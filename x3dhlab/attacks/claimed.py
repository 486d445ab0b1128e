"""Small runs behind claims of the five designs, for which the catalogue has no attack of its own.

Each run builds what the design describes, on real keys, and looks at what comes out. `succeeded`
says that the run shows what the course says of the claim. What a run shows holds for this case; it
does not say what somebody else's program does.
"""

import base64
import hashlib
import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace

from x3dhlab import kem, prekeys, ratchet, x3dh
from x3dhlab.attacks import catalogue, deniability, healing, hybrid, inbox, low_order, signing
from x3dhlab.attacks.entry import Result
from x3dhlab.attacks.ratchets import AD, phones
from x3dhlab.attacks.targets import friends
from x3dhlab.attacks.weakened import (
    TERMS,
    Cast,
    compute,
    dropped_terms,
    impersonate,
    secret,
    send,
    steal_and_read,
)
from x3dhlab.errors import Refused, UnknownPreKey
from x3dhlab.fingerprint import safety_number
from x3dhlab.keys import KeyPair
from x3dhlab.primitives import (
    AES_256_GCM,
    argon2id,
    dh,
    hkdf,
    hmac_sha256,
    open_sealed,
    random_bytes,
    seal,
    sign,
    verify,
)
from x3dhlab.ratchet import MAX_SKIP, kdf_ck, kdf_rk
from x3dhlab.wire import encode_key

TEXT = b"Meet me at noon."


def refusal(run: Callable[[], object]) -> str:
    """The name of the refusal that a call meets, or an empty string."""
    try:
        run()
    except Refused as refused:
        return type(refused).__name__
    return ""


# Handshakes


def rotated() -> Result:
    """Bob rotates while a message without the number of its signed prekey is on the way."""
    bob, alice, EK = KeyPair.generate(), KeyPair.generate(), KeyPair.generate()
    ring = prekeys.generate(identity=bob, one_time=0)
    used = ring.signed[ring.current].pair
    ring = prekeys.rotate(ring)
    newest = ring.signed[ring.current].pair
    SKs = [
        x3dh.derive((dh(alice.private, key), dh(EK.private, bob.public), dh(EK.private, key)))
        for key in (used.public, newest.public)
    ]
    sealed = seal(SKs[0], TEXT, AD)
    stopped = refusal(lambda: open_sealed(SKs[1], sealed, AD))
    return Result(stopped == "DecryptionFailed", f"Bob takes his newest key: {stopped}")


def forged_prekey() -> Result:
    """The server signs nothing and exchanges SPK_B; a client that does not check goes on."""
    meeting = signing.meet(on_failure=signing.GO_ON, forged=True)
    return Result(bool(meeting.read_later), f"when IK_B is stolen: “{meeting.read_later}”")


def without_prefix() -> Result:
    """One handshake, derived with and without the 32 bytes FF."""
    cast = Cast()
    dhs = compute(TERMS, cast.private("IK_A", "EK_A"), cast.public)
    plain = hkdf(b"".join(dhs), salt=bytes(32), info=x3dh.INFO, length=32)
    ours = x3dh.derive(tuple(dhs))
    return Result(ours != plain, f"{ours.hex()[:8]} … with F, {plain.hex()[:8]} … without")


def without_ad() -> Result:
    """IK_A in a second form: SK is the same; only associated data tells the two apart."""
    cast = Cast()
    other = low_order.with_bit_255(cast.IK_A.public)
    private = cast.private("IK_B", "SPK_B", "OPK_B")
    one, two = (
        secret(compute(TERMS, private, cast.public | {"IK_A": key}))
        for key in (cast.IK_A.public, other)
    )
    sealed = seal(one, TEXT, b"")
    opens = open_sealed(two, sealed, b"") == TEXT
    bound = seal(one, TEXT, x3dh.associated_data(cast.IK_A.public, cast.IK_B.public))
    context = encode_key(other) + encode_key(cast.IK_B.public)
    stopped = refusal(lambda: open_sealed(two, bound, context))
    return Result(opens and bool(stopped), f"two keys, one SK; with AD: {stopped}")


def guessed_number() -> Result:
    """Alice used a one-time key whose number Bob does not know, and he computes three terms."""
    cast = Cast()
    sealed = send(cast, TEXT)
    stopped = refusal(
        lambda: steal_and_read(cast, sealed, cast.private("IK_B", "SPK_B"), TERMS[:3])
    )
    named = refusal(lambda: prekeys.find_one_time(prekeys.generate(one_time=1), 99))
    shown = stopped == "DecryptionFailed" and named == UnknownPreKey.__name__
    return Result(shown, f"the guess: {stopped}; this course: {named}")


def identity_stolen_before() -> Result:
    """With IK_B alone: a listener misses a term, a server signs a prekey of its own and reads."""
    cast = Cast(OPK_B=None)
    sealed = send(cast, TEXT)
    stopped = refusal(lambda: steal_and_read(cast, sealed, cast.private("IK_B")))
    mine = replace(cast, SPK_B=KeyPair.generate())
    signature = sign(cast.IK_B.private, encode_key(mine.SPK_B.public))
    verify(cast.IK_B.public, encode_key(mine.SPK_B.public), signature)
    read = steal_and_read(mine, send(mine, TEXT), mine.private("IK_B", "SPK_B"))
    return Result(
        stopped == "MissingTerm" and read == TEXT,
        f"the listener: {stopped}; the liar: “{read.decode()}”",
    )


def deleted_or_kept() -> Result:
    """IK_B and SPK_B are stolen after the message: the used one-time key is deleted, or kept."""
    cast = Cast()
    sealed = send(cast, TEXT)
    names = "IK_B", "SPK_B"
    deleted = refusal(lambda: steal_and_read(cast, sealed, cast.private(*names)))
    kept = steal_and_read(cast, sealed, cast.private(*names, "OPK_B"))
    shown = deleted == "MissingTerm" and kept == TEXT
    return Result(shown, f"deleted: {deleted}; kept: “{kept.decode()}”")


def prekey_stolen_later() -> Result:
    """A thief of SPK_B tries a recorded message, then writes to Bob as Alice."""
    cast = Cast(OPK_B=None)
    sealed, stolen = send(cast, TEXT), cast.private("SPK_B")
    recorded = refusal(lambda: steal_and_read(cast, sealed, stolen))
    forged = impersonate(cast, TEXT, stolen)
    shown = recorded == "MissingTerm" and forged == TEXT
    return Result(shown, f"the recording: {recorded}; as Alice, to Bob: “{forged.decode()}”")


def answer_confirms() -> Result:
    """Alice meets no error with Bob's keys, nor with one of the server's; then Bob answers."""
    cast = Cast()
    exchanged = replace(cast, OPK_B=KeyPair.generate())
    bobs = secret(compute(TERMS, cast.private("IK_B", "SPK_B", "OPK_B"), cast.public))
    answer = seal(bobs, TEXT, AD)
    opened, stopped = (
        refusal(lambda keys=keys: open_sealed(_alices(keys), answer, AD))
        for keys in (cast, exchanged)
    )
    shown = not opened and stopped == "DecryptionFailed"
    return Result(shown, f"with Bob's keys it opens; with the server's one-time key: {stopped}")


def _alices(cast):
    return secret(compute(TERMS, cast.private("IK_A", "EK_A"), cast.public))


def empty_places() -> Result:
    """A pool that forgets: a used number and one that never was give the same answer."""
    pool = {1: KeyPair.generate(), 2: KeyPair.generate()}
    pool.pop(1)
    forgets = pool.get(1) is pool.get(99)
    ring = prekeys.generate(one_time=2)
    first = next(iter(ring.one_time))
    ring = prekeys.burn(ring, first)
    used, never = (refusal(lambda n=n: prekeys.find_one_time(ring, n)) for n in (first, 99))
    return Result(forgets and used != never, f"a dictionary: None, None; a ring: {used}, {never}")


def shared_one_time_key() -> Result:
    """Two senders with ephemeral keys of their own, and one OPK_B."""
    alice = Cast()
    carol = replace(alice, IK_A=KeyPair.generate(), EK_A=KeyPair.generate())
    one, two = (
        secret(compute(TERMS, cast.private("IK_A", "EK_A"), cast.public)) for cast in (alice, carol)
    )
    return Result(one != two, f"{one.hex()[:8]} … and {two.hex()[:8]} …")


def one_term_less() -> Result:
    """The attack that each term stops, by leaving it out."""
    found = {
        name: [attempt.attack for attempt in row if attempt.succeeded]
        for name, row in dropped_terms().items()
    }
    shown = found["without DH2"] == ["read with Bob's prekeys"]
    told = ", ".join(f"{name}: {', '.join(worked)}" for name, worked in found.items() if worked)
    return Result(shown and found["without DH3"] == ["read with both identities"], told)


def static_term() -> Result:
    """DH(IK_A, IK_B) from either private half: a thief of IK_B is every sender to Bob."""
    bob, senders = KeyPair.generate(), [KeyPair.generate() for _ in range(3)]
    tags = [hmac_sha256(dh(sender.private, bob.public), TEXT) for sender in senders]
    forged = [hmac_sha256(dh(bob.private, sender.public), TEXT) for sender in senders]
    return Result(forged == tags, f"with IK_B alone: {len(forged)} senders, every tag fits")


def two_combiners() -> Result:
    """The two formulas of design D on one handshake."""
    dhs, SS, info = tuple(random_bytes(32) for _ in range(4)), random_bytes(32), b"hybrid"
    keys = [combine(dhs, SS, info) for combine in (hybrid.two_steps, hybrid.one_step)]
    return Result(keys[0] != keys[1], f"{keys[0].hex()[:8]} … and {keys[1].hex()[:8]} …")


def two_labels() -> Result:
    """One secret under the labels of two chapters of design C."""
    key = random_bytes(32)
    one, two = (
        hkdf(key, salt=bytes(32), info=info, length=32) for info in (b"LabelMessage", b"LabelMsg")
    )
    stopped = refusal(lambda: open_sealed(two, seal(one, TEXT, AD), AD))
    return Result(stopped == "DecryptionFailed", f"one writes, the other reads: {stopped}")


# Keys and sizes

_P256 = 2**256 - 2**224 + 2**192 + 2**96 - 1
_B256 = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_X256 = 0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296


def p256_written_out() -> Result:
    """The base point of P-256: two y belong to its x, so x alone is not a point."""
    square = (_X256**3 - 3 * _X256 + _B256) % _P256
    y = pow(square, (_P256 + 1) // 4, _P256)
    both = [n.to_bytes(32, "big") for n in (y, _P256 - y)]
    fits = all(int.from_bytes(data, "big") ** 2 % _P256 == square for data in both)
    whole = b"\x04" + _X256.to_bytes(32, "big") + both[0]
    return Result(
        fits and len(whole) == 65,
        f"two y belong to an x of 32 bytes: {len(whole)} bytes with both, 33 with x and a sign",
    )


def kyber_sizes() -> Result:
    """Real keys of round-3 Kyber-768, counted."""
    pair = kem.get("Kyber-768").generate()
    public, private = len(pair.public), len(pair.private)
    return Result(
        (public, private) == (1184, 2400), f"public {public} bytes, private {private} bytes"
    )


def foreign_key() -> Result:
    """A key of 65 bytes in the place of one of 32."""
    stopped = refusal(lambda: encode_key(b"\x04" + random_bytes(64)))
    return Result(stopped == "WrongLength", f"X3DH's encoding answers {stopped}")


def signed_prekey_bytes() -> Result:
    """A signed prekey and its signature, counted."""
    bob, SPK = KeyPair.generate(), KeyPair.generate()
    signature = sign(bob.private, encode_key(SPK.public))
    total = len(SPK.public) + len(signature)
    return Result(
        total == 96, f"{len(SPK.public)} + {len(signature)} = {total} bytes, and a number"
    )


def overhead_of_e() -> Result:
    """Texts of several lengths in design E's message, in percent of the text: raw, in base64."""
    percent = {}
    for length in (5, 100, 1000):
        raw = inbox.design_e_message(random_bytes(32), bytes(length))
        percent[length] = [round(100 * len(data) / length) for data in (raw, base64.b64encode(raw))]
    told = "; ".join(f"{length} bytes: {a} %, {b} %" for length, (a, b) in percent.items())
    return Result(percent[5][0] > 1000 and percent[1000] == [106, 142], told)


def play(target: int, threshold: int, batch: int, days: list[int]) -> tuple[int, int]:
    """(requests that got no key, lowest level after a day): the phone refills at a day's end."""
    pool = lowest = target
    unserved = 0
    for requests in days:
        unserved += max(0, requests - pool)
        pool = max(0, pool - requests)
        lowest = min(lowest, pool)
        if pool < threshold:
            pool += batch
    return unserved, lowest


def short_ids() -> Result:
    """600 devices draw numbers of 14 bits."""
    drawn = [int.from_bytes(random_bytes(2), "big") & 0x3FFF for _ in range(600)]
    meet = len(drawn) - len(set(drawn))
    return Result(meet > 0, f"{meet} of 600 numbers were taken already")


def second_device() -> Result:
    """A table whose user is unique, and a second device of one user."""
    table = sqlite3.connect(":memory:")
    table.execute("CREATE TABLE bundles (user TEXT UNIQUE, device INTEGER)")
    table.execute("INSERT INTO bundles VALUES ('Bob', 1)")
    try:
        table.execute("INSERT INTO bundles VALUES ('Bob', 2)")
    except sqlite3.IntegrityError as problem:
        return Result(True, str(problem))
    return Result(False, "two devices")


# Ratchets


def skipped_key() -> Result:
    """Two messages are late: the receiver's state holds their keys, and one opens the recording."""
    alice, bob = phones()
    late = [alice.write(b"one"), alice.write(b"two")]
    bob.read(alice.write(b"three"))
    stored = dict(bob.state.MKSKIPPED)
    (mk, _) = stored[late[0].header.ratchet_key, 0]
    text = open_sealed(mk, late[0].ciphertext, ratchet.bind(AD, late[0].header.encode()))
    return Result(len(stored) == 2 and text == b"one", f"{len(stored)} message keys are stored")


def key_for_some_days() -> Result:
    """A message key is kept, then deleted. The phone is copied before, and again afterwards."""
    chain, mk = kdf_ck(random_bytes(32))
    sealed, later = seal(mk, TEXT, AD), []
    for _ in range(100):
        chain, key = kdf_ck(chain)
        later.append(key)
    before, after = (
        [refusal(lambda key=key: open_sealed(key, sealed, AD)) for key in keys]
        for keys in ([mk, *later], later)
    )
    shown = "" in before and set(after) == {"DecryptionFailed"}
    return Result(shown, f"before the deletion it opens; after it, {len(after)} keys: {after[0]}")


def root_that_stays() -> Result:
    """Design C's first message; afterwards Bob's phone is copied, and the message opened again."""
    RK, EK, SPK = random_bytes(32), KeyPair.generate(), KeyPair.generate()
    _, mk = kdf_rk(RK, dh(EK.private, SPK.public))
    sealed = seal(mk, TEXT, AD)
    copied = {"RK": RK, "SPK_B": SPK.private}  # what stays on the phone
    _, again = kdf_rk(copied["RK"], dh(copied["SPK_B"], EK.public))
    text = open_sealed(again, sealed, AD)
    return Result(text == TEXT, f"the copy opens “{text.decode()}”")


def reset() -> Result:
    """A session is begun anew while a message of the old one is on its way."""
    alice, _ = phones()
    _, bob = phones()
    late = alice.write(TEXT)
    stopped = refusal(lambda: bob.read(late))
    return Result(stopped == "DecryptionFailed", f"the honest message: {stopped}")


def rotation_beside_a_session() -> Result:
    """Bob rotates; the keys of his running session stay, and the next message opens."""
    pair = friends()
    pair.deliver(pair.written(b"first"))
    session = pair.bob.device.sessions
    ring = prekeys.rotate(pair.bob.device.ring)
    copied = session[next(iter(session))][0].ratchet
    pair.bob.device = replace(pair.bob.device, ring=ring)
    data = pair.written()
    read = pair.deliver(data)
    after = pair.bob.device.sessions
    kept = after[next(iter(after))][0].ratchet
    same = (copied.RK, copied.DHs) == (kept.RK, kept.DHs) and read == TEXT
    return Result(same, "root key and ratchet key are the same as before the rotation")


def buffer_of_zeros() -> Result:
    """A secret that was read into bytes before it was copied to the buffer that is cleared."""
    secret_value = random_bytes(32)
    buffer = bytearray(secret_value)
    buffer[:] = bytes(32)
    check = all(value == 0 for value in buffer)
    return Result(check and any(secret_value), "the check says erased; the other copy is there")


def late_turn() -> Result:
    """The two write in turn; a thief has Bob's state after message 4. Turns after 50 messages."""
    senders = "AB" * 30
    fifty = healing.listen(healing.talk(senders, healing.FIFTY), "B", 4)
    usual = healing.listen(healing.talk(senders), "B", 4)
    return Result(
        len(fifty) > 10 * len(usual),
        f"turns after 50: he reads {len(fifty)} messages; at each answer: {len(usual)}",
    )


def one_row_for_three() -> Result:
    """One text for three members: three sessions give three ciphertexts, a row keeps one."""
    pairs = [phones() for _ in range(3)]
    sent = [alice.write(TEXT) for alice, _ in pairs]
    kept, read = sent[-1], 0
    for _, bob in pairs:
        read += not refusal(lambda bob=bob: bob.read(kept))
    return Result(read == 1, f"{read} of 3 members reads")


def dropping_relay() -> Result:
    """A message through a structure with recipient, content and counter only."""
    alice, bob = phones()
    message = alice.write(TEXT)
    passed = {"recipient": "Bob", "content": message.ciphertext, "counter": message.header.number}
    back = replace(message, header=replace(message.header, ratchet_key=bob.state.DHs.public))
    stopped = refusal(lambda: bob.read(back))
    lost = sorted({"ratchet_key", "previous_length"} - set(passed))
    return Result(stopped == "DecryptionFailed", f"lost: {', '.join(lost)}; Bob: {stopped}")


def jump_too_far() -> Result:
    """Of MAX_SKIP + 2 messages only the last one arrives."""
    alice, bob = phones()
    for _ in range(MAX_SKIP + 2):
        message = alice.write(TEXT)
    stopped = refusal(lambda: bob.read(message))
    return Result(stopped == "TooManySkipped", f"after {MAX_SKIP + 1} lost messages: {stopped}")


def stolen_chain() -> Result:
    """A group sender's chain key is stolen; she goes on. The thief computes every later key."""
    owner = thief = random_bytes(32)
    for _ in range(100):
        (owner, mine), (thief, his) = kdf_ck(owner), kdf_ck(thief)
    fresh = kdf_ck(random_bytes(32))[1]
    return Result(mine == his != fresh, "message 100 opens; after a new chain, nothing does")


def copied_phone() -> Result:
    """Bob's state is copied after any start. Two thieves go on with it; one has a quantum computer.

    That one is handed the private half of each new ratchet key of Bob. No KEM secret ever enters.
    """
    alice, bob = phones()
    bob.read(alice.write(b"one"))
    quantum = plain = bob.state
    for _ in range(2):
        alice.read(bob.write(b"answer"))
        message = alice.write(TEXT)
        bob.read(message)
        quantum, text = ratchet.decrypt(quantum, message, AD, ratchet_key=bob.state.DHs)
        stopped = refusal(lambda late=message: ratchet.decrypt(plain, late, AD))
    return Result(text == TEXT and bool(stopped), f"he reads “{text.decode()}”; without: {stopped}")


# Proofs, signatures, names


def transcript_by_bob() -> Result:
    """Bob makes Alice's message alone; a judge who has all of Bob's keys accepts it."""
    alice, (IK_B, SPK_B) = KeyPair.generate(), deniability.bobs_keys()
    shown = deniability.invented(alice.public, IK_B, SPK_B)
    text = deniability.judged(shown, IK_B, SPK_B)
    return Result(text == deniability.TEXT, f"the judge reads “{text.decode()}”; Bob wrote it")


def two_forgers() -> Result:
    """Alice alone and Bob alone make a transcript, with tags and with signatures; a judge looks."""
    alice, (IK_B, SPK_B) = KeyPair.generate(), deniability.bobs_keys()
    bobs = deniability.invented(alice.public, IK_B, SPK_B)
    signed = replace(bobs, signature=sign(IK_B.private, bobs.ciphertext))
    forged = {
        "tags, Alice": deniability.written(alice, IK_B, SPK_B, signs=False),
        "tags, Bob": bobs,
        "signatures, Alice": deniability.written(alice, IK_B, SPK_B, signs=True),
        "signatures, Bob": signed,
    }
    seen = {
        name: refusal(lambda shown=shown: deniability.judged(shown, IK_B, SPK_B)) or "accepted"
        for name, shown in forged.items()
    }
    shown = list(seen.values()) == ["accepted"] * 3 + ["BadSignature"]
    return Result(shown, "; ".join(f"{name}: {said}" for name, said in seen.items()))


def hmac_as_ad() -> Result:
    """Design D's associated data from Bob's side: he needs nothing of Alice."""
    alice, (IK_B, SPK_B) = KeyPair.generate(), deniability.bobs_keys()
    message = deniability.invented(alice.public, IK_B, SPK_B).message
    agreement = x3dh.respond(IK_B, SPK_B, None, message)
    context = hmac_sha256(agreement.secret, agreement.associated_data)
    forged = seal(agreement.secret, TEXT, context)
    return Result(
        open_sealed(agreement.secret, forged, context) == TEXT, "Bob forges it as easily as before"
    )


def another_group() -> Result:
    """A signature over a ciphertext, checked in a group for which it was not made."""
    alice = KeyPair.generate()
    sent = {"group": "friends", "ciphertext": random_bytes(48)}
    signature = sign(alice.private, sent["ciphertext"])
    replayed = sent | {"group": "work"}
    loose = refusal(lambda: verify(alice.public, replayed["ciphertext"], signature))
    bound = sign(alice.private, sent["group"].encode() + sent["ciphertext"])
    strict = refusal(
        lambda: verify(alice.public, replayed["group"].encode() + replayed["ciphertext"], bound)
    )
    return Result(
        not loose and strict == "BadSignature", f"accepted; with the group signed: {strict}"
    )


def digits_without_private_keys() -> Result:
    """Two phones, each with its own private key, show the same digits; a third person too."""
    alice, bob = KeyPair.generate().public, KeyPair.generate().public
    numbers = {
        safety_number("Alice", alice, "Bob", bob),
        safety_number("Bob", bob, "Alice", alice),
    }
    (number,) = numbers
    return Result(len(numbers) == 1, f"{number[:15]} … from public keys only")


def two_entries() -> Result:
    """A log of four entries, two of them for Bob. Both have a proof against one root."""
    first, second = b"Bob " + random_bytes(32), b"Bob " + random_bytes(32)
    leaves = [_hash(b"\0", leaf) for leaf in (first, b"Alice", b"Carol", second)]
    nodes = [_hash(b"\1", *leaves[:2]), _hash(b"\1", *leaves[2:])]
    root = _hash(b"\1", *nodes)
    old = _hash(b"\1", _hash(b"\1", _hash(b"\0", first), leaves[1]), nodes[1])
    new = _hash(b"\1", nodes[0], _hash(b"\1", leaves[2], _hash(b"\0", second)))
    return Result(old == new == root, f"root {root.hex()[:8]} …: both proofs fit")


def _hash(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def logged_in_connection() -> Result:
    """What the server writes down when a sealed message comes over a logged-in connection."""
    inside = seal(random_bytes(32), b"from Alice: " + TEXT, AD)
    log = [{"connection of": "Alice", "for": "Bob", "data": inside}]
    hidden = b"Alice" not in log[0]["data"]
    return Result(
        hidden and log[0]["connection of"] == "Alice", "the log says Alice → Bob; the bytes do not"
    )


def one_more_reader() -> Result:
    """A text for Bob and for the auditor: one session more, one reader more."""
    sessions = {"Bob": phones(), "auditor": phones()}
    read = {name: there.read(here.write(TEXT)) for name, (here, there) in sessions.items()}
    return Result(set(read.values()) == {TEXT}, f"{' and '.join(read)} read the text")


def deleted_row() -> Result:
    """The server deletes at its hour; the client has read before."""
    table = sqlite3.connect(":memory:")
    table.execute("CREATE TABLE messages (ciphertext BLOB)")
    table.execute("INSERT INTO messages VALUES (?)", (seal(random_bytes(32), TEXT, AD),))
    client = [TEXT]
    table.execute("DELETE FROM messages")
    left = table.execute("SELECT count(*) FROM messages").fetchone()[0]
    return Result(left == 0 and client == [TEXT], f"server: {left} rows; client: {len(client)}")


def repaired_faults() -> Result:
    """Three faults that were found in deployed programs: A20, A22 and A58 of the catalogue."""
    runs = [attack.works() for attack in catalogue() if attack.number in ("A20", "A22", "A58")]
    return Result(all(run.succeeded for run in runs), "; ".join(run.seen for run in runs))


# Files, backups, tags


def _chunk(key, number, data):
    return seal(hmac_sha256(key, b"%d" % number), data, b"%d" % number)


def received(key: bytes, chunks: list[bytes]) -> list[bytes]:
    """Design D's receiver: each chunk must open at its place. It does not know how many come."""
    return [
        open_sealed(hmac_sha256(key, b"%d" % number), chunk, b"%d" % number)
        for number, chunk in enumerate(chunks)
    ]


def missing_chunks() -> Result:
    """A file of four chunks; the server delivers two."""
    key = random_bytes(32)
    chunks = [_chunk(key, number, b"page %d" % number) for number in range(4)]
    pages = received(key, chunks[:2])
    return Result(len(pages) == 2, f"{len(pages)} of {len(chunks)} pages, no error")


def exchanged_chunks() -> Result:
    """A file of four chunks; two change places."""
    key = random_bytes(32)
    chunks = [_chunk(key, number, b"page %d" % number) for number in range(4)]
    stopped = refusal(lambda: received(key, [chunks[1], chunks[0], *chunks[2:]]))
    return Result(stopped == "DecryptionFailed", stopped)


def file_and_deleted_key() -> Result:
    """The message key is deleted after the message; the file under it is opened a day later."""
    mk = random_bytes(32)
    derived, own = _chunk(mk, 0, b"page"), random_bytes(32)
    separate = _chunk(own, 0, b"page")
    kept = {"file key from the message": own}  # what the phone keeps: mk is gone
    stopped = refusal(lambda: received(random_bytes(32), [derived]))
    opened = received(kept["file key from the message"], [separate])
    return Result(bool(stopped) and opened == [b"page"], f"derived: {stopped}; separate: it opens")


def two_tags() -> Result:
    """AES-GCM refuses each changed bit of a sealed text by itself; HMAC adds 32 bytes."""
    key = random_bytes(32)
    sealed = seal(key, TEXT, AD, aead=AES_256_GCM)
    bits = range(8 * len(sealed))
    changed = [
        bytes(b ^ (1 << n % 8 if n // 8 == i else 0) for i, b in enumerate(sealed)) for n in bits
    ]
    refused = sum(
        bool(refusal(lambda data=data: open_sealed(key, data, AD, aead=AES_256_GCM)))
        for data in changed
    )
    return Result(
        refused == len(bits), f"GCM alone refuses {refused} of {len(bits)}; HMAC: 32 bytes more"
    )


MEMORY_KIB, PASSES, LANES = 64 * 1024, 3, 4


def guess_pins(blob: bytes, salt: bytes, pins, **cost) -> str:
    """The first of `pins` under which the blob opens, or an empty string."""
    for pin in pins:
        try:
            open_sealed(argon2id(pin.encode(), salt=salt, **cost), blob, b"backup")
        except Refused:
            continue
        return pin
    return ""


def seconds_for_a_guess(count: int = 3) -> float:
    """Measured here: the mean time of one guess with 3 passes over 64 MiB in 4 lanes."""
    cost = {"memory_kib": MEMORY_KIB, "passes": PASSES, "lanes": LANES}
    begin = time.perf_counter()
    guess_pins(bytes(64), bytes(16), ["0000"] * count, **cost)
    return (time.perf_counter() - begin) / count


def pin_of_three_digits() -> Result:
    """All 1,000 PINs of three digits at a cost that a notebook affords: 64 KiB, one pass."""
    pin, salt = f"{int.from_bytes(random_bytes(4), 'big') % 1000:03}", random_bytes(16)
    cost = {"memory_kib": 64, "passes": 1, "lanes": 1}
    blob = seal(argon2id(pin.encode(), salt=salt, **cost), b"the history", b"backup")
    found = guess_pins(blob, salt, (f"{n:03}" for n in range(1000)), **cost)
    return Result(found == pin, f"the PIN is {found}; no server was asked")
