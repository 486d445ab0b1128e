"""Programs that add a KEM to X3DH and lose it again, and who takes it from them.

A10: a server drops the KEM prekey, and a program that falls back does not notice. A11: it gives
out a KEM key of its own, where nobody checks a signature. A24: a recording, and later all private
keys of the curve. A35: a signed prekey in the place of a KEM key. A36: a secret packed again for
another key. A40: formulas that leave one of the two secrets out, or let the sender choose the
result. In every program here Alice and Bob agree, so their own tests pass.

The messages are sealed with SK directly. `Envelope` is a KEM that only wraps a chosen secret; it is
here to be attacked.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from x3dhlab import kem as kems
from x3dhlab import pqxdh, prekeys, x3dh
from x3dhlab.attacks import targets
from x3dhlab.attacks.entry import Attack, Result, attempt
from x3dhlab.attacks.inbox import Try
from x3dhlab.errors import BadSignature, DecryptionFailed, MissingKemPreKey, Refused
from x3dhlab.kem import KemKeyPair
from x3dhlab.keys import KeyPair
from x3dhlab.prekeys import PreKeyRing
from x3dhlab.primitives import concat, dh, hkdf, open_sealed, random_bytes, seal, sign, verify
from x3dhlab.proof import verdicts
from x3dhlab.service.store import PreKeyStore
from x3dhlab.trace import Trace, record
from x3dhlab.wire import InitialMessage, PreKeyBundle, decode_kem, encode_kem, encode_key

KEM = "ML-KEM-768"
TEXT = b"Meet me at noon."

# Two secrets into one (A40). Each takes the DH results, SS and info, and gives 32 bytes.


def _derive(key_material, info):
    return hkdf(key_material, salt=bytes(32), info=info, length=32)


def ss_alone(dhs, secret, info):
    """`if kem: ikm = ss`: the terms of the curve are computed, and thrown away."""
    return _derive(concat(x3dh.F, secret), info)


def dhs_alone(dhs, secret, info):
    """The KEM runs, and its secret never reaches the derivation."""
    return _derive(concat(x3dh.F, *dhs), info)


def xor(dhs, secret, info):
    """The derived secret of the curve, XOR SS."""
    return bytes(a ^ b for a, b in zip(dhs_alone(dhs, secret, info), secret, strict=True))


def two_steps(dhs, secret, info):
    """Design D's first formula: derive from the terms, then from the result and SS."""
    return _derive(concat(x3dh.derive(dhs, info=b"X3DH"), secret), b"PQXDH")


def one_step(dhs, secret, info):
    """Design D's second formula: the terms and SS at once, under the same short info."""
    return _derive(concat(x3dh.F, *dhs, secret), b"PQXDH")


def as_specified(dhs, secret, info):
    """PQXDH §2.2: F, all terms, then SS, and an info that names the KEM."""
    return pqxdh.derive(dhs, secret, info=info)


COMBINERS: dict[str, Callable] = {
    "PQXDH": as_specified,
    "SS alone": ss_alone,
    "DH terms alone": dhs_alone,
    "XOR": xor,
    "two steps (design D)": two_steps,
}


def inputs_that_count(combine: Callable, terms: int = 4) -> dict[str, bool]:
    """Flip one bit of each input in turn: does the result of `combine(dhs, secret)` change?"""
    values = {f"DH{n}": random_bytes(32) for n in range(1, terms + 1)} | {"SS": random_bytes(32)}
    *dhs, secret = values.values()
    expected = combine(tuple(dhs), secret)
    found = {}
    for name, value in values.items():
        *dhs, secret = (values | {name: bytes([value[0] ^ 1]) + value[1:]}).values()
        found[name] = combine(tuple(dhs), secret) != expected
    return found


# Alice and Bob under chosen rules


@dataclass(frozen=True, slots=True)
class Rules:
    """What a program does. The defaults are those of PQXDH.

    `combiner` is a name of `COMBINERS`; `falls_back` takes X3DH where the bundle has no KEM key;
    `signed` checks the KEM key's signature.
    """

    combiner: str = "PQXDH"
    falls_back: bool = False
    signed: bool = True


def bundle_of(ring: PreKeyRing) -> PreKeyBundle:
    """What an honest server hands out for a ring."""
    store = PreKeyStore()
    store.publish("Bob", prekeys.publication(ring))
    return store.fetch("Bob")


