"""Lesson 13: a server that lies, clients with and without defences, and who notices."""

from dataclasses import dataclass, field

from x3dhlab import plots, prekeys, x3dh
from x3dhlab.attacks import careless, server
from x3dhlab.errors import Refused
from x3dhlab.messaging.devices import check_device, check_list, sign_list
from x3dhlab.messaging.pools import unexplained
from x3dhlab.party import LocalTransport, Party
from x3dhlab.plots import Picture
from x3dhlab.service.store import PreKeyStore
from x3dhlab.widgets import FALLS, HOLDS, NOTE, AttackConsole, Check, Choose

NOON, YES = b"Meet me at noon.", b"Yes, at noon."
FIRST, LATER = "at first contact", "later: they have talked before"

# Name → what the server does. The order is that of the wrappers, innermost first.
LIES = {
    "identity": "plays Bob for Alice, and Alice for Bob",
    "signed": "exchanges Bob's signed prekey",
    "old": "hands out an old signed prekey",
    "one_time": "exchanges Bob's one-time key",
    "withheld": "hands out no one-time key",
    "twice": "gives Alice and Carol one bundle",
    "replay": "delivers each message twice",
    "device": "names one more device of Bob's",
}
_WRAPPERS = {
    "identity": lambda network: server.SwapIdentity(network, one_time=2),
    "old": server.ServeOldSignedPreKey,
    "signed": server.SwapSignedPreKey,
    "one_time": server.SwapOneTime,
    "withheld": server.WithholdOneTime,
    "twice": server.IssueTwice,
    "replay": server.Replay,
}
DEFENCES = {
    "signatures": "check signatures",
    "pins": "stop when a key changes",
    "prekeys": "remember signed prekeys",
    "record": "keep accepted first messages",
    "devices": "ask for a signed device list",
    "compare": "compare safety numbers",
    "count": "Bob counts his one-time keys",
}
# What the package's programs do by themselves; the last two need a person or a look at the log.
PACKAGE = {name: name not in ("compare", "count") for name in DEFENCES}


@dataclass(slots=True)
class Run:
    """What happened: the texts that people read, who noticed what, and what the server reads."""

    read: list[tuple[str, str]] = field(default_factory=list)
    noticed: list[tuple[str, str, str]] = field(default_factory=list)  # who, what, error
    server: list[str] = field(default_factory=list)
    later: list[str] = field(default_factory=list)  # what it reads after a theft of keys
    stale: str = ""  # the signed prekey of Alice's session, if Bob has replaced it

    @property
    def who(self) -> list[str]:
        """The people who noticed something, each once."""
        return list(dict.fromkeys(who for who, _, _ in self.noticed))

    def __str__(self):
        lines = [f"{who} reads “{text}”" for who, text in self.read]
        lines += [f"{who} notices: {error}: {what}" for who, what, error in self.noticed]
        lines += [f"the server reads “{text}”" for text in dict.fromkeys(self.server)]
        lines += [f"the server reads later: {words}" for words in dict.fromkeys(self.later)]
        return "\n  ".join([outcome(self)[1], *lines, *([self.stale] if self.stale else [])])


class _World:
    """The people, the network, and a server that begins to lie when `strike` is called."""

    def __init__(self, lies, defences):
        self.network = LocalTransport(PreKeyStore())
        self.lies, self.defences, self.run = lies, defences, Run()
        self.wrappers, lying = {}, self.network
        for lie in LIES:
            if lie in lies and lie in _WRAPPERS:
                lying = self.wrappers[lie] = _WRAPPERS[lie](lying)
        self.later = server.Later(self.network, lying)
        self.log = server.Record(self.later)
        self.alice, self.bob, self.carol = (
            self._person(name) for name in ("Alice", "Bob", "Carol")
        )
        self.bob.publish()
        if "old" in lies:
            self.wrappers["old"].fetch("Bob", "the server itself")
            self.bob.rotate(now=1)
        self.alice.publish()

    def _person(self, name):
        flaws = {
            "pins": careless.AcceptsNewIdentities,
            "prekeys": careless.TakesAnyPreKey,
            "record": careless.ForgetsFirstMessages,
        }
        bases = tuple(flaw for name, flaw in flaws.items() if not self.defences[name])
        protocol = x3dh if self.defences["signatures"] else careless.UNCHECKED
        return type("Phone", (*bases, Party), {})(name, self.log, protocol=protocol, one_time=3)

    def write(self, writer, peer, text, **options):
        try:
            writer.send(peer, text, **options)
            return True
        except Refused as refusal:
            self.notice(writer.name, refusal)
            return False

    def read(self, reader):
        for received in reader.receive():
            if received.error is None:
                self.run.read.append((reader.name, received.plaintext.decode()))
            else:
                self.notice(reader.name, received.error)

    def notice(self, who, refusal, error=""):
        words = refusal.args[0] if isinstance(refusal, Refused) else refusal
        self.run.noticed.append((who, words, error or type(refusal).__name__))


