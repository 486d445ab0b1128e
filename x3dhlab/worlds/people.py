"""Small worlds of real people for the decision board: first contacts, devices, an empty pool.

Each function plays one option with real parties and stores and returns a `Tally`. Who is attacked,
who compares and who has a new phone is drawn from the seed, equal for every option of a decision.
Shares of people are assumptions of the course, named here; nobody has measured them.
"""

import random
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field

from x3dhlab.attacks.server import Record, RogueDevice, SwapIdentity, drain, open_recorded
from x3dhlab.errors import IdentityMismatch, RateLimited, Refused, UnknownUser
from x3dhlab.messaging.devices import check_device, check_list, sign_list
from x3dhlab.party import LocalTransport, Party
from x3dhlab.prekeys import find_signed
from x3dhlab.service.limits import FetchLimits
from x3dhlab.service.store import PreKeyStore
from x3dhlab.wire import PreKeyBundle
from x3dhlab.worlds.audited import Directory, LooksUp

ACTS, REQUESTS = "acts of people", "more requests"
PEOPLE, MESSAGES = 24, 5
# Assumptions: a third of the people is attacked, one in ten compares, one in six has a new phone.
ATTACKED, COMPARES, NEW_PHONE, NO_OBSERVER = 1 / 3, 1 / 10, 1 / 6, 1 / 20
TEXT = b"see you at noon"


@dataclass(frozen=True, slots=True)
class Tally:
    """What one option went through: `kept` of `secrets`, `served` of `wanted`, and the effort.

    A secret is something that an attack of this run was after; served is what people wanted and
    got. `effort` counts `ACTS` of people and `REQUESTS` beyond what every option needs. `seen`
    says what happened, in sentences.
    """

    kept: int
    secrets: int
    served: int
    wanted: int
    effort: dict[str, int] = field(default_factory=dict)
    seen: tuple[str, ...] = ()


class Accounts(LocalTransport):
    """An honest network whose operator can give a name a new start, with another identity key."""

    def __init__(self, limits=None):
        super().__init__(PreKeyStore(), limits)
        self._later, self._renewed = PreKeyStore(), set()

    def renew(self, name: str) -> None:
        """From now on this name publishes as if it were new."""
        self._renewed.add(name)

    def publish(self, name, publication):
        with _store_of(self, name):
            super().publish(name, publication)

    def fetch(self, name, requester):
        with _store_of(self, name):
            return super().fetch(name, requester)

    def count(self, name):
        with _store_of(self, name):
            return super().count(name)


@contextmanager
def _store_of(accounts, name):
    """While it is open, the accounts use the store that belongs to this name."""
    first = accounts.store
    accounts.store = accounts._later if name in accounts._renewed else first
    try:
        yield
    finally:
        accounts.store = first


# Who is at the other end?

PINS, MAP = "pins and safety numbers", "an audited map"


def identity(option: str, seed: int) -> Tally:
    """A1 against real pairs: `PINS` or `MAP`. Half of the attacks change the list for everybody."""
    world = _Contacts(option, seed)
    for number in range(PEOPLE):
        world.pair(number)
    count, wanted = world.count, world.count["wanted"]
    return Tally(
        world.secrets - count["read"],
        world.secrets,
        count["served"],
        wanted,
        {ACTS: count["acts"], REQUESTS: world.directory.asked},
        (
            f"the server read {count['read']} of {world.secrets} messages of attacked pairs",
            f"{wanted - count['served']} of {wanted} honest messages had to wait",
        ),
    )


