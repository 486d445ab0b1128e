"""Tasks of lesson 11: which messages a stolen state opens, and what a restored state gives away."""

import random
from dataclasses import replace

from x3dhlab.grading.task import Case, Hints, Mistake, Task
from x3dhlab.grading.tasks import generic
from x3dhlab.primitives import AES_256_GCM, seal

# matrix.readable

WALK = '''
def walk(messages):
    """The chain of each message, and the newest chain that each of them has read from."""
    newest, chains = {"Alice": 0, "Bob": -1}, []
    for sender, arrives in messages:
        chains.append(newest[sender] + 1)
        if arrives:
            newest["Bob" if sender == "Alice" else "Alice"] = chains[-1]
    return chains, newest
'''

READABLE = """
def readable(messages, victim, after):
    chains, _ = walk(messages)
    _, newest = walk(messages[:after])
    last = newest[victim] + 2
    found = []
    for number, (sender, arrives) in enumerate(messages, 1):
        unread = sender != victim and not arrives
        if chains[number - 1] <= last and (number > after or unread):
            found.append(number)
    return found
"""


def readable_cases(seed: int) -> list[Case]:
    """Short conversations without loss first; then runs, losses, and a theft before message 1."""
    rng = random.Random(f"matrix.readable {seed}")
    rows = [
        ("A B A B A B", "Alice", 1, "a theft after a message of one's own"),
        ("A B A B A B", "Alice", 2, "a theft after a message that was read"),
        ("A B A B A B", "Bob", rng.choice((3, 5)), "a theft after a message that was read"),
        ("A A B B A A B B A A", "Bob", rng.choice((1, 5)), "several messages in a row"),
        ("A B A A A B A B", "Alice", 4, "several messages in a row"),
        ("A A A A A A", "Alice", rng.randint(1, 4), "no answer at all"),
        ("A B A a A B A B A", "Bob", rng.randint(7, 9), "a lost message, long before"),
        ("A B b B A B A b A B", "Alice", rng.randint(6, 7), "a lost message, long before"),
        ("A A B a A B A", "Bob", 5, "a lost message of the newest chain"),
        ("A B A b A B A", "Alice", 4, "a lost answer, just before"),
        ("A B a A B A B", "Alice", 3, "a lost message of one's own"),
        ("A b A b A B A B A", "Alice", 3, "lost answers"),
        ("A B A B A", rng.choice(("Alice", "Bob")), 0, "a theft before the first message"),
    ]
    rows += [(_script(rng), *_theft(rng), "a conversation drawn by chance") for _ in range(6)]
    return [Case((_messages(script), who, after), about) for script, who, after, about in rows]


def _messages(script):
    names = {"A": "Alice", "B": "Bob"}
    return [[names[letter.upper()], letter.isupper()] for letter in script.split()]


def _script(rng):
    """Twelve messages, one in four lost; Bob writes only after he has read something."""
    letters = []
    for _ in range(12):
        sender = rng.choice("AB") if "A" in letters else "A"
        letters.append(sender if rng.random() < 0.75 else sender.lower())
    return " ".join(letters)


def _theft(rng):
    return rng.choice(("Alice", "Bob")), rng.randint(1, 10)


def explain_readable(case: Case, got) -> str:
    """Say of the first number that is wrong which chain its message belongs to."""
    messages, victim, after = case.arguments
    if type(got) is not list or any(type(number) is not int for number in got):
        return ""
    made: dict = {}
    exec(WALK + READABLE, made)
    chains, _ = made["walk"](messages)
    wrong = set(got) ^ set(made["readable"](messages, victim, after))
    if not wrong or not 1 <= min(wrong) <= len(messages):
        return ""
    number = min(wrong)
    _, newest = made["walk"](messages[:after])
    verb = "does not open" if number in got else "opens"
    return (
        f"the copy {verb} message {number}: it belongs to chain {chains[number - 1]}, and at the "
        f"theft {victim} had read up to chain {newest[victim]}"
    )


_LAST = "newest[victim] + 2"
_UNREAD = "sender != victim and not arrives"
_TEST = "chains[number - 1] <= last and (number > after or unread)"

