"""Thieves of single keys, and of a generator: what they read, and in whose name they write.

A27, A28, A29, A54 of the catalogue. Precondition: somebody copied private keys, or can repeat what
the phone's random generator gave, and has the network: its recording, or the server itself. Nobody
notices the theft. What is written goes to real parties, what is read comes out of real messages.

X3DH decides who can do what: DHn needs one private half of its pair of keys (`weakened.PAIRS`).
"""

from dataclasses import dataclass, replace

from x3dhlab import ratchet, session, x3dh
from x3dhlab.attacks.entry import Attack, Result, attempt
from x3dhlab.attacks.server import Relay
from x3dhlab.attacks.targets import TEXT, Friends, friends, opened
from x3dhlab.attacks.weakened import TERMS, MissingTerm, compute
from x3dhlab.keys import KeyPair
from x3dhlab.party import Party
from x3dhlab.primitives import deterministic, hmac_sha256, open_sealed, sign
from x3dhlab.ratchet import State, kdf_ck
from x3dhlab.trace import Trace, record
from x3dhlab.wire import InitialMessage, Message, PreKeyBundle, encode_key

LIE = b"Send the money to Mallory."

# What a thief does with private halves, by name: IK_A, EK_A, DHs, SPK_A, IK_B, SPK_B, OPK_B.


def write_as(
    claimed: bytes, bundle: PreKeyBundle, stolen: dict[str, bytes], text: bytes = LIE
) -> tuple[State, bytes]:
    """A first message to the bundle's owner, in the name of the identity key `claimed`.

    `stolen` has the private half of IK_A (the claimed one) or of SPK_B (the reader's). Returns the
    thief's ratchet state, for reading the answer, and the bytes. Raises `MissingTerm`.
    """
    EK = KeyPair.generate()
    public = _public(bundle, claimed, EK.public)
    SK = x3dh.derive(tuple(compute(TERMS, {**stolen, "EK_A": EK.private}, public)))
    AD = x3dh.associated_data(claimed, bundle.identity_key)
    state, inner = ratchet.encrypt(State.initiator(SK, bundle.signed_prekey), text, AD)
    numbers = bundle.signed_prekey_id, bundle.one_time_prekey_id
    message = InitialMessage(claimed, EK.public, *numbers, payload=inner.encode())
    return state, message.encode()


def _public(bundle, identity, ephemeral):
    keys = {
        "IK_A": identity,
        "EK_A": ephemeral,
        "IK_B": bundle.identity_key,
        "SPK_B": bundle.signed_prekey,
        "OPK_B": bundle.one_time_prekey,
    }
    return {name: key for name, key in keys.items() if key is not None}


def secret_of(data: bytes, bundle: PreKeyBundle, stolen: dict[str, bytes]) -> bytes:
    """SK of a recorded first message, from stolen private halves. Raises `MissingTerm`."""
    message = InitialMessage.decode(data)
    public = _public(bundle, message.identity_key, message.ephemeral_key)
    return x3dh.derive(tuple(compute(TERMS, stolen, public)))


def read_first(data: bytes, bundle: PreKeyBundle, stolen: dict[str, bytes]) -> bytes:
    """The text of a recorded first message.

    SK alone does not open it: root key 1 hangs on DH(DHs, SPK_B), so the private half of SPK_B or
    of Alice's first ratchet key `DHs` is needed, too. Raises `MissingTerm`.
    """
    SK, message = secret_of(data, bundle, stolen), InitialMessage.decode(data)
    inner = Message.decode(message.payload)
    AD = x3dh.associated_data(message.identity_key, bundle.identity_key)
    if "SPK_B" in stolen:
        pair = KeyPair.from_private(stolen["SPK_B"])
        return ratchet.decrypt(State.responder(SK, pair), inner, AD)[1]
    if "DHs" not in stolen:
        raise MissingTerm("SK is known, and root key 1 needs the private half of DHs or of SPK_B")
    pair = KeyPair.from_private(stolen["DHs"])
    _, mk = kdf_ck(State.initiator(SK, bundle.signed_prekey, ratchet_key=pair).CKs)
    return open_sealed(mk, inner.ciphertext, ratchet.bind(AD, inner.header.encode()))


