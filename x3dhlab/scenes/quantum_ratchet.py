"""Lesson 12, second sitting: a braid with loss, and thieves with a quantum computer."""

import functools
import itertools
import random
from dataclasses import dataclass, field, replace

from x3dhlab import braid, kem, plots, pqxdh, ratchet, triple_ratchet, x3dh
from x3dhlab.keys import KeyPair
from x3dhlab.observe import acting
from x3dhlab.party import crossing
from x3dhlab.plots import Picture
from x3dhlab.primitives import deterministic, dh, random_bytes
from x3dhlab.proof import stolen, verdicts
from x3dhlab.trace import record
from x3dhlab.widgets import HOLDS, NOTE, Choose, Experiment, Number, Outcome
from x3dhlab.wire import CT1, CT2, EK, EK_CT1_ACK, HEADER, NOTHING

WORDS = {NOTHING: "", HEADER: "header", EK: "ek", EK_CT1_ACK: "ek + ack", CT1: "ct1", CT2: "ct2"}
LENGTHS = {
    "header": kem.HEADER_LENGTH + braid.MAC_LENGTH,
    "ek": kem.VECTOR_LENGTH,
    "ct1": kem.CT1_LENGTH,
    "ct2": kem.CT2_LENGTH + braid.MAC_LENGTH,
}
_PEER = {"A": "B", "B": "A"}
CODE, IN_TURN = "erasure code", "the blocks in turn, again and again"


@dataclass(frozen=True, slots=True)
class Step:
    """One message of a braid: who sent it, what it carried, and which key came out at whom."""

    sender: str
    epoch: int
    kind: str
    size: int
    lost: bool
    keys: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class BraidRun:
    """The messages of a braid, in order."""

    steps: tuple[Step, ...] = field(repr=False)

    def complete(self, epoch: int = 1) -> int | None:
        """How many messages were sent until both sides had the key of this epoch."""
        at = [n for n, step in enumerate(self.steps, 1) for _, e in step.keys if e == epoch]
        return max(at) if len(at) == 2 else None


def braid_run(count=None, *, loss=0.0, script="AB", repeat=CODE, seed=1, epochs=1) -> BraidRun:
    """A braid over a network that loses a share of all messages.

    `script` says who sends, again and again. It ends after `count` messages, or when both sides
    have `epochs` keys. With `IN_TURN` nothing is encoded: the sender repeats the plain blocks.
    """
    chance, steps, known = random.Random(f"loss {seed}"), [], 0
    SK = random_bytes(32)
    ends = {"A": braid.State.initiator(SK), "B": braid.State.responder(SK)}
    turns = itertools.cycle(script)
    while len(steps) != count and (count is not None or known < 2 * epochs):
        who = next(turns)
        ends[who], message, _, ours = braid.send(ends[who])
        if repeat == IN_TURN and message.chunk is not None:
            blocks = ends[who].sending
            place = (ends[who].sent - 1) % len(blocks)
            message = replace(message, index=place, chunk=blocks[place])
        lost, theirs = chance.random() < loss, None
        if not lost:
            ends[_PEER[who]], _, theirs = braid.receive(ends[_PEER[who]], message)
        keys = tuple((end, key[0]) for end, key in ((who, ours), (_PEER[who], theirs)) if key)
        known += len(keys)
        size = len(message.encode())
        steps.append(Step(who, message.epoch, WORDS[message.kind], size, lost, keys))
    return BraidRun(tuple(steps))


def show_braid(run: BraidRun, *, title="") -> Picture:
    """What each side sends, a strip for each direction; losses are white.

    Every message of the run is one place, whoever sent it; a strip keeps the word of its side's
    last message.
    """
    ends, rows, lost = {}, {}, {}
    for who in "AB":
        name = f"{who} → {_PEER[who]}"
        carried = [s.kind if s.sender == who else None for s in run.steps]
        rows[name] = list(itertools.accumulate(carried[1:], _latest, initial=carried[0] or ""))
        lost[name] = [n for n, s in enumerate(run.steps) if s.lost and s.sender == who]
    for epoch in sorted({step.epoch for step in run.steps}):
        if run.complete(epoch):
            ends[f"epoch {epoch} complete"] = run.complete(epoch)
    return plots.strips(
        rows,
        title=title or "What each message of the braid carries; white: lost",
        along="messages, both directions counted",
        lost=lost,
        lines=ends,
    )


