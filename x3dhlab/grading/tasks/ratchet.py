"""Tasks of lesson 10: a turn, a message, skipped keys, their limits, and a message received.

The state is a plain dict with the specification's names. Headers and associated data have the
package's bytes, so an answer can talk to the package.
"""

import random
from dataclasses import replace

from x3dhlab import ratchet
from x3dhlab.grading.task import Case, Hints, Mistake, Step, Task
from x3dhlab.grading.tasks import generic
from x3dhlab.keys import KeyPair
from x3dhlab.primitives import hkdf

_IMPORTS = """
from x3dhlab.errors import NoSession, NotReadyToSend, TooManySkipped
from x3dhlab.primitives import dh, hkdf, hmac_sha256, open_sealed, seal

INFO = b"x3dhlab Double Ratchet"
"""
_HELPERS = """
def kdf_ck(chain_key):
    return hmac_sha256(chain_key, b"\\x02"), hmac_sha256(chain_key, b"\\x01")

def name(their_key, number):
    return their_key + number.to_bytes(4, "big")

def encode(header):
    counts = header["PN"].to_bytes(4, "big") + header["N"].to_bytes(4, "big")
    return b"\\x05" + header["DH"] + counts

def bind(associated_data, encoded_header):
    return len(associated_data).to_bytes(4, "big") + associated_data + encoded_header
"""
GIVEN = _IMPORTS + _HELPERS


def _pair(rng):
    pair = KeyPair.from_private(rng.randbytes(32))
    return {"private": pair.private, "public": pair.public}


def _state(rng, Ns=0, Nr=0, PN=0, skipped=0):
    """A state in the middle of a conversation; `skipped` keys of an older chain are kept."""
    older = rng.randbytes(32)
    return {
        "DHs": _pair(rng),
        "DHr": _pair(rng)["public"],
        "RK": rng.randbytes(32),
        "CKs": rng.randbytes(32),
        "CKr": rng.randbytes(32),
        "Ns": Ns,
        "Nr": Nr,
        "PN": PN,
        "MKSKIPPED": {_name(older, n): rng.randbytes(32) for n in range(2, 2 + skipped)},
    }


def _name(key, number):
    return key + number.to_bytes(4, "big")


# ratchet.dh_step

DH_STEP = """
def dh_step(state, their_key, new_pair):
    shared = dh(state["DHs"]["private"], their_key)
    both = hkdf(shared, salt=state["RK"], info=INFO, length=64)
    RK, CKr = both[:32], both[32:]
    shared = dh(new_pair["private"], their_key)
    both = hkdf(shared, salt=RK, info=INFO, length=64)
    RK, CKs = both[:32], both[32:]
    keys = {"DHs": new_pair, "DHr": their_key, "RK": RK, "CKs": CKs, "CKr": CKr}
    return state | keys | {"PN": state["Ns"], "Ns": 0, "Nr": 0}
"""


def dh_step_cases(seed: int) -> list[Case]:
    """The first turn of a responder, then turns after conversations of several lengths."""
    rng = random.Random(f"ratchet.dh_step {seed}")
    first = _state(rng) | {"DHr": None, "CKs": None, "CKr": None}
    rows = [
        (first, "the first message that Bob reads"),
        (_state(rng, Ns=1, Nr=1), "a turn after one message in each direction"),
        (_state(rng, Ns=rng.randint(3, 9), Nr=rng.randint(10, 20), PN=2), "a later turn"),
        (_state(rng, Ns=4, Nr=2, PN=7, skipped=2), "a turn with two skipped keys"),
    ]
    return [Case((state, _pair(rng)["public"], _pair(rng)), about) for state, about in rows]


def explain_dh_step(case: Case, got) -> str:
    """Find the derivation that gives the learner's chain keys, and say what went into it."""
    state, theirs, new = case.arguments
    shared = {
        "the old private key": _shared(state["DHs"]["private"], theirs),
        "the new private key": _shared(new["private"], theirs),
    }
    if type(got) is not dict:
        return ""
    found = _derivations(state["RK"], shared)
    for entry in ("CKr", "CKs", "RK"):
        right = found.get(_wanted(case)[entry])
        words = found.get(got.get(entry)) if type(got.get(entry)) is bytes else None
        if words and words != right:
            return f"{entry} is {words}"
    return ""


def _shared(private, public):
    return ratchet.dh(private, public)


def _derivations(root, shared):
    """Each key that one or two derivations give → how it was derived."""
    found = {}
    for first, one in shared.items():
        once = _both(root, one)
        for half, key in zip(("first", "second"), once, strict=True):
            found.setdefault(key, f"the {half} half of one derivation, with {first}")
        for second, two in shared.items():
            for half, key in zip(("first", "second"), _both(once[0], two), strict=True):
                words = f"the {half} half of the second derivation, with {first}, then {second}"
                found.setdefault(key, words)
    return found


def _both(salt, shared):
    both = hkdf(shared, salt=salt, info=ratchet.INFO, length=64)
    return both[:32], both[32:]


def _wanted(case):
    state, theirs, new = case.arguments
    RK, CKr = _both(state["RK"], _shared(state["DHs"]["private"], theirs))
    RK, CKs = _both(RK, _shared(new["private"], theirs))
    return {"RK": RK, "CKs": CKs, "CKr": CKr}


