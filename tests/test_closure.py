"""What follows from a leak: against a brute-force oracle, a thief who runs the code, and tables."""

import importlib.util
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorded import Run, crossed, curve_keys, leaves, long_run

from x3dhlab import header_encryption, kem, observe, pqxdh, primitives, ratchet, trace, x3dh
from x3dhlab.attacks import weakened
from x3dhlab.errors import Refused
from x3dhlab.keys import KeyPair
from x3dhlab.primitives import AES_256_GCM, CBC_HMAC
from x3dhlab.proof import stolen, verdicts

NEVER_USED = b"\x5a" * 32


def read(recorded, leaked=()):
    """The texts that the attacker reads, all proofs carried out."""
    return [verdict.plaintext for verdict in verdicts(recorded, leaked) if verdict.readable]


# The oracle. It shares no code with `trace`: it tries every recorded operation on everything that
# it has, through `primitives`, until nothing new comes out.


class Oracle:
    CONSTANTS = {
        b"",
        b"\x01",
        b"\x02",
        bytes(32),
        x3dh.F,
        x3dh.INFO,
        pqxdh.info_for("ML-KEM-768"),
        ratchet.INFO,
        header_encryption.INFO,
        b"x3dhlab session identifier",
        (66).to_bytes(4, "big"),
        (15).to_bytes(4, "big"),
        b"associated data",
    }

    def __init__(self, recorded, leaked):
        self.events = [event for event in recorded.events if not event.error]
        wire = [e.inputs[0][1] for e in recorded.events if e.kind == "WIRE"]
        values = {v for e in recorded.events for _, v in (*e.inputs, *e.outputs)}
        on_wire = {v for v in values if len(v) > 8 and any(v in data for data in wire)}
        signed = {self._inputs(e)[1] for e in self.events if e.kind == "SIGN"}
        self.known = self.CONSTANTS | on_wire | signed | set(leaked)
        self.texts = {}
        self.tried = set()
        size = -1
        while size != (size := len(self.known) + len(self.texts)):
            for event in self.events:
                attempt = getattr(self, event.kind.lower(), None)
                if attempt:
                    attempt(event)

    @staticmethod
    def _inputs(event):
        return [value for _, value in event.inputs]

    def public(self, event):
        (private,) = self._inputs(event)
        if private in self.known:
            names = dict(event.detail)
            make = kem.get(names["kem"]).public_of if names else primitives.public_key
            self.known.add(make(private))

    def dh(self, event):
        pairs = [self._inputs(other) for other in self.events if other.kind == "DH"]
        # A key whose message was lost is in nobody's DH yet, and joins the thief's all the same.
        made = [e for e in self.events if e.kind == "PUBLIC" and not e.detail]
        pairs += [(self._inputs(other)[0], other.outputs[0][1]) for other in made]
        privates = {private for private, _ in pairs} & self.known
        publics = {public for _, public in pairs} & self.known
        # All pairs, also those that nobody ever joined.
        for private, public in product(privates, publics):
            if (private, public) not in self.tried:
                self.tried.add((private, public))
                self.known.add(primitives.dh(private, public))

    def hkdf(self, event):
        salt, ikm, info = self._inputs(event)
        if {salt, ikm, info} <= self.known:
            length = len(event.outputs[0][1])
            self.known.add(primitives.hkdf(ikm, salt=salt, info=info, length=length))

    def hmac(self, event):
        key, data = self._inputs(event)
        if {key, data} <= self.known:
            self.known.add(primitives.hmac_sha256(key, data))

    def concat(self, event):
        self._join_and_cut(self._inputs(event), event.outputs[0][1])

    def split(self, event):
        self._join_and_cut([part for _, part in event.outputs], self._inputs(event)[0])

    def _join_and_cut(self, parts, whole):
        if set(parts) <= self.known:
            self.known.add(b"".join(parts))
        if whole in self.known:
            for part in parts:
                self.known.add(whole[: len(part)])
                whole = whole[len(part) :]

    def sign(self, event):
        private, message, nonce = self._inputs(event)
        if {private, message, nonce} <= self.known:
            self.known.add(primitives.sign(private, message, nonce=nonce))

    def decaps(self, event):
        private, ciphertext = self._inputs(event)
        if {private, ciphertext} <= self.known:
            mechanism = kem.get(dict(event.detail)["kem"])
            self.known.add(mechanism.decapsulate(private, ciphertext))

    def encaps(self, event):
        mechanism = kem.get(dict(event.detail)["kem"])
        public, *coins = self._inputs(event)
        if coins and {public, *coins} <= self.known:
            self.known.update(mechanism.encapsulate(public, coins=coins[0]))
        ciphertext = event.outputs[0][1]
        for private in [v for v in self.known if len(v) == 64]:
            if ciphertext in self.known and mechanism.public_of(private) == public:
                self.known.add(mechanism.decapsulate(private, ciphertext))

    def seal(self, event):
        key, plaintext, associated_data, *nonce = self._inputs(event)
        self._try_to_open(event.outputs[0][1], associated_data, nonce, dict(event.detail)["aead"])
        if {key, plaintext, associated_data, *nonce} <= self.known:
            self.known.add(event.outputs[0][1])

    def open(self, event):
        _, ciphertext, associated_data, *nonce = self._inputs(event)
        self._try_to_open(ciphertext, associated_data, nonce, dict(event.detail)["aead"])

    def _try_to_open(self, ciphertext, associated_data, nonce, aead):
        if ciphertext in self.texts or not {ciphertext, associated_data, *nonce} <= self.known:
            return
        options = {"aead": aead, "nonce": nonce[0] if nonce else None}
        for key in [value for value in self.known if len(value) == 32]:
            if (key, ciphertext) in self.tried:
                continue
            self.tried.add((key, ciphertext))
            try:
                text = primitives.open_sealed(key, ciphertext, associated_data, **options)
            except Refused:
                continue
            self.texts[ciphertext] = text
            self.known.add(text)
            return


