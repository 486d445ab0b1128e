"""What is wrong with each function of `broken`, where that was seen, and what counts as showing it.

`Bug.objection(arguments, secret, value)` is "" for every value that shows the flaw, else the
sentence that says why it does not. `arguments` are what the hunter got, `secret` what only the
judge knows. A flaw that changes no output is made visible as plain data: steps are counted, never
timed.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from x3dhlab.attacks.low_order import ladder
from x3dhlab.attacks.wild import broken, sound
from x3dhlab.errors import Refused
from x3dhlab.primitives import public_key

SLOTS = (
    "Comparing",
    "Making keys",
    "Writing things down",
    "Deriving keys",
    "Nonces",
    "What the tag covers",
    "Names and places",
    "Keys from outside",
    "Checking a signature",
    "What was seen before",
    "State and refusals",
    "Giving out keys",
)
OTHER_FORM = "The value has another form than the task asks for."


@dataclass(frozen=True, slots=True)
class Bug:
    """One flaw. `slot` counts from 1; `shape` is the form of a value that may show it.

    `cost` is what it did in a real program, as far as that is known; "" when it is not.
    """

    slot: int
    function: str
    flaw: str
    seen: str
    shape: object
    shows: Callable = field(repr=False)
    numbers: tuple[str, ...] = ()
    cost: str = ""
    with_helpers: tuple[str, ...] = ()

    def objection(self, arguments, secret, value) -> str:
        """Why this value does not show the flaw; "" when it does. Never raises."""
        try:
            return _misshapen(value, self.shape) or self.shows(arguments, secret, value)
        except Exception:
            return OTHER_FORM


def _misshapen(value, shape):
    if value is None:
        return "No value came back."
    if not _has_text(shape) and any(type(leaf) is str for leaf in _leaves(value)):
        return "Text came back where bytes or numbers are asked for."
    return "" if _fits(value, shape) else OTHER_FORM


def _has_text(shape):
    return shape is str or (type(shape) in (list, tuple) and any(map(_has_text, shape)))


def _fits(value, shape):
    """A type; a list of shapes, one for each item; a tuple (shape,) for a list of any length."""
    if type(shape) is type:
        return type(value) is shape
    if type(value) is not list:
        return False
    if type(shape) is tuple:
        return all(_fits(item, shape[0]) for item in value)
    return len(value) == len(shape) and all(map(_fits, value, shape))


def _leaves(value):
    if type(value) is dict:
        value = list(value.values())
    if type(value) is not list:
        return [value]
    return [leaf for item in value for leaf in _leaves(item)]


def _refusal(function, *arguments):
    """The name of the error that a call raises, or ""."""
    try:
        function(*arguments)
    except Refused as problem:
        return type(problem).__name__
    return ""


# 1 Comparing


class Counted:
    """Bytes that count how often somebody looks at one of them."""

    def __init__(self, value: bytes):
        self.value, self.looks = value, 0

    def __len__(self):
        return len(self.value)

    def __getitem__(self, place):
        self.looks += 1
        return self.value[place]


def steps(compare: Callable, right: bytes, given: bytes) -> int:
    """How many bytes of `given` a comparison written in Python looks at."""
    counted = Counted(given)
    compare(right, counted)
    return counted.looks


def _uneven(arguments, secret, value):
    (right,) = arguments
    if any(len(tag) != len(right) for tag in value):
        return "A tag of another length is refused before the loop; all such tags look alike."
    if right in value:
        return "One of the tags is the right one. Both must be wrong."
    if value[0] == value[1]:
        return "The two tags are the same."
    one, other = (steps(broken.same_tag, right, tag) for tag in value)
    return "" if one != other else "The loop makes the same number of steps for both tags."


# 2 Making keys


def _third(arguments, secret, value):
    first, second, around = arguments
    values = broken.new_values(secret["started"], 5)
    if len(value) != 32:
        return "A value of this generator has 32 bytes."
    if value in (first, second):
        return "This value was on the network already."
    if value in values[3:]:
        return "This value comes later: it is not the third one."
    return "" if value == values[2] else "The generator's third value is another one."


def _private(arguments, secret, value):
    name, number, public = arguments
    if len(value) != 32:
        return "A private key has 32 bytes."
    if value == public:
        return "This is the public half, which everybody has."
    if public_key(value) == public:
        return ""
    others = (broken.prekey_private(name, n) for n in range(number - 2, number + 3))
    if value in others:
        return "This is the private half of another number."
    return "The public half of this private key is another one."


# 3 Writing things down


def holds(line: str, secret: bytes) -> bool:
    """True if a line of text shows these bytes as hexadecimal or as Python writes bytes."""
    digits = re.sub(r"[^0-9a-f]", "", line.lower())
    return secret.hex() in digits or repr(secret)[2:-1] in line


def _logged(arguments, secret, value):
    (honest,) = arguments
    session = {"name": "Bob", "key": secret["key"], "number": 7}
    if value == honest:
        return "This message opens, and the line says only that."
    if value[:1] != b"\x01":
        return "The version is refused first; that line has no state in it."
    if len(value) < 49:
        return "The length is refused first; that line has no state in it."
    line = broken.read_and_log(session, value)
    return "" if holds(line, secret["key"]) else "The line for this message shows no key."


def _named(arguments, secret, value):
    (key,) = arguments
    if not value:
        return "There are no fields, so nothing is written."
    if any(type(name) is not str or type(item) is not bytes for name, item in value.items()):
        return "A field has a name that is text, and a value that is bytes."
    if holds(broken.log_line("sent", value), key):
        return ""
    if key in value.values():
        return "The secret is in a field that the program leaves out."
    return "None of these fields has the secret as its value."


# 4 Deriving keys


def _same_purpose(arguments, secret, value):
    (label,) = arguments
    if value == label:
        return "This is the same label."
    if broken.purpose_key(secret["secret"], value) == broken.purpose_key(secret["secret"], label):
        return ""
    if value.endswith(label):
        return "What stands in front of the label changes the key."
    if value.startswith(label):
        return "What was added behind the label changes the key."
    return "The two labels give two keys."


def _unused(arguments, secret, value):
    (dhs,) = arguments
    if value == dhs:
        return "These are the same results."
    if any(len(dh) != 32 for dh in value) or len(value) not in (3, 4):
        return "There are three or four results, and each has 32 bytes."
    if broken.session_secret(value) == broken.session_secret(dhs):
        return ""
    if sorted(value) == sorted(dhs):
        return "The order of the results changes the secret."
    return "The two secrets differ: a result that counts was changed."


# 5 Nonces


def _same_nonce(arguments, secret, value):
    (number,) = arguments
    if value == number:
        return "This is the same message."
    if value < 0:
        return "No message has a negative number."
    if broken.message_nonce(value) == broken.message_nonce(number):
        return ""
    if abs(value - number) < 256:
        return "The nonces differ: the two numbers are too near."
    return "The nonces differ: their last bytes are not the same."


def _nonce_again(arguments, secret, value):
    (every,) = arguments
    if not set(value) <= {"send", "crash"}:
        return "The events are “send” and “crash”."
    used = broken.nonces_used(every, value)
    if len(set(used)) < len(used):
        return ""
    if "crash" not in value:
        return "Without a crash the counter never goes back."
    if "send" in value and value[-1] == "crash":
        return "No message is sent after the last crash."
    if value.index("crash") == 0:
        return "Nothing was sent before the crash, so nothing was forgotten."
    return "The crash came when the counter had just been stored."


# 6 What the tag covers


def _unnoticed(arguments, secret, value):
    (data,) = arguments
    if value == data:
        return "These are the bytes of the honest message."
    if len(value) != len(data):
        return "The length is another one, and the rest does not open."
    if value[8:] != data[8:]:
        return "The sealed part was changed, and the tag notices that."
    header, _ = broken.open_message(secret["key"], value)
    return "" if header != data[:8] else "The header is the honest one."


def _same_data(arguments, secret, value):
    wanted = list(arguments)
    if type(value[2]) is not int:
        return "The time is a whole number."
    if value == wanted:
        return "These are the same three values."
    if broken.associated(*value) == broken.associated(*wanted):
        return ""
    if sorted(value[:2]) == sorted(wanted[:2]) and value[2] == wanted[2]:
        return "Sender and recipient were exchanged, and so were their bytes."
    if "".join(value[:2]) == "".join(wanted[:2]):
        return "The names join to the same text, and the time is another one."
    return "The bytes are others."


# 7 Names and places


def _overwritten(arguments, secret, value):
    (hers,) = arguments
    if not value:
        return "Bob published nothing."
    if any(type(n) is not int for n in value):
        return "The numbers of keys are whole numbers, without quotes."
    if any(type(key) is not bytes for key in value.values()):
        return "A key is bytes."
    if any(key in hers.values() for key in value.values()):
        return "Bob has no key of Alice's."
    table = broken.publish(broken.publish({}, "Alice", hers), "Bob", value)
    if any(broken.key_of(table, "Alice", n) != key for n, key in hers.items()):
        return ""
    return "Every key of Alice is still there."


def _two_handshakes(arguments, secret, value):
    (dhs,) = arguments
    for one_time, kem in value:
        if any(x is not None and (type(x) is not bytes or len(x) != 32) for x in (one_time, kem)):
            return "Each value is None or 32 bytes."
    if value[0] == value[1]:
        return "Both are the same handshake."
    if broken.handshake_secret(dhs, *value[0]) == broken.handshake_secret(dhs, *value[1]):
        return ""
    if value[0] == value[1][::-1]:
        return "Both values are there both times, and their order changes the secret."
    return "The two handshakes give two secrets."


# 8 Keys from outside

_ANY = bytes(range(32))


def _low_order(arguments, secret, value):
    (refused,) = arguments
    if len(value) != 32:
        return "A public key has 32 bytes."
    if not broken.accepts(value, refused):
        return "The program refuses this key: it is on the list."
    if ladder(_ANY, value) == bytes(32):
        return ""
    if ladder(_ANY, value[::-1]) == bytes(32):
        return "The bytes are in the wrong order: the lowest byte comes first."
    return "A Diffie-Hellman with this key is not zero."


def _fourth_is_zero(arguments, secret, value):
    (dhs,) = arguments
    public, hers = value
    if len(public) != 32:
        return "A public key has 32 bytes."
    fourth = ladder(_ANY, public)
    if fourth != bytes(32):
        return "With this one-time key, DH4 is not zero."
    if hers == broken.secret_of(dhs, None):
        return ""
    if hers == sound.secret_of(dhs, None):
        return "This is the secret of three values alone, not what the program derives."
    return "This is not the secret that the program derives."


# 9 Checking a signature


def _forged(taker, arguments, value):
    (honest,) = arguments
    if value.keys() != honest.keys():
        return "A bundle has the three fields of the honest one."
    if any(type(item) is not bytes for item in value.values()):
        return "A field holds something that is not bytes."
    if value["identity_key"] != honest["identity_key"]:
        return "It has another identity key: that is another person, not Bob."
    if value["signed_prekey"] == honest["signed_prekey"]:
        return "The signed prekey is Bob's own."
    if len(value["signed_prekey"]) != 32:
        return "A prekey has 32 bytes."
    refused = _refusal(taker, value)
    return f"The program refuses this bundle ({refused})." if refused else ""


def _taken(arguments, secret, value):
    return _forged(broken.take_prekey, arguments, value)


def _through(arguments, secret, value):
    return _forged(_quietly, arguments, value)


def _quietly(bundle):
    """`checked_prekey` without what it prints."""
    code = broken.checked_prekey
    quiet = {**code.__globals__, "print": lambda *words: None}
    return type(code)(code.__code__, quiet)(bundle)


# 10 What was seen before


def _another_spelling(arguments, secret, value):
    (message,) = arguments
    if value.keys() != message.keys():
        return "A message has the three fields of the honest one."
    if any(type(value[name]) is not type(message[name]) for name in message):
        return "A field has another type than in the honest message."
    same = {name for name in message if value[name] == message[name]}
    if same == set(message):
        return "The record knows these bytes: the program refuses them."
    if "ephemeral_key" in same or len(same) < 2:
        return "Another identity key or prekey makes another handshake."
    ours, theirs = (ladder(_ANY, item["ephemeral_key"]) for item in (message, value))
    if ours != theirs:
        return "Bob derives another secret from this key: it is not the same."
    refused = _refusal(broken.remember, broken.remember([], message), value)
    return f"The program refuses this spelling ({refused})." if refused else ""


def _forgotten(arguments, secret, value):
    mark, room = arguments
    if any(len(item) != 32 for item in value):
        return "A mark has 32 bytes."
    if mark not in value:
        return "The recorded handshake is not delivered again."
    if value[0] == mark:
        return "It comes again at once, and the record knows it."
    seen = broken.remember_recent([], mark, room)
    for item in value:
        again = _refusal(broken.remember_recent, seen, item, room)
        if item == mark:
            return "The record still knows it." if again else ""
        if again:
            return "One of the others is refused: the same mark came twice."
        seen = broken.remember_recent(seen, item, room)
    return OTHER_FORM


# 11 State and refusals


def _stuck(arguments, secret, value):
    honest_number, honest = arguments
    number, sealed = value
    state = dict(secret["state"])
    try:
        broken.read(state, number, sealed)
    except Refused as problem:
        refused = type(problem).__name__
    else:
        return "This message opens: it is no forgery."
    if refused == "TooManySkipped":
        return "This jump is refused before anything has changed."
    if not _refusal(broken.read, state, honest_number, honest):
        return "The honest message opens afterwards."
    return ""


def _order(arguments, secret, value):
    (sent,) = arguments
    if sorted(value) != sorted(sent):
        return "Each header must arrive once, as it was sent."
    if value == sent:
        return "In the order of sending nothing is late."
    if sound.lost_messages(value):
        return "In this order even a right program loses a message."
    return "" if broken.lost_messages(value) else "In this order the program loses nothing."


# 12 Giving out keys


def _race(arguments, secret, value):
    names, pool = arguments
    if not set(value) <= set(names):
        return "Somebody in the list is not among the two names."
    given = broken.serve(pool, value)
    if len(given) < 2:
        return "Each of the two must read, and then take a key."
    if given[names[0]] == given[names[1]]:
        return ""
    return "The two got different keys."


def _leaked(arguments, secret, value):
    (reply,) = arguments
    number, key = value
    if type(number) is not int or type(key) is not bytes:
        return OTHER_FORM
    if number == reply["take"]:
        return "This is the key that the sender was given."
    if key == reply["signed_prekey"]:
        return "This key is the same for all; everybody may have it."
    if secret["pool"].get(number) != key:
        return "No later sender gets this key under this number."
    return "" if reply["one_time"].get(number) == key else "This key is not in the reply."


BUGS = (
    Bug(
        1,
        "same_tag",
        "a comparison that stops at the first difference",
        "Design D's list for an audit, point 4.",
        [bytes, bytes],
        _uneven,
    ),
    Bug(
        2,
        "new_values",
        "keys from a generator that starts from the clock",
        "Design D's list for an audit, point 5; the catalogue's A29.",
        bytes,
        _third,
        ("A29",),
    ),
    Bug(
        2,
        "prekey_private",
        "keys from a generator that starts from public values",
        "Design D's list for an audit, point 5; the catalogue's A29.",
        bytes,
        _private,
        ("A29",),
    ),
    Bug(
        3,
        "read_and_log",
        "a log line with the whole state",
        "Design D's list for an audit, point 6.",
        bytes,
        _logged,
    ),
    Bug(
        3,
        "log_line",
        "a list of forbidden names for the log",
        "Design D's list for an audit, point 6.",
        dict,
        _named,
    ),
    Bug(
        4,
        "purpose_key",
        "the label as salt of HKDF",
        "Design D's list for an audit, point 1; RFC 2104 on keys of HMAC.",
        bytes,
        _same_purpose,
        ("A33",),
    ),
    Bug(
        4,
        "session_secret",
        "input of HKDF cut to a fixed size",
        "Design D's list for an audit, point 1: each input must change the key.",
        (bytes,),
        _unused,
        ("A40",),
    ),
    Bug(
        5,
        "message_nonce",
        "a counter of one byte as nonce",
        "Design D's list for an audit, point 2.",
        int,
        _same_nonce,
        ("A50",),
    ),
    Bug(
        5,
        "nonces_used",
        "a counter that a crash sets back",
        "Design D's cache of ratchet states; Signal-Desktop issue 2912 for restored states.",
        (str,),
        _nonce_again,
        ("A49", "A75"),
        "Signal-Desktop issue 2912 reports refused messages after a restore.",
    ),
    Bug(
        6,
        "open_message",
        "the header outside the tag",
        "Design E; design D's list for an audit, point 3.",
        bytes,
        _unnoticed,
        ("A47",),
        with_helpers=("seal_message",),
    ),
    Bug(
        6,
        "associated",
        "fields joined without their lengths",
        "Design C's associated data.",
        [str, str, int],
        _same_data,
        ("A34",),
    ),
    Bug(
        7,
        "publish",
        "one table for the numbers of all users",
        "Design A's table of one-time keys.",
        dict,
        _overwritten,
        ("A79",),
        with_helpers=("key_of",),
    ),
    Bug(
        7,
        "handshake_secret",
        "one place for two kinds of secrets",
        "The rules of PQXDH for its info; the catalogue's A33.",
        [list, list],
        _two_handshakes,
        ("A33",),
    ),
    Bug(
        8,
        "accepts",
        "a list of forbidden public keys",
        "vodozemac before 0.10 and libsignal before February 2026 did not look at the output.",
        bytes,
        _low_order,
        ("A22",),
        "Two deployed libraries had no check of the output until February 2026.",
    ),
    Bug(
        8,
        "secret_of",
        "zeros for an absent value",
        "Design E computes four results, whether there is a one-time key or not.",
        [bytes, bytes],
        _fourth_is_zero,
        ("A23",),
    ),
    Bug(
        9,
        "take_prekey",
        "a verdict that nobody reads",
        "Design B's sample leaves the check open; design E's handshake has none.",
        dict,
        _taken,
        ("A3",),
        with_helpers=("is_signed",),
    ),
    Bug(
        9,
        "checked_prekey",
        "an error that is swallowed",
        "Public programs of this protocol, with a bare except.",
        dict,
        _through,
        ("A3",),
    ),
    Bug(
        10,
        "remember",
        "a record of raw bytes",
        "Design B's record; libsignal before September 2025.",
        dict,
        _another_spelling,
        ("A20",),
        "libsignal refuses keys in other spellings since September 2025.",
    ),
    Bug(
        10,
        "remember_recent",
        "a record that forgets",
        "libsignal wrote down in September 2025 that its record must not forget.",
        (bytes,),
        _forgotten,
        ("A21",),
        "An independent implementer reports 1,024 handshakes in about two seconds.",
    ),
    Bug(
        11,
        "read",
        "the state is changed before the tag is checked",
        "Design C's reading flow, without its signature.",
        [int, bytes],
        _stuck,
        ("A45",),
    ),
    Bug(
        11,
        "lost_messages",
        "the end of the previous chain is forgotten",
        "Design C's reading flow.",
        ([int, int, int],),
        _order,
        ("A48",),
    ),
    Bug(
        12,
        "serve",
        "reading and taking are two steps",
        "Design C's pool as a text in a database.",
        (str,),
        _race,
        ("A70",),
    ),
    Bug(
        12,
        "take_one",
        "the reply is the old pool",
        "Design B's sample server.",
        [int, bytes],
        _leaked,
        ("A9",),
    ),
)


def of_slot(slot: int) -> tuple[Bug, ...]:
    """The bugs that may stand in this place of a hunt, 1 to 12; the course's own comes first."""
    return tuple(bug for bug in BUGS if bug.slot == slot)