def _latest(before, kind):
    return before if kind is None else kind


SCRIPTS = {
    "in turn": "AB",
    "Alice writes four times as much": "AAAAB",
    "Bob writes four times as much": "ABBBB",
}


def run_the_braid() -> Experiment:
    """Choose how much is lost and who writes; the braid runs until two epochs are complete."""

    def run(loss, script, seed):
        made = braid_run(loss=loss / 100, script=SCRIPTS[script], seed=seed, epochs=2)
        first, second = made.complete(1), made.complete(2)
        chunks = [step for step in made.steps if step.kind]
        facts = {
            "messages until epoch 1 is complete": first,
            "and from there to epoch 2": second - first,
            "messages that were lost": sum(step.lost for step in made.steps),
            "messages without a chunk": len(made.steps) - len(chunks),
        }
        for who in "AB":
            sent = [step.kind for step in made.steps if step.sender == who and step.epoch == 1]
            facts[f"{who} sent in epoch 1"] = _counted(sent)
        return Outcome(HOLDS if first == 86 else NOTE, f"Two epochs in {second} messages.", facts)

    controls = [
        Number("loss", "of 100 messages are lost", 0, 80, 0),
        Choose("script", "They write", tuple(SCRIPTS), "in turn"),
        Number("seed", "another run of the same", 1, 50, 1),
    ]
    return Experiment("A braid of two epochs", controls, run)


def _counted(kinds):
    order = dict.fromkeys(kind for kind in kinds if kind)
    return ", ".join(f"{kinds.count(kind)} × {kind}" for kind in order) or "nothing"


LOSSES = (0, 10, 20, 30, 40, 50, 60)


def epoch_by_loss(losses=LOSSES, runs: int = 6) -> dict[str, list[float]]:
    """Messages until the first epoch is complete, on average, for each share of loss in percent."""
    return {
        repeat: [_average(loss / 100, repeat, runs) for loss in losses]
        for repeat in (CODE, IN_TURN)
    }


def _average(loss, repeat, runs):
    made = [braid_run(loss=loss, repeat=repeat, seed=seed) for seed in range(runs)]
    return sum(run.complete() for run in made) / runs


def show_loss() -> Picture:
    """The figure of `epoch_by_loss`."""
    return plots.curves(
        LOSSES,
        epoch_by_loss(),
        title="Messages until an epoch is complete (average of six runs)",
        along="lost messages, in percent",
        upward="messages",
    )


def overhead() -> dict[str, int]:
    """Bytes that the quantum half adds to one message."""
    run = braid_run(count=400)
    sizes = [step.size + 4 for step in run.steps]  # 4: the number in the chain of the epoch
    whole = kem.SIZES[kem.INCREMENTAL].public + kem.SIZES[kem.INCREMENTAL].ciphertext
    return {
        "a new key and a ciphertext in every message": whole,
        "a chunk, at most": max(sizes),
        "a chunk, on average": round(sum(sizes) / len(sizes)),
    }


# Thieves

COUNT, COPIED = 240, 40  # messages of a run, and the one after which Bob's phone is copied
DOUBLE, TRIPLE = "Double Ratchet", "Triple Ratchet"
START = {DOUBLE: ratchet, TRIPLE: triple_ratchet}
X3DH, PQXDH = "X3DH", "PQXDH"


