"""Tasks of lesson 13: a server's misbehaviour, and what clients and honest servers do about it."""

import random

from x3dhlab.grading.task import Case, Hints, Step, Task
from x3dhlab.grading.tasks import generic

# attack.swap_identity

SWAP_IDENTITY = """
WAYS = {
    ("Alice", "Bob"): ("Alice", "front"),
    ("front", "Alice"): ("Bob", "Alice"),
    ("back", "Bob"): ("Alice", "Bob"),
    ("Bob", "Alice"): ("Bob", "back"),
}

def swap_identity(state, direction, frame):
    if frame["what"] == "bundle" and frame["to"] == "Alice" and frame["about"] == "Bob":
        number, key = (state["one_time"] or [[None, None]])[0]
        one_time = {"one_time_prekey_id": number, "one_time_prekey": key}
        frame = frame | state["keys"] | one_time
        state = state | {"one_time": state["one_time"][1:]}
    if frame["what"] == "message" and direction == "up":
        way = frame["from"], frame["to"]
        sender, recipient = WAYS.get(way, way)
        frame = frame | {"from": sender, "to": recipient}
    return [state, [frame]]
"""

_FIELDS = ("identity_key", "signed_prekey_id", "signed_prekey", "signed_prekey_signature")


def swap_identity_cases(seed: int) -> list[Case]:
    """One bundle, then whole conversations, other people, and more bundles than one-time keys."""
    rng = random.Random(f"attack.swap_identity {seed}")
    ask, write, read = _ask, _write, _read
    scripts = [
        ("a bundle of Bob for Alice", 2, [ask(rng, "Bob", "Alice")]),
        (
            "Alice writes to Bob",
            2,
            [
                ask(rng, "Bob", "Alice"),
                write(rng, "Alice", "Bob"),
                read(rng, "Alice", "front"),
                ask(rng, "Bob", "back"),
                write(rng, "back", "Bob"),
                read(rng, "Alice", "Bob"),
            ],
        ),
        (
            "Bob answers Alice",
            1,
            [
                write(rng, "Bob", "Alice"),
                read(rng, "Bob", "back"),
                write(rng, "front", "Alice"),
                read(rng, "Bob", "Alice"),
            ],
        ),
        (
            "other people",
            2,
            [
                ask(rng, "Bob", "Carol"),
                ask(rng, "Carol", "Alice"),
                write(rng, "Carol", "Bob"),
                write(rng, "Alice", "Carol"),
                read(rng, "Carol", "Alice"),
            ],
        ),
        ("more bundles than one-time keys", 2, [ask(rng, "Bob", "Alice") for _ in range(3)]),
        ("bundles without a one-time key", 1, [ask(rng, "Bob", "Alice", False) for _ in range(2)]),
        ("a key upload", 1, [_upload(rng, "Bob"), _upload(rng, "Alice")]),
    ]
    return [
        Case((_mallory(rng, count),), about, steps=tuple(steps)) for about, count, steps in scripts
    ]


def _keys(rng):
    values = rng.randbytes(32), rng.randint(1, 999), rng.randbytes(32), rng.randbytes(64)
    return dict(zip(_FIELDS, values, strict=True))


def _mallory(rng, count):
    one_time = [[rng.randint(1000, 9999), rng.randbytes(32)] for _ in range(count)]
    return {"keys": _keys(rng), "one_time": one_time}


def _ask(rng, name, requester, one_time=True):
    number, key = (rng.randint(1, 99), rng.randbytes(32)) if one_time else (None, None)
    frame = {"what": "bundle", "from": "server", "to": requester, "about": name, **_keys(rng)}
    frame |= {"one_time_prekey_id": number, "one_time_prekey": key}
    return Step(f"a bundle of {name} for {requester}", ("down", frame))


def _message(rng, sender, recipient):
    return {"what": "message", "from": sender, "to": recipient, "data": rng.randbytes(24)}


def _write(rng, sender, recipient):
    return Step(f"{sender} writes to {recipient}", ("up", _message(rng, sender, recipient)))


def _read(rng, sender, recipient):
    frame = _message(rng, sender, recipient)
    return Step(f"{recipient} collects a message from {sender}", ("down", frame))


