"""Tasks of lesson 19: an inbox that takes each message once, and what a history must never show."""

import random
from dataclasses import replace

from x3dhlab.attacks import plain_inbox
from x3dhlab.grading.task import Case, Hints, Step, Task
from x3dhlab.grading.tasks import generic

# inbox.process_once

ONCE = """
def process_once(state, event):
    accepted, signed = state["accepted"], state["signed_prekeys"]
    if event["kind"] == "retire":
        spk = event["spk"]
        signed = {number: key for number, key in signed.items() if number != spk}
        accepted = [entry for entry in accepted if entry["spk"] != spk]
        return [state | {"signed_prekeys": signed, "accepted": accepted}, []]
    if event["kind"] == "show":
        return [state, [["show", text] for text in state["texts"]]]
    done = [["acknowledge", event["sequence"]]]
    spk, key, one_time = event["spk"], event["key"], state["one_time_prekeys"]
    entry = {"spk": spk, "key": key, "ephemeral": event["ephemeral"]}
    if any(entry.items() <= old.items() for old in accepted):
        return [state, done]
    if key is not None and any(old["key"] == key for old in accepted):
        return [state, [*done, ["report", "used_key"]]]
    if spk not in signed or (key is not None and key not in one_time):
        return [state, [*done, ["report", "unknown_prekey"]]]
    try:
        mark, text = opened(signed[spk], one_time.get(key), event)
    except DecryptionFailed:
        return [state, [*done, ["report", "does_not_open"]]]
    if any(old["mark"] == mark for old in accepted):
        return [state, done]
    if len(accepted) >= state["room"]:
        return [state, [["report", "record_full"]]]
    left = {number: private for number, private in one_time.items() if number != key}
    entry["mark"] = mark
    new = {"one_time_prekeys": left, "accepted": [*accepted, entry]}
    return [state | new | {"texts": [*state["texts"], text]}, done]
"""


def once_cases(seed: int) -> list[Case]:
    """Deliveries one after another: copies, forgeries, used keys, a full record, a retired key."""
    rng = random.Random(f"inbox.process_once {seed}")
    keys = 0, rng.randint(3, 40), rng.randint(50, 90)
    start = plain_inbox.state(rng, spks=(1, 2), keys=keys, room=4)
    events = _deliveries(rng, start, keys)
    rows = [
        "K", "N", "Z", "F", "G", "U", "X", "old", "show",
        "K show", "N show", "F show", "Z show", "K k show", "N n show", "N R show", "F K show",
        "G N show", "K 2 show", "Z Y show", "K U N X show", "N M n show", "K Z k show",
        "K E", "old M", "old O show", "K old B show", "N old n show", "O old o show",
        "N O other n show", "K F show", "K K show",
    ]  # fmt: skip
    cases = [_once_case(start, events, row.split()) for row in rows]
    narrow = [
        "N O M show",
        "N O M M2 n show",
        "N O n show",
        "N O M old M2 show",
        "N O old O2 show",
        "N O G X show",
        "N O R show",
    ]
    about = "a record with room for two"
    small = start | {"room": 2}
    cases += [_once_case(small, events, row.split(), about) for row in narrow]
    unsaved = ["K ^K show", "N ^N show", "K ^show", "N old ^n show", "N old ^M show"]
    cases += [
        _once_case(start, events, row.split(), "a state that is not saved") for row in unsaved
    ]
    return sorted(cases, key=lambda case: len(case.steps))