def private_halves(pair: Friends, *names: str) -> dict[str, bytes]:
    """Private halves by name, as a thief of exactly these finds them on the two phones.

    `EK_A` and `DHs` are on no phone any more, and are passed over. Raises `ValueError` for a name
    that is none.
    """
    found = {}
    for letter, party in (("A", pair.alice), ("B", pair.bob)):
        ring = party.device.ring
        found[f"IK_{letter}"] = ring.identity.private
        found[f"SPK_{letter}"] = ring.signed[ring.current].pair.private
    if unknown := set(names) - {*found, "EK_A", "DHs"}:
        raise ValueError(f"no key is called {sorted(unknown)[0]!r}")
    return {name: found[name] for name in names if name in found}


# Five goals. Each takes the names of stolen keys, plays on new keys, and returns the text that was
# read, or raises what stopped it.


@dataclass(frozen=True, slots=True)
class Recording:
    """A first message as it crossed the network, and the bundle that it answers."""

    pair: Friends
    data: bytes
    bundle: PreKeyBundle
    random: dict[str, bytes]  # the private halves that Alice's generator gave for it
    trace: Trace

    @property
    def secret(self) -> bytes:
        """SK on Alice's phone, before it was deleted."""
        return self.trace.find("SK", "Alice")


def recording(one_time: int = 1, served=None) -> Recording:
    """Alice writes first. `served(network)` wraps what serves her, such as `SwapOneTime`."""
    with record() as trace:
        pair = friends(one_time=one_time)
        if served:
            pair.alice.transport = served(pair.network)
        pair.alice.transport = watched = _Watching(pair.alice.transport)
        data = pair.written()
    made = {"EK_A": trace.find("EK_A.private"), "DHs": trace.find("DHs.private", "Alice")}
    return Recording(pair, data, watched.bundle, made, trace)


class _Watching(Relay):
    """Remembers the last bundle that was handed out."""

    def fetch(self, name, requester):
        data = self.inner.fetch(name, requester)
        self.bundle = PreKeyBundle.decode(data)
        return data


def read_recorded(names, *, one_time: int = 1) -> bytes:
    """A28: the first message, recorded; the keys are stolen after it, used ones are deleted."""
    run = recording(one_time)
    run.pair.deliver(run.data)
    made = {name: run.random[name] for name in names if name in run.random}
    return read_first(run.data, run.bundle, made | private_halves(run.pair, *names))


def read_next(names) -> bytes:
    """The next first message of a new sender, where the thief is the server, too.

    With IK_B he signs a prekey of his own. The one-time key is his in any case: nobody signed it.
    """
    own = {"SPK_B": KeyPair.generate(), "OPK_B": KeyPair.generate()}
    keys: dict = {}

    def serving(network):
        return _Serving(network, own, keys.get("IK_B"))

    pair = friends()
    keys |= private_halves(pair, *names)
    pair.alice.transport = watched = _Watching(serving(pair.network))
    data = pair.written()
    if "IK_B" in keys:
        keys["SPK_B"] = own["SPK_B"].private
    keys["OPK_B"] = own["OPK_B"].private
    return read_first(data, watched.bundle, keys)


class _Serving(Relay):
    """Hands out a one-time key of its own, and with Bob's identity key a signed prekey as well."""

    def __init__(self, inner, own, identity):
        super().__init__(inner)
        self.own, self.identity = own, identity

    def fetch(self, name, requester):
        bundle = PreKeyBundle.decode(self.inner.fetch(name, requester))
        bundle = replace(bundle, one_time_prekey=self.own["OPK_B"].public)
        if self.identity:
            SPK = self.own["SPK_B"].public
            signature = sign(self.identity, encode_key(SPK))
            bundle = replace(bundle, signed_prekey=SPK, signed_prekey_signature=signature)
        return bundle.encode()


def alice_to_bob(names) -> bytes:
    """A27: Bob reads a message “from Alice”. With SPK_B it works in everybody's name."""
    pair = friends()
    bundle = PreKeyBundle.decode(pair.network.fetch("Bob", "Mallory"))
    claimed = pair.alice.identity.public
    return pair.deliver(write_as(claimed, bundle, private_halves(pair, *names))[1])