def _upload(rng, name):
    frame = {"what": "publication", "from": name, "to": "server", "about": name, **_keys(rng)}
    return Step(f"{name} uploads keys", ("up", frame | {"one_time_prekeys": []}))


_ABOUT = ' and frame["to"] == "Alice" and frame["about"] == "Bob"'
_NEW = 'frame | state["keys"] | one_time'

_SWAP_IDENTITY = Task(
    id="attack.swap_identity",
    lesson="13",
    title="A Bob of the server's own",
    signature="swap_identity(state: dict, direction: str, frame: dict) -> list",
    statement=(
        "Return [next state, list of frames]. A bundle about Bob for Alice gets the four fields of "
        '`state["keys"]`, and the next pair [number, key] of `state["one_time"]` as '
        "one_time_prekey_id and one_time_prekey; None for both when no pair is left. Each pair "
        "goes out once. Messages that come up are readdressed: Alice → Bob goes to front, "
        "front → Alice comes from Bob, back → Bob comes from Alice, Bob → Alice goes to back. "
        "All other frames go on as they are, and so does what goes down to a mailbox. Change no "
        "argument in place."
    ),
    why="New keys for Alice, new labels on four kinds of envelope: more is not needed to stand "
    "between two people.",
    points=4,
    minutes=12,
    section="Lesson 13, “Four labels”",
    modules=(),
    hints=Hints(
        "Follow one text of Alice to Bob: who writes it, who reads it, who writes it again?",
        "Mallory's phones read with their own keys. So each envelope must reach the phone whose "
        "keys it was sealed for, and must bear the name that its reader expects.",
        "For a message that comes up, look (from, to) up in a dict with four entries; a pair that "
        "is not there stays. On the way down the labels are right already.",
    ),
    reference=SWAP_IDENTITY,
    cases=swap_identity_cases,
    mistakes=(
        generic.nothing_returned("swap_identity", SWAP_IDENTITY),
        generic.hex_for_bytes("swap_identity", SWAP_IDENTITY),
        generic.changed_argument("swap_identity", SWAP_IDENTITY, "arguments[2].pop('what')"),
        *generic.variants(
            SWAP_IDENTITY,
            (
                "swapped for everybody",
                "Everybody gets the false Bob, Mallory's second phone too. It then writes to "
                "Mallory instead of Bob.",
                "Only Alice gets it: look at `to` as well.",
                (_ABOUT, ' and frame["about"] == "Bob"'),
            ),
            (
                "swapped for every name",
                "Every bundle that Alice asks for is exchanged. Carol then is Mallory too, and no "
                "phone of Mallory's writes to her.",
                "Only Bob's bundle: look at `about` as well.",
                (_ABOUT, ' and frame["to"] == "Alice"'),
            ),
            (
                "the identity key only",
                "Only the identity key was exchanged. The signature of the honest prekey does not "
                "fit to it, and Alice stops.",
                "All four fields of `keys` belong together, and the one-time key is Mallory's.",
                (_NEW, 'frame | {"identity_key": state["keys"]["identity_key"]}'),
            ),
            (
                "the honest one-time key left in",
                "The bundle still has Bob's one-time key. Mallory has no private half of it, and "
                "cannot compute DH4.",
                "Exchange the one-time key and its number as well.",
                (_NEW, 'frame | state["keys"]'),
            ),
            (
                "Bob's number for Mallory's key",
                "The one-time key is Mallory's and the number is Bob's. Her phone looks for its "
                "key under another number.",
                "Take the number and the key from one pair.",
                (
                    '{"one_time_prekey_id": number, "one_time_prekey": key}',
                    '{"one_time_prekey": key}',
                ),
            ),
            (
                "no one-time key",
                "The bundle has no one-time key. It works, but an attentive Alice sees a weaker "
                "handshake.",
                "Take the next pair of one_time.",
                (
                    '{"one_time_prekey_id": number, "one_time_prekey": key}',
                    '{"one_time_prekey_id": None, "one_time_prekey": None}',
                ),
            ),
            (
                "one pair for all",
                "Every bundle has the same one-time key. Mallory's phone deletes it after the "
                "first message, and the next one does not open.",
                "The next state has the pairs that are left: one_time[1:].",
                ('{"one_time": state["one_time"][1:]}', "{}"),
            ),
            (
                "labels changed on the way down",
                "The labels were changed on the way down too. A message that Mallory's phone "
                "wrote as Alice is taken away from Bob again.",
                'Readdress only what comes up: direction == "up".',
                (' and direction == "up"', ""),
            ),
            (
                "labels changed on the way down only",
                "The labels were changed when a mailbox is emptied. Then the messages are in the "
                "wrong mailbox already.",
                'Readdress what comes up: direction == "up".',
                (' and direction == "up"', ' and direction == "down"'),
            ),
            (
                "no relabelled answers",
                "Only Alice's direction works. Bob's answers go to Alice, who cannot open them.",
                "Four ways: two for what Alice writes, two for what Bob writes.",
                ('    ("Bob", "Alice"): ("Bob", "back"),\n', ""),
                ('    ("front", "Alice"): ("Bob", "Alice"),\n', ""),
            ),
            (
                "caught and not passed on",
                "Alice's messages reach Mallory. What Mallory's phones write keeps its own label, "
                "so Alice and Bob see a stranger.",
                "What front writes must seem to come from Bob, what back writes from Alice.",
                ('    ("front", "Alice"): ("Bob", "Alice"),\n', ""),
                ('    ("back", "Bob"): ("Alice", "Bob"),\n', ""),
            ),
            (
                "the phones exchanged",
                "What Alice writes goes to the phone `back`. Her messages are sealed for `front`.",
                "Alice got the keys of front; Bob knows back as Alice.",
                ('("Alice", "front")', '("Alice", "BACK")'),
                ('("Bob", "back")', '("Bob", "front")'),
                ('"BACK"', '"back"'),
            ),
            (
                "the sender's name lost",
                "Mallory's phone gets Alice's message under Bob's name, and does not know to whom "
                "it belongs.",
                "On the way to Mallory's phones the sender stays: only `to` changes.",
                ('("Alice", "Bob"): ("Alice", "front")', '("Alice", "Bob"): ("Bob", "front")'),
                ('("Bob", "Alice"): ("Bob", "back")', '("Bob", "Alice"): ("Alice", "back")'),
            ),
            (
                "other frames dropped",
                "What is neither a bundle of Bob for Alice nor one of the four ways was dropped. "
                "The whole service then stands still, and somebody looks for the reason.",
                "Return every frame; change only what the attack needs.",
                (
                    "    return [state, [frame]]",
                    "    touched = state['one_time'] or frame['what'] == 'message'\n"
                    "    known = {'Alice', 'Bob', 'front', 'back'}\n"
                    "    people = {frame['from'], frame['to'], frame.get('about', 'Bob')}\n"
                    "    keep = people - {'server'} <= known and frame['what'] != 'publication'\n"
                    "    return [state, [frame] if keep else []]",
                ),
            ),
            (
                "the honest frame as well",
                "The honest frame goes on beside the changed one. Alice gets two bundles, and "
                "Bob a message that he cannot open.",
                "The list holds the changed frame only.",
                ("direction, frame):\n", "direction, frame):\n    honest = frame\n"),
                ("[state, [frame]]", "[state, [frame] if frame == honest else [honest, frame]]"),
            ),
            (
                "a frame without its list",
                "The second value is a frame. Wanted is a list of frames, here with one.",
                "Return [state, [frame]].",
                ("[state, [frame]]", "[state, frame]"),
            ),
        ),
    ),
)

