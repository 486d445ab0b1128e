"""A server that works with secrets: it makes the prekeys (A17), or keeps the ratchet's keys (A18).

Precondition: none but an honest description of the design. Nobody notices, because nothing is done
against the rules: the server reads with what it was given.
"""

from x3dhlab import prekeys, x3dh
from x3dhlab.attacks import targets
from x3dhlab.attacks.entry import Attack, Result
from x3dhlab.keys import KeyPair
from x3dhlab.primitives import open_sealed
from x3dhlab.proof import verdicts
from x3dhlab.ratchet import State, bind, decrypt, encrypt, kdf_ck
from x3dhlab.service.store import PreKeyStore
from x3dhlab.trace import record

AD = b"both identity keys"


class KeyMaking:
    """Design C's `POST /keys`: the request holds no key, the server makes the whole bundle."""

    def __init__(self):
        self.rings: dict[str, prekeys.PreKeyRing] = {}
        self.store = PreKeyStore()

    def post_keys(self, name: str) -> None:
        """Make and store all keys of a user."""
        self.rings[name] = prekeys.generate(one_time=1)
        self.store.publish(name, prekeys.publication(self.rings[name]))

    def read(self, name: str, message, ratchet_message) -> bytes:
        """What the server reads of a first message to this user."""
        ring = self.rings[name]
        pair = ring.signed[message.signed_prekey_id].pair
        one_time = prekeys.find_one_time(ring, message.one_time_prekey_id)
        agreement = x3dh.respond(ring.identity, pair, one_time, message)
        state = State.responder(agreement.secret, pair)
        return decrypt(state, ratchet_message, agreement.associated_data)[1]


def made_by_the_server() -> Result:
    """A17: Alice's message to a Bob whose keys the server made."""
    server = KeyMaking()
    server.post_keys("Bob")
    bundle = server.store.fetch("Bob")
    message, agreement = x3dh.initiate(KeyPair.generate(), bundle)
    state = State.initiator(agreement.secret, bundle.signed_prekey)
    _, sent = encrypt(state, targets.TEXT, agreement.associated_data)
    return Result(True, server.read("Bob", message, sent).decode())


def _what_a_server_sees() -> Result:
    """A17 against two parties: the closure of all bytes that crossed the wire, and nothing else."""
    with record() as trace:
        friends = targets.friends()
        friends.deliver(friends.written())
    (verdict,) = verdicts(trace)
    return Result(verdict.readable, "the server has public halves only", "no private half")


def kept_by_the_server(messages: int = 3) -> Result:
    """A18: a table of sessions with a chain key in it, read once; the messages that follow."""
    SK, SPK_B = b"\x01" * 32, KeyPair.generate()
    alice = State.initiator(SK, SPK_B.public)
    chain_key, read = alice.CKs, []
    for number in range(messages):
        alice, message = encrypt(alice, b"message %d" % number, AD)
        chain_key, mk = kdf_ck(chain_key)
        read.append(open_sealed(mk, message.ciphertext, bind(AD, message.header.encode())))
    return Result(len(read) == messages, f"the server reads {len(read)} messages")


def _kept_by_the_phones() -> Result:
    """A18 against two parties: no chain key is among the bytes on the wire."""
    with record() as trace:
        friends = targets.friends()
        friends.deliver(friends.written())
    ((state, *_),) = friends.alice.device.sessions.values()
    seen = b"".join(value for e in trace.events if e.kind == "WIRE" for _, value in e.inputs)
    return Result(state.ratchet.CKs in seen, "no chain key crosses the wire", "state on the device")


CATALOGUE = (
    Attack(
        "A17",
        "Keys that the server made",
        "SC",
        "17",
        "The server generates the bundle, private halves included.",
        "It reads every session that starts with them.",
        "Private keys are made on the device and never leave it.",
        "Design C's interface for keys.",
        works=made_by_the_server,
        fails=_what_a_server_sees,
    ),
    Attack(
        "A18",
        "A ratchet on the server",
        "SC",
        "17",
        "Root and chain keys stand in a table of the server.",
        "Whoever reads the table once reads everything that follows in this chain.",
        "State on the device only, or encrypted by the device.",
        "Designs D and E keep chain keys in tables.",
        works=kept_by_the_server,
        fails=_kept_by_the_phones,
    ),
)