TEXTS = {b"", b"\x01", b"same", b"x3dhlab X3DH", b"a longer text of 29 bytes ..."}
ACTIONS = st.lists(
    st.tuples(
        st.booleans(),
        st.sampled_from(sorted(TEXTS)),
        st.sampled_from(["deliver", "keep", "lose", "reverse"]),
    ),
    max_size=5,
)


def act(run, actions):
    run.say(run.alice, b"first")
    for from_alice, text, what in actions:
        sender, other = (run.alice, run.bob) if from_alice else (run.bob, run.alice)
        run.say(sender, text, deliver=False)
        if what == "lose":
            run.network.lose(other.name)
        elif what == "reverse":
            run.network.reverse(other.name)
        if what in ("deliver", "reverse"):
            other.receive()


def hidden_run(actions):
    """A conversation with encrypted headers, its messages on the wire."""
    AD, SPK_B = b"associated data", KeyPair.generate()
    SK, hka, nhkb = header_encryption.expand(primitives.random_bytes(32))
    states = [
        header_encryption.State.initiator(SK, SPK_B.public, hka, nhkb),
        header_encryption.State.responder(SK, SPK_B, hka, nhkb),
    ]
    observe.announce("WIRE", [("publication", SPK_B.public)], what="publication")
    for from_alice, text, what in [(True, b"first", "deliver"), *actions]:
        sender = 0 if from_alice else 1
        states[sender], message = header_encryption.encrypt(states[sender], text, AD)
        observe.announce("WIRE", [("message", message.encode())], what="message")
        if what != "lose":
            receiver = 1 - sender
            states[receiver], _ = header_encryption.decrypt(states[receiver], message, AD)