def _deliveries(rng, start, keys):
    """Letter → (what it is, the event)."""
    zero, one, _ = keys
    fresh = [(rng.randbytes(32), rng.randint(10, 99)) for _ in range(14)]
    numbers = rng.sample(range(100, 999), 24)

    def written(spk, key):
        ephemeral, euros = fresh.pop()
        text = f"Pay {euros} euros, {len(fresh)}".encode()
        return plain_inbox.write(start, numbers.pop(), spk, key, text, ephemeral)

    def again(message):
        return plain_inbox.copy_of(message, numbers.pop())

    with_key, plain, second, third = (
        written(1, one),
        written(1, None),
        written(2, None),
        written(1, zero),
    )
    return {
        "K": (f"a message with one-time key {one}", with_key),
        "N": ("a message without one-time key", plain),
        "O": ("a message for signed prekey 2", second),
        "Z": ("a message with one-time key 0", third),
        "k": ("the message with the one-time key once more", again(with_key)),
        "n": ("the message without one-time key once more", again(plain)),
        "o": ("the message for signed prekey 2 once more", again(second)),
        "R": ("the same message, EK_A spelt in another way", plain_inbox.respelt(again(plain))),
        "E": ("the same message, EK_A spelt in another way", plain_inbox.respelt(again(with_key))),
        "Y": ("another message with one-time key 0", written(1, zero)),
        "2": (f"another message with one-time key {one}", written(1, one)),
        "B": (f"a message for signed prekey 2 with one-time key {one}", written(2, one)),
        "M": ("another message without one-time key", written(1, None)),
        "M2": ("one more message for signed prekey 2", written(2, None)),
        "O2": ("one more message for signed prekey 2", written(2, None)),
        "F": (f"a forgery that names one-time key {one}", plain_inbox.forged(written(1, one))),
        "G": ("a forgery without one-time key", plain_inbox.forged(written(1, None))),
        "U": ("a message for an unknown signed prekey", written(1, None) | {"spk": 77}),
        "X": ("a message that names an unknown one-time key", written(1, None) | {"key": 95}),
        "old": ("signed prekey 1 is retired", {"kind": "retire", "spk": 1}),
        "other": ("signed prekey 2 is retired", {"kind": "retire", "spk": 2}),
        "show": ("Bob looks at his texts", {"kind": "show"}),
    }


def _once_case(start, events, names, about=""):
    """A case of these deliveries; before one with ^, the new state was not saved."""
    steps = tuple(_step(name, *events[name.lstrip("^")]) for name in names)
    about = about or {1: "one event", 2: "two events"}.get(len(names), "several events")
    return Case((start,), about, {}, steps)


def _step(name, about, event):
    again = name.startswith("^")
    words = f"{about}, on the state before: the new one was not saved" if again else about
    return Step(words, (event,), again=again)


_COPY = (
    "    if any(entry.items() <= old.items() for old in accepted):\n        return [state, done]\n"
)
_USED = (
    '    if key is not None and any(old["key"] == key for old in accepted):\n'
    '        return [state, [*done, ["report", "used_key"]]]\n'
)
_UNKNOWN = "    if spk not in signed or (key is not None and key not in one_time):\n"
_TRY = "    try:\n        mark, text = opened(signed[spk], one_time.get(key), event)\n"
_FAILS = (
    '    except DecryptionFailed:\n        return [state, [*done, ["report", "does_not_open"]]]\n'
)
_MARK = '    if any(old["mark"] == mark for old in accepted):\n        return [state, done]\n'
_FULL = (
    '    if len(accepted) >= state["room"]:\n        return [state, [["report", "record_full"]]]\n'
)
_LEFT = "    left = {number: private for number, private in one_time.items() if number != key}\n"
_KEEP = '"texts": [*state["texts"], text]'

_ROOM = "Lesson 19, “A record with room for a few”"
_SEEN = "Lesson 19, “What a copy is told”"