@dataclass(frozen=True)
class Recording:
    """A recorded conversation in turn: sealed texts in order, every EC private key, one copy."""

    trace: object = field(repr=False)
    sent: tuple[bytes, ...] = field(repr=False)
    private: frozenset = field(repr=False)
    copied: frozenset = field(repr=False)

    def reads(self, *, quantum=False, thief=False) -> list[bool]:
        """Which messages an attacker opens: with every EC private key, with the copied phone."""
        leaked = (self.private if quantum else frozenset()) | (
            self.copied if thief else frozenset()
        )
        found = {verdict.ciphertext: verdict.readable for verdict in verdicts(self.trace, leaked)}
        return [found[ciphertext] for ciphertext in self.sent]


@functools.cache
def recording(way: str, handshake: str = PQXDH, count: int = COUNT) -> Recording:
    """A handshake and `count` messages in turn, all on the wire. Bob's phone is copied once."""
    protocol, sent, copied = START[way], [], frozenset()
    AD = b"both identity keys"
    with deterministic(f"{way} {handshake}"), record() as trace:
        SK, SPK_B = _handshake(handshake)
        states = {
            "A": protocol.State.initiator(SK, SPK_B.public),
            "B": protocol.State.responder(SK, SPK_B),
        }
        for number in range(1, count + 1):
            who, peer = ("A", "B") if number % 2 else ("B", "A")
            with acting(who):
                states[who], message = protocol.encrypt(states[who], b"message %d" % number, AD)
            crossing(who, peer, "message", message.encode())
            with acting(peer):
                states[peer], _ = protocol.decrypt(states[peer], message, AD)
            sent.append(message.ciphertext)
            if number == COPIED:
                copied = frozenset(stolen(states["B"]))
    private = frozenset(event.inputs[0][1] for event in trace.events if event.kind == "DH")
    return Recording(trace, tuple(sent), private, copied)


def _handshake(kind):
    """SK and Bob's signed prekey pair, with the Diffie-Hellmans and the KEM recorded."""
    IK_A, EK_A, IK_B, SPK_B, OPK_B = (KeyPair.generate() for _ in range(5))
    dhs = [
        dh(mine.private, theirs.public)
        for mine, theirs in ((IK_A, SPK_B), (EK_A, IK_B), (EK_A, SPK_B), (EK_A, OPK_B))
    ]
    for pair in (IK_A, EK_A, IK_B, SPK_B, OPK_B):
        crossing("A", "B", "public key", pair.public)
    if kind == X3DH:
        return x3dh.derive(dhs), SPK_B
    _, SS = kem.get(kem.INCREMENTAL).encapsulate(kem.get(kem.INCREMENTAL).generate().public)
    return pqxdh.derive(dhs, SS, info=pqxdh.info_for(kem.INCREMENTAL)), SPK_B


# Row of the picture → (ratchet, handshake, has every EC private key, has the copied phone).
ATTACKERS = {
    "X3DH, Double Ratchet: quantum": (DOUBLE, X3DH, True, False),
    "PQXDH, Double Ratchet: quantum": (DOUBLE, PQXDH, True, False),
    "PQXDH, Double Ratchet: thief": (DOUBLE, PQXDH, False, True),
    "PQXDH, Double Ratchet: thief, quantum": (DOUBLE, PQXDH, True, True),
    "PQXDH, Triple Ratchet: thief, quantum": (TRIPLE, PQXDH, True, True),
}


def quantum_thefts() -> dict[str, list[bool]]:
    """Attacker → which of the messages are read. Every verdict is proved by opening."""
    return {
        name: recording(way, handshake).reads(quantum=quantum, thief=thief)
        for name, (way, handshake, quantum, thief) in ATTACKERS.items()
    }


def show_quantum_thefts() -> Picture:
    """The figure of `quantum_thefts`."""
    rows = quantum_thefts()
    return plots.strips(
        {name: ["read" if yes else "safe" for yes in reads] for name, reads in rows.items()},
        title="What an attacker reads. The thief copies Bob's phone once",
        along="messages of the conversation",
        lines={"the copy": COPIED},
    )