_TURN_MISTAKES = generic.variants(
    DH_STEP,
    (
        "salt and input swapped",
        "The root key is the input of HKDF and the Diffie-Hellman result its salt. Two copies of "
        "your program agree, and nobody else does.",
        "hkdf(shared, salt=RK, …): the secret that is new is the input, the old root key the salt.",
        ('hkdf(shared, salt=state["RK"],', 'hkdf(state["RK"], salt=shared,'),
        ("hkdf(shared, salt=RK,", "hkdf(RK, salt=shared,"),
    ),
    (
        "the root key stands still",
        "Both chains are derived from the same old root key.",
        "The second derivation takes the root key that the first one gave.",
        ("salt=RK,", 'salt=state["RK"],'),
    ),
    (
        "the old pair for both chains",
        "The sending chain is made with the old private key. Nothing new from this phone enters, "
        "so a thief of the old state follows.",
        'The second Diffie-Hellman takes new_pair["private"].',
        ('dh(new_pair["private"], their_key)', 'dh(state["DHs"]["private"], their_key)'),
    ),
    (
        "the new pair for both chains",
        "The receiving chain is made with the new private key. The peer does not know that key "
        "yet, so nobody can have sent on that chain.",
        'The first Diffie-Hellman takes state["DHs"]["private"].',
        ('dh(state["DHs"]["private"], their_key)', 'dh(new_pair["private"], their_key)'),
    ),
    (
        "sending chain first",
        "The new pair came first, then the old one. The peer made the receiving chain first.",
        "First the old pair, for what was sent to it; then the new pair.",
        ('dh(state["DHs"]["private"], their_key)', 'dh(OLD["private"], their_key)'),
        ('dh(new_pair["private"], their_key)', 'dh(state["DHs"]["private"], their_key)'),
        ('dh(OLD["private"], their_key)', 'dh(new_pair["private"], their_key)'),
        ("RK, CKr = both", "RK, CKx = both"),
        ("RK, CKs = both", "RK, CKr = both"),
        ("RK, CKx = both", "RK, CKs = both"),
    ),
    (
        "one chain for both directions",
        "Both directions got the same chain key. Message keys then come twice.",
        "Two derivations: one for the receiving chain, one for the sending chain.",
        ("    RK, CKs = both[:32], both[32:]", "    CKs = CKr"),
    ),
    (
        "chain keys swapped",
        "The chain for reading stands in CKs, and the chain for writing in CKr.",
        "The first derivation gives CKr, the second gives CKs.",
        ('"CKs": CKs, "CKr": CKr', '"CKs": CKr, "CKr": CKs'),
    ),
    (
        "root and chain swapped",
        "The first half became the chain key and the second half the root key.",
        "The first 32 bytes are the root key, the last 32 the chain key.",
        ("RK, CKr = both[:32], both[32:]", "CKr, RK = both[:32], both[32:]"),
        ("RK, CKs = both[:32], both[32:]", "CKs, RK = both[:32], both[32:]"),
    ),
    (
        "no info",
        "HKDF got an empty info.",
        "Give it INFO.",
        ("info=INFO", 'info=b""'),
    ),
    (
        "PN after Ns",
        "PN is 0: Ns was set to 0 before PN was taken from it. Late messages of the old chain are "
        "lost to the peer.",
        'PN is the Ns of the state before the turn: state["Ns"].',
        ('"PN": state["Ns"]', '"PN": 0'),
    ),
    (
        "PN left as it was",
        "PN still has the length of an older chain.",
        'Set PN to state["Ns"].',
        ('{"PN": state["Ns"], "Ns": 0', '{"Ns": 0'),
    ),
    (
        "PN from the receiving chain",
        "PN is Nr. It has to say how many messages *this* phone sent on its old chain.",
        'PN is state["Ns"].',
        ('"PN": state["Ns"]', '"PN": state["Nr"]'),
    ),
    (
        "Ns goes on counting",
        "Ns was not set to 0. The new chain begins with message 0.",
        "Both counters are 0 after a turn.",
        ('"Ns": 0, "Nr": 0', '"Nr": 0'),
    ),
    (
        "Nr goes on counting",
        "Nr was not set to 0. The peer's new chain begins with message 0.",
        "Both counters are 0 after a turn.",
        ('"Ns": 0, "Nr": 0', '"Ns": 0'),
    ),
    (
        "the old pair kept",
        "DHs is still the old pair. The next header names a key that does not fit the chain.",
        "DHs is new_pair after the turn.",
        ('"DHs": new_pair, ', ""),
    ),
    (
        "their old key kept",
        "DHr is still the old key. Every further message of this chain turns the ratchet again.",
        "DHr is their_key after the turn.",
        ('"DHr": their_key, ', ""),
    ),
    (
        "skipped keys dropped",
        "The turn emptied MKSKIPPED. Late messages of older chains cannot be read any more.",
        "Leave MKSKIPPED as it is.",
        ('"Nr": 0}', '"Nr": 0, "MKSKIPPED": {}}'),
    ),
)

_DH_STEP = Task(
    id="ratchet.dh_step",
    lesson="10",
    title="One turn of the DH ratchet",
    signature="dh_step(state: dict, their_key: bytes, new_pair: dict) -> dict",
    statement=(
        "A header brought their_key, a ratchet key that is not DHr. `state` has DHs (a dict with "
        "private and public), DHr, RK, CKs, CKr, Ns, Nr, PN and MKSKIPPED; new_pair is made like "
        "DHs. Return the state after the turn, as a new dict. Two derivations: HKDF with the root "
        "key as salt, the Diffie-Hellman result as input, INFO as info, 64 bytes. The first 32 are "
        "the next root key, the rest the chain key. First with the old pair, for CKr; then with "
        "the new pair, for CKs. PN becomes Ns; Ns and Nr become 0. dh(private, public) and "
        "hkdf(ikm, salt=…, info=…, length=…) come from x3dhlab.primitives."
    ),
    why="Each direction gets a chain that depends on a fresh secret of the side that writes on it.",
    points=3,
    minutes=7,
    section="Lesson 10, “One turn by hand”; Double Ratchet §3.5",
    modules=("primitives", "errors"),
    hints=Hints(
        "Which of your two private keys did the peer know when they wrote their message?",
        "Twice: a Diffie-Hellman with their_key, then HKDF with the newest root key as salt.",
        'hkdf(dh(new_pair["private"], their_key), salt=RK, info=INFO, length=64) gives RK and CKs.',
    ),
    given=_IMPORTS,
    reference=DH_STEP,
    cases=dh_step_cases,
    explain=explain_dh_step,
    mistakes=(
        generic.nothing_returned("dh_step", DH_STEP),
        generic.hex_for_bytes("dh_step", DH_STEP),
        generic.changed_argument("dh_step", DH_STEP, "arguments[0].update(value)"),
        *_TURN_MISTAKES,
    ),
)

# ratchet.encrypt

ENCRYPT = """
def encrypt(state, plaintext, associated_data):
    if state["CKs"] is None:
        raise NotReadyToSend("the first message must come from the peer")
    CKs, message_key = kdf_ck(state["CKs"])
    header = {"DH": state["DHs"]["public"], "PN": state["PN"], "N": state["Ns"]}
    sealed = seal(message_key, plaintext, bind(associated_data, encode(header)))
    after = state | {"CKs": CKs, "Ns": state["Ns"] + 1}
    return [after, {"header": header, "ciphertext": sealed}]
"""
_BOUND = "bind(associated_data, encode(header))"


def encrypt_cases(seed: int) -> list[Case]:
    """One to three messages in a row, behind a turn, not saved; and a phone that cannot write."""
    rng = random.Random(f"ratchet.encrypt {seed}")
    responder = _state(rng) | {"DHr": None, "CKs": None, "CKr": None}
    rows = [
        (_state(rng), 1, "the first message of a chain"),
        (_state(rng, Ns=rng.randint(2, 9), Nr=1), 1, "a later message of a chain"),
        (_state(rng, Ns=1, Nr=3, PN=rng.randint(4, 9)), 2, "messages behind a turn"),
        (_state(rng, Ns=rng.randint(1, 5), PN=1), 3, "messages in a row"),
        (responder, 1, "Bob before his first message came"),
    ]
    cases = [_encrypt_case(rng, *row) for row in rows]
    return [*cases, _encrypt_case(rng, _state(rng), 2, "a state that was not saved", again=True)]


