"""Thieves of a ratchet state: one who listens, one who stays, and what lets them go on.

A53, A46 of the catalogue. Precondition: the network is recorded, and at one moment somebody copies
the state of one phone. Nobody notices. The phones turn by the Double Ratchet's rule or by another
one, and the thief does what the phone would do with his copy.
"""

from dataclasses import dataclass, replace

from x3dhlab import ratchet, session
from x3dhlab.attacks import targets
from x3dhlab.attacks.entry import Attack, Result, attempt
from x3dhlab.attacks.ratchets import AD, Phone, phones, tried
from x3dhlab.errors import Refused
from x3dhlab.keys import KeyPair
from x3dhlab.primitives import AEAD, CBC_HMAC, dh, open_sealed, random_bytes, seal
from x3dhlab.ratchet import State, kdf_ck, kdf_rk
from x3dhlab.wire import Header, Message


@dataclass(slots=True)
class Turning(Phone):
    """A phone that makes its new ratchet key when it writes.

    `every`: after so many messages of its own, as design E says; None: when the other has made a
    new key since; 0: only for its first message. Messages must come in order.
    """

    every: int | None = None

    def write(self, text: bytes) -> Message:
        """Double Ratchet §3.4, after a turn of the sending side if one is due."""
        if self.state.CKs is None or (self.every and self.state.Ns >= self.every):
            self.state = _sending_turn(self.state)
        return Phone.write(self, text)

    def _stepped(self, state, header):
        if header.ratchet_key != state.DHr:
            state = _receiving_turn(state, header.ratchet_key)
            if self.every is None:
                state = replace(state, CKs=None)
        return ratchet.receiving_key(state, header.number)


def _sending_turn(state):
    DHs = KeyPair.generate()
    RK, CKs = kdf_rk(state.RK, dh(DHs.private, state.DHr))
    return replace(state, DHs=DHs, RK=RK, CKs=CKs, PN=state.Ns, Ns=0)


def _receiving_turn(state, DHr):
    RK, CKr = kdf_rk(state.RK, dh(state.DHs.private, DHr))
    return replace(state, DHr=DHr, RK=RK, CKr=CKr, Nr=0)


READING, WRITING, TEN, FIFTY, NEVER = (
    "at an answer, key made when reading",
    "at an answer, key made when writing",
    "after 10 messages of one's own",
    "after 50 messages of one's own",
    "never again",
)
_EVERY = {WRITING: None, TEN: 10, FIFTY: 50, NEVER: 0}
RULES = (READING, *_EVERY)