def rehearse(lies=(), defences=PACKAGE, when: str = FIRST) -> Run:
    """Alice and Bob talk over a server that tells `lies`, names of `LIES`; who notices what?"""
    world = _World(set(lies), {**dict.fromkeys(DEFENCES, False), **defences})
    met = when == LATER
    if met:
        _talk(world, b"Hello Bob", b"Hello Alice")
        world.run.read.clear()
    world.later.strike()
    _talk(world, NOON, YES, renew=met)
    if "twice" in world.lies and world.write(world.carol, "Bob", b"Hello"):
        world.read(world.bob)
    _devices(world)
    _compare(world)
    _count(world)
    _server_reads(world)
    _stale(world)
    return world.run


def _talk(world, question, answer, **options):
    if not world.write(world.alice, "Bob", question, **options):
        return
    world.read(world.bob)
    if "Alice" in world.bob.contacts and world.write(world.bob, "Alice", answer):
        world.read(world.alice)


def _devices(world):
    """The same text for each further device that the server names."""
    if "device" not in world.lies:
        return
    alice, bob = world.alice, world.bob
    rogue = server.RogueDevice(world.network)
    devices = {"Bob": bob.identity.public}
    signed = check_list(sign_list(bob.identity, devices, 1), bob.identity.public)
    for name, key in rogue.named(devices).items():
        try:
            if world.defences["devices"]:
                check_device(signed, name, key)
            if name not in devices:
                alice.send(name, NOON)
        except Refused as refusal:
            world.notice("Alice", refusal)
    world.run.server += [r.plaintext.decode() for r in rogue.rogue.receive() if r.error is None]


def _compare(world):
    alice, bob = world.alice, world.bob
    if not world.defences["compare"] or "Bob" not in alice.pins or "Alice" not in bob.pins:
        return
    mine, theirs = server.numbers(alice, bob)
    if mine != theirs:
        words = f"the safety numbers differ: {mine[:5]} … and {theirs[:5]} …"
        world.notice("Alice and Bob", words, "unequal safety numbers")


def _count(world):
    left = world.network.count("Bob")
    if world.defences["count"] and unexplained(world.bob.device, left):
        words = f"a first message without a one-time key, and {left} are left on the server"
        world.notice("Bob", words, "his count")


def _server_reads(world):
    """What passed the server's own sessions; and what it opens later with stolen private keys."""
    between = world.wrappers.get("identity")
    if between:
        world.run.server = [text.decode() for _, text in between.read] + world.run.server
    for data in _first_messages(world):
        for stolen, signed, one_time in _thefts(world):
            try:
                text = server.open_recorded(data, world.bob.identity, signed, one_time)
            except Refused:
                continue
            world.run.later.append(f"“{text.decode()}”, after a theft of {stolen}")


def _thefts(world):
    """What was stolen, and the key pairs that the server has then: (words, signed, one-time)."""
    forged, own = world.wrappers.get("signed"), world.wrappers.get("one_time")
    if forged:
        yield from (("IK_B", forged.signed, one_time) for one_time in (None, forged.one_time))
    for kept in world.bob.device.ring.signed.values():
        yield "IK_B and SPK_B", kept.pair, None
        if own:
            yield "IK_B and SPK_B", kept.pair, own.one_time


def _stale(world):
    newest, known = world.bob.device.ring.current, world.alice.contacts.get("Bob")
    sessions = world.alice.device.sessions.get(known.identity, ()) if known else ()
    if known and known.identity == world.bob.identity.public and sessions and world.run.read:
        used = sessions[0].opening.signed_prekey_id
        if sessions[0].identifier not in world.alice.device.accepted and used != newest:
            world.run.stale = f"Alice's session uses signed prekey {used}, Bob's newest is {newest}"


def _first_messages(world):
    return [data for sender, name, data in world.log.recorded if (sender, name) == ("Alice", "Bob")]


def outcome(run: Run) -> tuple[str, str]:
    """The verdict of a run, and its sentence."""
    names = list(dict.fromkeys(" and ".join(run.who).split(" and "))) if run.who else []
    who = f"{' and '.join(names)} notice{'' if len(names) > 1 else 's'} something"
    who = who if names else "nobody notices anything"
    gains = "reads" if run.server else "can read later" if run.later else "reads nothing"
    again = len(set(run.read)) < len(run.read)
    gains += ", a message is read twice" if again else ""
    if run.server or run.later or again:
        return (NOTE if names else FALLS), f"The server {gains}, and {who}."
    if run.stale:
        return (NOTE if names else FALLS), f"Alice uses an old signed prekey, and {who}."
    return (HOLDS if names else NOTE), f"The server reads nothing, and {who}."