def compare(recorded, choose):
    """Closure and oracle give the same texts, and the same values among those of the run."""
    values = sorted({v for e in recorded.events for _, v in (*e.inputs, *e.outputs)})
    secret = [value for value in values if value not in recorded.closure() and len(value) > 8]
    leaked = {secret[place % len(secret)] for place in choose} if secret else set()
    oracle = Oracle(recorded, leaked)
    proved = {v.ciphertext: v.plaintext for v in verdicts(recorded, leaked) if v.readable}
    assert proved == oracle.texts
    closure = recorded.closure(leaked)
    # A text that was chosen equal to a label is known to everybody, and tells nothing.
    values = set(values) - TEXTS
    assert {v for v in values if v in closure} == values & oracle.known
    for verdict in verdicts(recorded, leaked):
        if not verdict.readable:
            assert set(verdict.missing.alone).isdisjoint(oracle.known)


CHOICES = st.lists(st.integers(0, 10**6), max_size=6)
SMALL = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))


@SMALL
@given(ACTIONS, CHOICES, st.booleans(), st.sampled_from([0, 1]), st.booleans())
def test_closure_and_brute_force_agree(actions, choose, quantum_safe, one_time, gcm):
    protocol, aead = pqxdh if quantum_safe else x3dh, AES_256_GCM if gcm else CBC_HMAC
    with Run(protocol=protocol, one_time=one_time, aead=aead) as run:
        act(run, actions)
    compare(run.trace, choose)


@SMALL
@given(ACTIONS, CHOICES)
def test_closure_and_brute_force_agree_under_encrypted_headers(actions, choose):
    with trace.record() as recorded:
        hidden_run(actions)
    compare(recorded, choose)


# A thief who runs the code: he has one state and the recorded messages, nothing else.


def openable(state, associated_data, messages):
    """The texts that one copied state opens: received chains, next turn, and what it would send."""
    texts = set()
    for message in messages:
        try:
            texts.add(ratchet.decrypt(state, message, associated_data)[1])
        except Refused:
            continue
    CKs = state.CKs
    for _ in range(60 if CKs else 0):
        CKs, mk = ratchet.kdf_ck(CKs)
        for message in messages:
            AD = ratchet.bind(associated_data, message.header.encode())
            try:
                texts.add(primitives.open_sealed(mk, message.ciphertext, AD, aead=state.aead))
            except Refused:
                continue
    return texts


@pytest.mark.parametrize("seed", [1, 2])
def test_a_stolen_device_reads_what_its_copy_opens_in_200_messages(seed):
    run, snapshots = long_run(seed)
    messages = crossed(run.trace)
    assert len(messages) == 200
    seen = set()
    for place in (10, 100, 190):
        for device in snapshots[place]:
            ((session,),) = device.sessions.values()
            expected = openable(session.ratchet, session.associated_data, messages)
            got = read(run.trace, stolen(device))
            assert set(got) == expected
            assert 0 < len(got) < 60
            seen.add(len(got))
    assert len(seen) > 1


def test_all_private_keys_together_read_200_messages_and_public_bytes_read_none():
    run, _ = long_run(3)
    assert len(read(run.trace, leaves(run.trace))) == 200
    assert read(run.trace) == []


# X3DH and PQXDH: who gets SK


def first_message(**options):
    with Run(**options) as run:
        ring = run.bob.device.ring
        keys = {
            "IK_A": run.alice.identity.private,
            "IK_B": ring.identity.private,
            "SPK_B": ring.signed[ring.current].pair.private,
            "OPK_B": next((key.private for key in ring.one_time.values()), None),
            "PQOPK_B": next((key.pair.private for key in ring.kem_one_time.values()), None),
            "PQSPK_B": next((key.pair.private for key in ring.kem_last_resort.values()), None),
        }
        run.say(run.alice, b"hello Bob, this is Alice")
        keys["EK_A"] = run.trace.find("EK_A.private")
    return run, keys


