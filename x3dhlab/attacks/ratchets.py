"""Double Ratchets, each with its own rules, and what loss, disorder and a forger do to them.

A `Phone` is one end of a conversation with one switch for each decision that public designs get
wrong. It is made of the steps of `ratchet`; only what a rule changes is written here.
"""

import functools
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import hypothesis

from x3dhlab import prekeys, ratchet, session
from x3dhlab.attacks.entry import Attack, Result, attempt
from x3dhlab.errors import Refused, TooManySkipped, UsedPreKey
from x3dhlab.keys import KeyPair
from x3dhlab.party import LocalTransport
from x3dhlab.primitives import open_sealed, random_bytes, seal
from x3dhlab.ratchet import MAX_SKIP, State, kdf_ck
from x3dhlab.service.store import PreKeyStore
from x3dhlab.wire import Header, Message, PreKeyBundle

AD = b"Alice to Bob"
CLAIMED = 5_000  # the number that a forged header claims: a jump far above MAX_SKIP


@dataclass(frozen=True, slots=True)
class Rules:
    """What a phone does. The defaults are the Double Ratchet's."""

    keeps: bool = True  # the keys of messages that it jumps over
    previous: bool = True  # also those of the previous chain, at a turn
    header_in_ad: bool = True
    copies: bool = True  # works on a copy until the message has opened
    limit: int | None = MAX_SKIP
    deletes: bool = True  # a message key, once it was used


RIGHT, NOTHING_KEPT, ONE_CHAIN = "Double Ratchet", "keeps no keys", "forgets the previous chain"
DESIGN_C, USED_KEPT = "design C: forgets it, and changes before opening", "keeps used keys"
RULES = {
    RIGHT: Rules(),
    NOTHING_KEPT: Rules(keeps=False),
    ONE_CHAIN: Rules(previous=False),
    DESIGN_C: Rules(previous=False, copies=False),
    USED_KEPT: Rules(deletes=False),
}


@dataclass(slots=True)
class Phone:
    """One end of a conversation. `steps` counts the steps of receiving chains, opened or not."""

    state: State
    rules: Rules = Rules()
    steps: int = field(default=0)

    def write(self, text: bytes) -> Message:
        """Double Ratchet §3.4 under these rules."""
        CKs, mk = kdf_ck(self.state.CKs)
        header = Header(self.state.DHs.public, self.state.PN, self.state.Ns)
        self.state = replace(self.state, CKs=CKs, Ns=self.state.Ns + 1)
        return Message(header, seal(mk, text, self._bound(header)))

    def read(self, message: Message) -> bytes:
        """Double Ratchet §3.5 under these rules: the text, or a refusal."""
        header = message.header
        name = header.ratchet_key, header.number
        state, mk = self.state, self.state.MKSKIPPED.get(name, (None,))[0]
        if mk is not None and self.rules.deletes:
            state, mk = ratchet.take_skipped(state, name)
        if mk is None:
            state, mk = self._stepped(state, header)
        text = open_sealed(mk, message.ciphertext, self._bound(header))
        if not self.rules.deletes:
            state = _with_key(state, name, mk)
        self.state = state
        return text

    def _stepped(self, state, header):
        """The state and the key after the steps that this header asks for."""
        if header.ratchet_key != state.DHr:
            if self.rules.previous:
                state = self._jumped(state, header.previous_length)
            state = ratchet.dh_ratchet(state, header)
        state = self._jumped(state, header.number)
        state, mk = ratchet.receiving_key(state, header.number)
        self.steps += 1
        if not self.rules.copies:
            self.state = state
        return state, mk

    def _jumped(self, state, until):
        limit = self.rules.limit
        if limit is not None and until > state.Nr + limit:
            raise TooManySkipped("the header jumps too far", jump=until - state.Nr)
        if state.CKr is None or until <= state.Nr:
            return state
        skipped, CKr = dict(state.MKSKIPPED), state.CKr
        for number in range(state.Nr, until):
            CKr, mk = kdf_ck(CKr)
            self.steps += 1
            if self.rules.keeps:
                skipped[state.DHr, number] = mk, state.received
        return replace(state, CKr=CKr, Nr=until, MKSKIPPED=MappingProxyType(skipped))

    def _bound(self, header):
        return ratchet.bind(AD, header.encode() if self.rules.header_in_ad else b"")