def bob_to_alice(names) -> bytes:
    """The same in the other direction: Alice reads a first message “from Bob”."""
    pair = friends()
    bundle = PreKeyBundle.decode(pair.network.fetch("Alice", "Mallory"))
    keys = private_halves(pair, *names)
    # In this direction Bob is the initiator, so his keys stand in the roles of A.
    roles = {"IK_A": keys.get("IK_B"), "SPK_B": keys.get("SPK_A")}
    stolen = {role: key for role, key in roles.items() if key}
    try:
        _, data = write_as(pair.bob.identity.public, bundle, stolen)
    except MissingTerm as problem:  # every other term has an EK of the thief's own
        words = "to Alice, DH1 needs the private half of IK_B or of SPK_A"
        raise MissingTerm(words, step=problem.step) from problem
    pair.network.send("Bob", "Alice", data)
    return opened(pair.alice)


GOALS = {
    "read a recorded message, one-time key used": read_recorded,
    "read a recorded message, pool was empty": lambda names: read_recorded(names, one_time=0),
    "read the next first message, as the server": read_next,
    "write to Bob as Alice": alice_to_bob,
    "write to Alice as Bob": bob_to_alice,
}


def tried(goal: str, names) -> Result:
    """One goal with the stolen keys of these names."""
    return attempt(lambda: GOALS[goal](names), lambda text: text.decode())


# A29: a generator that somebody can repeat


def start_value(second: int) -> str:
    """What a bad phone gives its generator at the start: the second of its clock."""
    return f"started at second {second}"


def written_with(pair: Friends, second: int) -> bytes:
    """Alice's first message; everything random in it comes from a generator with this start."""
    with deterministic(start_value(second)):
        return pair.written()


def guess(data: bytes, seconds) -> dict[str, bytes]:
    """Try start values until one gives the EK_A of a message: the private halves EK_A and DHs.

    Raises `MissingTerm` if none does.
    """
    wanted = InitialMessage.decode(data).ephemeral_key
    for second in seconds:
        with deterministic(start_value(second)):
            EK_A = KeyPair.generate()
            if EK_A.public == wanted:
                return {"EK_A": EK_A.private, "DHs": KeyPair.generate().private}
    raise MissingTerm("no start value gives EK_A", tried=len(seconds))


def hedged(identity: KeyPair, fresh: bytes) -> KeyPair:
    """A key pair from the generator's bytes and a secret: whoever repeats the bytes lacks IK_A."""
    # The label keeps this use of IK_A apart from every other one, as XEdDSA's prefix does.
    return KeyPair.from_private(hmac_sha256(identity.private, b"x3dhlab hedge" + fresh))


# A54: a session that healed, and another one that did not


@dataclass(frozen=True, slots=True)
class Reopened:
    """What Bob read from the thief, where Bob's answer went, and how many sessions Bob has."""

    bob_reads: bytes
    thief_reads: bytes | None
    alice: str
    sessions: int


def new_session(pair: Friends) -> Reopened:
    """The thief of IK_A opens another session in Alice's name. `pair` has talked before."""
    thief = Party("Alice", pair.network, identity=pair.alice.identity)
    thief.send("Bob", LIE)
    return _answered(pair, thief)


def old_session(pair: Friends, copy: session.Device) -> Reopened:
    """The thief writes on in a session that Bob does not use any more, from an old copy.

    `copy` is Alice's device when two sessions existed; the one that is not in use comes last. He
    takes that session out of it, and not her identity key.
    """
    peer = pair.bob.identity.public
    *_, resting = copy.sessions[peer]
    thief = Party("Alice", pair.network)
    thief.contacts["Bob"] = pair.alice.contacts["Bob"]
    resting = replace(resting, handshake=None)
    thief.device = replace(thief.device, sessions={peer: (resting,)})
    thief.send("Bob", LIE)
    return _answered(pair, thief)


def _answered(pair, thief):
    """Bob reads, and answers in the session in which he read last."""
    text = opened(pair.bob)
    pair.bob.send("Alice", b"Done. Bob")
    ((sender, data),) = pair.network.collect("Alice")
    told = []
    for party in (thief, pair.alice):
        pair.network.send(sender, "Alice", data)
        (received,) = party.receive()
        told.append(received)
    seen = f"refuses: {type(told[1].error).__name__}" if told[1].error else "reads it"
    sessions = len(pair.bob.device.sessions[pair.alice.identity.public])
    return Reopened(text, told[0].plaintext, seen, sessions)