X3DH_TABLE = [
    # one-time prekey, leaked, SK known
    (0, "", False),
    (0, "IK_A", False),
    (0, "IK_B", False),
    (0, "SPK_B", False),
    (0, "EK_A", False),
    (0, "IK_A IK_B", False),
    (0, "IK_A SPK_B", False),
    (0, "IK_B SPK_B", True),
    (0, "EK_A IK_A", True),
    (0, "EK_A SPK_B", True),
    (0, "EK_A IK_B", False),
    (1, "IK_B SPK_B", False),
    (1, "IK_A IK_B SPK_B", False),
    (1, "IK_B SPK_B OPK_B", True),
    (1, "SPK_B OPK_B", False),
    (1, "EK_A IK_A", True),
    (1, "EK_A SPK_B", True),
    (1, "EK_A IK_B OPK_B", False),
]


@pytest.mark.parametrize(("one_time", "leaked", "falls"), X3DH_TABLE)
def test_x3dh_falls_to_exactly_these_keys(one_time, leaked, falls):
    run, keys = first_message(one_time=one_time)
    closure = run.trace.closure([keys[name] for name in leaked.split()])
    assert (run.trace.find("SK") in closure) is falls


EC = "IK_A IK_B SPK_B EK_A"
PQXDH_TABLE = [
    # one-time prekeys (EC and KEM), leaked, SK known
    (0, EC, False),
    (1, EC + " OPK_B", False),
    (0, "IK_B SPK_B", False),
    (0, "IK_B SPK_B PQSPK_B", True),
    (0, "SPK_B PQSPK_B", False),
    (0, "PQSPK_B", False),
    (1, "IK_B SPK_B PQSPK_B", False),
    (1, EC + " OPK_B PQSPK_B", False),
    (1, EC + " OPK_B PQOPK_B", True),
    (1, "IK_B SPK_B PQOPK_B", False),
    (1, "EK_A IK_A", False),
    (1, "EK_A IK_A PQOPK_B", True),
]


@pytest.mark.parametrize(("one_time", "leaked", "falls"), PQXDH_TABLE)
def test_pqxdh_falls_to_exactly_these_keys(one_time, leaked, falls):
    run, keys = first_message(protocol=pqxdh, one_time=one_time)
    closure = run.trace.closure([keys[name] for name in leaked.split()])
    assert (run.trace.find("SK") in closure) is falls


@pytest.mark.parametrize("one_time", [0, 1])
def test_harvested_x3dh_is_open_to_a_quantum_computer_and_pqxdh_is_not(one_time):
    """A24."""
    for protocol, texts in ((x3dh, 3), (pqxdh, 0)):
        with Run(protocol=protocol, one_time=one_time) as run:
            run.say(run.alice, b"one")
            run.say(run.bob, b"two")
            run.say(run.alice, b"three")
        assert len(read(run.trace, curve_keys(run.trace))) == texts


@pytest.mark.parametrize(("one_time", "texts"), [(0, 3), (1, 0)])
def test_a_stolen_last_resort_key_opens_the_harvest_and_a_deleted_one_time_key_cannot(
    one_time, texts
):
    """A24, PQXDH §4.7: the device is stolen later, and a quantum computer helps."""
    with Run(protocol=pqxdh, one_time=one_time) as run:
        for sender, text in ((run.alice, b"one"), (run.bob, b"two"), (run.alice, b"three")):
            run.say(sender, text)
    leaked = curve_keys(run.trace) | stolen(run.bob.device.ring)
    assert len(read(run.trace, leaked)) == texts


@pytest.mark.parametrize(("one_time", "falls"), [(0, True), (1, False)])
def test_a_prekey_ring_stolen_later_gives_sk_only_if_no_one_time_key_was_used(one_time, falls):
    """A28."""
    run, _ = first_message(one_time=one_time)
    assert (run.trace.find("SK") in run.trace.closure(stolen(run.bob.device.ring))) is falls