def _with_key(state, name, mk):
    kept = {**state.MKSKIPPED, name: (mk, state.received)}
    return replace(state, MKSKIPPED=MappingProxyType(kept))


def phones(rules: Rules = RULES[RIGHT]) -> tuple[Phone, Phone]:
    """Alice's phone and Bob's, with new keys, before the first message."""
    SK, SPK_B = random_bytes(32), KeyPair.generate()
    alice, bob = State.initiator(SK, SPK_B.public), State.responder(SK, SPK_B)
    return Phone(alice, rules), Phone(bob, rules)


# Name → a function without arguments that makes two such phones.
RATCHETS = {name: functools.partial(phones, rules) for name, rules in RULES.items()}
Make = Callable[[], tuple[Phone, Phone]]


def tried(phone: Phone, message: Message) -> str:
    """The text that a phone reads, or the name of its refusal."""
    try:
        return phone.read(message).decode()
    except Refused as refusal:
        return type(refusal).__name__


# Loss and disorder: nobody attacks


def talk(order, make: Make = phones) -> list[str]:
    """Deliver a conversation in an order: the texts that arrived and could not be read.

    `order` has one (sender, delay) for each message, with sender "A" or "B". A message with delay
    d arrives after the next d messages were written, and behind those that arrive then. Who cannot
    write yet is left out.
    """
    ends = dict(zip("AB", make(), strict=True))
    arrivals: dict = {}
    unread = []
    for now in range(len(order) + max((delay for _, delay in order), default=0)):
        sender, delay = order[now] if now < len(order) else ("", 0)
        if sender and ends[sender].state.CKs is not None:
            text = f"{sender}{now}"
            message = ends[sender].write(text.encode())
            arrivals.setdefault(now + delay, []).insert(0, (text, message))
        for text, message in arrivals.pop(now, ()):
            if tried(ends["B" if text[0] == "A" else "A"], message) != text:
                unread.append(text)
    return unread


COUNT = 200  # messages of one long conversation
LATENESS = (0, 1, 2, 4, 8, 16)


def disorder(late: int, seed: int = 1, count: int = COUNT) -> list[tuple[str, int]]:
    """A conversation in bursts of one to four, each message up to `late` places late."""
    rng, delays = random.Random(seed), random.Random(f"{seed}/{late}")
    senders = ""
    while len(senders) < count:
        senders += "BA"[senders[-1:] != "A"] * rng.randint(1, 4)
    return [(sender, delays.randint(0, late)) for sender in senders[:count]]


LINES = (NOTHING_KEPT, ONE_CHAIN, DESIGN_C, RIGHT)


def lost_by_lateness(lateness=LATENESS, count: int = COUNT) -> dict[str, list[int]]:
    """Rule → messages that arrived and could not be read, for each lateness."""
    return {
        name: [len(talk(disorder(late, count=count), RATCHETS[name])) for late in lateness]
        for name in LINES
    }


# Attacks on the header and on the state


def shorter_chain(make: Make = phones) -> tuple[str, str]:
    """A47: Mallory sets PN to 0 in the first message of a new chain.

    Precondition: she sits on the network, and the header is not under the tag. Nobody notices: the
    message opens. What Bob reads, and what he reads of the late message before it.
    """
    alice, bob = make()
    bob.read(alice.write(b"one"))
    late = alice.write(b"late")
    alice.read(bob.write(b"answer"))
    message = alice.write(b"new chain")
    header = replace(message.header, previous_length=0)
    return tried(bob, replace(message, header=header)), tried(bob, late)


def forged_turn(make: Make = phones) -> tuple[str, str]:
    """A45: one message with a random ratchet key and garbage behind it.

    Precondition: none; anybody who can reach Bob's mailbox. He notices a refusal, and, if his phone
    changed its state before opening, that no later message opens. The forgery, the next message.
    """
    alice, bob = make()
    bob.read(alice.write(b"one"))
    alice.read(bob.write(b"answer"))
    forged = Message(Header(KeyPair.generate().public, 1, 0), random_bytes(48))
    return tried(bob, forged), tried(bob, alice.write(b"honest"))