def attack_console() -> AttackConsole:
    """Switches for the server's lies and for the defences; each change runs everything again."""

    def run(when, **switches):
        lies = [name for name in LIES if switches[f"lie_{name}"]]
        defences = {name: switches[f"defence_{name}"] for name in DEFENCES}
        found = rehearse(lies, defences, when)
        verdict, sentence = outcome(found)
        return {
            "verdict": verdict,
            "sentence": sentence,
            "noticed": [list(row) for row in found.noticed],
            "read": [list(row) for row in found.read],
            "server": [f"“{text}”" for text in dict.fromkeys(found.server)],
            "later": list(dict.fromkeys(found.later)),
            "stale": found.stale,
        }

    lies = [Check(f"lie_{name}", words, name == "identity") for name, words in LIES.items()]
    defences = [Check(f"defence_{n}", words, PACKAGE[n]) for n, words in DEFENCES.items()]
    when = Choose("when", "It begins", (FIRST, LATER), FIRST)
    groups = [("The server …", [*lies, when]), ("The clients …", defences)]
    return AttackConsole("Who notices?", groups, run)


# The key figure

COLUMNS = {
    "at first contact": (FIRST, PACKAGE),
    "later": (LATER, PACKAGE),
    "at first contact, people compare and count": (FIRST, dict.fromkeys(DEFENCES, True)),
}


def unnoticed() -> dict[str, list[bool]]:
    """Each lie → for each of `COLUMNS`: does nobody notice it?"""
    return {
        words: [not rehearse([lie], defences, when).noticed for when, defences in COLUMNS.values()]
        for lie, words in LIES.items()
    }


def show_unnoticed() -> Picture:
    """The figure of `unnoticed`."""
    title = "Lies against the package's programs"
    words = {"broke": "unnoticed", "held": "noticed", "promises": True}
    return plots.verdicts(unnoticed(), list(COLUMNS), title=title, **words)


# For the learner's own scripts


def keys_of(party: Party, one_time: int = 2) -> dict:
    """A party's keys as `swap_identity` gets them: `keys` of a bundle, and `one_time` pairs."""
    offer = prekeys.publication(party.device.ring)
    names = "identity_key", "signed_prekey_id", "signed_prekey", "signed_prekey_signature"
    pairs = [[one.one_time_prekey_id, one.one_time_prekey] for one in offer.one_time_prekeys]
    return {"keys": {name: getattr(offer, name) for name in names}, "one_time": pairs[:one_time]}


def watch(on_frame, state=None, *, between: bool = False) -> None:
    """Alice writes to Bob, and Bob answers, over a server that does what `on_frame` says.

    Prints what they read. With `between` Mallory has two phones there, `front` and `back`: what one
    reads, the other writes on, front to Alice and back to Bob. `state` is then `keys_of(front)`.
    """
    there = server.Scripted(LocalTransport(PreKeyStore()), on_frame, state)
    people = {name: Party(name, there) for name in ("Alice", "Bob")}
    phones = {name: Party(name, there) for name in ("front", "back") if between}
    if between:
        there.state = keys_of(phones["front"])
    for party in people.values():
        party.publish()
    _says(people["Alice"], "Bob", NOON)
    _pass_on(phones)
    for sender in _hears(people["Bob"]):
        _says(people["Bob"], sender, YES)
        _pass_on(phones)
    _hears(people["Alice"])


def _says(writer, name, text):
    try:
        writer.send(name, text)
    except Refused as refusal:
        print(f"{writer.name} does not write to {name}: {refusal}")


def _hears(reader):
    """Prints the mailbox; the senders of what opened."""
    arrived = reader.receive()
    for received in arrived:
        words = received.error or f"“{received.plaintext.decode()}”"
        print(f"{reader.name} reads, from {received.sender}: {words}")
    return [received.sender for received in arrived if received.error is None]


def _pass_on(phones):
    """What one phone of Mallory's reads, the other one writes on."""
    for name, other, peer in (("front", "back", "Bob"), ("back", "front", "Alice")):
        for received in phones[name].receive() if phones else []:
            words = received.error or f"“{received.plaintext.decode()}”"
            print(f"  {name} reads, from {received.sender}: {words}")
            if received.error is None:
                _says(phones[other], peer, received.plaintext)