@dataclass(frozen=True, slots=True)
class Bob:
    """Bob with an empty pool: a signed prekey and a last-resort KEM prekey."""

    ring: PreKeyRing = field(
        default_factory=lambda: prekeys.generate(one_time=0, kem=KEM), repr=False
    )

    def bundle(self) -> PreKeyBundle:
        """What an honest server hands out."""
        return bundle_of(self.ring)

    @property
    def kem(self) -> KemKeyPair:
        """His last-resort KEM prekey."""
        return prekeys.find_kem(self.ring, next(iter(self.ring.kem_last_resort)))

    def terms(self, message: InitialMessage) -> tuple[bytes, ...]:
        """DH1…DH3. Whoever has his two private keys of the curve computes them, too."""
        IK_B, SPK_B = self.ring.identity, prekeys.find_signed(self.ring, self.ring.current)
        IK_A, EK_A = message.identity_key, message.ephemeral_key
        return dh(SPK_B.private, IK_A), dh(IK_B.private, EK_A), dh(SPK_B.private, EK_A)

    def read(self, message: InitialMessage, rules: Rules) -> bytes:
        """The text of a first message, or a refusal."""
        if message.kem_ciphertext is None:
            if not rules.falls_back:
                raise MissingKemPreKey("the message carries no KEM ciphertext", step="PQXDH §3.4")
            return self.opened(message, x3dh.derive(self.terms(message)))
        secret = kems.get(KEM).decapsulate(self.kem.private, message.kem_ciphertext)
        return self.opened(message, rules_key(rules, self.terms(message), secret))

    def opened(self, message: InitialMessage, key: bytes) -> bytes:
        """The text of a message under a key, whoever found the key. Raises `DecryptionFailed`."""
        AD = x3dh.associated_data(message.identity_key, self.ring.identity.public)
        return open_sealed(key, message.payload, AD)


def rules_key(rules: Rules, dhs: tuple[bytes, ...], secret: bytes) -> bytes:
    """SK as these rules make it."""
    return COMBINERS[rules.combiner](dhs, secret, pqxdh.info_for(KEM))


def write(alice: KeyPair, bundle: PreKeyBundle, rules: Rules) -> InitialMessage:
    """Alice's first message under these rules, its text sealed with SK."""
    if bundle.kem_prekey is None and rules.falls_back:
        message, agreement = x3dh.initiate(alice, bundle)
        return sealed(message, agreement.secret, bundle)
    (pqxdh if rules.signed else x3dh).check_bundle(bundle)
    EK_A, SPK_B = KeyPair.generate(), bundle.signed_prekey
    dhs = (dh(alice.private, SPK_B), *_ephemeral_terms(EK_A, bundle))
    CT, SS = kems.get(KEM).encapsulate(decode_kem(bundle.kem_prekey)[1])
    message = _message(alice, EK_A, bundle, CT)
    return sealed(message, rules_key(rules, dhs, SS), bundle)


def _ephemeral_terms(ephemeral, bundle):
    """DH2 and DH3."""
    theirs = (bundle.identity_key, bundle.signed_prekey)
    return tuple(dh(ephemeral.private, public) for public in theirs)


def _message(alice, ephemeral, bundle, ciphertext):
    return InitialMessage(
        alice.public,
        ephemeral.public,
        bundle.signed_prekey_id,
        kem_prekey_id=bundle.kem_prekey_id,
        kem_ciphertext=ciphertext,
    )


def sealed(message: InitialMessage, key: bytes, bundle: PreKeyBundle) -> InitialMessage:
    """The message with a text sealed under `key` and the associated data of X3DH."""
    AD = x3dh.associated_data(message.identity_key, bundle.identity_key)
    return replace(message, payload=seal(key, TEXT, AD))


# What a server does to a bundle


def stripped(bundle: PreKeyBundle) -> PreKeyBundle:
    """A10: the bundle without its KEM prekey."""
    return replace(bundle, kem_prekey_id=None, kem_prekey=None, kem_prekey_signature=None)


def exchanged(bundle: PreKeyBundle) -> tuple[PreKeyBundle, KemKeyPair]:
    """A11: the bundle with a KEM key of the server's own, and the key pair that belongs to it."""
    mine = kems.get(KEM).generate()
    return replace(bundle, kem_prekey=encode_kem(KEM, mine.public)), mine


# The attacks. Each plays one program and says who reads what.


def curve_keys(trace: Trace) -> set[bytes]:
    """A24: every private key of the curve in a run, long-term, one-time and ephemeral.

    A quantum computer would compute them from the public keys. KEM keys are not among them.
    """
    return {
        value
        for event in trace.events
        if event.kind == "PUBLIC" and "kem" not in dict(event.detail)
        for _, value in event.inputs
    }


