"""Lesson 08: PQXDH beside X3DH, a recording read later, what the KEM costs, and how it is lost."""

import difflib
import inspect
import timeit
from types import ModuleType

from x3dhlab import kem, plots, pqxdh, prekeys, x3dh
from x3dhlab.attacks import hybrid
from x3dhlab.keys import KeyPair
from x3dhlab.party import LocalTransport, Party
from x3dhlab.plots import Picture
from x3dhlab.proof import stolen, verdicts
from x3dhlab.service.store import PreKeyStore
from x3dhlab.trace import Trace, record
from x3dhlab.widgets import FALLS, HOLDS, Check, Choose, Experiment, Outcome

LINES = (("Alice", b"Hello"), ("Bob", b"Hi Alice"), ("Alice", b"Noon?"))
PROTOCOLS = {"X3DH": x3dh, "PQXDH": pqxdh}


def three_messages(
    protocol: ModuleType = pqxdh, *, one_time: int = 1, algorithm: str = hybrid.KEM
) -> tuple[Trace, Party, Party]:
    """Alice and Bob exchange `LINES` over a real server: the run, Alice and Bob afterwards."""
    with record() as run:
        network = LocalTransport(PreKeyStore())
        options = {"protocol": protocol, "kem": algorithm, "one_time": one_time}
        people = {name: Party(name, network, **options) for name in ("Alice", "Bob")}
        people["Bob"].publish()
        for sender, text in LINES:
            receiver = "Bob" if sender == "Alice" else "Alice"
            people[sender].send(receiver, text)
            people[receiver].receive()
    return run, people["Alice"], people["Bob"]


def what_changed(step: str) -> str:
    """The lines of a step that differ between `x3dh` and `pqxdh`: `-` the old one, `+` the new."""
    old, new = (_code(getattr(module, step)) for module in (x3dh, pqxdh))
    lines = {"-": iter(old), "+": iter(new)}
    shown = []
    for line in difflib.ndiff(_alike(old), _alike(new)):
        found = {sign: next(lines[sign]) for sign in lines if line[0] in (sign, " ")}
        shown += [f"{sign} {text}" for sign, text in found.items() if sign == line[0]]
    return "\n".join(shown)


def _code(function):
    source = inspect.getsource(function).replace(f'"""{function.__doc__}"""', "")
    return [line for line in source.splitlines() if line.strip()]


def _alike(lines):
    """The lines without the names of the two documents, which differ in nearly each of them."""
    return [line.replace("PQXDH", "X3DH") for line in lines]


# A24


def record_now_read_later() -> Experiment:
    """Choose a handshake and what the attacker gets later; every change is a new run, proved."""

    def run(protocol, pool, curve, ring):
        trace, _, bob = three_messages(PROTOCOLS[protocol], one_time=int(pool == "has keys"))
        leaked = hybrid.curve_keys(trace) if curve else set()
        leaked |= stolen(bob.device.ring) if ring else set()
        found = verdicts(trace, leaked)
        facts = {f"message {n}": _told(verdict) for n, verdict in enumerate(found, 1)}
        read = sum(verdict.readable for verdict in found)
        if read:
            return Outcome(FALLS, f"Mallory reads {read} of {len(found)} messages.", facts)
        return Outcome(HOLDS, "Mallory reads nothing.", facts)

    controls = [
        Choose("protocol", "Handshake", tuple(PROTOCOLS), "X3DH"),
        Choose("pool", "Bob's pool of one-time prekeys", ("has keys", "is empty"), "has keys"),
        Check("curve", "Mallory gets every private key of the curve", True),
        Check("ring", "Mallory steals IK_B and Bob's prekeys", False),
    ]
    return Experiment("A recording, and what somebody gets years later", controls, run)


def _told(verdict):
    if verdict.readable:
        return f"“{verdict.plaintext.decode()}”, in {len(verdict.steps)} steps"
    kinds = {node.kind for node in verdict.missing.nearest}
    return f"closed: she lacks {'SS' if 'ENCAPS' in kinds else 'private keys of the curve'}"


