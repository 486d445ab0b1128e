"""What goes wrong with time alone: keys deleted too early, and clocks that do not agree.

A73: the old private half is deleted while late mail still needs it. A74: the server counts the age
of a prekey from the time that the phone wrote on it. Senders see nothing in A73, an error in A74;
the owner learns of neither.
"""

from math import exp
from statistics import NormalDist

from x3dhlab.attacks import targets
from x3dhlab.attacks.entry import Attack, Result
from x3dhlab.errors import Refused, StalePreKey
from x3dhlab.party import LocalTransport, Party
from x3dhlab.service.store import PreKeyStore

DAY = 24 * 60 * 60
# Twenty delays in days, evenly spread over a log-normal distribution: median one day, σ = 1.6.
DELAYS = [exp(1.6 * NormalDist().inv_cdf((n + 0.5) / 20)) for n in range(20)]


def deleted_after(days: int) -> Result:
    """A73: twenty strangers write just before Bob rotates; he keeps the old half for `days`."""
    network = LocalTransport(PreKeyStore())
    bob = Party("Bob", network, one_time=0)
    bob.publish()
    mail = [_first_message(network, f"stranger {n}") for n in range(len(DELAYS))]
    bob.rotate(now=1)
    lost = 0
    for (sender, data), delay in zip(mail, DELAYS, strict=True):
        if delay >= days:
            bob.retire(before=1)
        network.send(sender, "Bob", data)
        lost += sum(received.error is not None for received in bob.receive())
    kept = "" if lost else f"the old private half is kept for {days} days"
    return Result(lost > 0, f"{lost} of {len(mail)} first messages do not open", kept)


def _first_message(network, name):
    Party(name, network, one_time=0).send("Bob", targets.TEXT)
    ((sender, data),) = network.collect("Bob")
    return sender, data


class ExpiringTransport(LocalTransport):
    """A server that hands out no prekey older than `ttl`, counted from the phone's own clock."""

    def __init__(self, store, ttl: int):
        super().__init__(store)
        self.ttl, self.now, self.made = ttl, 0, {}

    def written(self, name: str, time: int) -> None:
        """The time that a phone says it made its prekey at."""
        self.made[name] = time

    def fetch(self, name, requester):
        if self.now - self.made[name] > self.ttl:
            raise StalePreKey("the server says that this prekey is too old", step="X3DH §3.2")
        return super().fetch(name, requester)


def behind(days: int, trusted: bool) -> Result:
    """A74: Bob's clock is `days` behind. The server expires by it, or the sender by her own."""
    network = ExpiringTransport(PreKeyStore(), 3 * DAY) if trusted else None
    network = network or LocalTransport(PreKeyStore())
    alice = Party("Alice", network, one_time=0, max_age=3 * DAY)
    bob = Party("Bob", network, one_time=0)
    bob.publish()
    if trusted:
        network.written("Bob", -days * DAY)
    try:
        alice.send("Bob", targets.TEXT)
    except Refused as refusal:
        return Result(True, f"a prekey made this minute is refused: {refusal.args[0]}")
    (received,) = bob.receive()
    return Result(
        received.plaintext != targets.TEXT,
        "the message opens",
        "each age is the difference of two times on one clock",
    )


CATALOGUE = (
    Attack(
        "A73",
        "A private half deleted too early",
        "D",
        "18",
        "Delays have a long tail, and the retention is chosen for the usual ones.",
        "Late first messages do not open; nobody sees a reason.",
        "Keep private halves for longer than bundles and mail travel, and count what is lost.",
        "libsignal lets senders use an unanswered session for 30 days.",
        works=lambda: deleted_after(2),
        fails=lambda: deleted_after(30),
    ),
    Attack(
        "A74",
        "Clocks that do not agree",
        "D",
        "18",
        "The server counts a prekey's age from the phone's clock, and that one is behind.",
        "Fresh prekeys are refused; nobody can write to this person.",
        "Take both times of an age from one clock; allow for a tolerance.",
        "Signal for Android treats a negative age as a reason to rotate.",
        works=lambda: behind(4, trusted=True),
        fails=lambda: behind(4, trusted=False),
    ),
)