@pytest.mark.parametrize("also", ["", "IK_A", "SPK_B", "IK_B"])
def test_with_predictable_randomness_only_dh1_protects(also):
    """A29: EK_A and the coins of the KEM are known."""
    with primitives.deterministic(29):
        run, keys = first_message(protocol=pqxdh)
    coins = next(e for e in run.trace.events if e.kind == "ENCAPS").inputs[1][1]
    leaked = {keys["EK_A"], coins} | ({keys[also]} if also else set())
    closure = run.trace.closure(leaked)
    known = [run.trace.find(name) in closure for name in ("DH2", "DH3", "DH4", "SS")]
    assert all(known)
    assert (run.trace.find("SK") in closure) is (also in ("IK_A", "SPK_B"))


@pytest.mark.parametrize(("algorithm", "backend"), kem.available())
def test_a_kem_secret_needs_the_private_key_whichever_library_made_it(algorithm, backend):
    mechanism = kem.get(algorithm, backend)
    with trace.record() as recorded:
        pair = mechanism.generate()
        CT, SS = mechanism.encapsulate(pair.public)
        observe.announce("WIRE", [("message", pair.public + CT)])
        sealed = primitives.seal(SS, b"text", b"")
        observe.announce("WIRE", [("message", sealed)])
    assert read(recorded) == []
    assert read(recorded, {pair.private}) == [b"text"]
    (verdict,) = verdicts(recorded)
    assert verdict.missing.alone[:2] == (SS, pair.private)


# Active attacks are no closure: they are run


def test_closure_gives_nothing_for_spk_b_alone_but_an_active_attacker_writes_as_alice():
    """A27: key-compromise impersonation."""
    run, keys = first_message(one_time=0)
    assert read(run.trace, {keys["SPK_B"]}) == []
    assert run.trace.find("SK") not in run.trace.closure({keys["SPK_B"]})
    cast = weakened.Cast()
    text = b"pay Mallory"
    assert weakened.impersonate(cast, text, cast.private("SPK_B")) == text
    with pytest.raises(weakened.MissingTerm):
        weakened.impersonate(cast, text, cast.private("IK_B"))


def test_a_rolled_back_sender_uses_a_key_twice_and_the_difference_of_the_texts_is_public():
    """A49: no closure shows it, the two ciphertexts do."""
    texts = b"attack at dawn", b"attack at dusk"
    with Run(aead=AES_256_GCM) as run:
        run.say(run.alice, b"hello")
        saved = run.alice.device
        run.say(run.alice, texts[0], deliver=False)
        run.alice.device = saved
        run.say(run.alice, texts[1], deliver=False)
    first, second = [message.ciphertext for message in crossed(run.trace)[1:]]
    assert read(run.trace) == []

    def xor(a, b):
        return bytes(x ^ y for x, y in zip(a, b, strict=True))

    assert xor(first[:14], second[:14]) == xor(*texts)
    assert set(read(run.trace, stolen(saved))) == set(texts)


# The ratchet: healing, skipped keys, headers


def test_a_cloned_state_reads_on_until_its_owner_answers_with_a_fresh_key():
    """A53."""
    with Run() as run:
        run.say(run.alice, b"before")
        run.say(run.bob, b"before too")
        clone = stolen(run.alice)
        run.say(run.alice, b"first")
        run.say(run.bob, b"second")
        run.say(run.alice, b"third")
        run.say(run.bob, b"fourth")
    assert read(run.trace, clone) == [b"first", b"second"]


def test_a_retained_key_opens_the_lost_message_and_no_other():
    """A55."""
    with Run() as run:
        run.say(run.alice, b"message 0")
        for number in range(1, 9):
            run.say(run.alice, b"message %d" % number, deliver=False)
            if number == 5:
                run.network.lose("Bob", run.network.waiting("Bob") - 1)
        run.bob.receive()
        for _ in range(3):
            run.say(run.bob, b"answer")
            run.say(run.alice, b"question")
    assert len(run.state(run.bob).MKSKIPPED) == 1
    got = read(run.trace, stolen(run.bob))
    assert b"message 5" in got
    assert not {b"message %d" % number for number in (0, 1, 2, 3, 4, 6, 7, 8)} & set(got)