def claimed_jump(make: Make = phones, claimed: int = CLAIMED) -> tuple[str, int]:
    """A44: a forged header that claims a high number. Bob's answer, and the steps he made for it.

    Precondition: none. Bob notices a slow phone, and memory that fills.
    """
    alice, bob = make()
    bob.read(alice.write(b"one"))
    before, header = bob.steps, alice.write(b"two").header
    forged = Message(replace(header, number=claimed), random_bytes(48))
    return tried(bob, forged), bob.steps - before


def duplicate(make: Make = phones) -> tuple[str, str]:
    """A48: the network delivers one message twice. What Bob reads each time."""
    alice, bob = make()
    message = alice.write(b"pay 10 euros")
    return tried(bob, message), tried(bob, message)


# Properties, and ratchets that have to break them


STARTS = range(5)  # of Hypothesis's random inputs; `derandomize` alone starts from the source text


def judge(check: Callable) -> dict[str, str]:
    """Run `check(make)` with each of `RATCHETS`: "holds", or the kind of the error it raised.

    A property of Hypothesis runs once from each of `STARTS`, so that its spelling decides nothing.
    """
    return {name: _judged(check, make) for name, make in RATCHETS.items()}


def _judged(check, make):
    for start in STARTS:
        try:
            hypothesis.seed(start)(check)(make)
        except Exception as problem:
            return f"broken: {type(problem).__name__}"
    return "holds"


# The header of the handshake, repeated


def before_the_answer(count: int = 5, one_time: int = 1) -> tuple[session.Device, list[bytes]]:
    """Bob's device, and the messages that Alice wrote before he answered."""
    rings = [prekeys.generate(one_time=one_time) for _ in range(2)]
    alice, bob = map(session.Device, rings)
    network = LocalTransport(PreKeyStore())
    network.publish("Bob", prekeys.publication(bob.ring).encode())
    bundle = PreKeyBundle.decode(network.fetch("Bob", "Alice"))
    alice, sent = session.start(alice, bundle), []
    for number in range(1, count + 1):
        alice, data = session.send(alice, bundle.identity_key, b"message %d" % number)
        sent.append(data)
    return bob, sent


def without_memory(device: session.Device, data: bytes) -> tuple[session.Device, bytes]:
    """A42: a Bob who runs the handshake for every message that carries its header.

    Precondition: none; Alice writes twice before he answers. The next device and the text.
    """
    forgetful = replace(device, sessions=MappingProxyType({}))
    device, _, text = session.receive(forgetful, None, data)
    return device, text


def with_memory(device: session.Device, data: bytes) -> tuple[session.Device, bytes]:
    """X3DH §3.4 as the package has it: a known header belongs to its session."""
    device, _, text = session.receive(device, None, data)
    return device, text


# For the catalogue


def _with(**rules):
    return functools.partial(phones, Rules(**rules))


def _pile_up(receive) -> Result:
    """A42: five messages before the answer."""
    device, sent = before_the_answer()
    read = []
    try:
        for data in sent:
            device, text = receive(device, data)
            read.append(text)
    except UsedPreKey as refusal:
        return Result(True, f"message {len(read) + 1}: {refusal.args[0]}")
    return Result(False, f"all {len(read)} open", "the session that this header opened")


def _unbounded() -> Result:
    told, steps = claimed_jump(_with(limit=None))
    return Result(steps >= CLAIMED, f"{steps} steps before the answer {told}")


def _bricked() -> Result:
    _, honest = forged_turn(_with(copies=False))
    return Result(honest != "honest", f"the next honest message: {honest}")


def _shortened() -> Result:
    first, late = shorter_chain(_with(header_in_ad=False))
    return Result(late != "late", f"Bob reads “{first}”, and of the late one: {late}")


def _forgotten() -> Result:
    order = [("A", 0), ("A", 2), ("B", 0), ("A", 0)]
    lost = talk(order, RATCHETS[ONE_CHAIN])
    return Result(bool(lost), f"{len(lost)} late message cannot be read")


