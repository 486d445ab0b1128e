"""Design B's table of attackers, each row as a run.

The table has six rows and asks two things: does the attacker learn SK, and can he be Bob to Alice?
Two of its rows hold two attackers with different answers, so there are eight runs. A third column
asks what the table does not: can he be Alice to Bob? Every answer comes from bytes: an SK that the
attacker computes equals the one on Alice's phone, or a forged message opens on a real phone.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from x3dhlab.attacks import thieves
from x3dhlab.attacks.server import IssueTwice, SwapIdentity, SwapOneTime, SwapSignedPreKey
from x3dhlab.attacks.targets import friends, opened
from x3dhlab.attacks.weakened import MissingTerm
from x3dhlab.errors import Refused
from x3dhlab.party import Party
from x3dhlab.proof import stolen
from x3dhlab.trace import record

COLUMNS = SECRET, AS_BOB, AS_ALICE = "learns SK", "is Bob to Alice", "is Alice to Bob"


@dataclass(frozen=True, slots=True)
class Row:
    """One attacker: what design B says in its two columns, and what the runs find in three.

    `says` has the design's words and what they come to: True, False, or None for no answer. `why`
    is what a run met.
    """

    name: str
    says: dict[str, tuple[str, bool | None]]
    found: dict[str, bool]
    why: dict[str, str] = field(default_factory=dict, repr=False)

    def stands(self, column: str) -> bool:
        """True if the design's answer is what the run found; silence stands only over a no."""
        said = self.says.get(column, ("", None))[1]
        return said == self.found[column] or (said is None and not self.found[column])


def rows() -> list[Row]:
    """Every attacker of the table, each column played on new keys."""
    return [make() for make in ROWS]


def _row(name, says, *questions):
    told = dict(zip(COLUMNS, map(_asked, questions), strict=True))
    found = {column: yes for column, (yes, _) in told.items()}
    why = {column: words for column, (_, words) in told.items()}
    return Row(name, dict(zip((SECRET, AS_BOB), says, strict=True)), found, why)


def _asked(question: Callable):
    try:
        return True, question()
    except Refused as refusal:
        return False, refusal.args[0]


def _secret(run, keys):
    """Compute SK from these keys and compare it with Alice's. Raises `MissingTerm`."""
    SK = thieves.secret_of(run.data, run.bundle, keys)
    assert run.secret == SK
    return f"SK = {SK.hex()[:8]} …"


def _later(*names, one_time=1):
    """SK of a recorded message, from keys that the phones still have after it."""
    run = thieves.recording(one_time)
    run.pair.deliver(run.data)
    return _secret(run, thieves.private_halves(run.pair, *names))


def _forged(names):
    """The two questions about names, for a thief of these keys."""
    return lambda: thieves.bob_to_alice(names).decode(), lambda: thieves.alice_to_bob(
        names
    ).decode()


def listens() -> Row:
    """He has the recording of the network."""
    name, says = "listens to the network", (("No", False), ("No", False))
    return _row(name, says, _later, *_forged(()))


def serves_acquaintances() -> Row:
    """The server, between people who know each other's identity keys. It tries three exchanges."""

    def secret():
        pair = thieves.talked(friends())
        for lie in (SwapSignedPreKey, SwapIdentity):
            pair.alice.transport = lie(pair.network)
            _refusal(lambda: pair.alice.send("Bob", thieves.LIE, renew=True))
        run = thieves.recording(served=SwapOneTime)
        return _secret(run, {"OPK_B": run.pair.alice.transport.inner.one_time.private})

    def as_(victim):
        def question():
            pair = thieves.talked(friends())
            SwapIdentity(pair.network).write_first(thieves.LIE)
            return opened(getattr(pair, victim)).decode()

        return question

    says = ("No (usually)", False), ("Sometimes", False)
    return _row("is the server; keys compared", says, secret, as_("alice"), as_("bob"))


def _refusal(attempt: Callable) -> Refused:
    """The refusal that an attempt meets. Raises `AssertionError` if it meets none."""
    try:
        attempt()
    except Refused as refusal:
        return refusal
    raise AssertionError("the attempt was not refused")


def serves_strangers() -> Row:
    """The server, at first contact (A1)."""

    def placed():
        pair = friends()
        server = SwapIdentity(pair.network)
        pair.alice.transport = pair.bob.transport = server
        pair.alice.send("Bob", b"Hello")
        opened(pair.bob)
        return pair, server

    def secret():
        pair = friends()
        pair.alice.transport = SwapIdentity(pair.network)
        with record() as trace:
            pair.alice.send("Bob", b"Hello")
        hers, servers = (_secrets(trace, who) for who in ("Alice", "Bob"))
        assert hers[0] in servers  # the server's Bob: the real one has not read yet
        return f"SK = {hers[0].hex()[:8]} …"

    def as_(victim, played):
        def question():
            pair, server = placed()
            server.roles[victim, played].send(victim, thieves.LIE)
            return opened(getattr(pair, victim.lower())).decode()

        return question

    says = ("No (usually)", False), ("Sometimes", True)
    questions = secret, as_("Alice", "Bob"), as_("Bob", "Alice")
    return _row("is the server; first contact", says, *questions)


def _secrets(trace, who):
    return [v for e in trace.events if e.actor == who for name, v in e.outputs if name == "SK"]


def issues_twice() -> Row:
    """The server hands one one-time key to two people (A8), and listens."""

    def secret():
        run = thieves.recording(served=IssueTwice)
        run.pair.deliver(run.data)
        carol = Party("Carol", run.pair.alice.transport)
        carol.send("Bob", b"Hello")
        _refusal(lambda: opened(run.pair.bob))  # the key was burnt with Alice's message
        return _secret(run, {})

    says = ("Not directly", False), ("No", False)
    return _row("hands a one-time key out twice", says, secret, *_forged(()))


def steals_signed_prekey() -> Row:
    """SPK_B, after the handshake; also where the pool was empty."""

    def secret():
        _refusal(lambda: _later("SPK_B", one_time=0))
        return _later("SPK_B")

    says = ("Usually no", False), ("No", False)
    return _row("has SPK_B, later", says, secret, *_forged(("SPK_B",)))


def steals_identity() -> Row:
    """IK_B before first contact; he only listens, and writes."""
    says = ("Yes", True), ("Yes", True)
    return _row("has IK_B, does not serve", says, lambda: _later("IK_B"), *_forged(("IK_B",)))


def steals_identity_and_serves() -> Row:
    """IK_B before first contact, and the server in hand; the two have compared their keys."""

    def secret():
        return f"reads “{thieves.read_next(('IK_B',)).decode()}”"

    says = ("Yes", True), ("Yes", True)
    return _row("is the server, has IK_B; keys compared", says, secret, *_forged(("IK_B",)))


def steals_phone() -> Row:
    """All that Alice's phone holds after the handshake."""

    def secret():
        run = thieves.recording()
        run.pair.deliver(run.data)
        if run.secret not in run.trace.closure(stolen(run.pair.alice)):
            raise MissingTerm("EK_A, DH1 to DH4 and SK were deleted")
        return "SK follows from what the phone holds"

    says = ("Past … protected", False), ("N/A", None)
    return _row("has Alice's phone, later", says, secret, *_forged(("IK_A", "SPK_A")))


ROWS = (
    listens,
    serves_acquaintances,
    serves_strangers,
    issues_twice,
    steals_signed_prekey,
    steals_identity,
    steals_identity_and_serves,
    steals_phone,
)