def _encrypt_case(rng, state, count, about, again=False):
    AD = rng.randbytes(66)
    texts = [b"text " + rng.randbytes(4).hex().encode() for _ in range(count)]
    steps = [Step(text.decode(), (text, AD)) for text in texts]
    if again:
        steps[1] = Step("the same text: the state after it was not saved", (texts[0], AD), True)
    used, CKs = [], state["CKs"]
    for _ in range(count if CKs else 0):
        used.append(ratchet.kdf_ck(CKs)[1])
        CKs = ratchet.kdf_ck(CKs)[0]
    old = (state["CKs"],) if state["CKs"] else ()
    forbidden = {"a used message key": tuple(used), "the old chain key": old}
    return Case((state,), about, {}, tuple(steps), forbidden)


_ENCRYPT_MISTAKES = generic.variants(
    ENCRYPT,
    (
        "header outside the associated data",
        "The header is not under the tag. Anybody on the way can change PN, and nobody notices.",
        "Seal with bind(associated_data, encode(header)).",
        (_BOUND, "associated_data"),
    ),
    (
        "only the header bound",
        "The AD of the handshake is missing. The message is not bound to the two identities.",
        "Seal with bind(associated_data, encode(header)).",
        (_BOUND, "encode(header)"),
    ),
    (
        "joined without a length",
        "AD and header are joined without a length, so other pairs give the same bytes.",
        "Use bind, which writes the length of AD first.",
        (_BOUND, "associated_data + encode(header)"),
    ),
    (
        "header before AD",
        "The header stands before AD.",
        "bind(associated_data, encode(header)), in this order.",
        (_BOUND, "bind(encode(header), associated_data)"),
    ),
    (
        "sealed with the chain key",
        "The text is sealed with the next chain key. Whoever gets this key reads all that follows.",
        "kdf_ck returns the next chain key first, then the message key.",
        ("seal(message_key,", "seal(CKs,"),
    ),
    (
        "chain and message key swapped",
        "kdf_ck returns the next chain key first. Here it was taken for the message key.",
        'CKs, message_key = kdf_ck(state["CKs"])',
        ("CKs, message_key = kdf_ck", "message_key, CKs = kdf_ck"),
    ),
    (
        "the chain stands still",
        "CKs did not move: the next message gets the same key.",
        "Put the new CKs into the state that you return.",
        ('{"CKs": CKs, "Ns"', '{"Ns"'),
    ),
    (
        "the message key kept",
        "The state holds the message key. A thief of the phone reads the message that was sent.",
        "Use the message key and let it go.",
        ('"Ns": state["Ns"] + 1}', '"Ns": state["Ns"] + 1, "MK": message_key}'),
    ),
    (
        "counted before sending",
        "N is one too high: it names the key of the next message.",
        "The header holds Ns as it was; the state afterwards holds Ns + 1.",
        ('"N": state["Ns"]}', '"N": state["Ns"] + 1}'),
    ),
    (
        "the counter stands still",
        "Ns did not move: two messages get the same number.",
        'Put state["Ns"] + 1 into the state that you return.',
        ('{"CKs": CKs, "Ns": state["Ns"] + 1}', '{"CKs": CKs}'),
    ),
    (
        "PN and N swapped",
        "PN and N are swapped in the header.",
        "N is the number in this chain, PN the length of the chain before it.",
        ('"PN": state["PN"], "N": state["Ns"]', '"PN": state["Ns"], "N": state["PN"]'),
    ),
    (
        "their key in the header",
        "The header names the receiver's own key. He sees no turn and takes the wrong chain.",
        'The header holds state["DHs"]["public"].',
        ('{"DH": state["DHs"]["public"]', '{"DH": state["DHr"] or b""'),
    ),
    (
        "private and public swapped",
        "The private key stands in the header, and goes out on the network.",
        'The header holds state["DHs"]["public"].',
        ('state["DHs"]["public"]', 'state["DHs"]["private"]'),
    ),
    (
        "zeros for a missing chain",
        "Without a chain the text is sealed under a key made from zero bytes. Everybody knows it.",
        "Raise NotReadyToSend when CKs is None.",
        (
            'raise NotReadyToSend("the first message must come from the peer")',
            'state = state | {"CKs": bytes(32)}',
        ),
    ),
    (
        "a turn before each message",
        "Every message counts as the first of a new chain.",
        "Writing never turns the ratchet: PN and the keys stay as they are.",
        ('"PN": state["PN"], "N": state["Ns"]', '"PN": state["Ns"], "N": 0'),
    ),
    (
        "an argument changed in place",
        "The state that was given is changed. If saving fails, a message is missing.",
        "Make a new dict for the state afterwards.",
        ("    return [after,", "    state.update(after)\n    return [state,"),
    ),
    (
        "message before the state",
        "The two values are in the wrong order.",
        "Return the state first, then the message.",
        (
            'return [after, {"header": header, "ciphertext": sealed}]',
            'return [{"header": header, "ciphertext": sealed}, after]',
        ),
    ),
)

_ENCRYPT = Task(
    id="ratchet.encrypt",
    lesson="10",
    title="Seal one message",
    signature="encrypt(state: dict, plaintext: bytes, associated_data: bytes) -> list",
    statement=(
        "Return [state afterwards, message]. The message is a dict with header and ciphertext, the "
        "header a dict with DH (our public ratchet key), PN and N. One step of the sending chain "
        "gives the message key. Seal the text under it, with AD and header as associated data. "
        "Raise NotReadyToSend when there is no sending chain. Given: kdf_ck(chain_key) → (next "
        "chain key, message key), encode(header) → 41 bytes, bind(associated_data, encoded "
        "header) → bytes, seal(key, plaintext, associated_data) → bytes. The state is the dict of "
        "ratchet.dh_step; leave the argument as it is."
    ),
    why="The receiver finds key and chain by the header, so the tag must cover the header too.",
    points=3,
    minutes=6,
    section="Lesson 10, “What a header says”; Double Ratchet §3.4",
    modules=("primitives", "errors"),
    hints=Hints(
        "What must the receiver know to find the key, and what stops somebody from changing it?",
        "Step the chain, write the header, seal with AD and header bound together.",
        "seal(message_key, plaintext, bind(associated_data, encode(header)))",
    ),
    given=GIVEN,
    reference=ENCRYPT,
    cases=encrypt_cases,
    mistakes=(
        generic.nothing_returned("encrypt", ENCRYPT),
        generic.hex_for_bytes("encrypt", ENCRYPT),
        *_ENCRYPT_MISTAKES,
    ),
)

# ratchet.skip