def _later(bob, message, rules, *, dhs=None, secret=None):
    """What opens a recording with some of the two secrets: "" if nothing does."""
    keys = [] if dhs is None else [x3dh.derive(dhs)]
    guess = rules_key(rules, dhs or (bytes(32),) * 3, secret or bytes(32))
    for key in (*keys, guess):
        with contextlib.suppress(DecryptionFailed):
            return bob.opened(message, key).decode()
    return ""


def _bobs_view(bob, message, rules):
    try:
        return f"reads “{bob.read(message, rules).decode()}”"
    except Refused as refusal:
        return f"refuses: {type(refusal).__name__}"


def harvest(rules: Rules) -> Try:
    """A24: an honest handshake is recorded. Later all private keys of the curve are known."""
    bob = Bob()
    message = write(KeyPair.generate(), bob.bundle(), rules)
    read = _later(bob, message, rules, dhs=bob.terms(message))
    facts = {"Bob": _bobs_view(bob, message, rules)}
    facts["with all keys of the curve"] = f"“{read}”" if read else "nothing opens, SS is missing"
    words = "The recording opens: SS does not count." if read else "The recording stays closed."
    return Try(bool(read), words, facts)


def break_the_kem(rules: Rules) -> Try:
    """A40: an honest handshake is recorded. Later the KEM breaks, and the curve does not."""
    bob = Bob()
    message = write(KeyPair.generate(), bob.bundle(), rules)
    secret = kems.get(KEM).decapsulate(bob.kem.private, message.kem_ciphertext)
    read = _later(bob, message, rules, secret=secret)
    facts = {"Bob": _bobs_view(bob, message, rules)}
    facts["with SS"] = f"“{read}”" if read else "nothing opens, the DH terms are missing"
    words = "The recording opens: the curve does not count." if read else "It stays closed."
    return Try(bool(read), words, facts)


def strip(rules: Rules) -> Try:
    """A10: the server drops the KEM prekey; later all private keys of the curve are known."""
    bob = Bob()
    try:
        message = write(KeyPair.generate(), stripped(bob.bundle()), rules)
    except Refused as refusal:
        return Try(False, "Alice's program stops.", {"Alice": f"refuses: {refusal.args[0]}"})
    read = _later(bob, message, rules, dhs=bob.terms(message))
    facts = {"Alice": "sends", "Bob": _bobs_view(bob, message, rules), "later": f"“{read}”"}
    return Try(bool(read), "One field dropped, and the KEM is gone. Nobody notices.", facts)


def exchange(rules: Rules) -> Try:
    """A11: the server gives Alice a KEM key of its own; later it has all keys of the curve."""
    bob = Bob()
    bundle, mine = exchanged(bob.bundle())
    try:
        message = write(KeyPair.generate(), bundle, rules)
    except Refused as refusal:
        return Try(False, "Alice's program stops.", {"Alice": f"refuses: {refusal.args[0]}"})
    secret = kems.get(KEM).decapsulate(mine.private, message.kem_ciphertext)
    now = _later(bob, message, rules, secret=secret)
    read = _later(bob, message, rules, dhs=bob.terms(message), secret=secret)
    facts = {"Alice": "sends", "Bob": _bobs_view(bob, message, rules)}
    facts |= {"the server, today": now or "has SS, and lacks the DH terms", "later": f"“{read}”"}
    return Try(bool(read), "The server knows SS. Only the curve is left.", facts)


def write_as_alice(rules: Rules) -> Try:
    """A40: Mallory has public keys only, and writes to Bob in Alice's name."""
    bob, alice, mine = Bob(), KeyPair.generate(), KeyPair.generate()
    bundle = bob.bundle()
    dhs = (bytes(32), *_ephemeral_terms(mine, bundle))
    CT, SS = kems.get(KEM).encapsulate(decode_kem(bundle.kem_prekey)[1])
    message = sealed(_message(alice, mine, bundle, CT), rules_key(rules, dhs, SS), bundle)
    view = _bobs_view(bob, message, rules)
    if "reads" in view:
        return Try(True, "Bob takes it for Alice's: DH1 does not count.", {"Bob": view})
    return Try(False, "Bob refuses: Mallory lacks DH1.", {"Bob": view})


