"""Design E's security checklist, row by row, and the run that belongs to each row.

A tick of the checklist says that a part exists. The run shows what the tick does not say. It is an
attack of the catalogue, by its number, or a run of lesson 16, by the card or by its name.
"""

from dataclasses import dataclass

from x3dhlab import attacks
from x3dhlab.attacks.entry import Result
from x3dhlab.primitives import deterministic
from x3dhlab.scenes import claims


@dataclass(frozen=True, slots=True)
class Tick:
    """One row: what is ticked, the run's number or name ("" for none), and what it asks."""

    item: str
    run: str
    asks: str


GROUPS = {
    "primitives": (
        Tick("Curve25519", "A22", "Is the result of an agreement looked at?"),
        Tick("AES-256-GCM", "A50", "What if one key and nonce seal two texts?"),
        Tick("HMAC-SHA256", "E-08", "What does a second tag add to GCM?"),
        Tick("HKDF", "A33", "Do different inputs give different keys?"),
        Tick("secure random", "A29", "What if Alice's random bytes can be guessed?"),
    ),
    "protocol": (
        Tick("X3DH key exchange", "A3", "Is the signature checked before anything is computed?"),
        Tick("Double Ratchet", "E-09", "Does the relay carry what the ratchet needs?"),
        Tick("forward secrecy", "E-05", "Also where no one-time key was used?"),
        Tick("post-compromise security", "E-12", "How soon after a theft?"),
        Tick("out-of-order messages", "E-21", "Is none lost?"),
        Tick("session management", "E-20", "What if both begin at once?"),
    ),
    "keys": (
        Tick("identity keys", "E-04", "Who compares them?"),
        Tick("100 prekeys for each user", "A25", "For how long, when somebody asks for all?"),
        Tick("one-time prekeys", "E-16", "Is reading and taking one step?"),
        Tick("prekey rotation", "A73", "What happens to mail that is late?"),
        Tick("session storage", "E-01", "Where?"),
        Tick("secure deletion", "a buffer of zeros", "Are there other copies?"),
    ),
    "transport": (
        Tick("WebSocket over TLS", "A7", "And what does the server do at the other end?"),
        Tick("JWT authentication", "A30", "A token names an account. Whose is the key?"),
        Tick("limits for message sizes", "A44", "Is the counter in the header limited too?"),
        Tick("rate limits, ready", "A25", "Ready, or on?"),
        Tick("timeouts of connections", "A43", "What does a client do after one?"),
    ),
    "more": (
        Tick("disappearing messages", "E-15", "Whose copy disappears?"),
        Tick("deletion of messages", "a file and a deleted key", "What does the receiver keep?"),
        Tick("encrypted media", "missing chunks", "Is the end of a file under a tag?"),
        Tick("groups, ready", "E-13", "Is there a place for one ciphertext a member?"),
        Tick("call set-up, ready", "", "Under which key? The design does not say; lesson 27."),
    ),
}


def find(name: str) -> str:
    """Carry out the run of that number or name, and say what is seen when it works."""
    card = claims.claims().get(name)
    name = card.shown_by if card else name
    numbered = {attack.number: attack for attack in attacks.catalogue()}
    if name not in numbered:
        return _worked(name, claims.RUNS[name][1]()).seen
    attack = numbered[name]
    _worked(name, attack.works())
    return attack.observed


def _worked(name, result: Result) -> Result:
    if not result.succeeded:
        raise RuntimeError(f"the run {name} shows nothing any more")
    return result


def checked(group: str) -> list[tuple[Tick, str]]:
    """The rows of a group, each with what its run saw; "" where there is none."""
    with deterministic(f"checklist {group}"):
        return [(tick, find(tick.run) if tick.run else "") for tick in GROUPS[group]]