class _Contacts:
    def __init__(self, option, seed):
        self.option, self.rng = option, random.Random(f"identity {seed}")
        self.network, self.directory = Accounts(), Directory()
        self.count, self.secrets = Counter(), 0

    def pair(self, number):
        """Five messages from Alice to Bob. The fate is drawn before the option is looked at."""
        fate, names = _fate(self.rng), (f"Alice {number}", f"Bob {number}")
        lying = SwapIdentity(self.network, names, one_time=1) if fate["attacked"] else None
        alice, bob = self.people(names, lying or self.network)
        if lying:
            self.lie(lying, names, fate["alone"])
        self.secrets += MESSAGES * fate["attacked"]
        self.count["wanted"] += MESSAGES * (not fate["attacked"])
        self.talk(alice, bob, fate)
        self.count["read"] += len(lying.read) if lying else 0

    def talk(self, alice, bob, fate):
        """The messages in turn, with what happens to the pair meanwhile."""
        self.warned = False
        for turn in range(MESSAGES):
            self.directory.observer_up = not fate["down"][turn]
            if turn == fate["moves"]:
                bob = self.new_phone(bob)
            if turn == fate["looks"] and self.option == MAP:
                self.owner_looks(bob)
            if turn == fate["compares"] and self.option == PINS:
                self.count["acts"] += 1
                if fate["attacked"]:
                    return  # the numbers differ: nothing is written any more
            self.write(alice, bob, fate["attacked"])

    def people(self, names, network):
        kind = LooksUp if self.option == MAP else Party
        alice, bob = kind(names[0], network, one_time=0), Party(names[1], network, one_time=2)
        bob.publish()
        self.directory.entries[bob.name] = bob.identity.public
        if self.option == MAP:
            alice.directory = self.directory
        return alice, bob

    def lie(self, lying, names, alone):
        role = lying.roles[names]
        view = {names[1]: role.identity.public}
        if alone:
            self.directory.views[names[0]] = view
        else:
            self.directory.entries.update(view)

    def owner_looks(self, bob):
        if self.directory.entries[bob.name] != bob.identity.public:
            self.directory.entries[bob.name] = bob.identity.public
            self.count["acts"] += 1  # a complaint, and the entry is corrected in public

    def new_phone(self, bob):
        self.network.renew(bob.name)
        bob = Party(bob.name, self.network, one_time=2)
        bob.publish()
        self.directory.entries[bob.name] = bob.identity.public
        return bob

    def write(self, alice, bob, attacked):
        """One message. A new phone shows itself when Bob cannot read: then a new session."""
        try:
            moved = not attacked and alice.pins.get(bob.name) != bob.identity.public
            alice.send(bob.name, TEXT, renew=moved and self.option == PINS)
        except IdentityMismatch:
            self.alarm(alice, bob, attacked)
            return
        except Refused:
            return
        got = [one for one in bob.receive() if one.error is None]
        self.count["served"] += bool(got) and not attacked

    def alarm(self, alice, bob, attacked):
        self.count["acts"] += not self.warned  # one alarm on the screen is one act
        self.warned = True
        if not attacked and self.option == PINS:
            alice.accept_change(bob.name, bob.identity.public)


def _fate(rng):
    """What happens to one pair, and at which message; None for what does not happen."""
    luck = rng.random()
    return {
        "attacked": luck < ATTACKED,
        "moves": rng.randrange(1, MESSAGES) if luck > 1 - NEW_PHONE else None,
        "compares": rng.randrange(MESSAGES) if rng.random() < COMPARES else None,
        "looks": rng.randrange(1, MESSAGES),
        "alone": rng.random() < 0.5,
        "down": [rng.random() < NO_OBSERVER for _ in range(MESSAGES)],
    }


# Which devices belong to a person?

LISTED, SIGNED, SHARED = (
    "keys of their own, the server names them",
    "keys of their own, on a signed list",
    "one identity key on all devices",
)


def devices(option: str, seed: int) -> Tally:
    """A12, a stolen laptop, a new tablet and a lost phone, for each account by chance."""
    rng, count = random.Random(f"devices {seed}"), Counter()
    network = LocalTransport(PreKeyStore())
    for number in range(PEOPLE):
        what = rng.choice(("rogue", "stolen", "tablet", "tablet after loss", "nothing"))
        _Account(option, number, network, count).live(what)
    return Tally(
        count["secrets"] - count["taken"],
        count["secrets"],
        count["served"],
        count["wanted"],
        {REQUESTS: count["lists"]},
        (
            f"{count['read']} messages went to a device of the server's",
            f"{count['forged']} messages of a thief were taken for the owner's",
            f"{count['wanted'] - count['served']} of {count['wanted']} copies did not arrive",
        ),
    )