_WRONG = generic.variants(
    ONCE,
    (
        "a copy is not acknowledged",
        "A copy gets no answer. The relay does not know that it may forget it, and "
        "delivers it for ever.",
        "Give a copy the same effect as the first delivery: acknowledge.",
        (_COPY, _COPY.replace("[state, done]", "[state, []]")),
        (_MARK, _MARK.replace("[state, done]", "[state, []]")),
    ),
    (
        "a copy is reported as an error",
        "A copy is reported. Copies are normal: the alarms of every lost acknowledgement "
        "hide the real ones.",
        "Acknowledge a copy, and say nothing else.",
        (_COPY, _COPY.replace("done]", '[*done, ["report", "used_key"]]]')),
    ),
    (
        "no record of bytes",
        "Only the mark is compared. A copy with a one-time key cannot be opened any more, "
        "and counts as a used key.",
        "Compare spk, key and ephemeral with the entries before you look for keys.",
        (_COPY, ""),
    ),
    (
        "no record of marks",
        "Only bytes are compared. EK_A spelt in another way is read a second time.",
        "After it opened, look for its mark among the entries as well.",
        (_MARK, ""),
    ),
    (
        "a changed copy of a used key taken for a copy",
        "With a one-time key, another spelling of EK_A counts as a copy. The key is gone, so no "
        "mark can show it, and somebody changed the bytes.",
        "Here only the same bytes are a copy. With other bytes and a used key, report used_key.",
        (
            _COPY,
            "    def same(one):\n"
            '        return one["spk"], one["key"], one["ephemeral"][:31]\n\n'
            "    if any(same(entry) == same(old) for old in accepted):\n"
            "        return [state, done]\n",
        ),
    ),
    (
        "room before copy",
        "A full record is asked for room before the mark is compared. A copy in another "
        "spelling is not acknowledged, and comes for ever.",
        "Ask for the mark first, then for room: a copy needs no entry.",
        (_MARK + _FULL, _FULL + _MARK),
    ),
    (
        "a copy in another spelling reported",
        "Its mark is known, so it is a copy, and it is reported as a used key. It has no one-time "
        "key.",
        "Answer it like every copy: acknowledge, and say nothing else.",
        (_MARK, _MARK.replace("done]", '[*done, ["report", "used_key"]]]')),
    ),
    (
        "no key taken for a used key",
        "Two messages without one-time key count as two uses of one key, because None equals None.",
        "Ask `key is not None` before you look for the key among the entries.",
        ("if key is not None and any", "if any"),
    ),
    (
        "no record at all",
        "Nothing is compared. A message without one-time key is read as often as it comes.",
        "Remember each accepted message, and look there first.",
        (_COPY, ""),
        (_MARK, ""),
        (_USED, ""),
    ),
    (
        "the oldest entry deleted",
        "A full record loses its oldest entry. That message can then be read again.",
        "Refuse new messages while the record is full; only `retire` deletes entries.",
        (_FULL, ""),
        (
            '"accepted": [*accepted, entry]',
            '"accepted": [*accepted, entry][-state["room"]:]',
        ),
    ),
    (
        "a record without limit",
        "The record grows past its room. Strangers can fill the phone.",
        'When `accepted` has `room` entries, return [state, [["report", "record_full"]]].',
        (_FULL, ""),
    ),
    (
        "a full record acknowledges",
        "A message for which there is no room is acknowledged. The relay forgets it: lost.",
        "Do not acknowledge what may be accepted later.",
        (_FULL, _FULL.replace("[[", "[*done, [")),
    ),
    (
        "one entry too many",
        "The record holds one entry more than its room.",
        "Compare with >=: at `room` entries it is full.",
        ('>= state["room"]', '> state["room"]'),
    ),
    (
        "entries outlive their prekey",
        "Retiring a signed prekey keeps its entries. The record is full for ever.",
        "With the private half, delete the entries of its messages.",
        ('entry["spk"] != spk]', "entry]"),
    ),
    (
        "all entries deleted with one prekey",
        "Retiring one signed prekey empties the record. Messages for the other one can be "
        "read again.",
        "Delete only the entries with this spk.",
        ('[entry for entry in accepted if entry["spk"] != spk]', "[]"),
    ),
    (
        "a retired private half kept",
        "The private half of the retired prekey stays, and old messages can be read again.",
        "Leave its number out of signed_prekeys.",
        ("signed.items() if number != spk}", "signed.items()}"),
    ),
    (
        "remembered before it opened",
        "A forgery burns the one-time key: the state changes before the text opened.",
        "Build the new state only after `opened` came back.",
        (
            _FAILS,
            "    except DecryptionFailed:\n"
            "        left = {n: private for n, private in one_time.items() if n != key}\n"
            '        state = state | {"one_time_prekeys": left}\n'
            '        return [state, [*done, ["report", "does_not_open"]]]\n',
        ),
    ),
    (
        "an error that stops the queue",
        "A message that does not open raises. It stands first in the mailbox and stops all "
        "that follow, at every start.",
        "Catch DecryptionFailed and report it; acknowledge the message.",
        (_TRY + _FAILS, "    mark, text = opened(signed[spk], one_time.get(key), event)\n"),
    ),
    (
        "a refusal is not acknowledged",
        "What does not open today does not open tomorrow. Without acknowledgement it comes "
        "for ever.",
        "Acknowledge it, and report the reason.",
        ("[*done, [", "[["),
    ),
    *(
        (
            f"no acknowledgement for {reason}",
            f"Of the refused messages, those with the report {reason} are not acknowledged. They "
            "come for ever.",
            "What was refused for good is acknowledged, whatever the reason. Then report it.",
            (f'[*done, ["report", "{reason}"]]', f'[["report", "{reason}"]]'),
        )
        for reason in ("used_key", "unknown_prekey", "does_not_open")
    ),
    (
        "a refusal without its reason",
        "A refused message is acknowledged, and nobody hears why. The search for the next fault "
        "has no report.",
        'Add ["report", reason] after the acknowledgement.',
        *(
            (f'[*done, ["report", "{reason}"]]', "done")
            for reason in ("used_key", "unknown_prekey", "does_not_open")
        ),
    ),
    (
        "a used key taken for an unknown one",
        "A key that was used is reported as unknown. The first means that it was given "
        "out twice, the second that it was lost.",
        "If an entry has this key, report used_key.",
        (_USED, ""),
    ),
    (
        "the text is not saved",
        "The text is in no state. After the next start nobody can read it, and its key is gone.",
        "Add the text to `texts` in the same new state.",
        (_KEEP, '"texts": state["texts"]'),
    ),
    (
        "the newest text first",
        "The new text stands before the older ones. Bob reads the conversation backwards.",
        'Put it at the end: [*state["texts"], text].',
        (_KEEP, '"texts": [text, *state["texts"]]'),
    ),
    (
        "the one-time key kept",
        "The one-time key is still in the state after its use. When the record forgets "
        "the message, the key opens again.",
        "Leave its number out of one_time_prekeys.",
        (_LEFT, "    left = one_time\n"),
    ),
    (
        "key 0 taken for none",
        "Key 0 counts as no key, because 0 is false in Python.",
        "Ask `key is not None`.",
        ("if key is not None and any", "if key and any"),
        (_UNKNOWN, _UNKNOWN.replace("key is not None and", "key and")),
        ("one_time.get(key), event", "one_time.get(key or None), event"),
        ("if number != key}", "if not key or number != key}"),
    ),
    (
        "an argument changed in place",
        "The state that was given is changed. If saving fails, the text is lost.",
        "Make new lists and dictionaries: [*old, new] and old | {...}.",
        (
            '"accepted": [*accepted, entry]}\n',
            '"accepted": accepted}\n    accepted.append(entry)\n',
        ),
    ),
    (
        "the texts changed in place",
        "The text was added to the list that was given. If saving fails, the phone shows a text "
        "that is not on its disk.",
        'Make a new list: [*state["texts"], text].',
        (f"state | new | {{{_KEEP}}}", "state | new"),
        (
            '    entry["mark"] = mark\n',
            '    entry["mark"] = mark\n    state["texts"].append(text)\n',
        ),
    ),
    (
        "the one-time key deleted in place",
        "The one-time key was deleted from the dictionary that was given. If saving fails, its "
        "message cannot be opened any more.",
        "Make a new dictionary without this number.",
        (_LEFT, "    left = one_time\n    left.pop(key, None)\n"),
    ),
    (
        "a prekey retired in place",
        "The private half was deleted from the dictionary that was given. If saving fails, "
        "messages for it are refused already.",
        "Make a new dictionary without this number.",
        (
            "        signed = {number: key for number, key in signed.items() if number != spk}\n",
            "        signed.pop(spk, None)\n",
        ),
    ),
    (
        "the whole state changed in place",
        "Text, entry and key were changed in the state that was given. If saving fails, the phone "
        "goes on with things that are not on its disk.",
        "Change nothing in `state`. Build new parts, and return state | {…}.",
        (_LEFT, "    one_time.pop(key, None)\n"),
        (
            '    new = {"one_time_prekeys": left, "accepted": [*accepted, entry]}\n',
            '    accepted.append(entry)\n    state["texts"].append(text)\n',
        ),
        (f"state | new | {{{_KEEP}}}", "state"),
    ),
)

