"""How fast the protocol is: against the primitives it must call, and against other libraries.

The *floor* of an operation is the sum of the calls into `primitives` and `kem` that one run of it
makes, replayed with the same arguments. What an operation takes above its floor is the price of
frozen states, checks and readable steps. Peers are measured where they are installed.

All contestants of a row take turns in one process; a figure is the median of their rounds.
"""

import functools
import json as _json
import statistics
import time
import timeit
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from x3dhlab import braid, kem, pqxdh, prekeys, primitives, ratchet, trace, triple_ratchet, x3dh
from x3dhlab.errors import Unavailable
from x3dhlab.keys import KeyPair
from x3dhlab.wire import Header, PreKeyBundle, encode_key
from x3dhlab.worlds import counted
from x3dhlab.worlds.network import DAY, Link, LogNormal
from x3dhlab.worlds.rotation import World

AD = bytes(66)  # as long as X3DH's AD
TEXT = b"A message of a usual length, as people write them to each other." * 2
SK = bytes(range(32))
KEM = "ML-KEM-1024"
ROUND = 0.01  # seconds of one contestant's turn: many calls, and short beside a change of clock
FEWEST_ROUNDS = 5
# Time of this process alone, so that other work on the machine counts less. Windows counts it in
# steps of 16 ms, too coarse for a round.
_FINE = time.get_clock_info("process_time").resolution < ROUND / 1000
CLOCK = time.process_time if _FINE else time.perf_counter


@dataclass(frozen=True, slots=True)
class Peer:
    """Another library at the same task. `ratio` is its time divided by ours: above 1, we lead."""

    name: str
    per_second: float
    ratio: float