_KEPT = "Lesson 11, “A key that waits”"
_OF_LOST_ONES = (
    "kept keys forgotten",
    "older chains forgotten",
    "a lost answer before the theft",
    "lost messages of the victim's own",
)
_NAMED = generic.variants(
    READABLE,
    (
        "no healing",
        "Everything after the theft falls. The thief is never shut out.",
        "A chain is closed to the copy when it holds neither private half: newest + 3 and later.",
        (_TEST, "number > after or unread"),
    ),
    (
        "no healing, and kept keys forgotten",
        "Everything after the theft falls, and nothing before it. The thief is never shut out, and "
        "the keys that the phone kept for lost messages are forgotten.",
        "Take the limit, newest + 2, from walk(messages[:after]). Add what was sent to the victim "
        "before the theft and did not arrive.",
        (_TEST, "number > after"),
    ),
    (
        "healed by the answer",
        "The other's next answer counts as safe. It goes to the ratchet key in the copy, so the "
        "thief computes its chain.",
        "The last chain that falls is newest + 2, the answer to the stolen ratchet key.",
        (_LAST, "newest[victim] + 1"),
    ),
    (
        "healed at once",
        "Only the chain that the victim was reading falls. The copy also has the chain for sending "
        "and the private half for the answer.",
        "The last chain that falls is newest + 2.",
        (_LAST, "newest[victim]"),
    ),
    (
        "healed one turn late",
        "A chain with two new ratchet keys counts as stolen.",
        "The last chain that falls is newest + 2.",
        (_LAST, "newest[victim] + 3"),
    ),
    (
        "kept keys forgotten",
        "Messages that were lost before the theft count as safe. The phone keeps their keys until "
        "they come, and the network recorded them.",
        "Add what the other sent to the victim before the theft and what did not arrive.",
        (_TEST, "chains[number - 1] <= last and number > after"),
    ),
    (
        "healed by the answer, lost ones apart",
        "Of the later messages, the other's next answer counts as safe. It goes to the ratchet key "
        "in the copy, so the thief computes its chain.",
        "The last chain that falls is newest + 2, for later messages as for lost ones.",
        (_TEST, f"{_TEST} and (number <= after or chains[number - 1] < last)"),
    ),
    (
        "healed by the answer, and kept keys forgotten",
        "Two things are missing: the other's next answer, on chain newest + 2, and messages to the "
        "victim that were lost before the theft.",
        "The last chain that falls is newest + 2. Add what was sent to the victim before the theft "
        "and did not arrive.",
        (_TEST, "chains[number - 1] < last and number > after"),
    ),
    (
        "a lost answer before the theft",
        "An answer that was lost just before the theft counts as safe. It is on chain newest + 2, "
        "and the copied private half opens this chain from its first message on.",
        "Take what was sent to the victim and never arrived on every chain up to newest + 2.",
        (_TEST, f"{_TEST} and (number > after or chains[number - 1] <= newest[victim])"),
    ),
    (
        "older chains forgotten",
        "Only chains from the newest one on were looked at. The phone also keeps the keys of "
        "messages that are missing on older chains.",
        "A chain has an upper limit only: at most newest + 2.",
        (_TEST, f"newest[victim] <= {_TEST}"),
    ),
    (
        "two chains, and no older ones",
        "Only the chains newest and newest + 1 were looked at. The answer on chain newest + 2 "
        "falls too, and so do messages that are missing on older chains.",
        "A chain has an upper limit only: at most newest + 2.",
        (_LAST, "newest[victim] + 1"),
        (_TEST, f"newest[victim] <= {_TEST}"),
    ),
    (
        "lost means safe",
        "Lost messages count as unreadable. They did not reach the phone; the thief recorded them.",
        "Whether a message arrives does not matter to somebody who records the network.",
        (_TEST, "chains[number - 1] <= last and number > after and arrives"),
    ),
    (
        "the message of the theft",
        "The message right before the theft counts as readable. Its key is gone.",
        "The theft comes after message `after`: number > after.",
        ("number > after", "number >= after"),
    ),
    (
        "one message spared",
        "The first message after the theft is missing.",
        "number > after.",
        ("number > after", "number > after + 1"),
    ),
    (
        "the past falls",
        "Messages that were read before the theft count as readable. Their keys were deleted.",
        "Of the past only those fall that the victim has not read.",
        (_TEST, "chains[number - 1] <= last"),
    ),
    (
        "lost messages of the victim's own",
        "The victim's own lost messages count as readable. A sender keeps no key of what was sent.",
        "Kept keys are for messages of the other side: sender != victim.",
        (_UNREAD, "not arrives"),
    ),
    (
        "only what the victim receives",
        "The victim's own later messages count as safe. The copy has the chain for sending.",
        "Both directions fall as long as the chain number is not above the limit.",
        (_TEST, f"{_TEST} and sender != victim"),
    ),
    (
        "only what the victim sends",
        "The messages to the victim count as safe. The copy has the chain for receiving, and the "
        "private half for the answer.",
        "Both directions fall as long as the chain number is not above the limit.",
        (_TEST, f"{_TEST} and sender == victim"),
    ),
    (
        "the other one's phone",
        "The limit was taken from the person whose phone was not copied.",
        "Use newest[victim].",
        (_LAST, 'newest["Bob" if victim == "Alice" else "Alice"] + 2'),
    ),
    (
        "the message after the theft taken in",
        "The state was taken one message too late.",
        "messages[:after] are the messages up to the theft.",
        ("messages[:after]", "messages[:after + 1]"),
    ),
    (
        "a turn at every change of sender",
        "The chains were counted by who writes, also where a message was lost. A phone turns when "
        "it reads.",
        "Use `walk`: it looks at what arrives.",
        ("walk(messages)", "walk([[sender, True] for sender, _ in messages])"),
        ("walk(messages[:after])", "walk([[sender, True] for sender, _ in messages[:after]])"),
    ),
    (
        "numbers from 0",
        "The messages were numbered from 0.",
        "Message 1 is the first: enumerate(messages, 1).",
        ("found.append(number)", "found.append(number - 1)"),
    ),
    (
        "the safe ones",
        "These are the messages that the thief does not read.",
        "Return the numbers of those that he reads.",
        (f"if {_TEST}", f"if not ({_TEST})"),
    ),
    (
        "yes and no for each message",
        "The result has True and False. Wanted are the numbers.",
        "Append the number of each message that falls.",
        (f"if {_TEST}:\n            found.append(number)", f"found.append({_TEST})"),
    ),
    (
        "senders for numbers",
        "The result has names. Wanted are the numbers of the messages.",
        "Append the number.",
        ("found.append(number)", "found.append(sender)"),
    ),
)
_READABLE_MISTAKES = tuple(
    replace(one, section=_KEPT) if one.name in _OF_LOST_ONES else one for one in _NAMED
)