def _pair(rule):
    if rule == READING:
        return phones()
    return tuple(Turning(phone.state, every=_EVERY[rule]) for phone in phones())


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation without loss: `sent[n - 1]` is message n as (sender, message).

    `copies[name, n]` is a copy of that phone after message n (0: before the first).
    """

    sent: tuple[tuple[str, Message], ...]
    copies: dict


def talk(senders: str, rule: str = READING) -> Talk:
    """Play a conversation of phones that turn by `rule`; `senders` is such as "AABA".

    Raises `ValueError` for other letters, or if Bob writes first.
    """
    if not senders or set(senders) - set("AB") or senders[0] == "B":
        raise ValueError("write A and B, and let A be first")
    ends = dict(zip("AB", _pair(rule), strict=True))
    sent, copies = [], {(name, 0): replace(phone) for name, phone in ends.items()}
    for number, sender in enumerate(senders, 1):
        message = ends[sender].write(b"message %d" % number)
        ends["BA"["AB".index(sender)]].read(message)
        sent.append((sender, message))
        copies |= {(name, number): replace(phone) for name, phone in ends.items()}
    return Talk(tuple(sent), copies)


def listen(run: Talk, who: str, after: int, count: int | None = None) -> list[int]:
    """A53, passive: the numbers of the later messages that the copy of `who`'s phone opens.

    `count` limits how many messages he tries.
    """
    copy, opened, lost = replace(run.copies[who, after]), [], set()
    later = run.sent[after : None if count is None else after + count]
    for number, (sender, message) in enumerate(later, after + 1):
        # Messages come in order: a sender whose chain he lost once is lost for good.
        if sender not in lost and _opens(copy, sender, message, who):
            opened.append(number)
        else:
            lost.add(sender)
        if lost == {"A", "B"}:
            break
    return opened


def _opens(copy, sender, message, who):
    """Whether the copy gets the text; it follows the conversation as far as it can."""
    if sender != who:
        return tried(copy, message).startswith("message")
    state = copy.state
    if state.CKs is None or message.header.ratchet_key != state.DHs.public:
        return False
    CKs, mk = kdf_ck(state.CKs)
    try:
        open_sealed(mk, message.ciphertext, ratchet.bind(AD, message.header.encode()))
    except Refused:
        return False
    copy.state = replace(state, CKs=CKs, Ns=state.Ns + 1)
    return True


# How much a theft costs, by the rhythm of the conversation

IN_A_ROW = (1, 2, 5, 10, 25)
MOMENTS = 100  # each phone is robbed after every seventh of so many messages
TRIED = 200  # messages after a theft; no rule above needs more to heal


def cost_of_a_theft(in_a_row=IN_A_ROW, rules=(READING, WRITING, TEN, FIFTY)) -> dict:
    """Rule → how many of the next 200 messages a thief of one state reads, on average.

    One value for each number of messages that each side writes in a row. The state of either phone
    is stolen after every seventh of 100 messages.
    """
    return {rule: [_cost(rule, length) for length in in_a_row] for rule in rules}


def _cost(rule, length):
    senders = ("A" * length + "B" * length) * (2 * MOMENTS + TRIED)
    run = talk(senders[: 2 * MOMENTS + TRIED], rule)
    moments = range(MOMENTS, 2 * MOMENTS, 7)
    read = [len(listen(run, who, after, TRIED)) for who in "AB" for after in moments]
    return sum(read) / len(read)


# An attacker who keeps sending


class Between:
    """A53, active: whoever holds the state of one phone plays each side to the other.

    Precondition: the copy is as new as the phone, and every message goes through her hands. Nobody
    notices while she stays: the identity keys are the right ones.
    """

    def __init__(self, copy: State):
        e = KeyPair.generate()
        RK, CKs = kdf_rk(copy.RK, dh(e.private, copy.DHs.public))
        other = replace(copy, DHs=e, DHr=copy.DHs.public, RK=RK, CKs=CKs, CKr=copy.CKs)
        self.victim = copy
        self.other = replace(other, Ns=0, Nr=copy.Ns, PN=copy.Nr)

    def relay(self, message: Message, *, from_victim: bool) -> tuple[bytes, Message]:
        """The text, and the message that goes on instead. Raises `Refused` if she is too late."""
        if from_victim:
            self.other, text = ratchet.decrypt(self.other, message, AD)
            self.victim, forged = ratchet.encrypt(self.victim, text, AD)
        else:
            self.victim, text = ratchet.decrypt(self.victim, message, AD)
            self.other, forged = ratchet.encrypt(self.other, text, AD)
        return text, forged


def stay(senders: str, after: int, begin: int, end: int) -> list[tuple[str, bool, str]]:
    """Eve copies Alice's state after a message, listens, and stands between from `begin` to `end`.

    After `end` she is gone. For each message: who sent it, whether Eve reads it, and what the
    receiver reads, or the name of his refusal. Raises `ValueError` unless after < begin <= end.
    """
    if begin <= after:
        raise ValueError(f"Eve has no copy before message {after + 1}, so let her begin there")
    if end < begin:
        raise ValueError(f"Eve leaves before she begins: let her leave after message {begin}")
    ends, copy, eve, told = dict(zip("AB", phones(), strict=True)), None, None, []
    for number, sender in enumerate(senders, 1):
        message = ends[sender].write(b"message %d" % number)
        if copy and number == begin:
            eve = Between(copy.state)
        if eve and number <= end:
            read, message = _relayed(eve, sender, message)
        else:
            read = bool(copy) and not eve and _opens(copy, sender, message, "A")
        told.append((sender, read, tried(ends["BA"["AB".index(sender)]], message)))
        copy = Phone(ends["A"].state) if number == after else copy
    return told


def _relayed(eve, sender, message):
    try:
        _, forged = eve.relay(message, from_victim=sender == "A")
    except Refused:
        return False, message
    return True, forged


# States that should not exist


def states(aead: AEAD = CBC_HMAC) -> tuple[State, State]:
    """Alice's state and Bob's before the first message, with new keys."""
    SK, SPK_B = random_bytes(32), KeyPair.generate()
    alice = State.initiator(SK, SPK_B.public, aead=aead)
    return alice, State.responder(SK, SPK_B, aead=aead)


def zero_forgery(text: bytes, associated_data: bytes = AD) -> Message:
    """A46: a message made without any secret, from a chain key and a ratchet key of zero bytes.

    Precondition: Bob has not received anything, and his program writes zeros where nothing is set.
    He does not notice.
    """
    header = Header(bytes(32), 0, 0)
    _, mk = kdf_ck(bytes(32))
    return Message(header, seal(mk, text, ratchet.bind(associated_data, header.encode())))


# For the catalogue


def _zero_state() -> Result:
    """A46: a Bob whose program writes zeros where nothing is set yet."""
    _, bob = states()
    zeroed = replace(bob, DHr=bytes(32), CKr=bytes(32))
    return attempt(lambda: ratchet.decrypt(zeroed, zero_forgery(b"forged"), AD)[1].decode())


def _empty_state() -> Result:
    _, bob = states()
    return attempt(lambda: ratchet.decrypt(bob, zero_forgery(b"forged"), AD))


def _put_back() -> Result:
    """A49: the same state writes two messages."""
    alice, _ = states()
    one, two = (ratchet.encrypt(alice, text, AD)[1] for text in (b"pay Carol", b"pay Peter"))
    return Result(one.header == two.header, "two texts under one message key")


def _remembered() -> Result:
    """A49 against `session`: the holder remembers the number of the last step."""
    friends = targets.friends()
    friends.written()
    ((old, *_),) = friends.alice.device.sessions.values()
    saved = session.to_bytes(old)
    friends.alice.send("Bob", b"again")
    ((now, *_),) = friends.alice.device.sessions.values()
    return attempt(lambda: session.from_bytes(saved, last_sequence=now.sequence))


SENDERS, STOLEN_AFTER = "ABABABAB", 1


def _never_turned() -> Result:
    read = listen(talk(SENDERS, NEVER), "A", STOLEN_AFTER)
    return Result(len(read) == len(SENDERS) - STOLEN_AFTER, f"the thief reads {read}")


def _healed() -> Result:
    """A53 against phones made of `ratchet`: what a copy of Alice's state reads at the end."""
    read = listen(talk(SENDERS), "A", STOLEN_AFTER)
    return Result(len(SENDERS) in read, f"the thief reads {read}", "a key that the copy never had")