def test_a_header_key_opens_headers_and_no_text():
    with trace.record() as recorded:
        hidden_run([(True, b"second", "deliver")])
    everything = verdicts(recorded, leaves(recorded))
    headers = [v.ciphertext for v in everything if v.plaintext not in (b"first", b"second")]
    assert len(everything) == 4
    assert len(headers) == 2
    got = verdicts(recorded, {recorded.find("shared_hka")})
    assert [v.ciphertext for v in got if v.readable] == headers


# Constants, chance, and what readable means


@pytest.mark.parametrize("private", [b"\x07" * 32, b"\x01" * 32, bytes(range(32))])
def test_a_private_key_that_looks_like_a_constant_is_a_secret(private):
    with trace.record() as recorded:
        mine, theirs = KeyPair.from_private(private), KeyPair.generate()
        observe.announce("WIRE", [("keys", mine.public + theirs.public)])
        sealed = primitives.seal(primitives.dh(mine.private, theirs.public), b"text", b"")
        observe.announce("WIRE", [("message", sealed)])
    assert read(recorded) == []
    assert read(recorded, {private}) == [b"text"]


@pytest.mark.parametrize("place", ["ikm", "key", "salt", "data"])
def test_a_secret_of_15_bytes_is_a_secret(place):
    with trace.record() as recorded:
        secret = primitives.random_bytes(15)
        key = {
            "ikm": lambda: primitives.hkdf(secret, salt=bytes(32), info=b"info", length=32),
            "key": lambda: primitives.hmac_sha256(secret, b"label"),
            "salt": lambda: primitives.hkdf(bytes(32), salt=secret, info=b"info", length=32),
            "data": lambda: primitives.hmac_sha256(bytes(32), secret),
        }[place]()
        sealed = primitives.seal(key, b"text", b"")
        observe.announce("WIRE", [("message", sealed)])
    assert read(recorded) == []
    assert read(recorded, {secret}) == [b"text"]


def test_a_key_joined_to_others_is_no_constant_whatever_its_bytes():
    secret = b"\x07" * 15
    with trace.record() as recorded:
        material = primitives.concat(x3dh.F, secret)
        key = primitives.hkdf(material, salt=bytes(32), info=b"info", length=32)
        observe.announce("WIRE", [("message", primitives.seal(key, b"text", b""))])
    assert read(recorded) == []
    assert read(recorded, {secret}) == [b"text"]


def test_associated_data_that_a_secret_was_derived_into_is_no_constant():
    with trace.record() as recorded:
        SK = primitives.random_bytes(32)
        AD = primitives.hmac_sha256(SK, b"context")
        key = primitives.random_bytes(32)
        observe.announce("WIRE", [("message", primitives.seal(key, b"text", AD))])
    assert AD not in recorded.closure({key})
    assert read(recorded, {key}) == []
    assert read(recorded, {key, SK}) == [b"text"]


def test_zeros_are_known_to_everybody_even_as_a_chain_key():
    """A46: a chain key that was never set."""
    with trace.record() as recorded:
        primitives.hkdf(b"x" * 32, salt=bytes(32), info=b"info", length=32)
        _, mk = ratchet.kdf_ck(bytes(32))
        observe.announce("WIRE", [("message", primitives.seal(mk, b"text", b""))])
    assert read(recorded) == [b"text"]


@pytest.mark.parametrize("text", [b"\x01", b"\x02", b"", b"x3dhlab Double Ratchet", bytes(32)])
def test_a_text_equal_to_a_label_of_the_protocol_hides_no_label(text):
    with Run() as run:
        run.say(run.alice, b"hello")
        run.say(run.bob, text)
        run.say(run.alice, b"after")
    assert read(run.trace, leaves(run.trace)) == [b"hello", text, b"after"]
    assert read(run.trace) == []