_READABLE_TASK = Task(
    id="matrix.readable",
    lesson="11",
    title="What a stolen state opens",
    signature="readable(messages: list, victim: str, after: int) -> list",
    statement=(
        '`messages` has [sender, arrives] for each message: "Alice" or "Bob", and whether it '
        "reached the other phone (at once) or was lost. A thief recorded the whole network, and "
        "copied the state of `victim` right after message `after` (0: before the first). Return "
        "the numbers of all messages that he reads, in order; the first message has number 1. "
        "Given: walk(messages) returns the chain number of each message, and a dict with the "
        "newest chain that Alice and Bob have read from."
    ),
    why="A copy opens what the phone could still open, and nothing from the first chain on of "
    "which it holds neither private half.",
    points=4,
    minutes=12,
    section="Lesson 11, “The rule”",
    modules=(),
    given=WALK,
    hints=Hints(
        "What could the phone itself read or write at that moment, and until when is its ratchet "
        "key in use?",
        "With r the newest chain that the victim has read from: chain r + 1 is the victim's own, "
        "chain r + 2 is the answer to it. Chain r + 3 needs a key that was made later.",
        "Message n falls if its chain is at most r + 2, and it comes after the theft, or was sent "
        "to the victim and never arrived.",
    ),
    reference=READABLE,
    cases=readable_cases,
    explain=explain_readable,
    mistakes=(
        generic.nothing_returned("readable", READABLE),
        generic.changed_argument(
            "readable", READABLE, "arguments[0][:] = [m for m in arguments[0] if m[1]]"
        ),
        *_READABLE_MISTAKES,
        Mistake(
            "the end of the conversation",
            READABLE.replace("walk(messages[:after])", "walk(messages)"),
            "The limit was taken from the state at the end, not from the state at the theft.",
            "walk(messages[:after]) gives what they had read at the theft.",
            tell=r"newest\)? = walk\w*\(messages\)|walk\w*\(messages\)\[1\]",
        ),
    ),
)

