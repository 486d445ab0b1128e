"""Lesson 16: what five designs claim, and the run that decides each claim.

The words stand in `claims.toml`. A demonstration is an attack of the catalogue, by its number, or
one of `RUNS`; it runs on fresh keys each time, and its result says whether it shows what the course
says of the claim.
"""

import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files

from x3dhlab import plots
from x3dhlab.attacks import catalogue, claimed, low_order
from x3dhlab.attacks.entry import Result
from x3dhlab.keys import KeyPair
from x3dhlab.plots import Picture
from x3dhlab.widgets import FALLS, HOLDS, NOTE, Card, Check, Choose, ClaimDeck, Experiment, Outcome

# Name → what a learner reads before it runs, and the run.
RUNS = {
    "a rotation": ("A message without the number of SPK_B, after a rotation", claimed.rotated),
    "forged, unchecked": ("A forged signed prekey, unchecked", claimed.forged_prekey),
    "deleted or kept": ("Two thieves after the message", claimed.deleted_or_kept),
    "SPK_B stolen later": ("A thief of SPK_B reads, then writes", claimed.prekey_stolen_later),
    "an answer": ("Bob's answer, after two kinds of bundle", claimed.answer_confirms),
    "two forgers": ("A transcript made by Alice, by Bob", claimed.two_forgers),
    "a key for some days": ("A phone copied on two days", claimed.key_for_some_days),
    "no F": ("One handshake with and without F", claimed.without_prefix),
    "no AD": ("Two forms of one identity key", claimed.without_ad),
    "a guessed number": ("Three terms where Alice used four", claimed.guessed_number),
    "IK_B stolen before": ("A thief of IK_B listens, then lies", claimed.identity_stolen_before),
    "two empty places": ("A used number and an unknown one", claimed.empty_places),
    "one key, two senders": ("One OPK_B, two senders: both SKs", claimed.shared_one_time_key),
    "P-256 written out": ("A point of P-256, byte by byte", claimed.p256_written_out),
    "the sizes of Kyber": ("A key pair of Kyber-768, counted", claimed.kyber_sizes),
    "a foreign key": ("A key of 65 bytes for X3DH", claimed.foreign_key),
    "a skipped key": ("A state in which two messages are late", claimed.skipped_key),
    "a root that stays": ("A phone copied after its first message", claimed.root_that_stays),
    "two labels": ("One secret under two labels", claimed.two_labels),
    "a second device": ("Two devices in one table", claimed.second_device),
    "short ids": ("Short random numbers for 600 devices", claimed.short_ids),
    "a reset": ("A session begun anew, a message on its way", claimed.reset),
    "a rotation beside a session": (
        "A session before and after a rotation",
        claimed.rotation_beside_a_session,
    ),
    "a buffer of zeros": ("A buffer filled with zeros", claimed.buffer_of_zeros),
    "one term less": ("Each of the four terms left out", claimed.one_term_less),
    "a transcript by Bob": ("A transcript that Bob makes alone", claimed.transcript_by_bob),
    "HMAC as AD": ("Bob forges with an HMAC as associated data", claimed.hmac_as_ad),
    "a static term": ("DH(IK_A, IK_B) by a thief of IK_B", claimed.static_term),
    "two combiners": ("One set of secrets, two formulas", claimed.two_combiners),
    "a copied phone": ("A copied phone and a quantum computer", claimed.copied_phone),
    "a PIN of three digits": ("All PINs of three digits", claimed.pin_of_three_digits),
    "missing chunks": ("A file without its last chunks", claimed.missing_chunks),
    "exchanged chunks": ("A file with two chunks exchanged", claimed.exchanged_chunks),
    "a file and a deleted key": ("A file whose key is deleted", claimed.file_and_deleted_key),
    "two entries": ("A key log with two entries for Bob", claimed.two_entries),
    "a logged-in connection": (
        "What the server writes down of a connection",
        claimed.logged_in_connection,
    ),
    "another group": ("A signed ciphertext in another group", claimed.another_group),
    "a stolen chain": ("A chain key, stolen and followed", claimed.stolen_chain),
    "digits without private keys": (
        "A safety number from public keys",
        claimed.digits_without_private_keys,
    ),
    "one more reader": ("A text for Bob and for an auditor", claimed.one_more_reader),
    "two tags": ("Every bit under AES-GCM changed once", claimed.two_tags),
    "a relay that drops": ("A message in three fields", claimed.dropping_relay),
    "the overhead": ("Texts of three lengths, sealed", claimed.overhead_of_e),
    "a signed prekey's bytes": ("A signed prekey, counted", claimed.signed_prekey_bytes),
    "a late turn": ("A theft, and turns after 50 messages", claimed.late_turn),
    "one row for three": ("One stored ciphertext for three members", claimed.one_row_for_three),
    "a deleted row": ("A row that the server deletes", claimed.deleted_row),
    "three repaired faults": (
        "Three faults of deployed programs, run again",
        claimed.repaired_faults,
    ),
    "a jump too far": ("One message after 1,001 lost ones", claimed.jump_too_far),
}
WORDS_ONLY = "No run: words must decide this"


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim of a design: `shown_by` names its demonstration, or `no_run` says why none is.

    `others` are demonstrations that do not decide it. `beside` and `also` are those of `Card`.
    """

    id: str
    claim: str
    verdict: str
    why: str
    after: str
    others: tuple[str, ...]
    core: bool = False
    shown_by: str = ""
    no_run: str = ""
    beside: str = ""
    also: tuple[str, ...] = ()

    @property
    def design(self) -> str:
        """The letter of the design."""
        return self.id[0]


@cache
def claims() -> dict[str, Claim]:
    """Every claim by its id, in the order of the designs."""
    file = files("x3dhlab.scenes") / "claims.toml"
    rows = tomllib.loads(file.read_text(encoding="utf-8"))["claim"]
    words = {row["id"]: row["claim"] for row in rows}
    for row in rows:
        row["beside"] = words.get(row.get("beside"), row.get("beside", ""))
    return {row["id"]: Claim(**row) for row in rows}


@cache
def demonstrations() -> dict[str, tuple[str, Callable[[], Result]]]:
    """Name → (title, run): the attacks of the catalogue by number, then `RUNS`."""
    return {attack.number: (attack.name, attack.works) for attack in catalogue()} | RUNS


def demonstrate(id: str) -> Result:
    """Run the demonstration of a claim. Raises `KeyError` for a claim without one."""
    _, run = demonstrations()[claims()[id].shown_by]
    return run()


def offered(claim: Claim) -> tuple[str, ...]:
    """The demonstrations on a card, always in one order: the one that decides, and the others."""
    names = {*claim.others, claim.shown_by} - {""}
    return tuple(sorted(names, key=lambda name: sha256(f"{name} {claim.id}".encode()).digest()))


def claim_deck(done: Iterable[str] = (), *, core: bool = False, everything=False) -> ClaimDeck:
    """The cards, or only the core deck of twelve.

    A card opens when the lesson of its `after` is in `done`; with `everything`, as in a class, all
    are open.
    """
    done = set(done)
    cards = [
        Card(
            claim.id,
            claim.claim,
            claim.verdict,
            f"{claim.why} {claim.no_run}".strip(),
            {name: demonstrations()[name][0] for name in offered(claim)} | {"": WORDS_ONLY},
            claim.shown_by,
            "" if everything or claim.core or claim.after in done else claim.after,
            claim.beside,
            tuple(claim.also),
        )
        for claim in claims().values()
        if claim.core or not core
    ]
    return ClaimDeck("Twelve claims" if core else "All claims of five designs", cards, _run)


def _run(name):
    """What the learner reads of a run: what it needs or builds, and what was seen."""
    result = demonstrations()[name][1]()
    if not result.succeeded:
        raise RuntimeError("this time the run shows nothing; run it once more")
    found = {attack.number: attack for attack in catalogue()}.get(name)
    needs = f"Needed: {found.precondition}" if found else _first_sentence(RUNS[name][1])
    stops = f" What would stop it: {found.defence}" if found else ""
    return f"{needs} Seen just now: {result.seen.rstrip('.')}.{stops}"


def _first_sentence(run):
    return run.__doc__.split("\n")[0]


# The figure: what was decided by running


def decided() -> dict[str, tuple[int, int]]:
    """Design → (claims that do not stand, those of them that a run refuted just now)."""
    found = {}
    for letter in "ABCDE":
        fallen = [c for c in claims().values() if c.design == letter and c.verdict != "holds"]
        shown = [c for c in fallen if c.shown_by and demonstrate(c.id).succeeded]
        found[f"design {letter}"] = len(fallen), len(shown)
    return found


def show_decided() -> Picture:
    """The figure of `decided`."""
    title = "Claims that do not stand as they are, and those that a run shows"
    return plots.message_sizes(decided(), title=title, bars=("fallen", "shown by a run"))


# Design E's fourth term


def fill_the_fourth() -> Experiment:
    """A23: what a program does where no one-time key came, and what the server then sends."""
    leave, zeros = "left out", "32 zero bytes"
    points = ("none", "an honest key", "1", "p, bit 255 set")

    def run(missing, key, refuse):
        filler = None if missing == leave else low_order.ZEROS
        if key == "none":
            without, _ = low_order.same_with_and_without(low_order.ZEROS, filler)
            return Outcome(NOTE, "No one-time key.", {"SK": f"{without.hex()[:16]} …"})
        public = low_order.LOW_ORDER.get(key) or KeyPair.generate().public
        if refuse and key in low_order.LOW_ORDER:
            return Outcome(HOLDS, "Alice refuses: DH4 is zero.", {"one-time key": key})
        without, used = low_order.same_with_and_without(public, filler)
        facts = {"SK without": f"{without.hex()[:16]} …", "SK with": f"{used.hex()[:16]} …"}
        if key in low_order.LOW_ORDER and without != used:
            return Outcome(NOTE, "Another SK, but DH4 is zero: everybody knows it.", facts)
        if without == used:
            return Outcome(FALLS, "The one-time key changed nothing, and Alice notes it.", facts)
        return Outcome(HOLDS, "The one-time key makes another SK.", facts)

    return Experiment(
        "DH4 in every case",
        [
            Choose("missing", "A missing DH4 is", (zeros, leave), zeros),
            Choose("key", "The server sends as one-time key", points, "1"),
            Check("refuse", "Alice refuses a Diffie-Hellman result of zeros"),
        ],
        run,
    )