@dataclass(frozen=True, slots=True)
class _Real:
    """Both ends of the package's own ratchet, in the middle of a conversation."""

    alice: State
    bob: State

    @classmethod
    def talking(cls) -> "_Real":
        alice, bob = (phone.state for phone in phones())
        for _ in range(2):
            alice, message = ratchet.encrypt(alice, b"one", AD)
            bob, _ = ratchet.decrypt(bob, message, AD)
            bob, message = ratchet.encrypt(bob, b"answer", AD)
            alice, _ = ratchet.decrypt(alice, message, AD)
        return cls(alice, bob)

    def read(self, message: Message) -> bytes:
        return ratchet.decrypt(self.bob, message, AD)[1]


def _jump_refused() -> Result:
    real = _Real.talking()
    _, message = ratchet.encrypt(real.alice, b"two", AD)
    forged = Message(replace(message.header, number=CLAIMED), random_bytes(48))
    return attempt(lambda: real.read(forged))


def _turn_refused() -> Result:
    """A45 against `ratchet`: the forgery is refused, and the next honest message opens."""
    real = _Real.talking()
    forged = attempt(lambda: real.read(Message(Header(KeyPair.generate().public, 1, 0), bytes(48))))
    _, message = ratchet.encrypt(real.alice, b"honest", AD)
    return replace(forged, succeeded=real.read(message) != b"honest")


def _shorter_refused() -> Result:
    real = _Real.talking()
    _, message = ratchet.encrypt(real.alice, b"new chain", AD)
    header = replace(message.header, previous_length=0)
    return attempt(lambda: real.read(replace(message, header=header)))


def _each_once() -> Result:
    """A48 against `ratchet`: the order 3, 1, 2, 2."""
    real = _Real.talking()
    alice, sent = real.alice, []
    for number in (1, 2, 3):
        alice, message = ratchet.encrypt(alice, b"message %d" % number, AD)
        sent.append(message)
    bob = real.bob
    for place in (2, 0, 1):
        bob, _ = ratchet.decrypt(bob, sent[place], AD)
    return attempt(lambda: ratchet.decrypt(bob, sent[1], AD))


CATALOGUE = (
    Attack(
        "A42",
        "The handshake header, repeated",
        "NI",
        "10",
        "Alice writes twice before Bob answers, and he runs the handshake for each message.",
        "The first message opens; the others name a key that is burnt.",
        "Look for a session that this header opened, before anything else.",
        "libsignal looks for a matching session first.",
        works=lambda: _pile_up(without_memory),
        fails=lambda: _pile_up(with_memory),
    ),
    Attack(
        "A44",
        "A number that costs work",
        "N",
        "10",
        "No limit for the jump, and a forged header that claims a high number.",
        "Thousands of steps, and memory, before the tag can fail.",
        "A limit that is compared before the first step, and a limit for the store.",
        "Double Ratchet §8.4; design C's loop has none.",
        works=_unbounded,
        fails=_jump_refused,
    ),
    Attack(
        "A45",
        "Changed before opening",
        "I",
        "10",
        "The ratchet changes its state in place.",
        "One forged header, and no later message opens.",
        "Work on a copy, and store it only when the message has opened.",
        "Double Ratchet §3.5.",
        works=_bricked,
        fails=_turn_refused,
    ),
    Attack(
        "A47",
        "A header outside the tag",
        "I",
        "10",
        "The tag does not cover the header.",
        "A changed PN is not noticed, and a late message cannot be read.",
        "The header in the associated data, behind AD and its length.",
        "Double Ratchet §3.4; designs C and E leave it out.",
        works=_shortened,
        fails=_shorter_refused,
    ),
    Attack(
        "A48",
        "Late, twice and out of order",
        "N",
        "10",
        "The phone forgets the keys of the previous chain.",
        "A late message cannot be read any more.",
        "Skipped keys for both chains, found by ratchet key and number, deleted after use.",
        "Double Ratchet §3.5; design C's flow never keeps them.",
        works=_forgotten,
        fails=_each_once,
    ),
)