# attack.rollback_xor

XOR = """
def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))
"""

ROLLBACK = """
def rollback_xor(recorded, known):
    keystreams, texts = {}, []
    for message, text in zip(recorded, known):
        longest = keystreams.get((message["DH"], message["N"]), b"")
        if text is not None and len(text) >= len(longest):
            keystreams[message["DH"], message["N"]] = xor(message["sealed"], text)
    for message, text in zip(recorded, known):
        keystream = keystreams.get((message["DH"], message["N"]))
        if text is None and keystream is not None:
            text = xor(message["sealed"][:-16], keystream)
        texts.append(text)
    return texts
"""
_TEXTS = (
    b"yes, I will come on Friday",
    b"no",
    b"the code of the door is 4711",
    b"please delete the file today",
    b"I have told nobody about it",
    b"meet me at the north gate at nine",
    b"ok",
    b"do not trust the new driver",
)


def rollback_cases(seed: int) -> list[Case]:
    """A restored state after one message, the order turned round, other chains, three copies."""
    rng = random.Random(f"attack.rollback_xor {seed}")
    long = b"meet me at the north gate"
    return [
        _rollback(rng, "two messages after one state", [(0, 0)] * 2, [True, False], [long, b"no"]),
        _rollback(rng, "the later one is known", [(0, 0)] * 2, [False, True], [long, b"ok"]),
        _rollback(
            rng,
            "a state that was two messages old",
            [(0, 0), (0, 1), (0, 2), (0, 1), (0, 2), (0, 3)],
            [False, True, True, False, False, False],
        ),
        _rollback(
            rng,
            "the same number in another chain",
            [(0, 0), (1, 0), (0, 1), (1, 0), (1, 1), (0, 0)],
            [True, True, False, False, False, False],
        ),
        _rollback(rng, "restored twice", [(0, 4), (0, 4), (0, 5), (0, 4)], [False, True, True, 0]),
        _rollback(
            rng,
            "two known texts under one key",
            [(0, 0)] * 4 + [(1, 0)] * 3,
            [True, True, False, False, True, True, False],
            [b"no", long, long, long, long, b"ok", long],
        ),
        _rollback(rng, "nothing restored", [(0, 0), (0, 1), (1, 0)], [True, False, False]),
    ]


def _rollback(rng, about, names, shown, said=None):
    chains, keys, recorded = [rng.randbytes(32) for _ in range(2)], {}, []
    said = said or rng.choices(_TEXTS, k=len(names))
    texts = [text + b" %d" % rng.randint(10, 99) for text in said]
    for (chain, number), text in zip(names, texts, strict=True):
        key = keys.setdefault((chain, number), rng.randbytes(32))
        sealed = seal(key, text, b"", aead=AES_256_GCM)
        recorded.append({"DH": chains[chain], "N": number, "sealed": sealed})
    known = [text if yes else None for text, yes in zip(texts, shown, strict=True)]
    return Case((recorded, known), about)


def explain_rollback(case: Case, got) -> str:
    """Say of the first text that is wrong what stands there."""
    recorded, known = case.arguments
    if type(got) is not list or len(got) != len(known):
        return ""
    made: dict = {}
    exec(XOR + ROLLBACK, made)
    for number, (text, right) in enumerate(
        zip(got, made["rollback_xor"](recorded, known), strict=True)
    ):
        if text != right:
            wanted = "None" if right is None else f"{len(right)} bytes"
            found = f"{len(text)} bytes" if type(text) is bytes else repr(text)
            return f"entry {number}: wanted {wanted}, got {found}"
    return ""