_GAP = "Lesson 10, “A gap”; Double Ratchet §3.5"
SKIP = """
def skip(state, until):
    if state["CKr"] is None:
        return state
    kept, CKr = dict(state["MKSKIPPED"]), state["CKr"]
    for number in range(state["Nr"], until):
        CKr, message_key = kdf_ck(CKr)
        kept[name(state["DHr"], number)] = message_key
    return state | {"CKr": CKr, "Nr": max(until, state["Nr"]), "MKSKIPPED": kept}
"""


def skip_cases(seed: int) -> list[Case]:
    """Gaps of one and several messages, none at all, an old number, and no chain yet."""
    rng = random.Random(f"ratchet.skip {seed}")
    Nr, gap = rng.randint(2, 6), rng.randint(3, 6)
    none_yet = _state(rng) | {"DHr": None, "CKs": None, "CKr": None}
    rows = [
        (_state(rng), 1, "one message is missing, the first of its chain"),
        (_state(rng, Ns=1, Nr=Nr), Nr + gap, "several messages are missing"),
        (_state(rng, Nr=1, skipped=2), 3, "a gap, and two keys of an older chain are kept"),
        (_state(rng, Nr=Nr), Nr, "nothing is missing"),
        (_state(rng, Nr=Nr + 1), 1, "a number that was read already"),
        (none_yet, 2, "there is no receiving chain yet"),
    ]
    return [Case((state, until), about) for state, until, about in rows]


def explain_skip(case: Case, got) -> str:
    """Say which numbers were kept, when they are not the missing ones."""
    state, until = case.arguments[:2]
    kept = got.get("MKSKIPPED") if type(got) is dict else None
    if type(kept) is not dict or state["DHr"] is None:
        return ""
    new = [key for key in kept if key not in state["MKSKIPPED"] and type(key) is bytes]
    numbers = [
        int.from_bytes(key[32:], "big")
        for key in new
        if len(key) == 36 and key.startswith(state["DHr"])
    ]
    wanted = list(range(state["Nr"], until))
    if not numbers or numbers == wanted:
        return ""
    return f"kept {_listed(numbers)} of this chain; missing {_listed(wanted)}"


def _listed(numbers):
    return f"number {', '.join(map(str, numbers))}" if numbers else "no number"


# What `while Nr <= until` does: the loop and the counter both go one too far.
_TOO_FAR = (
    ('range(state["Nr"], until)', 'range(state["Nr"], until + 1)'),
    ('max(until, state["Nr"])', 'max(until + 1, state["Nr"])'),
)
_UNLESS_MISSING = (
    'state["CKr"] is None:',
    'state["CKr"] is None or until <= state["Nr"]:',
)
_SKIP_ROWS = (
    (
        "one key too many",
        "The key of message `until` is kept too. That message is here: its key is used next.",
        "Keep the keys up to until - 1: range(Nr, until).",
        ('range(state["Nr"], until)', 'range(state["Nr"], until + 1)'),
    ),
    (
        "one step too many",
        "The loop goes on to `until` itself, with <= for <: it takes the key of the message that "
        "is here, and chain and Nr stand one too far.",
        "Stop before `until`: while Nr < until, or range(Nr, until).",
        *_TOO_FAR,
    ),
    (
        "one step too many in a gap",
        "Where something is missing, the loop goes on to `until` itself, with <= for <: chain and "
        "Nr stand one too far.",
        "Stop before `until`: while Nr < until, or range(Nr, until).",
        *_TOO_FAR,
        _UNLESS_MISSING,
    ),
    (
        "one key too few",
        "The last missing message has no key.",
        "Keep the keys up to until - 1: range(Nr, until).",
        ('range(state["Nr"], until)', 'range(state["Nr"], until - 1)'),
    ),
    (
        "counted from 0",
        "The numbers begin at 0. The chain key is already that of message Nr.",
        "Begin at Nr.",
        ('range(state["Nr"], until)', "range(until)"),
    ),
    (
        "the keys thrown away",
        "The chain moved forward, and no key was kept. The missing messages are lost.",
        "Put each message key into MKSKIPPED under its name.",
        ('        kept[name(state["DHr"], number)] = message_key\n', ""),
    ),
    (
        "the older keys dropped",
        "The keys that were kept before are gone. Late messages of the previous chain are lost.",
        'Begin with a copy: dict(state["MKSKIPPED"]).',
        ('dict(state["MKSKIPPED"])', "{}"),
    ),
    (
        "the chain stands still",
        "CKr did not move. The next message is opened with the wrong key.",
        "Put the new CKr into the state that you return.",
        ('{"CKr": CKr, "Nr"', '{"Nr"'),
    ),
    (
        "Nr stands still",
        "Nr did not move. It has to name the message whose key comes next from CKr.",
        "Set Nr to until.",
        ('"Nr": max(until, state["Nr"]), ', ""),
    ),
    (
        "chain keys kept",
        "Chain keys are kept instead of message keys. A thief derives all later keys from one.",
        "Keep the second value of kdf_ck.",
        ("= message_key", "= CKr"),
    ),
    (
        "named by our own key",
        "The keys are kept under our own ratchet key. Headers name the sender's.",
        'name(state["DHr"], number)',
        ('name(state["DHr"], number)', 'name(state["DHs"]["public"], number)'),
    ),
    (
        "named by number alone",
        "The keys are kept under their number. Number 0 comes again in every chain.",
        'name(state["DHr"], number)',
        ('name(state["DHr"], number)', 'number.to_bytes(4, "big")'),
    ),
    (
        "Nr one too high",
        "Nr is until + 1, as if the message that is here had been read. Its key has not been "
        "taken from CKr yet.",
        "Set Nr to until.",
        ('max(until, state["Nr"])', 'until + 1 if until > state["Nr"] else state["Nr"]'),
    ),
    (
        "the results of kdf_ck swapped",
        "The two values of kdf_ck are swapped: message keys went on as the chain, and chain keys "
        "are kept.",
        "kdf_ck gives the next chain key first, then the message key.",
        ("CKr, message_key = kdf_ck(CKr)", "message_key, CKr = kdf_ck(CKr)"),
    ),
    (
        "stepped back",
        "Nr went back to a smaller number, and the chain did not.",
        "For a number that is not above Nr nothing changes.",
        ('max(until, state["Nr"])', "until"),
    ),
)
_IN_PLACE = ('dict(state["MKSKIPPED"])', 'state["MKSKIPPED"]')
_ARGUMENT_CHANGED = (
    "an argument changed in place",
    "The MKSKIPPED that was given is changed. If the message does not open, the keys stay.",
    'Copy the inner dict as well: dict(state["MKSKIPPED"]).',
)