@dataclass(frozen=True, slots=True)
class Row:
    """One operation. `floor_ratio` is its time divided by that of its primitives alone."""

    operation: str
    per_second: float
    microseconds: float
    floor_ratio: float | None = None
    peers: tuple[Peer, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """An operation to measure, with its floor (None for a primitive) and its peers by name."""

    operation: str
    ours: Callable
    floor: Callable | None = None
    peers: dict[str, Callable] = field(default_factory=dict)


def run(seconds: float = 20.0) -> list[Row]:
    """Measure every case; `seconds` is the time for all of them together, roughly."""
    everything = list(cases())
    return [measure(case, seconds / len(everything)) for case in everything]


def measure(case: Case, seconds: float) -> Row:
    """One row: the contestants take turns, so that a slow moment of the machine hits them all."""
    contestants = {"ours": case.ours, **case.peers}
    if case.floor:
        contestants["the floor"] = case.floor
    timers = {name: timeit.Timer(action, timer=CLOCK) for name, action in contestants.items()}
    counts = {name: max(1, round(ROUND / timer.timeit(1))) for name, timer in timers.items()}
    rounds = max(FEWEST_ROUNDS, round(seconds / ROUND / len(timers)))
    times = {name: [] for name in timers}
    for _ in range(rounds):
        for name, timer in timers.items():
            times[name].append(timer.timeit(counts[name]) / counts[name])
    medians = {name: statistics.median(values) for name, values in times.items()}
    return _row(case, medians)


def _row(case, medians):
    ours = medians["ours"]
    return Row(
        operation=case.operation,
        per_second=1 / ours,
        microseconds=ours * 1e6,
        floor_ratio=ours / medians["the floor"] if case.floor else None,
        peers=tuple(Peer(name, 1 / medians[name], medians[name] / ours) for name in case.peers),
    )


# The floor


def floor_of(action: Callable) -> Callable:
    """A function that makes the calls that one run of `action` makes, and nothing else."""
    with trace.record() as recorded:
        action()
    calls = [_call(event) for event in recorded.events if event.kind != "WIRE"]

    def replay():
        for call in calls:
            call()

    return replay


def _call(event):
    """The call into `primitives` or `kem` that was announced as `event`."""
    inputs = [value for _, value in event.inputs]
    outputs = [value for _, value in event.outputs]
    detail = dict(event.detail)
    if "kem" in detail:
        mechanism = kem.get(detail["kem"])
        method = {"ENCAPS": mechanism.encapsulate, "DECAPS": mechanism.decapsulate}[event.kind]
        return functools.partial(method, *inputs[: 1 + (event.kind == "DECAPS")])
    if event.kind == "RANDOM":
        return functools.partial(primitives.random_bytes, len(outputs[0]))
    if event.kind == "HKDF":
        salt, ikm, info = inputs
        options = {"salt": salt, "info": info, "length": len(outputs[0])}
        return functools.partial(primitives.hkdf, ikm, **options)
    if event.kind == "SPLIT":
        return functools.partial(primitives.split, *inputs, *map(len, outputs))
    if event.kind in ("SEAL", "OPEN"):
        function = primitives.seal if event.kind == "SEAL" else primitives.open_sealed
        return functools.partial(function, *inputs[:3], aead=detail["aead"])
    return functools.partial(_SAME_ARGUMENTS[event.kind], *inputs)


_SAME_ARGUMENTS = {
    "PUBLIC": primitives.public_key,
    "DH": primitives.dh,
    "HMAC": primitives.hmac_sha256,
    "CONCAT": primitives.concat,
    "VERIFY": primitives.verify,
    "FORGET": primitives.forget,
}


# The cases


def cases():
    """Every operation that is measured, with its floor and the peers that are installed."""
    x3dh_peer, ratchet_peer = _x3dh_peer(), _double_ratchet_peer()
    bob = prekeys.generate(one_time=1)
    yield from _handshake("X3DH", x3dh, bob, x3dh_peer)
    for algorithm, backend in kem.available():
        if algorithm == KEM:
            yield from _pq_handshake(backend)
    peers = {"DoubleRatchet": ratchet_peer, "vodozemac": _vodozemac_peer()}
    peers = {name: make for name, make in peers.items() if make}
    for operation, step in (("same chain", "chain"), ("DH step", "turn")):
        conversations = {name: make() for name, make in peers.items()}
        yield _with_floor(
            f"message, {operation}",
            getattr(_Conversation(), step),
            {name: getattr(conversation, step) for name, conversation in conversations.items()},
        )
    long = _Conversation()
    for _ in range(5000):
        long.chain()
    yield _with_floor("message, 5,000 later", long.chain)
    yield _with_floor("message, Triple Ratchet", _Conversation(triple_ratchet).chain)
    yield Case("one epoch of the braid", _braid_epoch())
    yield _with_floor(f"skip {ratchet.MAX_SKIP:,} messages", _skipping())
    yield from _signatures()
    yield Case("60 days of 1,000 phones, counted", _counted_world())


def _with_floor(operation, action, peers=None):
    action()  # the first message after a turn has a DH step, the next ones have none
    return Case(operation, action, floor_of(action), peers or {})


def _handshake(name, protocol, ring, peers):
    """The two sides of a handshake with a one-time prekey; `peers` maps side to functions."""
    alice, bundle = KeyPair.generate(), bundle_of(ring)
    message, _ = protocol.initiate(alice, bundle)
    keys = [
        ring.identity,
        prekeys.find_signed(ring, message.signed_prekey_id),
        prekeys.find_one_time(ring, message.one_time_prekey_id),
    ]
    if message.kem_prekey_id is not None:
        keys.append(prekeys.find_kem(ring, message.kem_prekey_id))
    initiate = functools.partial(protocol.initiate, alice, bundle)
    respond = functools.partial(protocol.respond, *keys, message)
    yield _with_floor(f"{name} initiate", initiate, peers.get("initiate"))
    yield _with_floor(f"{name} respond", respond, peers.get("respond"))


def bundle_of(ring: prekeys.PreKeyRing) -> PreKeyBundle:
    """The bundle that a store would hand out first for this ring."""
    published = prekeys.publication(ring)
    keys = [*published.one_time_prekeys[:1], *published.kem_prekeys[:1]]
    optional = {name: getattr(key, name) for key in keys for name in key.__dataclass_fields__}
    return PreKeyBundle(
        published.identity_key,
        published.signed_prekey_id,
        published.signed_prekey,
        published.signed_prekey_signature,
        **optional,
    )


def _pq_handshake(backend):
    def over_backend(action):
        def call():
            with kem.using(backend):
                return action()

        return call

    with kem.using(backend):
        ring = prekeys.generate(one_time=1, kem=KEM)
        found = list(_handshake("PQXDH", pqxdh, ring, {}))
    for case in found:
        operation = f"{case.operation}, {backend}"
        yield Case(operation, over_backend(case.ours), over_backend(case.floor))


class _Conversation:
    """Two states of a ratchet; a step is one message encrypted and decrypted."""

    def __init__(self, protocol=ratchet):
        SPK_B = KeyPair.generate()
        self.protocol = protocol
        self.sender = protocol.State.initiator(SK, SPK_B.public)
        self.receiver = protocol.State.responder(SK, SPK_B)
        self.turn()

    def chain(self):
        self.sender, message = self.protocol.encrypt(self.sender, TEXT, AD)
        self.receiver, _ = self.protocol.decrypt(self.receiver, message, AD)

    def turn(self):
        self.chain()
        self.sender, self.receiver = self.receiver, self.sender


def _braid_epoch():
    """One key of the braid: about 90 messages, both sides in turn, none lost."""
    ends = braid.State.initiator(SK), braid.State.responder(SK)

    def epoch():
        sender, receiver = ends
        while receiver.epoch == 1:
            sender, message, _, _ = braid.send(sender)
            receiver, _, _ = braid.receive(receiver, message)
            sender, receiver = receiver, sender

    return epoch


def _skipping():
    SPK_B = KeyPair.generate()
    sender = ratchet.State.initiator(SK, SPK_B.public)
    receiver = ratchet.State.responder(SK, SPK_B)
    for _ in range(ratchet.MAX_SKIP + 1):
        sender, message = ratchet.encrypt(sender, TEXT, AD)
    return functools.partial(ratchet.decrypt, receiver, message, AD)


def _counted_world():
    """A world of rotation: more than three events a day for each phone."""
    world = World(users=1000, days=60, sleeps=0.02, link=Link(LogNormal(DAY, 1.6)))
    return functools.partial(counted.run, world, 1)


def _signatures():
    pair = KeyPair.generate()
    message = encode_key(KeyPair.generate().public)
    signature = primitives.sign(pair.private, message)
    peer = _xeddsa_peer(pair, message, signature)
    sign = functools.partial(primitives.sign, pair.private, message)
    verify = functools.partial(primitives.verify, pair.public, message, signature)
    yield Case("XEdDSA sign", sign, None, peer.get("sign", {}))
    yield Case("XEdDSA verify", verify, None, peer.get("verify", {}))


# The peers: imported where they are installed, and nowhere else in the package


def _finish(coroutine):
    """The result of a coroutine that never waits: the peers are async in form only."""
    try:
        coroutine.send(None)
    except StopIteration as finished:
        return finished.value
    raise Unavailable("a peer waits for something")


def _x3dh_peer():
    try:
        import x3dh as peer
    except ImportError:
        return {}

    class State(peer.BaseState):
        _encode_public_key = staticmethod(lambda key_format, public: encode_key(public))

    form, hash_function = peer.IdentityKeyFormat.CURVE_25519, peer.HashFunction.SHA_256
    alice, bob = (State.create(form, hash_function, x3dh.INFO) for _ in "AB")
    bob.generate_pre_keys(1)
    bundle = bob.bundle
    _, _, header = _finish(alice.get_shared_secret_active(bundle))
    return {
        "initiate": {"X3DH": lambda: _finish(alice.get_shared_secret_active(bundle))},
        "respond": {"X3DH": lambda: _finish(bob.get_shared_secret_passive(header))},
    }


def _double_ratchet_peer():
    try:
        import doubleratchet as peer
        from doubleratchet import recommended
        from doubleratchet.recommended import (
            aead_aes_hmac,
            diffie_hellman_ratchet_curve25519,
            kdf_hkdf,
            kdf_separate_hmacs,
        )
    except ImportError:
        return None
    sha256 = staticmethod(lambda: recommended.HashFunction.SHA_256)

    class Root(kdf_hkdf.KDF):
        _get_hash_function = sha256
        _get_info = staticmethod(lambda: ratchet.INFO)

    class Chain(kdf_separate_hmacs.KDF):
        _get_hash_function = sha256

    class Aead(aead_aes_hmac.AEAD):
        _get_hash_function = sha256
        _get_info = staticmethod(lambda: primitives.CBC_HMAC.info)

    class State(peer.DoubleRatchet):
        _build_associated_data = staticmethod(
            lambda data, header: ratchet.bind(data, Header(*header).encode())
        )

    options = {
        "diffie_hellman_ratchet_class": diffie_hellman_ratchet_curve25519.DiffieHellmanRatchet,
        "root_chain_kdf": Root,
        "message_chain_kdf": Chain,
        "message_chain_constant": b"\x02\x01",
        "dos_protection_threshold": ratchet.MAX_SKIP,
        "max_num_skipped_message_keys": ratchet.MAX_STORED,
        "aead": Aead,
        "shared_secret": SK,
        "associated_data": AD,
    }

    class Conversation:
        def __init__(self):
            SPK_B = KeyPair.generate()
            start = State.encrypt_initial_message(
                **options, recipient_ratchet_pub=SPK_B.public, message=TEXT
            )
            self.receiver, message = _finish(start)
            answer = State.decrypt_initial_message(
                **options, own_ratchet_priv=SPK_B.private, message=message
            )
            self.sender, _ = _finish(answer)

        def chain(self):
            message = _finish(self.sender.encrypt_message(TEXT, AD))
            _finish(self.receiver.decrypt_message(message, AD))

        turn = _turn(chain)

    return Conversation


def _turn(chain):
    def turn(self):
        chain(self)
        self.sender, self.receiver = self.receiver, self.sender

    return turn


def _vodozemac_peer():
    try:
        import vodozemac as peer
    except ImportError:
        return None

    class Conversation:
        def __init__(self):
            alice, bob = peer.Account(), peer.Account()
            bob.generate_one_time_keys(1)
            (one_time,) = bob.one_time_keys.values()
            self.receiver = alice.create_outbound_session(bob.curve25519_key, one_time)
            first = self.receiver.encrypt(TEXT).to_pre_key()
            self.sender, _ = bob.create_inbound_session(alice.curve25519_key, first)

        def chain(self):
            self.receiver.decrypt(self.sender.encrypt(TEXT))

        turn = _turn(chain)

    return Conversation


def _xeddsa_peer(pair, message, signature):
    try:
        import xeddsa
    except ImportError:
        return {}
    edwards = xeddsa.curve25519_pub_to_ed25519_pub

    def sign():
        xeddsa.ed25519_priv_sign(xeddsa.priv_force_sign(pair.private, False), message)

    def verify():
        xeddsa.ed25519_verify(signature, edwards(pair.public, False), message)

    return {"sign": {"XEdDSA": sign}, "verify": {"XEdDSA": verify}}


# Reports


def main(json: bool = False, seconds: float = 20.0) -> None:
    """Measure, and print a table or JSON."""
    rows = run(seconds)
    print(as_json(rows)) if json else show(rows)


def as_json(rows: list[Row]) -> str:
    """The rows as a JSON list, times in microseconds."""
    return _json.dumps([asdict(row) for row in rows], indent=2)


def show(rows: list[Row], console=None) -> None:
    """Print the rows as a table."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    caption = (
        "× floor: our time / its primitives' time. ours ×: the peer's time / ours.\n"
        f"PQXDH runs with {KEM}."
    )
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), caption=caption)
    table.add_column("operation", no_wrap=True)
    table.add_column("ops/s", justify="right")
    table.add_column("× floor", justify="right")
    table.add_column("peer")
    table.add_column("ops/s", justify="right")
    table.add_column("ours ×", justify="right")
    for row in rows:
        table.add_row(*_cells(row))
    (console or Console()).print(table)


def _cells(row):
    columns = (
        [peer.name for peer in row.peers],
        [f"{peer.per_second:,.0f}" for peer in row.peers],
        [f"{peer.ratio:.2f}" for peer in row.peers],
    )
    floor = f"{row.floor_ratio:.2f}" if row.floor_ratio else "–"
    peers = ["\n".join(column) or "–" for column in columns]
    return row.operation, f"{row.per_second:,.0f}", floor, *peers