_NAME = 'message["DH"], message["N"]'
_RIGHT = 'xor(message["sealed"][:-16], keystream)'

_ROLLBACK_MISTAKES = generic.variants(
    ROLLBACK,
    (
        "the tag taken for text",
        "The last 16 bytes of a sealed message are its tag. They went into the XOR as if they were "
        "text.",
        'Cut them off: message["sealed"][:-16].',
        (_RIGHT, 'xor(message["sealed"], keystream)'),
    ),
    (
        "paired by number alone",
        "Two messages with one number were paired although their ratchet keys differ. Each chain "
        "counts from 0.",
        "The same key was used where DH and N are both equal.",
        (f"keystreams[{_NAME}]", 'keystreams[message["N"]]'),
        (f"({_NAME})", 'message["N"]'),
    ),
    (
        "paired by number alone, the first known text",
        "Two messages with one number were paired although their ratchet keys differ. Each chain "
        "counts from 0.",
        "The same key was used where DH and N are both equal; of its known texts take the longest.",
        (f"keystreams[{_NAME}]", 'keystreams[message["N"]]'),
        (f"({_NAME})", 'message["N"]'),
        ("len(text) >= len(longest)", "not longest"),
    ),
    (
        "paired by number alone, the last known text",
        "Two messages with one number were paired although their ratchet keys differ. Each chain "
        "counts from 0.",
        "The same key was used where DH and N are both equal; of its known texts take the longest.",
        (f"keystreams[{_NAME}]", 'keystreams[message["N"]]'),
        (f"({_NAME})", 'message["N"]'),
        ("if text is not None and len(text) >= len(longest)", "if text is not None"),
    ),
    (
        "paired by chain alone",
        "Two messages of one chain were paired although their numbers differ. Each number has its "
        "own key.",
        "The same key was used where DH and N are both equal.",
        (f"keystreams[{_NAME}]", 'keystreams[message["DH"]]'),
        (f"({_NAME})", 'message["DH"]'),
    ),
    (
        "one keystream for all",
        "One keystream was used for every message, whatever its header says.",
        "The same key was used where DH and N are both equal.",
        (f"keystreams[{_NAME}]", "keystreams[0]"),
        (f"({_NAME})", "0"),
    ),
    (
        "the keystream for the text",
        "The keystream stands where the text belongs.",
        "The text is ciphertext ⊕ keystream.",
        (_RIGHT, "keystream"),
    ),
    (
        "the ciphertext with its own text",
        "The known text was joined with the other ciphertext. Its own ciphertext gives the "
        "keystream first.",
        "keystream = ciphertext ⊕ text of the same message.",
        ('= xor(message["sealed"], text)', "= text"),
    ),
    (
        "the xor of the ciphertexts",
        "This is the XOR of two ciphertexts, which is the XOR of the two texts. One of them is "
        "known, so go one step further.",
        "second text = c1 ⊕ c2 ⊕ first text.",
        ('= xor(message["sealed"], text)', '= message["sealed"]'),
    ),
    (
        "only backwards in time",
        "A keystream was used only for messages that come later. The known one may be the later.",
        "Collect all keystreams first, then go through the messages again.",
        (
            f'            keystreams[{_NAME}] = xor(message["sealed"], text)\n'
            "    for message, text in zip(recorded, known):\n",
            f'            keystreams[{_NAME}] = xor(message["sealed"], text)\n',
        ),
    ),
    (
        "only the first of a pair",
        "The keystream was thrown away after its first use. A state may be restored twice.",
        "Keep it for every message with the same DH and N.",
        ("keystream = keystreams.get((", "keystream = keystreams.pop(("),
        (f"({_NAME}))", f"({_NAME}), None)"),
    ),
    (
        "the first known text of a key",
        "Two texts under one key are known, and only the first was used. The longer one reaches "
        "further.",
        "Keep the longest keystream of each key.",
        ("len(text) >= len(longest)", "not longest"),
    ),
    (
        "the last known text of a key",
        "Two texts under one key are known, and only the last was used. The longer one reaches "
        "further.",
        "Keep the longest keystream of each key.",
        ("if text is not None and len(text) >= len(longest)", "if text is not None"),
    ),
    (
        "known texts left out",
        "The texts that were known are missing in the result.",
        "Return one entry for each message: the known texts too.",
        ("        texts.append(text)", "        texts.append(text if keystream else None)"),
        (
            "if text is None and keystream is not None",
            "if text is not None:\n            keystream "
            "= None\n        elif keystream is not None",
        ),
    ),
    (
        "empty bytes for unknown",
        "Where nothing can be computed, the result has empty bytes. Wanted is None.",
        "Leave None where no message with the same key is known.",
        ("texts.append(text)", 'texts.append(text or b"")'),
    ),
    (
        "only what was found",
        "The result has the new texts only. Wanted is one entry for each message, in order.",
        "Append an entry for each message.",
        ("        texts.append(text)", "            texts.append(text)"),
    ),
    (
        "text for bytes",
        "The texts were decoded. Wanted are bytes.",
        "Leave the bytes as they are.",
        ("texts.append(text)", "texts.append(text and text.decode('latin-1'))"),
    ),
    (
        "filled with zeros",
        "Where the known text ended, zeros were taken as keystream, so the end of the text is "
        "ciphertext.",
        "Go as far as the keystream is known: for the length of the known text only.",
        (_RIGHT, 'xor(message["sealed"][:-16], keystream.ljust(len(message["sealed"]), bytes(1)))'),
    ),
)