def test_the_same_text_sealed_twice_is_read_only_where_the_key_is_known():
    with trace.record() as recorded:
        known, unknown = primitives.random_bytes(32), primitives.random_bytes(32)
        one = primitives.seal(known, b"the same text here", b"")
        two = primitives.seal(unknown, b"the same text here", b"")
        observe.announce("WIRE", [("messages", one + two)])
    first, second = verdicts(recorded, {known})
    assert (first.readable, second.readable) == (True, False)
    assert second.plaintext is None
    assert second.missing.alone == (unknown,)


def test_a_text_on_the_wire_in_clear_makes_no_ciphertext_readable():
    with trace.record() as recorded:
        key = primitives.random_bytes(32)
        sealed = primitives.seal(key, b"a text that leaks elsewhere", b"")
        observe.announce("WIRE", [("message", sealed + b"a text that leaks elsewhere")])
    closure = recorded.closure()
    assert b"a text that leaks elsewhere" in closure
    assert not closure.reads(sealed)


def test_a_short_secret_is_not_public_because_its_bytes_occur_in_a_message():
    with trace.record() as recorded:
        key = primitives.random_bytes(32)
        pin = key[:4]
        primitives.hmac_sha256(pin, b"label")
        observe.announce("WIRE", [("message", bytes(20) + pin + bytes(20))])
    assert pin not in recorded.closure()


def test_bytes_that_only_meet_across_two_messages_are_not_on_the_wire():
    value = primitives.random_bytes(32)
    with trace.record() as recorded:
        primitives.hmac_sha256(value[:16] + b"\x00" + value[16:], b"label")
        observe.announce("WIRE", [("message", value[:16])])
        observe.announce("WIRE", [("message", value[16:])])
    assert value[:16] + b"\x00" + value[16:] not in recorded.public()


def test_one_secret_in_two_sessions_opens_both():
    with trace.record() as recorded:
        shared = primitives.random_bytes(32)
        for session in (b"one", b"two"):
            key = primitives.hkdf(shared, salt=bytes(32), info=session, length=32)
            observe.announce("WIRE", [("message", primitives.seal(key, session, b""))])
        other = primitives.random_bytes(32)
        observe.announce("WIRE", [("message", primitives.seal(other, b"three", b""))])
    assert read(recorded, {shared}) == [b"one", b"two"]


def test_a_nested_message_needs_both_keys():
    with trace.record() as recorded:
        inner, outer = primitives.random_bytes(32), primitives.random_bytes(32)
        sealed = primitives.seal(inner, b"text", b"")
        observe.announce("WIRE", [("message", primitives.seal(outer, sealed, b""))])
    assert read(recorded, {inner}) == []
    assert read(recorded, {outer}) == [sealed]
    assert read(recorded, {inner, outer}) == [b"text", sealed]


def test_a_signing_key_makes_signatures_and_a_signature_gives_no_key():
    with trace.record() as recorded:
        mine = KeyPair.generate()
        signature = primitives.sign(mine.private, b"a message to sign")
        primitives.verify(mine.public, b"a message to sign", signature)
        Z = next(e for e in recorded.events if e.kind == "SIGN").inputs[2][1]
    assert signature in recorded.closure({mine.private, Z})
    assert signature not in recorded.closure({mine.private})
    assert mine.private not in recorded.closure({signature, Z, mine.public})


def test_a_refused_message_is_no_message_and_its_key_opens_the_real_one():
    with trace.record() as recorded:
        key, wrong = primitives.random_bytes(32), primitives.random_bytes(32)
        sealed = primitives.seal(key, b"text", b"")
        observe.announce("WIRE", [("message", sealed)])
        for attempt in ((wrong, sealed), (key, sealed[:-1] + bytes([sealed[-1] ^ 1]))):
            with pytest.raises(Refused):
                primitives.open_sealed(*attempt, b"")
    assert len(verdicts(recorded)) == 1
    assert read(recorded, {wrong}) == []
    assert read(recorded, {key}) == [b"text"]