# attack.swap_signed_prekey

SWAP_SIGNED = """
def swap_signed_prekey(state, direction, frame):
    state, frame = dict(state), dict(frame)
    if frame["what"] == "bundle" and frame["about"] == "Bob":
        frame["signed_prekey"] = state["signed_prekey"]
        if frame["one_time_prekey"] is not None:
            frame["one_time_prekey"] = state["one_time_prekey"]
        state["waiting"] = state["waiting"] + [frame["to"]]
    writes = frame["what"] == "message" and direction == "up" and frame["to"] == "Bob"
    if writes and frame["from"] in state["waiting"]:
        state["recorded"] = state["recorded"] + [[frame["from"], frame["data"]]]
    return [state, [frame]]
"""


def swap_signed_cases(seed: int) -> list[Case]:
    """Bundles with and without a one-time key, other people's, and messages of all kinds."""
    rng = random.Random(f"attack.swap_signed_prekey {seed}")
    some = [["Carol", rng.randbytes(20)]]
    rows = [
        (_ask(rng, "Bob", "Alice"), [], []),
        (_ask(rng, "Bob", "Alice", False), [], []),
        (_ask(rng, "Bob", "Dora"), ["Alice", "Carol"], some),
        (_ask(rng, "Carol", "Alice"), [], []),
        (_write(rng, "Alice", "Bob"), ["Carol", "Alice"], some),
        (_write(rng, "Alice", "Bob"), ["Carol"], some),
        (_write(rng, "Alice", "Carol"), ["Alice"], []),
        (_read(rng, "Alice", "Bob"), ["Alice"], some),
        (_upload(rng, "Bob"), ["Alice"], some),
    ]
    return [_signed_case(rng, *row) for row in rows]


