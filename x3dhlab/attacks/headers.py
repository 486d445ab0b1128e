"""What a relay learns from ratchet headers (A56): a linker that needs no key.

Precondition: the relay keeps every message that passes, with its time, and has no addresses. It
changes nothing, so nobody notices. Traffic of several pairs is mixed, and the linker sorts it again
by what equals what: the ratchet key of a clear header, or the first blocks of an encrypted one.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from x3dhlab import header_encryption, ratchet
from x3dhlab.attacks.entry import Attack, Result
from x3dhlab.header_encryption import State, expand
from x3dhlab.keys import KeyPair
from x3dhlab.primitives import concat, random_bytes, seal
from x3dhlab.ratchet import bind, kdf_ck
from x3dhlab.wire import Header, HiddenHeaderMessage, Message

CLEAR, HIDDEN, FIXED = "in clear", "encrypted", "encrypted, one nonce for all"
AD = b"both identity keys"
TEXTS = (b"yes", b"no", b"see you at the station", b"I am late, do not wait for me " * 4)
SAME_BLOCKS = 32  # bytes: two blocks of AES; a header's ratchet key fills them


class Pair:
    """Two phones, A and B, whose headers travel as `kind` says."""

    def __init__(self, kind: str = HIDDEN):
        self.kind = kind
        self.way = ratchet if kind == CLEAR else header_encryption
        secret, SPK_B = random_bytes(32), KeyPair.generate()
        SK, *more = (secret,) if kind == CLEAR else expand(secret)
        self.states = {
            "A": self.way.State.initiator(SK, SPK_B.public, *more),
            "B": self.way.State.responder(SK, SPK_B, *more),
        }

    def write(self, who: str, text: bytes) -> Message | HiddenHeaderMessage:
        """The next message of this phone."""
        encrypt = encrypt_fixed if self.kind == FIXED else self.way.encrypt
        self.states[who], message = encrypt(self.states[who], text, AD)
        return message

    def read(self, who: str, message) -> bytes:
        """What this phone reads. Raises what `decrypt` raises; the state stays then."""
        self.states[who], text = self.way.decrypt(self.states[who], message, AD)
        return text


def encrypt_fixed(state: State, plaintext: bytes, associated_data: bytes):
    """Double Ratchet §4.5 with one mistake: the nonce of the header is always the same."""
    CKs, mk = kdf_ck(state.CKs)
    header, nonce = Header(state.DHs.public, state.PN, state.Ns), bytes(16)
    hidden = seal(state.HKs, header.encode(), b"", aead=state.aead, nonce=nonce)
    ciphertext = seal(mk, plaintext, bind(associated_data, concat(nonce, hidden)))
    state = replace(state, CKs=CKs, Ns=state.Ns + 1)
    return state, HiddenHeaderMessage(nonce, hidden, ciphertext)


@dataclass(frozen=True, slots=True)
class Passed:
    """One message at the relay. The relay sees `minute` and `data`; the rest is the truth."""

    minute: int
    data: bytes = field(repr=False)
    pair: int = 0
    chain: tuple = ()


def traffic(kind: str, *, pairs=3, count=24, loss=0.1, seed=1) -> list[Passed]:
    """`count` messages of several pairs, mixed. A share `loss` never reaches the relay."""
    chance, phones, passed = (
        random.Random(f"traffic {seed}"),
        [Pair(kind) for _ in range(pairs)],
        [],
    )
    speakers, minute = ["A"] * pairs, 0
    for _ in range(count):
        minute += chance.randint(1, 9)
        number = chance.randrange(pairs)
        who = speakers[number]
        message = phones[number].write(who, chance.choice(TEXTS))
        turns = chance.random() < 0.4
        if chance.random() < loss:
            continue
        phones[number].read("AB".replace(who, ""), message)
        chain = (number, who, phones[number].states[who].DHs.public)
        passed.append(Passed(minute, message.encode(), number, chain))
        if turns:
            speakers[number] = "AB".replace(who, "")
    return passed


def mark(data: bytes) -> bytes:
    """What the linker compares: the ratchet key, or the first blocks of a sealed header."""
    if data[1:2] == Message.LAYOUT[1].value:
        return Message.decode(data).header.ratchet_key
    return HiddenHeaderMessage.decode(data).header[:SAME_BLOCKS]


def linked(messages: Sequence[bytes]) -> list[list[int]]:
    """The places of the messages that the linker puts together, in order of the first."""
    groups: dict[bytes, list[int]] = {}
    for place, data in enumerate(messages):
        groups.setdefault(mark(data), []).append(place)
    return list(groups.values())


def told(messages: Sequence[bytes], group: Sequence[int]) -> dict:
    """What clear headers say about one group: numbers seen, numbers missing, and PN."""
    headers = [Message.decode(messages[place]).header for place in group]
    numbers = [header.number for header in headers]
    missing = sorted(set(range(max(numbers))) - set(numbers))
    return {"numbers": numbers, "missing": missing, "PN": headers[0].previous_length}


# For the catalogue


def _told_by(kind) -> Result:
    """A56: does any group of messages that belong together hold more than one?"""
    passed = traffic(kind)
    groups = linked([one.data for one in passed])
    most = max(map(len, groups))
    return Result(most > 1, f"{len(passed)} messages, {len(groups)} groups, up to {most} in one")


CATALOGUE = (
    Attack(
        "A56",
        "What headers tell",
        "N",
        "12",
        "The relay keeps what passes, and headers travel in clear.",
        "It sorts the traffic of several pairs by ratchet key, and counts.",
        "Encrypted headers; times and lengths remain.",
        "Double Ratchet §4.",
        works=lambda: _told_by(CLEAR),
        fails=lambda: replace(_told_by(HIDDEN), stopped_by="header encryption"),
    ),
)