class _Account:
    """Bob's phone and laptop, and Alice, who writes to all his devices."""

    def __init__(self, option, number, network, count):
        self.option, self.number, self.network, self.count = option, number, network, count
        self.alice = Party(f"Alice {number}", network, one_time=1)
        self.alice.publish()
        self.phone, self.version = self.device("phone"), 0
        self.devices = {self.phone.name: self.phone}
        self.add("laptop")

    def name(self, what):
        return f"{self.number}'s {what}"

    def device(self, what):
        shared = self.option == SHARED and what != "phone"
        identity = self.phone.identity if shared else None
        device = Party(self.name(what), self.network, one_time=1, identity=identity)
        device.publish()
        return device

    def add(self, what, *, phone=True):
        """A new device. Without the phone, nobody can sign for it or hand the shared key over."""
        phone = phone or self.option == SHARED  # any device has the key, and links the new one
        device = self.device(what)
        self.devices[device.name] = device
        if phone:
            self.sign()

    def sign(self):
        listed = {name: device.identity.public for name, device in self.devices.items()}
        self.version += 1
        signed = sign_list(self.phone.identity, listed, self.version)
        self.signed = check_list(signed, self.phone.identity.public)
        self.count["lists"] += self.option == SIGNED

    def live(self, what):
        if what == "rogue":
            self.rogue()
        elif what == "stolen":
            self.stolen()
        else:
            self.tablet(what)
        self.deliver()

    def rogue(self):
        server = RogueDevice(self.network, self.name("radio"))
        self.count["secrets"] += 1
        named = server.named({name: d.identity.public for name, d in self.devices.items()})
        for name in set(named) - set(self.devices):
            if self.write(name, named[name]):
                self.count["read"] += 1
                self.count["taken"] += 1

    def stolen(self):
        """The laptop is stolen and removed; then the thief writes as Bob, with what it holds."""
        laptop = self.devices.pop(self.name("laptop"))
        self.sign()
        self.count["secrets"] += 1
        thief = Party(self.name("laptop"), self.network, one_time=0, identity=laptop.identity)
        thief.send(self.alice.name, b"it is me")
        arrived = [one.error for one in self.alice.receive()]
        known = {device.identity.public for device in self.devices.values()}
        if arrived == [None] and thief.identity.public in known:
            self.count["forged"] += 1
            self.count["taken"] += 1

    def tablet(self, what):
        if what == "nothing":
            return
        self.add("tablet", phone=what == "tablet")

    def write(self, name, key):
        """Alice sends to one named device, if her program accepts it. Was it sent?"""
        try:
            if self.option == SIGNED:
                check_device(self.signed, name, key)
            if self.option == SHARED and key != self.phone.identity.public:
                raise IdentityMismatch("another identity key than the account's", name=name)
            self.alice.send(name, TEXT)
        except Refused:
            return False
        return True

    def deliver(self):
        for name, device in self.devices.items():
            self.count["wanted"] += 1
            sent = self.write(name, device.identity.public)
            got = sent and any(one.error is None for one in device.receive())
            self.count["served"] += bool(got)


# What if there is no one-time key?

OPTIONAL, REQUIRED, LIMITED = (
    "used while they last",
    "required",
    "used while they last, requests limited",
)
POOL, STRANGERS = 60, 3


def one_time(option: str, seed: int) -> Tally:
    """A25 against half of the people; strangers write; later each phone's keys are stolen."""
    rng, count = random.Random(f"one-time {seed}"), Counter()
    for _ in range(PEOPLE // 3):
        attacked = rng.random() < 1 / 2
        gaps = [rng.randrange(5, 120) for _ in range(STRANGERS)]
        _pool(option, attacked, gaps, count)
    wanted = PEOPLE // 3 * STRANGERS
    return Tally(
        count["closed"],
        count["sent"],
        count["served"],
        wanted,
        {REQUESTS: count["again"]},
        (
            f"after the thefts {count['sent'] - count['closed']} of {count['sent']} are open",
            f"{wanted - count['served']} of {wanted} strangers could not write",
        ),
    )


def _pool(option, attacked, gaps, count):
    limits = FetchLimits() if option == LIMITED else None
    network = Record(LocalTransport(PreKeyStore(), limits))
    bob = Party("Bob", network, one_time=POOL)
    bob.publish()
    if attacked:
        drain(network, "Bob", requesters=10, times=POOL)
    for number, gap in enumerate(gaps):
        if limits:
            limits.now += gap
        _stranger(option, Party(f"stranger {number}", _Demands(network, option), one_time=0), count)
    count["served"] += sum(one.error is None for one in bob.receive())
    ring = bob.device.ring
    for _, _, data in network.recorded:
        count["sent"] += 1
        try:
            open_recorded(data, ring.identity, find_signed(ring, ring.current))
        except Refused:
            count["closed"] += 1


def _stranger(option, stranger, count):
    try:
        stranger.send("Bob", TEXT)
    except RateLimited:
        count["again"] += 1
    except Refused:
        pass


class _Demands:
    """The network of one client, which may refuse a bundle without a one-time key."""

    def __init__(self, network, option):
        self.network, self.option = network, option

    def fetch(self, name, requester):
        bundle = self.network.fetch(name, requester)
        if self.option == REQUIRED and PreKeyBundle.decode(bundle).one_time_prekey_id is None:
            raise UnknownUser(f"no one-time key of {name} is left", step="X3DH §3.3", name=name)
        return bundle

    def send(self, *message):
        self.network.send(*message)
