"""This course's own programs, as the attacks meet them. Nothing in this file is weak.

The `fails` runs of the catalogue go against these: real parties, a real store, every check on.
"""

from dataclasses import dataclass
from types import ModuleType

from x3dhlab import x3dh
from x3dhlab.party import LocalTransport, Party
from x3dhlab.service.store import PreKeyStore

TEXT = b"Meet me at noon."
KEM = "ML-KEM-768"


@dataclass(frozen=True, slots=True)
class Friends:
    """Alice and Bob on an honest network; Bob has published."""

    network: LocalTransport
    alice: Party
    bob: Party

    def deliver(self, data: bytes, sender: str = "Alice") -> bytes:
        """Put bytes into Bob's mailbox; the text that he reads. Raises what he answered."""
        self.network.send(sender, "Bob", data)
        return opened(self.bob)

    def written(self, text: bytes = TEXT) -> bytes:
        """The bytes of Alice's next message, taken off the network."""
        self.alice.send("Bob", text)
        ((_, data),) = self.network.collect("Bob")
        return data


def friends(protocol: ModuleType = x3dh, one_time: int = 10) -> Friends:
    """Two parties who have not met yet."""
    network = LocalTransport(PreKeyStore())
    alice = Party("Alice", network, protocol=protocol, kem=KEM, one_time=one_time)
    bob = Party("Bob", network, protocol=protocol, kem=KEM, one_time=one_time)
    alice.publish()
    bob.publish()
    return Friends(network, alice, bob)


def opened(party: Party) -> bytes:
    """The last text in a mailbox. Raises the refusal that it met."""
    *_, last = party.receive()
    if last.error:
        raise last.error
    return last.plaintext