_SECTIONS = {
    "a copy is not acknowledged": _SEEN,
    "a copy is reported as an error": _SEEN,
    "no record of bytes": _SEEN,
    "an error that stops the queue": _SEEN,
    "a refusal is not acknowledged": _SEEN,
    "no acknowledgement for used_key": _SEEN,
    "no acknowledgement for unknown_prekey": _SEEN,
    "no acknowledgement for does_not_open": _SEEN,
    "a refusal without its reason": _SEEN,
    "a copy in another spelling reported": _SEEN,
    "no key taken for a used key": _SEEN,
    "no record of marks": _SEEN,
    "a used key taken for an unknown one": _SEEN,
    "a full record acknowledges": _SEEN,
    "a changed copy of a used key taken for a copy": _SEEN,
    "room before copy": _ROOM,
    "the oldest entry deleted": _ROOM,
    "a record without limit": _ROOM,
    "one entry too many": _ROOM,
    "entries outlive their prekey": _ROOM,
    "all entries deleted with one prekey": _ROOM,
}

_PROCESS_ONCE = Task(
    id="inbox.process_once",
    lesson="19",
    title="Take in each message once",
    signature="process_once(state: dict, event: dict) -> list",
    statement=(
        "The state begins with `signed_prekeys` and `one_time_prekeys` (number → private key), "
        "`accepted` and `texts` (two empty lists) and `room`, the most entries that `accepted` may "
        "have. Return a list: the state to save, and the list of effects, which the phone carries "
        'out after it has saved. Event kind "show": one effect ["show", text] for each text, '
        'oldest first. Kind "retire" with spk: delete that private half and the entries of '
        'messages for it; no effects. Kind "message" with sequence, spk, key (None without), '
        "ephemeral and sealed: each is a first message. If it is new, its text goes to the end of "
        "the texts, its one-time key is deleted, and it is remembered, all in the new state; the "
        'effect is ["acknowledge", sequence]. A copy of an accepted one has the same spk, key and '
        "ephemeral, or, without one-time key, the same mark (EK_A spelt in another way). It gives "
        "the same effect and changes nothing. Otherwise nothing changes and "
        '["report", reason] follows the acknowledgement: "used_key" if it is no such copy, and an '
        'accepted message had this one-time key; "unknown_prekey" if a private half is not there; '
        '"does_not_open". '
        'When `accepted` is full, a new message that opens gets only ["report", '
        '"record_full"], without acknowledgement: it comes again later. Raise nothing. Change no '
        "argument, and nothing inside one: if the new state is not saved, the phone goes on with "
        "the old one. opened(signed_private, one_time_private, message) → (mark, text) is "
        "given; the mark comes from SK; it raises DecryptionFailed."
    ),
    why="However often a message comes: its text, its key and its entry move together, once.",
    points=5,
    minutes=20,
    section="Lesson 19, “One step that may fail anywhere”",
    modules=("primitives", "errors"),
    hints=Hints(
        "Deliver one message twice on paper. What does the relay need to hear the second time?",
        "Ask the record first, then the prekeys, then open, then ask the record again by mark.",
        "Every path ends in `return [state, effects]`; one path only builds a new state, with "
        "`state | {...}`.",
    ),
    given=plain_inbox.OPENED,
    reference=ONCE,
    cases=once_cases,
    mistakes=(
        generic.nothing_returned("process_once", ONCE),
        generic.hex_for_bytes("process_once", ONCE),
        *(replace(wrong, section=_SECTIONS.get(wrong.name, "")) for wrong in _WRONG),
    ),
)