# What it costs


def handshake_sizes() -> dict[str, tuple[int, int, int]]:
    """Handshake → bytes of the bundle, of the first message and of a later one, counted."""
    suites = {"X3DH": (x3dh, hybrid.KEM)}
    suites |= {f"PQXDH, {name}": (pqxdh, name) for name in ("ML-KEM-768", "ML-KEM-1024")}
    return {name: _counted(*suite) for name, suite in suites.items()}


def _counted(protocol, algorithm):
    trace, *_ = three_messages(protocol, algorithm=algorithm)
    sizes: dict = {}
    for event in trace.wire:
        what, data = event.inputs[0]
        if dict(event.detail)["sender"] in ("Alice", "server"):
            sizes.setdefault(what, []).append(len(data))
    return sizes["bundle"][0], sizes["message"][0], sizes["message"][-1]


def show_handshake_sizes(sizes: dict[str, tuple[int, int, int]]) -> Picture:
    """The figure of `handshake_sizes`: bundle and first message."""
    return plots.message_sizes(
        {name: (bundle, first) for name, (bundle, first, _) in sizes.items()},
        title="Bytes on the wire for one handshake",
        bars=("bundle", "first message"),
    )


def handshake_times(rounds: int = 15) -> dict[str, tuple[float, float]]:
    """Handshake and library → milliseconds of initiate and respond: the best of `rounds`."""
    found = {"X3DH": _timed(x3dh, None, rounds)}
    for algorithm, backend in kem.available():
        if algorithm.startswith("ML-KEM"):
            with kem.using(backend):
                found[f"{algorithm}, {backend}"] = _timed(pqxdh, algorithm, rounds)
    return found


def _timed(protocol, algorithm, rounds):
    ring, alice = prekeys.generate(one_time=0, kem=algorithm), KeyPair.generate()
    bundle = hybrid.bundle_of(ring)
    keys = [ring.identity, prekeys.find_signed(ring, ring.current), None]
    if algorithm:
        keys.append(prekeys.find_kem(ring, bundle.kem_prekey_id))
    message, _ = protocol.initiate(alice, bundle)
    actions = (
        lambda: protocol.initiate(alice, bundle),
        lambda: protocol.respond(*keys, message),
    )
    return tuple(1000 * min(timeit.repeat(each, number=1, repeat=rounds)) for each in actions)


def show_handshake_times(times: dict[str, tuple[float, float]]) -> Picture:
    """The figure of `handshake_times`, each time as a multiple of X3DH's in the same run."""
    base = times["X3DH"]
    ratios = {
        name: tuple(round(value / unit, 2) for value, unit in zip(values, base, strict=True))
        for name, values in times.items()
    }
    return plots.message_sizes(
        ratios,
        title="Time of one handshake, X3DH = 1",
        bars=("initiate (Alice)", "respond (Bob)"),
        unit=" ×",
    )


# The second sitting


def your_program() -> Experiment:
    """Choose what a program does with the KEM, and an attack; both run anew at every change."""

    def run(attack, combiner, falls_back, signed):
        result = hybrid.ATTACKS[attack](hybrid.Rules(combiner, falls_back, signed))
        return Outcome(FALLS if result.succeeded else HOLDS, result.sentence, result.facts)

    controls = [
        Choose("attack", "What happens", tuple(hybrid.ATTACKS), "KEM key dropped"),
        Choose("combiner", "SK comes from", tuple(hybrid.COMBINERS), "PQXDH"),
        Check("falls_back", "Without a KEM key it takes X3DH", True),
        Check("signed", "It checks the KEM key's signature", True),
    ]
    return Experiment("A program with the rules you choose", controls, run)


def show_outcomes(table: dict[str, list[bool]]) -> Picture:
    """The figure of `attacks.hybrid.outcomes`."""
    return plots.verdicts(table, list(hybrid.ATTACKS), title="What each program loses")