_SKIP = Task(
    id="ratchet.skip",
    lesson="10",
    title="Keep the keys of missing messages",
    signature="skip(state: dict, until: int) -> dict",
    statement=(
        "Message `until` of the receiving chain is here, and Nr is the number that was expected. "
        "Return the state with the keys of messages Nr to until - 1 in MKSKIPPED, a dict from "
        "name(DHr, number) to the message key; CKr and Nr move on. When nothing is missing, or "
        "there is no receiving chain (CKr is None), the state stays as it is. Given: "
        "kdf_ck(chain_key) → (next chain key, message key), name(their_key, number) → bytes. "
        "Leave the argument as it is, also the dict inside it."
    ),
    why="The chain cannot go back, so a key that is jumped over must be kept or is lost.",
    points=3,
    minutes=7,
    section="Lesson 10, “A gap”; Double Ratchet §3.5",
    modules=("primitives", "errors"),
    hints=Hints(
        "The chain only goes forward. Where do the keys stay that you pass on the way?",
        "Step the chain from Nr to until, and put each message key into a copy of MKSKIPPED.",
        'kept[name(state["DHr"], number)] = message_key, for number in range(state["Nr"], until)',
    ),
    given=GIVEN,
    reference=SKIP,
    cases=skip_cases,
    explain=explain_skip,
    mistakes=(
        generic.nothing_returned("skip", SKIP),
        generic.hex_for_bytes("skip", SKIP),
        *generic.variants(SKIP, (*_ARGUMENT_CHANGED, _IN_PLACE), *_SKIP_ROWS),
    ),
)

# ratchet.bounded_skip

BOUNDED = """
def bounded_skip(state, until, max_skip, max_stored):
    if until > state["Nr"] + max_skip:
        raise TooManySkipped("the header jumps too far")
    after = skip(state, until)
    surplus = max(0, len(after["MKSKIPPED"]) - max_stored)
    kept = list(after["MKSKIPPED"].items())[surplus:]
    return after | {"MKSKIPPED": dict(kept)}
"""
_CHECK = (
    '    if until > state["Nr"] + max_skip:\n'
    '        raise TooManySkipped("the header jumps too far")\n'
)


def bounded_skip_cases(seed: int) -> list[Case]:
    """Jumps below, at and above the limit; a store that has room, is full, and overflows."""
    rng = random.Random(f"ratchet.bounded_skip {seed}")
    Nr, limit = rng.randint(5, 9), rng.randint(4, 6)
    none_yet = _state(rng) | {"DHr": None, "CKs": None, "CKr": None}
    rows = [
        (_state(rng, Nr=Nr), Nr + 2, limit, 30, "a small jump"),
        (_state(rng, Nr=Nr), Nr + limit, limit, 30, "a jump exactly at the limit"),
        (_state(rng, Nr=Nr), Nr + limit + 1, limit, 30, "a jump one above the limit"),
        (_state(rng, Nr=Nr), Nr + 500, limit, 30, "a jump far above the limit"),
        (_state(rng, Nr=Nr, skipped=3), Nr + 2, limit, 5, "a store that gets full"),
        (_state(rng, Nr=Nr, skipped=4), Nr + 2, limit, 5, "a store that overflows by one"),
        (_state(rng, Nr=Nr, skipped=5), Nr + 3, limit, 4, "a store that overflows by four"),
        (_state(rng, Nr=Nr, skipped=2), Nr, limit, 9, "nothing is missing"),
        (
            _state(rng, Nr=Nr, skipped=4),
            Nr,
            limit,
            3,
            "nothing is missing, and the store is too full",
        ),
        (_state(rng, Nr=Nr), 1, limit, 9, "a number that was read already"),
        (none_yet, 2, limit, 9, "there is no receiving chain yet"),
        (none_yet, limit + 1, limit, 9, "no chain yet, and a jump above the limit"),
    ]
    return [Case((*values,), about) for *values, about in rows]


def _own_skip_too_far(answer):
    """The answer is right, and calls a `skip` of the learner's that steps once too often."""
    known = (
        "Your `skip` goes on to `until` itself, and so past the key of the message that is here.",
        "Mend ratchet.skip first: while Nr < until, not <=.",
        _GAP,
    )
    far = generic.replaced(SKIP, *_TOO_FAR)
    return (
        Mistake("skip makes one step too many", far + answer, *known),
        Mistake(
            "skip makes one step too many in a gap",
            generic.replaced(far, _UNLESS_MISSING) + answer,
            *known,
        ),
    )


_BOUNDED_MISTAKES = generic.variants(
    BOUNDED,
    (
        "no limit for the jump",
        "A header may claim any number. A forger lets this phone compute for as long as he likes.",
        "Refuse with TooManySkipped before the first step, when until > Nr + max_skip.",
        (_CHECK, ""),
    ),
    (
        "refused at the limit",
        "A jump of exactly max_skip is refused.",
        "Refuse only above it: until > Nr + max_skip.",
        ("if until > ", "if until >= "),
    ),
    (
        "one above the limit",
        "A jump of max_skip + 1 is accepted.",
        "Refuse when until > Nr + max_skip.",
        ('state["Nr"] + max_skip', 'state["Nr"] + max_skip + 1'),
    ),
    (
        "the limit on the number",
        "The limit holds for the number itself, not for the jump. A long chain then ends for good.",
        "Compare with Nr + max_skip.",
        ('state["Nr"] + max_skip', "max_skip"),
    ),
    (
        "the jump cut short",
        "A jump that is too long is cut to the limit. The key that comes next is the wrong one.",
        "Refuse it with TooManySkipped.",
        (_CHECK, '    until = min(until, state["Nr"] + max_skip)\n'),
    ),
    (
        "nothing done above the limit",
        "Above the limit the state comes back as if nothing were missing.",
        "Refuse with TooManySkipped.",
        ('raise TooManySkipped("the header jumps too far")', "return state"),
    ),
    (
        "None instead of a refusal",
        "Above the limit the function returns None. A refusal must be an error.",
        "Raise TooManySkipped.",
        ('raise TooManySkipped("the header jumps too far")', "return None"),
    ),
    (
        "no limit for the store",
        "MKSKIPPED grows without end. Each stored key is a message that a thief can open.",
        "Keep the newest max_stored keys.",
        ("surplus = max(0, len(after", "surplus = 0 * max(0, len(after"),
    ),
    (
        "the newest dropped",
        "The newest keys go, and the oldest stay. Those are the least likely to be needed.",
        "Drop from the front: list(…)[surplus:].",
        ("[surplus:]", "[:max_stored]"),
    ),
    (
        "all dropped when full",
        "When the store is too full, every key goes.",
        "Drop only the surplus, the oldest first.",
        ("[surplus:]", "[: 0 if surplus else None]"),
    ),
    (
        "one too few kept",
        "The store holds one key less than it may.",
        "Keep max_stored keys.",
        ("- max_stored)", "- max_stored + 1)"),
    ),
    (
        "refused when full",
        "A full store refuses messages. Whoever fills it stops the conversation.",
        "Drop the oldest keys instead.",
        (
            "    surplus =",
            '    if len(after["MKSKIPPED"]) > max_stored:\n'
            '        raise TooManySkipped("the store is full")\n    surplus =',
        ),
    ),
    (
        "the limit only with a chain",
        "Without a receiving chain the limit is not checked.",
        "Check the jump first, in every case.",
        ('    if until > state["Nr"]', '    if state["CKr"] and until > state["Nr"]'),
    ),
)