# inbox.invariants

INVARIANTS = """
def invariants(history):
    sent = {line["message"]: line for line in history if line["op"] == "send"}
    answered, accepted, forgotten, opened, taken, broken = set(), set(), set(), {}, {}, set()
    for line in history:
        op, message = line["op"], line.get("message")
        if op == "issue" and line["key"] is not None:
            request = line["user"], line["request"]
            if taken.setdefault(request, line["key"]) != line["key"]:
                broken.add("retry_took_a_key")
        if op == "forget":
            forgotten |= {(line["user"], name, line[name]) for name in ("spk", "key")}
        if op == "acknowledge" and message not in answered:
            broken.add("acknowledged_unread")
        if op in ("accept", "refuse"):
            answered.add(message)
        if op == "accept":
            user, spk, key = (sent[message][name] for name in ("recipient", "spk", "key"))
            if message in accepted:
                broken.add("replay_accepted")
            accepted.add(message)
            if key is not None and opened.setdefault((user, key), message) != message:
                broken.add("key_used_twice")
            used = {(user, "spk", spk)} | ({(user, "key", key)} if key is not None else set())
            if used & forgotten:
                broken.add("opened_without_key")
    return sorted(broken)
"""


FAULTS = (
    "replay_accepted",
    "acknowledged_unread",
    "key_used_twice",
    "opened_without_key",
    "retry_took_a_key",
)


def invariants_cases(seed: int) -> list[Case]:
    """Sound histories, and histories with one fault or more put into them."""
    rng = random.Random(f"inbox.invariants {seed}")
    whole = _stories(rng, rng.randint(3, 60), ())
    cases = [Case((_mixed(rng, [story]),), "a sound history of few lines") for story in whole]
    few = _short(rng.randint(3, 60))
    cases += [Case((_mixed(rng, [lines]),), "few lines with a fault") for lines in few]
    cases += [Case((_history(rng, zero),), "a sound history") for zero in (False, True)]
    for zero in (False, True):
        about = "a history with a fault" + ", key number 0" * zero
        cases += [Case((_history(rng, zero, fault),), about) for fault in FAULTS]
    for fault in ("a deleted signed prekey", "a key used with two signed prekeys"):
        cases.append(Case((_history(rng, False, fault),), "a history with a fault"))
    several = [rng.sample(FAULTS, 2) for _ in range(3)] + [list(FAULTS)]
    return cases + [Case((_history(rng, False, *some),), "several faults") for some in several]


