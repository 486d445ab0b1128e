"""The Sparse Post-Quantum Ratchet (SPQR), Double Ratchet revision 4, §5.

A second ratchet without encryption: `send_key` and `receive_key` give one message key each. An
epoch is what one key of the ML-KEM Braid starts: it gives a root key and one chain for each
direction. Between epochs the chains move on alone. This module does not know what a message says.

Unconfirmed: the text of §5 to §8 was reconstructed from implementers' reports and the reference
code. One implementer reports two slips in it: §7.2's table gives the chain step the inputs of the
first step, and §5.6 skips one key too many. Here the step is keyed by the chain key, over the
counter, and counters start at 1, as in libsignal.

Simplified: labels are this course's own; there is no saved form. A skipped key goes when its epoch
goes, or beyond `MAX_STORED`; it does not also go after `ratchet.MAX_AGE` received messages. Epochs
go only when this end sends in a newer one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from x3dhlab import braid
from x3dhlab.errors import OldMessage, TooManySkipped, expect
from x3dhlab.kem import KemKeyPair
from x3dhlab.primitives import check_bytes, forget, hkdf, split
from x3dhlab.wire import SparseHeader

INFO = b"x3dhlab SPQR"

# How far a header may jump ahead. It bounds the work that a forged header can cause; libsignal
# allows 25,000.
MAX_SKIP = 1000
# How many skipped keys a state may hold; beyond it the oldest go, as in libsignal.
MAX_STORED = 2000
# How many epochs before the sending epoch can still be read, for messages that come late.
EPOCHS_KEPT = 1

_NONE_SKIPPED = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Chains:
    """The two chains of one epoch. `Ns` and `Nr` count the keys taken; an unused CKs is None."""

    CKs: bytes | None = field(repr=False)
    CKr: bytes = field(repr=False)
    Ns: int = 0
    Nr: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """One end of the ratchet. `chains` is by epoch; `MKSKIPPED` maps (epoch, n) to a key."""

    scka: braid.State
    initiates: bool
    RK: bytes = field(repr=False)
    chains: Mapping[int, Chains] = field(repr=False)
    MKSKIPPED: Mapping[tuple[int, int], bytes] = field(
        default_factory=lambda: _NONE_SKIPPED, repr=False
    )

    @classmethod
    def initiator(cls, secret: bytes) -> "State":
        """Double Ratchet §5.2, INIT for Alice: `secret` is her 32-byte share of SK."""
        return _start(cls, braid.State.initiator(secret), True, secret)

    @classmethod
    def responder(cls, secret: bytes) -> "State":
        """Double Ratchet §5.2, INIT for Bob: the same secret, the chains swapped."""
        return _start(cls, braid.State.responder(secret), False, secret)


def _start(cls, scka, initiates, secret):
    RK, a_to_b, b_to_a = kdf_init(secret)
    return cls(scka, initiates, RK, MappingProxyType({0: _chains(initiates, a_to_b, b_to_a)}))


def _chains(initiates, a_to_b, b_to_a):
    return Chains(a_to_b, b_to_a) if initiates else Chains(b_to_a, a_to_b)


def kdf_init(secret: bytes) -> tuple[bytes, bytes, bytes]:
    """Double Ratchet §5.2, INIT: root key, chain from A to B, chain from B to A, 32 bytes each."""
    check_bytes(secret, "SK", 32, step="Double Ratchet §5.2")
    return _three_keys(secret, bytes(32), INFO + b" start")


def kdf_rk(rk: bytes, key: bytes) -> tuple[bytes, bytes, bytes]:
    """Double Ratchet §5.2, a new epoch: HKDF with salt = rk, IKM = epoch key; as `kdf_init`."""
    return _three_keys(key, rk, INFO + b" epoch")


def _three_keys(ikm, salt, info):
    """Double Ratchet §5.2, three keys of 32 bytes from one HKDF."""
    output = hkdf(ikm, salt=salt, info=info, length=96)
    RK, a_to_b, b_to_a = split(output, 32, 32, 32)
    return RK, a_to_b, b_to_a


def kdf_ck(ck: bytes, counter: int) -> tuple[bytes, bytes]:
    """Double Ratchet §5.2, the chain step: next chain key and the key of message `counter`."""
    info = INFO + b" chain" + counter.to_bytes(4, "big")
    output = hkdf(ck, salt=bytes(32), info=info, length=64)
    chain_key, message_key = split(output, 32, 32)
    return chain_key, message_key


def send_key(
    state: State, *, pair: KemKeyPair | None = None, coins: bytes | None = None
) -> tuple[State, SparseHeader, bytes]:
    """Double Ratchet §5, sending: the next state, the header and the message key.

    `pair` and `coins` are the fresh values of `braid.send`.
    """
    expect(state, State, "state", step="Double Ratchet §5")
    scka, message, epoch, output = braid.send(state.scka, pair=pair, coins=coins)
    state = add_epoch(replace(state, scka=scka), output)
    chains = state.chains[epoch]
    Ns = chains.Ns + 1
    CKs, mk = kdf_ck(chains.CKs, Ns)
    state = drop_epochs(_with(state, epoch, replace(chains, CKs=CKs, Ns=Ns)), epoch)
    return state, SparseHeader(message, Ns), mk


def receive_key(state: State, header: SparseHeader) -> tuple[State, bytes]:
    """Double Ratchet §5.6, receiving: the next state and the message key.

    Raises `OldMessage`, `TooManySkipped`, or what `braid.receive` raises.
    """
    expect(state, State, "state", step="Double Ratchet §5.6")
    expect(header, SparseHeader, "header", step="Double Ratchet §5.6")
    scka, epoch, output = braid.receive(state.scka, header.braid)
    state = add_epoch(replace(state, scka=scka), output)
    name = epoch, header.pq_number
    if name in state.MKSKIPPED:
        skipped = dict(state.MKSKIPPED)
        mk = skipped.pop(name)
        return replace(state, MKSKIPPED=MappingProxyType(skipped)), mk
    state = skip_message_keys(state, *name)
    chains = state.chains[epoch]
    CKr, mk = kdf_ck(chains.CKr, header.pq_number)
    return _with(state, epoch, replace(chains, CKr=CKr, Nr=header.pq_number)), mk


def skip_message_keys(state: State, epoch: int, number: int) -> State:
    """Double Ratchet §5.6, SkipMessageKeys: store the keys before `number` in this epoch."""
    chains = state.chains.get(epoch)
    if chains is None or number <= chains.Nr:
        raise OldMessage(
            "this message was decrypted before, or its key was discarded",
            step="Double Ratchet §5.6",
            number=number,
        )
    if number > chains.Nr + 1 + MAX_SKIP:
        jump = number - chains.Nr - 1
        raise TooManySkipped(
            f"the header jumps over {jump} messages, the limit is {MAX_SKIP}",
            step="Double Ratchet §5.6",
            jump=jump,
        )
    skipped, CKr = dict(state.MKSKIPPED), chains.CKr
    for counter in range(chains.Nr + 1, number):
        CKr, skipped[epoch, counter] = kdf_ck(CKr, counter)
    kept = dict(list(skipped.items())[-MAX_STORED:])
    state = replace(state, MKSKIPPED=MappingProxyType(kept))
    return _with(state, epoch, replace(chains, CKr=CKr, Nr=number - 1))


def add_epoch(state: State, output: tuple[int, bytes] | None) -> State:
    """Double Ratchet §5.2: a key of the agreement gives a root key and the chains of its epoch."""
    if output is None:
        return state
    epoch, key = output
    RK, a_to_b, b_to_a = kdf_rk(state.RK, key)
    return replace(_with(state, epoch, _chains(state.initiates, a_to_b, b_to_a)), RK=RK)


def drop_epochs(state: State, sending: int) -> State:
    """Double Ratchet §5, epochs: no chain sends in an old one; the oldest go with their keys."""
    oldest = sending - EPOCHS_KEPT
    chains = {
        epoch: replace(c, CKs=None) if epoch < sending else c
        for epoch, c in state.chains.items()
        if epoch >= oldest
    }
    skipped = {name: mk for name, mk in state.MKSKIPPED.items() if name[0] >= oldest}
    return replace(state, chains=MappingProxyType(chains), MKSKIPPED=MappingProxyType(skipped))


def discard(before: State, after: State) -> None:
    """Double Ratchet §5, epochs: say what is deleted once `after` replaces `before`."""
    kept = _ending(after)
    forget(*(secret for place, secret in _ending(before).items() if place not in kept))


def _ending(state):
    """Where → secret, for what goes with an epoch: coins, private key, sending chains."""
    held = {epoch: chains.CKs for epoch, chains in state.chains.items()}
    held |= {"private": state.scka.private, "half": state.scka.half and state.scka.half.m}
    return {place: secret for place, secret in held.items() if secret}


def _with(state, epoch, chains):
    return replace(state, chains=MappingProxyType({**state.chains, epoch: chains}))