_SHARING = generic.replaced(SKIP, _UNLESS_MISSING)
_POPPED = (
    '    kept = list(after["MKSKIPPED"].items())[surplus:]\n'
    '    return after | {"MKSKIPPED": dict(kept)}\n',
    '    for key in list(after["MKSKIPPED"])[:surplus]:\n'
    '        after["MKSKIPPED"].pop(key)\n    return after\n',
)

_BOUNDED_SKIP = Task(
    id="ratchet.bounded_skip",
    lesson="10",
    title="Limits for skipped keys",
    signature="bounded_skip(state: dict, until: int, max_skip: int, max_stored: int) -> dict",
    statement=(
        "Like ratchet.skip, with two limits. Raise TooManySkipped when until is more than max_skip "
        "above Nr, before any key is derived, also when there is no chain yet. And MKSKIPPED holds "
        "at most max_stored keys afterwards: the oldest go, which stand first in the dict. You may "
        "call your own skip. Leave the argument as it is."
    ),
    why="A header is not authentic before the message opens; its number must cost little.",
    points=3,
    minutes=6,
    section="Lesson 10, “A number that costs work”; Double Ratchet §8.4",
    modules=("primitives", "errors"),
    hints=Hints(
        "Who chose the number in the header, and what have you checked so far?",
        "Compare first, derive then, and cut the store to its newest max_stored keys.",
        "surplus = max(0, len(kept) - max_stored); dict(list(kept.items())[surplus:])",
    ),
    given=GIVEN + SKIP,
    reference=BOUNDED,
    cases=bounded_skip_cases,
    mistakes=(
        generic.nothing_returned("bounded_skip", BOUNDED),
        generic.hex_for_bytes("bounded_skip", BOUNDED),
        generic.changed_argument(
            "bounded_skip", BOUNDED, "arguments[0]['MKSKIPPED'].update(value['MKSKIPPED'])"
        ),
        Mistake(
            "the given store changed",
            _SHARING + generic.replaced(BOUNDED, _POPPED),
            "The oldest keys are taken out of the MKSKIPPED that was given. When nothing is "
            "missing, the state that skip returns shares that dict.",
            "Make a new dict of the keys that stay; take none out of the one that is there.",
        ),
        *_own_skip_too_far(BOUNDED),
        *_BOUNDED_MISTAKES,
    ),
)

# ratchet.decrypt

_BEGIN = '''
MAX_SKIP, MAX_STORED = 1000, 2000

def begin(bob, handshake):
    """Bob's first state. A short stand-in for X3DH: one Diffie-Hellman gives SK."""
    if handshake is None:
        raise NoSession("no handshake came before this message")
    shared = dh(bob["SPK"]["private"], handshake)
    SK = hkdf(shared, salt=bytes(32), info=b"handshake", length=32)
    empty = {"DHr": None, "CKs": None, "CKr": None, "Ns": 0, "Nr": 0, "PN": 0, "MKSKIPPED": {}}
    return {"DHs": bob["SPK"], "RK": SK} | empty
'''
_GIVEN_DECRYPT = GIVEN + _BEGIN + DH_STEP + SKIP + BOUNDED

DECRYPT = """
def decrypt(state, bob, message, new_pair):
    header = message["header"]
    state = state or begin(bob, message["handshake"])
    kept = dict(state["MKSKIPPED"])
    message_key = kept.pop(name(header["DH"], header["N"]), None)
    after = state | {"MKSKIPPED": kept}
    if message_key is None:
        if header["DH"] != state["DHr"]:
            after = bounded_skip(after, header["PN"], MAX_SKIP, MAX_STORED)
            after = dh_step(after, header["DH"], new_pair)
        after = bounded_skip(after, header["N"], MAX_SKIP, MAX_STORED)
        CKr, message_key = kdf_ck(after["CKr"])
        after = after | {"CKr": CKr, "Nr": after["Nr"] + 1}
    data = bind(bob["AD"], encode(header))
    return [after, open_sealed(message_key, message["ciphertext"], data)]
"""
_PREVIOUS = '            after = bounded_skip(after, header["PN"], MAX_SKIP, MAX_STORED)\n'
_TURN = '            after = dh_step(after, header["DH"], new_pair)\n'
_STEP_ON = '        after = after | {"CKr": CKr, "Nr": after["Nr"] + 1}\n'
_NUMBER = '        after = bounded_skip(after, header["N"], MAX_SKIP, MAX_STORED)\n'
_OPENED = 'open_sealed(message_key, message["ciphertext"], data)'


class _Talk:
    """A conversation of the package with itself: Alice's messages, as Bob gets them.

    `messages["1.2"]` is message 2 of Alice's chain 1, with the pair that Bob makes at that turn.
    """

    LENGTHS = (3, 5, 2)

    def __init__(self, rng):
        self.rng, self.messages, self.keys = rng, {}, {}
        spk, ephemeral = (KeyPair.from_private(rng.randbytes(32)) for _ in range(2))
        self.bob = {
            "SPK": {"private": spk.private, "public": spk.public},
            "AD": rng.randbytes(66),
        }
        shared = ratchet.dh(spk.private, ephemeral.public)
        SK = hkdf(shared, salt=bytes(32), info=b"handshake", length=32)
        self.handshake = ephemeral.public
        alice = ratchet.State.initiator(SK, spk.public, ratchet_key=self._fresh())
        self._play(alice, ratchet.State.responder(SK, spk))

    def _fresh(self):
        return KeyPair.from_private(self.rng.randbytes(32))

    def _play(self, alice, bob):
        for chain, length in enumerate(self.LENGTHS):
            pair, sent = self._fresh(), []
            for number in range(length):
                self.keys[f"{chain}.{number}"] = ratchet.kdf_ck(alice.CKs)[1]
                text = f"message {chain}.{number}".encode()
                alice, message = ratchet.encrypt(alice, text, self.bob["AD"])
                sent.append(message)
                self.messages[f"{chain}.{number}"] = self._told(message, chain), _plain(pair)
            for message in sent:
                bob, _ = ratchet.decrypt(bob, message, self.bob["AD"], ratchet_key=pair)
            bob, answer = ratchet.encrypt(bob, b"answer", self.bob["AD"])
            alice, _ = ratchet.decrypt(alice, answer, self.bob["AD"], ratchet_key=self._fresh())

    def _told(self, message, chain):
        """The message as a dict. Alice repeats the handshake until Bob's first answer."""
        header = message.header
        named = {"DH": header.ratchet_key, "PN": header.previous_length, "N": header.number}
        handshake = self.handshake if chain == 0 else None
        return {"handshake": handshake, "header": named, "ciphertext": message.ciphertext}

    def step(self, name):
        """A delivery: "1.2", with ! for a forged ciphertext, * for a forged turn, PN for PN = 0."""
        number, _, change = name.partition(" ")
        message, pair = self.messages[number]
        about = f"message {number[2]} of Alice's chain {number[0]}"
        if change == "!":
            broken = message["ciphertext"][:-1] + bytes([message["ciphertext"][-1] ^ 1])
            message = message | {"ciphertext": broken}
            about = f"a forgery in the place of {about}"
        if change == "*":
            key = KeyPair.from_private(bytes([7]) * 32).public
            header = message["header"] | {"DH": key, "N": 0}
            message = message | {"header": header, "ciphertext": bytes(48)}
            about = "a forgery with a new ratchet key"
        if change == "PN":
            message = message | {"header": message["header"] | {"PN": 0}}
            about = f"{about}, with PN changed to 0 on the way"
        return Step(about, (self.bob, message, pair))