def _signed_case(rng, step, waiting, recorded):
    mine = {"signed_prekey": rng.randbytes(32), "one_time_prekey": rng.randbytes(32)}
    state = mine | {"waiting": waiting, "recorded": recorded}
    direction, frame = step.arguments
    about = step.about
    if frame["what"] == "bundle" and frame["one_time_prekey"] is None:
        about += ", without a one-time key"
    if frame["what"] == "message":
        fooled = "who has" if frame["from"] in waiting else "who does not have"
        about += f", {fooled} forged keys" if direction == "up" else ""
    return Case((state, direction, frame), about, {name: mine[name] for name in mine})


_WRITES = 'frame["what"] == "message" and direction == "up" and frame["to"] == "Bob"'

_SWAP_SIGNED = Task(
    id="attack.swap_signed_prekey",
    lesson="13",
    title="A signed prekey of the server's own",
    signature="swap_signed_prekey(state: dict, direction: str, frame: dict) -> list",
    statement=(
        "Return [next state, list of frames]. In every bundle about Bob, signed_prekey becomes "
        '`state["signed_prekey"]`; one_time_prekey becomes `state["one_time_prekey"]`, if the '
        "bundle has one. All other fields stay as they are. The name of whoever gets the bundle "
        'is added to the end of `state["waiting"]`. Of a message that comes up for Bob from a '
        "name in `waiting`, the pair [from, data] is added to the end of "
        '`state["recorded"]`. Every frame goes on, also the recorded ones. Change no argument in '
        "place: make new lists."
    ),
    why="The server reads nothing today. What it recorded opens on the day when the private half "
    "of IK_B is stolen, if the client did not check the signature.",
    points=3,
    minutes=8,
    section="Lesson 13, “The signed prekey”; X3DH §4.5",
    modules=(),
    hints=Hints(
        "Which two keys can the server exchange without Bob's identity key, and which two fields "
        "stay as they are?",
        "Two independent rules: one for bundles about Bob, one for messages up to Bob. Each makes "
        "a new list for the state.",
        'state["waiting"] + [frame["to"]] is a new list; so is '
        'state["recorded"] + [[frame["from"], frame["data"]]].',
    ),
    reference=SWAP_SIGNED,
    cases=swap_signed_cases,
    mistakes=(
        generic.nothing_returned("swap_signed_prekey", SWAP_SIGNED),
        generic.hex_for_bytes("swap_signed_prekey", SWAP_SIGNED),
        generic.changed_argument(
            "swap_signed_prekey", SWAP_SIGNED, "arguments[0]['waiting'].append('x')"
        ),
        *generic.variants(
            SWAP_SIGNED,
            (
                "the honest one-time key left in",
                "The one-time key is still Bob's. The server cannot compute DH4, on no day.",
                "Exchange one_time_prekey too, where the bundle has one.",
                (
                    '            frame["one_time_prekey"] = state["one_time_prekey"]',
                    "            pass",
                ),
            ),
            (
                "a one-time key where none was",
                "A bundle without a one-time key got one, and its number is still None.",
                "Exchange the one-time key only if the bundle has one.",
                ('if frame["one_time_prekey"] is not None', 'if "one_time_prekey" in frame'),
            ),
            (
                "the one-time key only",
                "The signed prekey is still Bob's. DH1 and DH3 stay closed.",
                "Exchange signed_prekey as well.",
                ('frame["signed_prekey"] = state["signed_prekey"]', "pass"),
            ),
            (
                "the signature taken out",
                "The signature was removed. Every program notices that, also one that does not "
                "check signatures.",
                "Leave Bob's signature where it is.",
                (
                    'frame["signed_prekey"] = state["signed_prekey"]',
                    'frame["signed_prekey"] = state["signed_prekey"]\n'
                    '        frame["signed_prekey_signature"] = None',
                ),
            ),
            (
                "the identity key too",
                "The identity key was exchanged too. That is another attack, and safety numbers "
                "show it.",
                "Leave identity_key as it is.",
                (
                    'frame["signed_prekey"] = state["signed_prekey"]',
                    'frame["signed_prekey"] = frame["identity_key"] = state["signed_prekey"]',
                ),
            ),
            (
                "everybody's bundle",
                "Bundles of other people were changed too.",
                "Only bundles about Bob.",
                (' and frame["about"] == "Bob":', ":"),
            ),
            (
                "only Alice's bundle",
                "Only the bundle for Alice was changed. Everybody who asks for Bob is to get the "
                "forged keys.",
                'Do not look at frame["to"]: every bundle about Bob.',
                (
                    ' and frame["about"] == "Bob":',
                    ' and frame["about"] == "Bob" and frame["to"] == "Alice":',
                ),
            ),
            (
                "nobody noted",
                "The state does not say who got the forged keys.",
                'Add frame["to"] to `waiting`.',
                ('state["waiting"] = state["waiting"] + [frame["to"]]', "pass"),
            ),
            (
                "Bob noted",
                "The name of the owner was noted. Wanted is who got the bundle.",
                'The receiver is frame["to"].',
                ('state["waiting"] + [frame["to"]]', 'state["waiting"] + [frame["about"]]'),
            ),
            (
                "only the newest one noted",
                "The names from before are gone.",
                "Add to the list that is there.",
                ('state["waiting"] + [frame["to"]]', '[frame["to"]]'),
            ),
            (
                "everything recorded",
                "Messages of people with honest keys were recorded too. The forged keys open "
                "nothing of them.",
                "Record only senders in `waiting`.",
                ('writes and frame["from"] in state["waiting"]', "writes"),
            ),
            (
                "nothing recorded",
                "The message went by. Later the server has nothing to open.",
                "Add [from, data] to `recorded`.",
                (
                    'state["recorded"] = state["recorded"] + [[frame["from"], frame["data"]]]',
                    "pass",
                ),
            ),
            (
                "recorded again on the way down",
                "The message was recorded when Bob collected it: then it is recorded twice.",
                'Record what comes up: direction == "up".',
                (' and direction == "up"', ""),
            ),
            (
                "letters to others recorded",
                "A message to somebody else was recorded.",
                'Record only what is for Bob: frame["to"] == "Bob".',
                (' and frame["to"] == "Bob"\n', "\n"),
            ),
            (
                "the bytes without the sender",
                "Only the bytes were recorded. The server needs to know whose identity key "
                "belongs to them.",
                "Record the pair [from, data].",
                ('[[frame["from"], frame["data"]]]', '[frame["data"]]'),
            ),
            (
                "only the newest one recorded",
                "The messages from before are gone.",
                "Add to the list that is there.",
                (
                    'state["recorded"] + [[frame["from"], frame["data"]]]',
                    '[[frame["from"], frame["data"]]]',
                ),
            ),
            (
                "kept from Bob",
                "The recorded message does not reach Bob. A missing message is noticed sooner "
                "than one that does not open.",
                "Pass every frame on.",
                (
                    "    return [state, [frame]]",
                    '    taken = writes and frame["from"] in state["waiting"]\n'
                    "    return [state, [] if taken else [frame]]",
                ),
            ),
            (
                "a frame without its list",
                "The second value is a frame. Wanted is a list of frames, here with one.",
                "Return [state, [frame]].",
                ("[state, [frame]]", "[state, frame]"),
            ),
        ),
    ),
)

TASKS = (_SWAP_IDENTITY, _SWAP_SIGNED)