def talked(pair: Friends, times: int = 3) -> Friends:
    """Alice and Bob write in turn, so that every stolen state has healed."""
    for _ in range(times):
        for one, other in ((pair.alice, pair.bob), (pair.bob, pair.alice)):
            one.send(other.name, TEXT)
            opened(other)
    return pair


def crossed(pair: Friends) -> Friends:
    """Both write first at the same moment: two sessions, and soon both phones use one of them."""
    pair.alice.send("Bob", TEXT)
    pair.bob.send("Alice", TEXT)
    for party in (pair.alice, pair.bob):
        opened(party)
    return pair


# For the catalogue


def _kci_after_rotation() -> Result:
    """A27 with the stolen key, after Bob made a new signed prekey and deleted the old one."""
    pair = friends()
    stolen = private_halves(pair, "SPK_B")
    bundle = PreKeyBundle.decode(pair.network.fetch("Bob", "Mallory"))
    pair.bob.rotate(now=1)
    pair.bob.retire(before=1)
    _, data = write_as(pair.alice.identity.public, bundle, stolen)
    return attempt(lambda: pair.deliver(data))


def _second_key(fails: bool) -> Result:
    """A29 with SPK_B stolen: an old phone's generator, then the system's."""
    pair = friends()
    bundle_of = _Watching(pair.alice.transport)
    pair.alice.transport = bundle_of
    data = pair.written() if fails else written_with(pair, 47)
    stolen = private_halves(pair, "SPK_B")

    def read():
        return read_first(data, bundle_of.bundle, stolen | guess(data, range(100)))

    return attempt(read, lambda text: text.decode())


def _reopened() -> Result:
    found = new_session(talked(friends()))
    return Result(found.thief_reads is not None, f"Bob has {found.sessions} sessions with Alice")


def _new_identity() -> Result:
    """A54 after Alice took a new identity key, and Bob accepted it."""
    pair = talked(friends())
    stolen = pair.alice.identity
    alice = Party("Alice", pair.network)
    alice.send("Bob", TEXT)
    pair.bob.receive()  # the alarm: Alice comes with another identity key
    pair.bob.accept_change("Alice", alice.identity.public)
    thief = Party("Alice", pair.network, identity=stolen)
    thief.send("Bob", LIE)
    return attempt(lambda: opened(pair.bob), lambda text: text.decode())


CATALOGUE = (
    Attack(
        "A27",
        "To Bob in anybody's name",
        "K",
        "14",
        "Only the private half of SPK_B is stolen.",
        "Bob reads a message that Alice never wrote.",
        "Replace the signed prekey, delete the old one, and guard it like an identity key.",
        "X3DH §4.6.",
        works=lambda: tried("write to Bob as Alice", ("SPK_B",)),
        fails=_kci_after_rotation,
    ),
    Attack(
        "A28",
        "A theft after the message",
        "K",
        "14",
        "The message is recorded; IK_B and SPK_B are stolen later; the pool was empty.",
        "The thief reads the recorded message.",
        "A one-time key that is deleted after use; signed prekeys that live for days.",
        "X3DH §4.6.",
        works=lambda: tried("read a recorded message, pool was empty", ("IK_B", "SPK_B")),
        fails=lambda: tried("read a recorded message, one-time key used", ("IK_B", "SPK_B")),
    ),
    Attack(
        "A29",
        "A generator that can be repeated",
        "KI",
        "14",
        "Alice's generator starts from the clock; IK_A or SPK_B is stolen, too.",
        "DH2, DH3 and DH4 fall with the generator, DH1 with the stolen key.",
        "The operating system's generator, and a secret mixed into what it gives.",
        "PQXDH §4.11.",
        works=lambda: _second_key(fails=False),
        fails=lambda: _second_key(fails=True),
    ),
    Attack(
        "A54",
        "Healing undone by another session",
        "K",
        "14",
        "IK_A was stolen once; the session of Alice and Bob has healed since.",
        "Bob accepts a second session, and answers in it.",
        "A new identity key, which the others must accept; an alarm at unexpected new sessions.",
        "Cremers, Jacomme and Naska, USENIX Security 2023.",
        works=_reopened,
        fails=_new_identity,
    ),
)
