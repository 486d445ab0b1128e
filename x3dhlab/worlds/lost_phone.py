"""A lost phone: what its owner reads again, what is gone, and what a backup gives to others.

Bob talks with several people. A backup is made; the conversations go on; then the phone is lost
while mail is on its way, and a new phone begins with what the backup holds. Everybody writes with
AES-256-GCM here, under a nonce derived from the message key: there a key that is used twice shows
the XOR of two texts at once.

The backup itself is sealed under a random key that the owner keeps on paper; what a short PIN
costs is measured in the lesson on audits.
"""

import random
from collections import Counter
from dataclasses import replace

from x3dhlab import prekeys
from x3dhlab.errors import IdentityMismatch
from x3dhlab.layout import explain
from x3dhlab.party import Party
from x3dhlab.primitives import AES_256_GCM
from x3dhlab.wire import InitialMessage, Message
from x3dhlab.worlds.people import ACTS, REQUESTS, Accounts, Tally

NONE, KEYS, WHOLE = (
    "no backup",
    "identity key and history",
    "the whole phone, with its sessions",
)
OWNERS, FRIENDS = 4, 6  # one owner in four loses the phone: an assumption
WANTED = ("history", "mail", "answers")


def backup(option: str, seed: int) -> Tally:
    """Several owners write, one in four loses the phone, restores it, reads and writes on."""
    rng = random.Random(f"backup {seed}")
    network = _Keeping()
    worlds = [_World(option, rng, network, number) for number in range(OWNERS)]
    lost = {rng.randrange(OWNERS)}
    for number, world in enumerate(worlds):
        world.live(loses=number in lost)
    count = sum((world.count for world in worlds), Counter())
    gone, broken = (count[f"wanted {what}"] - count[what] for what in ("history", "mail"))
    return Tally(
        count["secrets"] - count["exposed"],
        count["secrets"],
        sum(count[what] for what in WANTED),
        sum(count[f"wanted {what}"] for what in WANTED),
        {ACTS: count["acts"], REQUESTS: count["uploads"]},
        (
            f"{gone} old messages are gone, {broken} on their way cannot be read",
            f"{count['wanted answers'] - count['answers']} answers cannot be read by friends",
            f"{count['exposed']} pairs of texts under one message key",
        ),
    )


class _World:
    """One owner, the friends, and two strangers who write while the phone is lost."""

    def __init__(self, option, rng, network, number):
        self.option, self.rng, self.network = option, rng, network
        self.number, self.count = number, Counter()
        self.bob = self.person("Bob")
        self.bob.publish()
        self.friends = [self.person(f"friend {n}") for n in range(FRIENDS)]
        self.strangers = [self.person(f"stranger {n}") for n in range(2)]

    def live(self, *, loses):
        for friend in self.friends:
            self.say(friend, self.bob)
            self.say(self.bob, friend)
        self.saved = self.bob.device, dict(self.bob.contacts)
        self.count["acts"] += self.option != NONE  # the recovery key is written down
        for friend in self.friends:
            if self.rng.random() < 0.75:
                self.say(self.bob, friend)
                self.say(friend, self.bob)
        self.count["wanted history"] = self.count["history"]
        self.count["uploads"] = 0 if self.option == NONE else self.count["history"]
        self.mail_on_its_way()
        if loses:
            self.restore()
        self.read_mail()
        self.write_again()
        self.count["secrets"], self.count["exposed"] = self.exposed()

    def person(self, what, **how):
        name = f"{what} of {self.number}"
        return Party(name, self.network, aead=AES_256_GCM, **{"one_time": 0} | how)

    def say(self, writer, reader):
        writer.send(reader.name, self.text())
        self.count["history"] += sum(one.error is None for one in reader.receive())

    def text(self):
        return self.rng.randbytes(8).hex().encode()

    def mail_on_its_way(self):
        writing = [friend for friend in self.friends if self.rng.random() < 0.4]
        for writer in (*writing, *self.strangers):
            writer.send(self.bob.name, self.text())

    def restore(self):
        """What the backup holds goes to a new phone."""
        old = self.bob
        self.count["acts"] += 1
        if self.option == NONE:
            self.count["history"] = 0
            self.network.renew(old.name)
            self.bob = self.person("Bob")
            self.bob.publish()
            return
        self.bob = self.person("Bob", identity=old.identity)
        device, known = self.saved
        if self.option == WHOLE:
            self.bob.device, self.bob.contacts = device, known
            return
        # Numbers go on where the server's list ends: a used number would be another key (A77).
        first = old.device.ring.next_id
        ring = prekeys.rotate(replace(self.bob.device.ring, next_id=first))
        self.bob.device = replace(self.bob.device, ring=ring)
        self.network.publish(self.bob.name, prekeys.publication(ring, since=first).encode())

    def read_mail(self):
        received = self.bob.receive()
        self.count["wanted mail"] = len(received)
        self.count["mail"] = sum(one.error is None for one in received)

    def write_again(self):
        """Bob writes to each friend: in the session he has, else in a new one."""
        for friend in self.friends:
            if friend.name not in self.bob.contacts:
                friend.publish()
            self.bob.send(friend.name, self.text())
            self.count["wanted answers"] += 1
            self.count["answers"] += self.opened(friend)

    def opened(self, friend):
        errors = [one.error for one in friend.receive()]
        if any(isinstance(error, IdentityMismatch) for error in errors):
            self.count["acts"] += (
                1  # the friend is asked whether this is Bob, and the message is lost
            )
            friend.accept_change(self.bob.name, self.bob.identity.public)
        return None in errors

    def exposed(self):
        """How many texts Bob has sent, and how many under a header that he had used before."""
        sent = [_parts(data) for sender, data in self.network.recorded if sender == self.bob.name]
        return len(sent), len(sent) - len({header for header, _ in sent})


class _Keeping(Accounts):
    """Accounts whose network keeps a copy of every message."""

    def __init__(self):
        super().__init__()
        self.recorded = []

    def send(self, sender, recipient, data):
        self.recorded.append((sender, data))
        super().send(sender, recipient, data)


def _parts(data):
    """The ratchet header and the ciphertext of a message, first or later."""
    message, _ = explain(data, Message, InitialMessage)
    if isinstance(message, InitialMessage):
        message = Message.decode(message.payload)
    return message.header, message.ciphertext