def test_a_message_that_never_left_its_sender_is_not_read_and_the_verdict_says_so():
    """A trace that an exception cuts off between sealing and sending."""
    with pytest.raises(ZeroDivisionError), trace.record() as recorded:
        key = primitives.random_bytes(32)
        sealed = primitives.seal(key, b"text", b"")
        raise ZeroDivisionError
    (verdict,) = verdicts(recorded, {key})
    assert not verdict.readable
    assert verdict.missing.alone == (sealed,)
    (verdict,) = verdicts(recorded)
    assert verdict.missing.together == ((key, sealed),)


def test_an_empty_trace_has_an_empty_closure_and_keeps_what_was_leaked():
    empty = trace.Trace()
    assert verdicts(empty) == []
    assert NEVER_USED in empty.closure({NEVER_USED})
    assert not empty.closure({NEVER_USED}).missing(NEVER_USED)
    assert empty.closure().missing(NEVER_USED).alone == (NEVER_USED,)
    assert "never used" in str(empty.closure().missing(NEVER_USED))


LEARNER = """
from x3dhlab.primitives import concat, dh, hkdf, seal, split

def my_kdf(first, second):
    material = concat(b"a label of my own choice", first, second)
    return split(hkdf(material, salt=b"", info=b"mine", length=64), 32, 32)

def send(mine, theirs, other):
    agreed, again = dh(mine, theirs), dh(mine, other)
    my_key, my_other_key = my_kdf(agreed, again)
    return seal(my_key, b"written by a learner", b"")
"""


def test_a_learners_own_derivation_is_followed_under_its_own_names(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(LEARNER)
    specification = importlib.util.spec_from_file_location("mine", path)
    mine = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(mine)
    with trace.record() as recorded:
        alice, bob, second = (KeyPair.generate() for _ in range(3))
        observe.announce("WIRE", [("keys", alice.public + bob.public + second.public)])
        observe.announce("WIRE", [("m", mine.send(alice.private, bob.public, second.public))])
    assert read(recorded) == read(recorded, {bob.private}) == []
    (verdict,) = verdicts(recorded, {bob.private, second.private})
    assert verdict.plaintext == b"written by a learner"
    assert {"agreed", "again", "material", "my_key"} <= {step.name for step in verdict.steps}
    (verdict,) = verdicts(recorded, {bob.private})
    assert [node.name for node in verdict.missing.nearest][0] == "my_key"
    assert second.private in verdict.missing.alone


# What is missing


def test_each_value_named_alone_is_enough_and_so_is_each_group():
    run, _ = long_run(4, length=40)
    for verdict in verdicts(run.trace)[5:40:7]:
        missing = verdict.missing
        assert missing.alone and missing.together
        for group in (*((value,) for value in missing.alone), *missing.together, missing.first):
            assert run.trace.closure(group).reads(verdict.ciphertext)
        assert set(missing.first) < leaves(run.trace)


def test_the_nearest_missing_value_is_the_message_key():
    run, _ = long_run(5, length=30)
    for verdict in verdicts(run.trace):
        assert verdict.missing.nearest[0].name in ("message_key", "mk")
        assert len(str(verdict.missing)) < 300


def test_the_sentence_names_the_private_keys_that_would_help():
    with Run() as run:
        run.say(run.alice, b"one")
        run.say(run.bob, b"two")
        run.say(run.alice, b"three")
    sentence = str(verdicts(run.trace)[2].missing)
    assert sentence.startswith("one of: message_key of Alice, chain_key of Alice")
    assert "root_key of" in sentence
    assert "(from DHs.private of Alice or DHs.private of Bob)" in sentence


def test_nothing_is_missing_for_what_the_attacker_has():
    run, _ = long_run(6, length=10)
    for verdict in verdicts(run.trace, leaves(run.trace)):
        assert not verdict.missing
        assert verdict.missing.first == ()
        assert str(verdict.missing) == "nothing"