def _skipped_key(messages: int) -> Result:
    """A55: message 1 is lost; after so many others Bob's state is stolen. Does it open?"""
    alice, bob = states()
    alice, lost = ratchet.encrypt(alice, b"the lost one", AD)
    for _ in range(messages):
        alice, message = ratchet.encrypt(alice, b"", AD)
        bob, _ = ratchet.decrypt(bob, message, AD)
    return attempt(lambda: ratchet.decrypt(bob, lost, AD)[1].decode())


CATALOGUE = (
    Attack(
        "A46",
        "Zeros for an empty state",
        "I",
        "11",
        "Bob's program writes zeros where nothing is set, and takes them for keys.",
        "He reads a message that was made without any secret.",
        "An explicit “no chain yet”, and the refusal of low-order keys.",
        "A symbolic trace against a model; unconfirmed for any released program.",
        works=_zero_state,
        fails=_empty_state,
    ),
    Attack(
        "A49",
        "A state put back, or copied",
        "DK",
        "11",
        "A saved state is used after a newer one has sent.",
        "One message key for two texts, and a message that the receiver drops.",
        "New sessions after a restore; a sequence number that the holder remembers.",
        "Signal-Desktop issue 2912.",
        works=_put_back,
        fails=_remembered,
    ),
    Attack(
        "A53",
        "A stolen ratchet state",
        "K",
        "11",
        "One state is copied, and the phones never make a new ratchet key.",
        "The thief reads everything that follows.",
        "A new key at every answer.",
        "Double Ratchet §8.2; Cohn-Gordon and others 2016.",
        works=_never_turned,
        fails=_healed,
    ),
    Attack(
        "A55",
        "Keys of messages that never came",
        "K",
        "11",
        "A message was lost, recorded, and its key is still kept when the state is stolen.",
        "The recorded message opens.",
        "An age limit for skipped keys.",
        "Double Ratchet §8.4.",
        works=lambda: _skipped_key(5),
        fails=lambda: _skipped_key(ratchet.MAX_AGE + 1),
    ),
)