def _short(key):
    """A few lines for each fault, and a message that was never answered."""
    seen = [_sent("m1", "bob", None), _deliver("m1")]
    return [
        [*_read("m1", "bob", None), _deliver("m1"), _answer("accept", "m1")],
        [*seen, _answer("acknowledge", "m1")],
        [*seen, _answer("acknowledge", "m1"), _answer("accept", "m1")],
        [*_read("m1", "bob", key), *_read("m2", "bob", key)],
        [_forget("bob", key=key), *_read("m1", "bob", key)],
        [_issue("bob", key, 100), _issue("bob", key + 40, 100)],
    ]


def _history(rng, zero, *faults):
    return _mixed(rng, _stories(rng, 0 if zero else rng.randint(3, 60), faults))


def _mixed(rng, stories):
    """The lines of all stories, each story in its own order, with times."""
    stories, lines = [list(story) for story in stories], []
    while any(stories):
        lines.append(rng.choice([story for story in stories if story]).pop(0))
    time = rng.randint(0, 5000)
    for place, line in enumerate(lines):
        time += rng.randint(1, 900)
        lines[place] = {"t": time, **line}
    return lines


def _stories(rng, key, faults):
    """Lists of lines whose order counts. Bob and Dora have keys with the same numbers."""
    pairs = "a key used with two signed prekeys" in faults
    shared = pairs or "key_used_twice" in faults
    retried = [_issue("bob", key, 100), _issue("bob", key, 100)]
    if "retry_took_a_key" in faults:
        retried[1]["key"] += 40
    first = [*retried, *_read("m2", "bob", key), *_copy("m2")]
    first += [] if shared else [_forget("bob", key=key)]
    seen = [_deliver("m4"), _answer("accept", "m4")]
    noted = [_answer("acknowledge", "m4")]
    early = "acknowledged_unread" in faults
    gone, taken = [_forget("carol", key=key)], _read("m5", "carol", key)
    stories = [
        [_issue("dora", key, 101), *_read("m1", "dora", key), _forget("dora", key=key), *first],
        [*_read("m6", "bob", None, spk=7), _forget("bob", spk=7), *_read("m3", "bob", None)],
        [_sent("m4", "bob", None), *(noted + seen if early else seen + noted)],
        gone + taken if "opened_without_key" in faults else taken + gone,
        [_sent("m8", "bob", None), _deliver("m8"), *_refused("m8", "DecryptionFailed")],
    ]
    if "replay_accepted" in faults:
        stories[1] += [_deliver("m3"), _answer("accept", "m3")]
    if "a deleted signed prekey" in faults:
        stories[2].insert(0, _forget("bob", spk=1))
    if shared:
        stories.append([_issue("bob", key, 102), *_read("m7", "bob", key, spk=1 + pairs)])
    rng.shuffle(stories)
    return stories


def _issue(user, key, request):
    about = {"user": user, "to": "alice", "spk": 1, "key": key, "request": f"r{request}"}
    return {"op": "issue", "at": "server", **about}


def _sent(message, recipient, key, spk=1):
    about = {"message": message, "sender": "alice", "recipient": recipient}
    return {"op": "send", "at": "alice", **about, "spk": spk, "key": key, "first": True}


def _deliver(message):
    return {"op": "deliver", "at": "phone", "message": message}


def _answer(op, message):
    return {"op": op, "at": "phone", "message": message}


def _read(message, recipient, key, spk=1):
    arrived = [_sent(message, recipient, key, spk), _deliver(message)]
    return [*arrived, _answer("accept", message), _answer("acknowledge", message)]


def _refused(message, reason):
    refuse = {"op": "refuse", "at": "phone", "message": message, "reason": reason}
    return [refuse, _answer("acknowledge", message)]


def _copy(message):
    return [_deliver(message), *_refused(message, "OldMessage")]


def _forget(user, spk=None, key=None):
    return {"op": "forget", "at": user, "user": user, "spk": spk, "key": key}


def explain_invariants(case: Case, got) -> str:
    """Which name is missing, and the line that breaks it; or which name is too many."""
    if type(got) is not list or not all(type(name) is str for name in got):
        return "The result is no list of names."
    strange = [name for name in got if name not in FAULTS]
    if strange:
        return f"{strange[0]!r} is none of the five names."
    (history,), made = case.arguments, {}
    exec(INVARIANTS, made)
    right = made["invariants"](history)
    for name in right:
        if name not in got:
            ends = range(1, len(history) + 1)
            end = next(n for n in ends if name in made["invariants"](history[:n]))
            return f"{name} is missing. It is violated at {_line(history, end - 1)}"
    extra = [name for name in got if name not in right]
    return (
        f"{extra[0]} holds in this history"
        if extra
        else "the right names, but not sorted, or one twice"
    )