def one_key_twice(rules: Rules) -> Try:
    """A40: a sender wants one SK with Bob and with Carol, and the KEM is an `Envelope`."""
    bob, carol, me = Bob(), Bob(), KeyPair.generate()
    EK = KeyPair.generate()
    terms = [
        (dh(me.private, each.signed_prekey), *_ephemeral_terms(EK, each))
        for each in (bob.bundle(), carol.bundle())
    ]
    first = random_bytes(32)
    wanted = rules_key(rules, terms[0], first)
    other = bytes(map(int.__xor__, wanted, rules_key(rules, terms[1], bytes(32))))
    for second in (first, other):
        if rules_key(rules, terms[1], second) == wanted:
            facts = {"SK with Bob and with Carol": f"{wanted.hex()[:16]}…"}
            return Try(True, "The sender alone decides which key comes out.", facts)
    return Try(False, "Two handshakes give two keys.", {"SK with Bob": f"{wanted.hex()[:16]}…"})


ATTACKS = {
    "recorded, read later": harvest,
    "the KEM breaks": break_the_kem,
    "KEM key dropped": strip,
    "KEM key exchanged": exchange,
    "one key twice": one_key_twice,
    "written as Alice": write_as_alice,
}

PROGRAMS = {
    "PQXDH": Rules(),
    "two steps (design D)": Rules("two steps (design D)"),
    "falls back (design D)": Rules(falls_back=True),
    "no KEM signature (design C)": Rules(signed=False),
    "SS alone": Rules("SS alone"),
    "DH terms alone": Rules("DH terms alone"),
    "XOR": Rules("XOR"),
}


def outcomes() -> dict[str, list[bool]]:
    """Program → did each of `ATTACKS` succeed, in order. Every cell is a run."""
    return {
        name: [attack(rules).succeeded for attack in ATTACKS.values()]
        for name, rules in PROGRAMS.items()
    }


# Deeper: a KEM that wraps a chosen secret


@dataclass(frozen=True, slots=True)
class Envelope:
    """A KEM made of a Diffie-Hellman and a seal. It wraps any secret that the sender likes."""

    @staticmethod
    def encapsulate(public: bytes, *, secret: bytes | None = None) -> tuple[bytes, bytes]:
        """(CT, SS): an ephemeral key, and SS sealed under the Diffie-Hellman result."""
        mine, secret = KeyPair.generate(), secret or random_bytes(32)
        key = _derive(dh(mine.private, public), b"envelope")
        return mine.public + seal(key, secret, b""), secret

    @staticmethod
    def decapsulate(private: bytes, ciphertext: bytes) -> bytes:
        """SS. Raises `DecryptionFailed` for a ciphertext that was changed."""
        key = _derive(dh(private, ciphertext[:32]), b"envelope")
        return open_sealed(key, ciphertext[32:], b"")


def take_for_kem_key(encode_ec: Callable, encode_kem: Callable) -> bool:
    """A35: does Bob's signed prekey, with its signature, pass as one of his KEM keys?

    The KEM is `Envelope`, whose keys look like those of the curve. Returns whether the thief of
    the signed prekey alone then has SS.
    """
    IK_B, SPK_B = KeyPair.generate(), KeyPair.generate()
    signature = sign(IK_B.private, encode_ec(SPK_B.public))
    try:
        verify(IK_B.public, encode_kem(SPK_B.public), signature)
    except BadSignature:
        return False
    CT, SS = Envelope.encapsulate(SPK_B.public)
    return Envelope.decapsulate(SPK_B.private, CT) == SS


def repack(bound: bool) -> Try:
    """A36: Alice packs SS for a stolen key of Bob's; the thief packs it again for another.

    `bound` puts the KEM key into AD. Bob and Alice share the DH terms; the thief lacks them.
    """
    stolen, good, dhs = KeyPair.generate(), KeyPair.generate(), (random_bytes(32),) * 3

    def key_and_data(secret, public):
        return rules_key(Rules(), dhs, secret), b"IK_A IK_B" + (public if bound else b"")

    CT, SS = Envelope.encapsulate(stolen.public)
    key, AD = key_and_data(SS, stolen.public)
    payload = seal(key, TEXT, AD)
    again, _ = Envelope.encapsulate(good.public, secret=Envelope.decapsulate(stolen.private, CT))
    key, AD = key_and_data(Envelope.decapsulate(good.private, again), good.public)
    try:
        facts = {"Bob reads": open_sealed(key, payload, AD).decode()}
    except DecryptionFailed:
        return Try(False, "Bob refuses: Alice meant another key.", {})
    return Try(True, "Bob believes that Alice used the good key. The thief has SS.", facts)