_NEIGHBOUR = """
def rollback_xor(recorded, known):
    texts = list(known)
    for place in range(1, len(recorded)):
        one, two = recorded[place - 1], recorded[place]
        same = (one["DH"], one["N"]) == (two["DH"], two["N"])
        if same and texts[place] is None and known[place - 1] is not None:
            keystream = xor(one["sealed"], known[place - 1])
            texts[place] = xor(two["sealed"][:-16], keystream)
    return texts
"""
_NEIGHBOUR_MISTAKES = tuple(
    Mistake(
        name,
        source,
        "Only the message right before was used. The one with the same key may stand anywhere, "
        "also later.",
        "Collect the keystreams of all known texts first, then go through the messages again.",
    )
    for name, source in (
        ("only the message before", _NEIGHBOUR),
        ("only the message before, step by step", _NEIGHBOUR.replace("known[place", "texts[place")),
    )
)

_ROLLBACK_TASK = Task(
    id="attack.rollback_xor",
    lesson="11",
    title="What a restored state gives away",
    signature="rollback_xor(recorded: list, known: list) -> list",
    statement=(
        "`recorded` has the messages of one phone as they crossed the network, each a dict with DH "
        "(the ratchet key in the header), N (the number in its chain) and sealed (ciphertext, then "
        "a tag of 16 bytes). Key and nonce come from the message key, and ciphertext = text ⊕ "
        "keystream. The phone was restored from old states. `known` has the text of each message, "
        "or None. Return a list like `known`, with every text in it that can be computed, as far "
        "as the longest known text of the same key reaches. Given: xor(a, b), up to the shorter of "
        "the two."
    ),
    why="Equal headers say that a key was used twice, and one known text opens the others.",
    points=4,
    minutes=12,
    section="Lesson 11, “A state put back”",
    modules=(),
    given=XOR,
    hints=Hints(
        "How can you see from the headers that two messages were sealed with one key?",
        "A known text gives the keystream of its message: ciphertext ⊕ text.",
        "Collect keystreams by (DH, N), the longest of each. Then text = sealed[:-16] ⊕ keystream, "
        "up to the shorter.",
    ),
    reference=ROLLBACK,
    cases=rollback_cases,
    explain=explain_rollback,
    mistakes=(
        generic.nothing_returned("rollback_xor", ROLLBACK),
        generic.hex_for_bytes("rollback_xor", ROLLBACK),
        generic.changed_argument("rollback_xor", ROLLBACK, "arguments[1][:] = value"),
        *_ROLLBACK_MISTAKES,
        *_NEIGHBOUR_MISTAKES,
    ),
)

TASKS = (_READABLE_TASK, _ROLLBACK_TASK)