def _line(history, place):
    """A line in few words, counted from 1."""
    line = history[place]
    names = "message", "user", "spk", "key", "request"
    about = ", ".join(f"{name} {line[name]}" for name in names if line.get(name) is not None)
    return f"line {place + 1} of {len(history)}: {line['op']}, {about}, t {line['t']}"


_ANSWERED = '        if op in ("accept", "refuse"):\n            answered.add(message)\n'
_ACKNOWLEDGED = (
    '        if op == "acknowledge" and message not in answered:\n'
    '            broken.add("acknowledged_unread")\n'
)
_TAKEN = 'taken.setdefault(request, line["key"]) != line["key"]'
_OPENED = "opened.setdefault((user, key), message) != message"
_LOOP = "    for line in history:\n"
_NAMES = "Lesson 19, “Sentences that must always hold”"

_INVARIANTS = Task(
    id="inbox.invariants",
    lesson="19",
    title="Name what a history must never show",
    signature="invariants(history: list) -> list",
    statement=(
        "A history is a list of lines, oldest first. A line is a dictionary with t, op, at and: "
        "issue (user, to, spk, key, request), send (message, sender, recipient, spk, key, first), "
        "deliver, accept, acknowledge (message), refuse (message, reason), forget (user, spk, key: "
        "one of both is None). key is None when there is no one-time key. Here every message is a "
        "first one (first is true), and every request has a number. Return the sorted list "
        "of the invariants that are violated, each name once. replay_accepted: one message was "
        "accepted twice. acknowledged_unread: a message was acknowledged before it was accepted "
        "or refused. key_used_twice: two different messages to one recipient were accepted with "
        "one one-time key. opened_without_key: a message was accepted whose recipient had "
        "forgotten its spk or its key before. retry_took_a_key: one request for one user got two "
        "different one-time keys."
    ),
    why="An invariant is a sentence about all histories; a program can ask it, of a test or a log.",
    points=4,
    minutes=15,
    section=_NAMES,
    modules=(),
    hints=Hints(
        "For each name: what must you remember of the lines before, to judge the next line?",
        "Go through the lines once. Keep three sets (accepted, answered, forgotten) and two dicts.",
        "opened.setdefault((recipient, key), message) gives the first message that used this key.",
    ),
    reference=INVARIANTS,
    cases=invariants_cases,
    explain=explain_invariants,
    mistakes=(
        generic.nothing_returned("invariants", INVARIANTS),
        generic.changed_argument("invariants", INVARIANTS, "arguments[0].clear()"),
        *generic.variants(
            INVARIANTS,
            (
                "a copy that arrives is taken for a copy that is accepted",
                "A message that is delivered twice is called a replay. Delivery twice is normal.",
                "Count accept, not deliver.",
                (
                    "            if message in accepted:\n"
                    '                broken.add("replay_accepted")\n'
                    "            accepted.add(message)\n",
                    "",
                ),
                (
                    '        if op == "acknowledge"',
                    '        if op == "deliver":\n'
                    "            if message in accepted:\n"
                    '                broken.add("replay_accepted")\n'
                    "            accepted.add(message)\n"
                    '        if op == "acknowledge"',
                ),
            ),
            (
                "no key taken for a key",
                "Two messages without one-time key count as two uses of one key, because both "
                "have None.",
                "Ask `key is not None` first.",
                ("if key is not None and opened", "if opened"),
            ),
            (
                "key 0 taken for none",
                "Key 0 counts as no key, because 0 is false in Python.",
                "Ask `key is not None`, not `key`.",
                ("if key is not None and opened", "if key and opened"),
                ("if key is not None else set()", "if key else set()"),
                ('line["key"] is not None', 'line["key"]'),
            ),
            *(
                (
                    f"key 0 taken for none {where}",
                    f"{what}, key 0 counts as no key, because 0 is false in Python.",
                    "Ask `key is not None`, not `key`.",
                    change,
                )
                for where, what, change in (
                    (
                        "among the uses",
                        "Where uses of a key are compared",
                        ("if key is not None and opened", "if key and opened"),
                    ),
                    (
                        "among the forgotten",
                        "Where forgotten keys are looked up",
                        ("if key is not None else set()", "if key else set()"),
                    ),
                    (
                        "among the answers",
                        "Where answers to one request are compared",
                        ('line["key"] is not None', 'line["key"]'),
                    ),
                )
            ),
            (
                "a key counted with its signed prekey",
                "A one-time key counts as another one when its message names another signed "
                "prekey. It is the same private half.",
                "Use the pair of recipient and key number, without spk.",
                ("opened.setdefault((user, key)", "opened.setdefault((user, spk, key)"),
            ),
            (
                "one number space for everybody",
                "A key number counts for all users together. Bob and Dora both have a key with "
                "this number.",
                "Use the pair of recipient and number.",
                ("opened.setdefault((user, key)", "opened.setdefault(key"),
            ),
            (
                "what somebody else forgot",
                "A key that Dora forgot counts as forgotten by Bob.",
                "Keep the user together with the number.",
                ('(line["user"], name, line[name])', "(name, line[name])"),
                (
                    '{(user, "spk", spk)} | ({(user, "key", key)}',
                    '{("spk", spk)} | ({("key", key)}',
                ),
            ),
            (
                "no key taken for a forgotten key",
                "Forgetting a signed prekey leaves key as None in the line. Messages without "
                "one-time key then count as opened without a key.",
                "Ask `key is not None` before you look among the forgotten ones.",
                ('({(user, "key", key)} if key is not None else set())', '{(user, "key", key)}'),
            ),
            (
                "order ignored when forgetting",
                "A key that was forgotten after its message was accepted counts as missing.",
                "Go through the lines in order; look only at what stands before.",
                (
                    _LOOP,
                    "    for line in history:\n"
                    '        if line["op"] == "forget":\n'
                    '            pairs = [(n, line[n]) for n in ("spk", "key")]\n'
                    '            forgotten |= {(line["user"], *pair) for pair in pairs}\n' + _LOOP,
                ),
            ),
            (
                "order ignored when acknowledging",
                "A message that is accepted after its acknowledgement counts as read in time. The "
                "power may fail between the two.",
                "Only an accept or refuse that stands before counts.",
                (
                    _LOOP,
                    "    for line in history:\n"
                    '        if line["op"] in ("accept", "refuse"):\n'
                    '            answered.add(line["message"])\n' + _LOOP,
                ),
            ),
            (
                "a refusal is no answer",
                "Acknowledging a message that was refused counts as a fault. A refusal is an "
                "answer, too.",
                "Both accept and refuse answer a message.",
                ('if op in ("accept", "refuse"):', 'if op == "accept":'),
            ),
            (
                "a replay taken for a second use",
                "One message that is accepted twice counts as two uses of its key, or every "
                "accept does.",
                "Two *different* messages must have the key: compare the messages.",
                (
                    "            if message in accepted:\n",
                    "            if message in accepted:\n"
                    '                broken.add("key_used_twice")\n',
                ),
            ),
            (
                "a repeated answer taken for a second key",
                "A retry that got the same key again counts as a fault. That is how it should be.",
                "Compare the keys; the same key again is sound.",
                (
                    f"            if {_TAKEN}:\n",
                    "            known = request in taken\n"
                    '            taken[request] = line["key"]\n'
                    "            if known:\n",
                ),
            ),
            (
                "the signed prekey forgotten",
                "Only one-time keys are looked up. A message for a deleted signed prekey passes.",
                "Look for the spk of the message among the forgotten ones, too.",
                ('{(user, "spk", spk)} | ', ""),
            ),
            (
                "the one-time key not looked up",
                "Only signed prekeys are looked up. A message whose one-time key was forgotten "
                "passes.",
                "Look for the key of the message among the forgotten ones, too.",
                (' | ({(user, "key", key)} if key is not None else set())', ""),
            ),
            *(
                (
                    f"{name} never found",
                    f"No history gives the name {name}.",
                    cure,
                    ("return sorted(broken)", f'return sorted(broken - {{"{name}"}})'),
                )
                for name, cure in (
                    ("acknowledged_unread", "At each acknowledge: was it answered before?"),
                    ("key_used_twice", "At each accept: who used this key of the recipient?"),
                    ("opened_without_key", "At each accept: was its spk or key forgotten before?"),
                    ("replay_accepted", "At each accept: was this message accepted before?"),
                    ("retry_took_a_key", "At each issue: which key did this request get before?"),
                )
            ),
            (
                "only the first fault",
                "The result ends with the first name. A history can have several faults.",
                "Collect the names, and return all of them.",
                ("return sorted(broken)", "return sorted(broken)[:1]"),
            ),
            (
                "the number of faults",
                "The result is a number. The names say what is broken.",
                "Return the sorted list of names.",
                ("return sorted(broken)", "return len(broken)"),
            ),
        ),
    ),
)

TASKS = (_PROCESS_ONCE, _INVARIANTS)