def _plain(pair):
    return {"private": pair.private, "public": pair.public}


_IN_ORDER = "0.0|0.1|0.2|1.0|1.1"
_DELIVERIES = (
    ("one message", "0.0"),
    ("one message", "1.0"),
    ("messages in order", _IN_ORDER),
    ("the second message before Bob has answered", "0.0|0.1"),
    ("two messages in the wrong order", "0.1|0.0"),
    ("one message twice", "0.0|0.0"),
    ("one message twice", "0.0|0.1|0.0"),
    ("a late message twice", "0.1|0.0|0.0"),
    ("two late messages", "0.2|0.1|0.0"),
    ("a lost message", "0.0|0.2"),
    ("a late message of the previous chain", "0.0|1.0|0.2"),
    ("a late message of the previous chain", "0.0|0.2|1.1|0.1|1.0"),
    ("late messages of two chains", "0.1|1.1|2.1|1.2|0.0|2.0"),
    ("a late message with the handshake", "0.0|1.0|0.1|1.1"),
    ("a forgery, then the message", "0.0 !|0.0"),
    ("a forgery, then the message", "0.0|0.1 !|0.1"),
    ("a forged turn, then a message", "0.0|0.1 *|0.1"),
    ("a forgery of a late message", "0.1|0.0 !|0.0"),
    ("a forgery far ahead", "0.0|0.2 !|0.1|0.2"),
    ("a gap in a new chain", "0.0|1.3"),
    ("PN changed on the way", "0.0|1.0 PN|1.0|0.1"),
)
_UNSAVED = (("0.0", "0.0"), ("0.0", "0.1", "0.1"), ("0.1", "0.0", "0.0"))


def decrypt_cases(seed: int) -> list[Case]:
    """Conversations with loss, disorder, duplicates and forgeries, the shortest first."""
    rng = random.Random(f"ratchet.decrypt {seed}")
    talk = _Talk(rng)
    cases = [
        Case((None,), about, {}, tuple(map(talk.step, names.split("|"))))
        for about, names in _DELIVERIES
    ]
    for names in _UNSAVED:
        steps = [talk.step(name) for name in names]
        steps[-1] = replace(steps[-1], again=True, about=f"{steps[-1].about}, again: not saved")
        cases.append(Case((None,), "a state that was not saved", {}, tuple(steps)))
    read = [talk.keys[name] for name in _IN_ORDER.split("|")]
    used = {"a used message key": tuple(read)}
    return sorted(
        (
            replace(case, forbidden=used) if case.about == "messages in order" else case
            for case in cases
        ),
        key=lambda case: len(case.steps),
    )


_STATE = 'state or begin(bob, message["handshake"])'
_AGAIN = "Lesson 10, “The second message”; X3DH §3.3"
_FORGED = "Lesson 10, “Before it has opened”; Double Ratchet §3.5"
_TAG = "Lesson 10, “A header that nobody protects”; Double Ratchet §3.4"


# Two mistakes look like a faulty `skip` of the learner's own; the text tells them apart.
_TELLS = {
    "no keys for a gap": r"\A(?![\s\S]*skip\w*\([\s\S]*skip\w*\()",
    "header outside the associated data": r"\A(?![\s\S]*bind\w*\()",
}


def _told(mistakes):
    return tuple(replace(mistake, tell=_TELLS.get(mistake.name, "")) for mistake in mistakes)


def _placed(section, mistakes):
    return tuple(replace(mistake, section=section) for mistake in mistakes)


_REPEATED = generic.variants(
    DECRYPT,
    (
        "re-runs the handshake for message 2",
        "Every message that carries the handshake starts a new session. The old one is gone, and "
        "with it the record of what was read.",
        'Call begin only when there is no state: state or begin(bob, message["handshake"]).',
        (
            f"state = {_STATE}",
            'state = begin(bob, message["handshake"]) if message["handshake"] else state',
        ),
        ("    kept =", '    if state is None:\n        raise NoSession("none")\n    kept ='),
    ),
    (
        "re-runs the handshake, and has no state without one",
        "Every message that carries the handshake starts a new session, and the old one is gone. "
        "A first message without a handshake finds None as state.",
        'Call begin only when there is no state: state or begin(bob, message["handshake"]).',
        (
            f"state = {_STATE}",
            'state = begin(bob, message["handshake"]) if message["handshake"] else state',
        ),
    ),
    (
        "the handshake for every message",
        "Every message runs the handshake, also those that carry none. The session is lost each "
        "time.",
        'Call begin only when there is no state: state or begin(bob, message["handshake"]).',
        (_STATE, 'begin(bob, message["handshake"])'),
    ),
)