# For the catalogue


def _result(found: Try, fact: str) -> Result:
    return Result(found.succeeded, found.facts.get(fact, found.sentence))


def _started_with(change) -> Result:
    """Alice's `pqxdh` with a bundle that the server changed."""
    bundle = change(Bob().bundle())
    return attempt(lambda: pqxdh.initiate(KeyPair.generate(), bundle))


def _recorded_party() -> Result:
    """A24 against two parties who speak PQXDH: what all keys of the curve give."""
    with record() as trace:
        friends = targets.friends(pqxdh)
        friends.deliver(friends.written())
    (verdict,) = verdicts(trace, curve_keys(trace))
    return Result(verdict.readable, "the recording stays closed", "SS is missing")


def _not_repacked() -> Result:
    """A36 against ML-KEM: the same coins for another key give another secret."""
    mechanism, coins = kems.get(KEM), random_bytes(32)
    secrets = {mechanism.encapsulate(mechanism.generate().public, coins=coins)[1] for _ in range(2)}
    return Result(len(secrets) == 1, "two keys, two secrets", "ML-KEM hashes the key into SS")


def _every_input() -> Result:
    """A40 against `pqxdh.derive`."""
    info = pqxdh.info_for(KEM)
    count = inputs_that_count(lambda dhs, secret: pqxdh.derive(dhs, secret, info=info))
    return Result(not all(count.values()), ", ".join(count), "every input changes SK")


def _raw(public):
    return public


CATALOGUE = (
    Attack(
        "A10",
        "A KEM key that is not there",
        "S",
        "08",
        "The program takes X3DH where a bundle has no KEM key.",
        "The post-quantum secret is gone, and nobody notices.",
        "Refuse a bundle without a KEM key; remember which contacts had one.",
        "Design D falls back; libsignal refuses such messages since June 2025.",
        works=lambda: _result(strip(Rules(falls_back=True)), "later"),
        fails=lambda: _started_with(stripped),
    ),
    Attack(
        "A11",
        "A KEM key that nobody signed",
        "S",
        "08",
        "The program does not check the KEM key's signature.",
        "The server knows SS; only the curve is left.",
        "A signature over each encoded KEM key, checked before it is used.",
        "PQXDH §3.2 and §3.3; designs C and D have no such signature.",
        works=lambda: _result(exchange(Rules(signed=False)), "later"),
        fails=lambda: _started_with(lambda bundle: exchanged(bundle)[0]),
    ),
    Attack(
        "A24",
        "Record now, read later",
        "NK",
        "08",
        "Traffic is recorded, and later every private key of the curve is known.",
        "The recorded message opens.",
        "One more secret in the key that does not come from the curve.",
        "PQXDH §4.7.",
        works=lambda: _result(harvest(Rules("DH terms alone")), "with all keys of the curve"),
        fails=_recorded_party,
    ),
    Attack(
        "A35",
        "A key in the wrong place",
        "SI",
        "08",
        "Keys are signed without a byte that says their kind.",
        "A signed prekey passes as a KEM key, and its thief has SS.",
        "A type byte for each kind of key, inside the signature.",
        "The Inria and Cryspen analysis of PQXDH; PQXDH revision 2.",
        works=lambda: Result(take_for_kem_key(_raw, _raw), "the thief of SPK_B has SS"),
        fails=lambda: Result(
            take_for_kem_key(encode_key, lambda key: encode_kem(KEM, key)),
            "the signature is over other bytes",
            "BadSignature",
        ),
    ),
    Attack(
        "A36",
        "A secret packed again",
        "KN",
        "08",
        "The KEM wraps a chosen secret, and the KEM key is in neither AD nor KDF.",
        "Bob believes that a key was used which was not.",
        "The KEM key in AD, or a KEM that hashes it into SS.",
        "PQXDH §4.12.",
        works=lambda: _result(repack(bound=False), "Bob reads"),
        fails=_not_repacked,
    ),
    Attack(
        "A40",
        "A formula that forgets one secret",
        "I",
        "08",
        "SK comes from SS alone.",
        "Anybody writes in Alice's name: DH1 does not count.",
        "All values in one KDF input; a test that flips each of them.",
        "Design D has two formulas; drafts on hybrid KEMs.",
        works=lambda: _result(write_as_alice(Rules("SS alone")), "Bob"),
        fails=_every_input,
    ),
)