_GAPS = generic.variants(
    DECRYPT,
    (
        "forgets the skipped keys of the previous chain",
        "At a turn the rest of the old chain is lost: its late messages cannot be opened.",
        'Before dh_step: bounded_skip(after, header["PN"], …).',
        (_PREVIOUS, ""),
    ),
    (
        "PN used after the turn",
        "PN was applied to the new chain. It is the length of the old one.",
        "First bounded_skip with PN, then dh_step.",
        (_PREVIOUS + _TURN, _TURN + _PREVIOUS),
    ),
    (
        "PN and N swapped",
        "N was applied to the old chain and PN to the new one.",
        "PN belongs to the old chain, before the turn; N to the chain of this message.",
        ('header["PN"], MAX', 'header["QQ"], MAX'),
        ('header["N"], MAX', 'header["PN"], MAX'),
        ('header["QQ"], MAX', 'header["N"], MAX'),
    ),
    (
        "no keys for a gap",
        "The number N is not used: after a lost message every key is the wrong one.",
        'Call bounded_skip(after, header["N"], …) before the step of the chain.',
        (_NUMBER, ""),
    ),
    (
        "stored keys never used",
        "Keys are kept for late messages, and nobody looks for them.",
        "Look into MKSKIPPED first, by name(DH, N).",
        (
            'kept.pop(name(header["DH"], header["N"]), None)',
            "None",
        ),
    ),
    (
        "key not deleted after use",
        "The stored key stays after its use. The message opens twice, and a thief finds the key.",
        "Take the key out of the copy: kept.pop(…).",
        ("kept.pop(", "kept.get("),
    ),
    (
        "all stored keys dropped",
        "One late message used its key, and the other stored keys went with it.",
        "Remove only the key that was used.",
        (
            '    after = state | {"MKSKIPPED": kept}\n',
            "    if message_key is not None:\n        kept = {}\n"
            '    after = state | {"MKSKIPPED": kept}\n',
        ),
    ),
    (
        "Nr stands still",
        "Nr did not move with the chain. The next numbers are one off.",
        "After the step: Nr + 1.",
        (', "Nr": after["Nr"] + 1}', "}"),
    ),
    (
        "the chain stands still",
        "CKr did not move. The next message is opened with the key of this one.",
        "Put the new CKr into the state.",
        ('{"CKr": CKr, "Nr"', '{"Nr"'),
    ),
    (
        "a turn for every message",
        "Every message counts as a turn. The second one of a chain does not open.",
        'Turn only when header["DH"] differs from DHr.',
        ('if header["DH"] != state["DHr"]:', "if True:"),
    ),
    (
        "only the first turn",
        "Only the first message turns the ratchet. A new ratchet key is not noticed.",
        'Turn when header["DH"] differs from DHr.',
        ('if header["DH"] != state["DHr"]:', 'if state["DHr"] is None:'),
    ),
    (
        "used keys kept",
        "The state holds keys of messages that were read. A thief of the phone opens them.",
        "Put the chain and the counter into the state, and no used key.",
        (_STEP_ON, _STEP_ON.replace("+ 1}", '+ 1, name(header["DH"], 0): message_key}')),
    ),
)

_UNBOUND = generic.variants(
    DECRYPT,
    (
        "header outside the associated data",
        "The header is left out of the associated data. Genuine messages do not open.",
        'Open with bind(bob["AD"], encode(header)).',
        ('bind(bob["AD"], encode(header))', 'bob["AD"]'),
    ),
)

_STATES = generic.variants(
    DECRYPT,
    (
        "changes state before opening",
        "The state that was given is changed before the message has opened. One forgery destroys "
        "the session.",
        "Work on a new dict, and return it when the message has opened.",
        (
            f"    return [after, {_OPENED}]\n",
            "    state.clear()\n    state.update(after)\n" + f"    return [state, {_OPENED}]\n",
        ),
    ),
    (
        "a forgery uses up a stored key",
        "The stored key is taken out of the state that was given. A forgery with that number makes "
        "the genuine message unreadable.",
        'Pop from a copy: dict(state["MKSKIPPED"]).',
        ('dict(state["MKSKIPPED"])', 'state["MKSKIPPED"]'),
    ),
    (
        "changed in place after opening",
        "The state that was given is changed. If saving fails, the message cannot be read again.",
        "Return a new dict and leave the old one as it is.",
        (
            f"    return [after, {_OPENED}]\n",
            f"    text = {_OPENED}\n    state.clear()\n    state.update(after)\n"
            "    return [state, text]\n",
        ),
    ),
    (
        "None instead of a refusal",
        "A message that does not open gives None. A refusal must be an error.",
        "Let DecryptionFailed pass to the caller.",
        (
            f"    return [after, {_OPENED}]\n",
            f"    try:\n        return [after, {_OPENED}]\n"
            "    except Exception:\n        return [state, None]\n",
        ),
    ),
    (
        "the new state after a refusal",
        "After a message that does not open, the changed state comes back with an empty text.",
        "Let DecryptionFailed pass to the caller; the caller keeps the old state.",
        (
            f"    return [after, {_OPENED}]\n",
            f"    try:\n        return [after, {_OPENED}]\n"
            '    except Exception:\n        return [after, b""]\n',
        ),
    ),
)

_DECRYPT = Task(
    id="ratchet.decrypt",
    lesson="10",
    title="Read one message, whatever the network did",
    signature="decrypt(state: dict, bob: dict, message: dict, new_pair: dict) -> list",
    statement=(
        "Return [state afterwards, plaintext]. `state` is None before the first message, then what "
        "you returned. `message` has handshake (bytes, or None), header (DH, PN, N) and "
        "ciphertext. bob has SPK (a pair) and AD. begin(bob, handshake) is given: it makes the "
        "first state, or raises NoSession. Alice repeats the handshake until she hears from Bob, "
        "so a message may carry it although there is a state. In this order: a stored key, and "
        "its deletion; on a new ratchet key, the rest of the old chain up to PN, then the turn "
        "with new_pair; the gap up to N; one step of the chain; open, with bind(AD, header). Use "
        "your dh_step and bounded_skip, with MAX_SKIP and MAX_STORED. open_sealed raises "
        "DecryptionFailed by itself. When anything is refused, or your result cannot be saved, "
        "the state that was given must be as before."
    ),
    why="Each message opens once, in any order, and what does not open has changed nothing.",
    points=6,
    minutes=20,
    section="Lesson 10, “Reading, in order”; Double Ratchet §3.5",
    modules=("primitives", "errors"),
    hints=Hints(
        "Play it on paper: 0.1 arrives, then a forgery of 0.0, then 0.0. What is in the state?",
        "Look for a stored key; else PN on the old chain, turn, N on the new chain, one step. Open "
        "last, and return the new dict only then.",
        'kept = dict(state["MKSKIPPED"]); message_key = kept.pop(name(header["DH"], header["N"]), '
        "None)",
    ),
    given=_GIVEN_DECRYPT,
    reference=DECRYPT,
    cases=decrypt_cases,
    mistakes=(
        generic.nothing_returned("decrypt", DECRYPT),
        generic.hex_for_bytes("decrypt", DECRYPT),
        *_placed(_AGAIN, _REPEATED),
        *_own_skip_too_far(DECRYPT),
        *_placed(_GAP, _told(_GAPS)),
        *_placed(_FORGED, _STATES),
        *_placed(_TAG, _told(_UNBOUND)),
        *generic.variants(
            DECRYPT,
            (
                "plaintext before the state",
                "The two values are in the wrong order.",
                "Return the state first, then the plaintext.",
                (f"[after, {_OPENED}]", f"[{_OPENED}, after]"),
            ),
        ),
    ),
)

TASKS = (_DH_STEP, _ENCRYPT, _SKIP, _BOUNDED_SKIP, _DECRYPT)
