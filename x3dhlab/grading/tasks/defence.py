"""Tasks of lesson 13, second sitting: an alarm, digits to compare, and a limit for requests."""

import random

from x3dhlab.grading.task import Case, Hints, Step, Task
from x3dhlab.grading.tasks import generic

# defence.pin_and_warn

PIN_AND_WARN = """
def pin_and_warn(state, event):
    what, peer, key = event["what"], event["peer"], event["identity_key"]
    pin, waiting, compared = state.get(peer, [None, None, False])
    answer = "refused"
    if what == "seen" and pin is None:
        pin, answer = key, "pinned"
    elif what == "seen":
        waiting, answer = (waiting, "ok") if key == pin else (key, "alarm")
    elif what == "send" and pin is not None:
        answer = "blocked" if waiting else "compared" if compared else "not compared"
    elif what == "accept" and waiting and key == waiting:
        pin, waiting, compared, answer = key, None, False, "pinned"
    elif what == "compared" and pin and key == pin and not waiting:
        compared, answer = True, "compared"
    return [{**state, peer: [pin, waiting, compared]}, answer]
"""


def pin_and_warn_cases(seed: int) -> list[Case]:
    """A first contact, a change with every way out of it, two people, and keys that come back."""
    rng = random.Random(f"defence.pin_and_warn {seed}")
    a, b, c, d = (rng.randbytes(32) for _ in range(4))
    names = {a: "key 1", b: "key 2", c: "key 3", d: "key 4"}
    scripts = {
        "first contact": ["seen Bob", a, "send Bob", None, "seen Bob", a, "send Bob", None],
        "a stranger": ["send Bob", None, "accept Bob", a, "compared Bob", a],
        "a changed key": ["seen Bob", a, "seen Bob", b, "send Bob", None, "send Bob", None],
        "a change that is accepted": [
            *("seen Bob", a, "seen Bob", b, "accept Bob", b, "send Bob", None),
            *("seen Bob", b, "seen Bob", a, "send Bob", None),
        ],
        "a third key before the answer": [
            *("seen Bob", a, "seen Bob", b, "seen Bob", c, "accept Bob", b, "send Bob", None),
            *("accept Bob", c, "send Bob", None, "seen Bob", c),
        ],
        "the old key comes back": [
            *("seen Bob", a, "seen Bob", b, "seen Bob", a, "send Bob", None),
        ],
        "compared keys": [
            *("seen Bob", a, "compared Bob", a, "send Bob", None, "seen Bob", b),
            *("send Bob", None, "accept Bob", b, "send Bob", None),
            *("compared Bob", b, "send Bob", None),
        ],
        "a comparison that fails": ["seen Bob", a, "compared Bob", b, "send Bob", None],
        "a comparison during an alarm": [
            *("seen Bob", a, "seen Bob", b, "compared Bob", a, "send Bob", None),
            *("accept Bob", b, "send Bob", None),
        ],
        "two people": [
            *("seen Bob", a, "seen Carol", c, "seen Bob", b, "send Carol", None),
            *("send Bob", None, "seen Carol", d, "accept Bob", b, "send Carol", None),
        ],
        "an accepted key that nobody showed": ["seen Bob", a, "accept Bob", b, "seen Bob", a],
        "another key is accepted during an alarm": [
            *("seen Bob", a, "seen Bob", b, "accept Bob", c, "send Bob", None),
            *("accept Bob", a, "send Bob", None),
        ],
    }
    return [_pinned(about, script, names) for about, script in scripts.items()]


def _pinned(about, script, names):
    steps = []
    for words, key in zip(script[::2], script[1::2], strict=True):
        what, peer = words.split()
        event = {"what": what, "peer": peer, "identity_key": key}
        shown = f"{what}, {peer}" + (f", {names[key]}" if key else "")
        steps.append(Step(shown, (event,)))
    return Case(({},), about, {name: key for key, name in names.items()}, tuple(steps))


_SEND = '"blocked" if waiting else "compared" if compared else "not compared"'
_SEEN = '(waiting, "ok") if key == pin else (key, "alarm")'
_MAY = 'what == "accept" and waiting and key == waiting'
_CHECKED = 'what == "compared" and pin and key == pin and not waiting'
_ACCEPT = 'pin, waiting, compared, answer = key, None, False, "pinned"'

_PIN_AND_WARN = Task(
    id="defence.pin_and_warn",
    lesson="13",
    title="Pin a key, and warn when it changes",
    signature="pin_and_warn(state: dict, event: dict) -> list",
    statement=(
        "Return [next state, answer]. The first state is {}; its form is up to you. An event has "
        "`what`, `peer` and `identity_key` (None for send). "
        "seen: this key came for that person. The first one is pinned: answer pinned. The pinned "
        "one again: ok. Another one: alarm; the pin stays, and that key waits (a later one takes "
        "its place). "
        "send: blocked while a key waits; else compared or not compared. A person without a pin: "
        "refused. "
        "accept: the key that waits becomes the pin, not compared yet: pinned. Any other key: "
        "refused. "
        "compared: two people compared their safety numbers, and this is the key that was "
        "confirmed. If it is the pin and no key waits: compared. Else refused. "
        "Change no argument in place."
    ),
    why="A message is not sent to a key that nobody has asked about, and the person accepts the "
    "key that was shown, not the one that came meanwhile.",
    points=4,
    minutes=14,
    section="Lesson 13, “A pin and an alarm”; X3DH §4.1",
    modules=(),
    hints=Hints(
        "What must a phone remember about a person, besides the first key?",
        "Three values for each person: the pin, the key that waits (or None), and whether the pin "
        "was compared. Only `accept` moves the waiting key to the pin.",
        "pin, waiting, compared = state.get(peer, [None, None, False]); then one branch for each "
        "`what`; then [{**state, peer: [pin, waiting, compared]}, answer].",
    ),
    reference=PIN_AND_WARN,
    cases=pin_and_warn_cases,
    mistakes=(
        generic.nothing_returned("pin_and_warn", PIN_AND_WARN),
        generic.changed_argument("pin_and_warn", PIN_AND_WARN, "arguments[1].clear()"),
        *generic.variants(
            PIN_AND_WARN,
            (
                "every key is taken",
                "A new key replaces the pin without a question. The server can exchange it at any "
                "time.",
                "Keep the pin; the new key waits for `accept`.",
                (
                    f"waiting, answer = {_SEEN}",
                    'pin, answer = (pin, "ok") if key == pin else (key, "alarm")',
                ),
            ),
            (
                "a warning that stops nothing",
                "The alarm is raised, and the next message goes out all the same. It is sealed for "
                "a key that nobody has asked about.",
                "While a key waits, the answer to send is blocked.",
                (_SEND, '"compared" if compared else "not compared"'),
            ),
            (
                "blocked once",
                "Only the first message is held back. The person tries again, and it goes.",
                "The key waits until it is accepted; send changes nothing.",
                (
                    f"        answer = {_SEND}\n",
                    f"        answer = {_SEND}\n        waiting = None\n",
                ),
            ),
            (
                "the old key ends the alarm",
                "When the pinned key came again, the alarm was forgotten. A server shows the new "
                "key once, then the old one, and nobody asks.",
                "Only `accept` ends an alarm.",
                (_SEEN, '(None, "ok") if key == pin else (key, "alarm")'),
            ),
            (
                "accepts what came last",
                "The key in the event was not looked at. The person agreed to one key, and another "
                "one that came meanwhile was pinned.",
                "Accept only if the key of the event is the one that waits.",
                (_MAY, 'what == "accept" and waiting'),
                (_ACCEPT, 'pin, waiting, compared, answer = waiting, None, False, "pinned"'),
            ),
            (
                "accepts any key",
                "A key was pinned that never came from anywhere.",
                "Accept only the key that waits.",
                (_MAY, 'what == "accept" and pin is not None'),
            ),
            (
                "accepts any key during an alarm",
                "While a key waited, `accept` took whichever key it was given. It did not compare "
                "the key of the event with the one that waits.",
                "Accept only if the key of the event is the one that waits.",
                (_MAY, 'what == "accept" and waiting'),
            ),
            (
                "accepts strangers",
                "A key of a person who was never seen was pinned by `accept`.",
                "Accept only the key that waits; for a stranger none does.",
                (_MAY, 'what == "accept" and (key == waiting or pin is None)'),
            ),
            (
                "still compared after a change",
                "The new key counts as compared, because the old one was. Nobody has compared it.",
                "A key that is accepted begins as not compared.",
                (_ACCEPT, 'pin, waiting, answer = key, None, "pinned"'),
            ),
            (
                "the alarm stays for ever",
                "After `accept` the key still waits, and every message is blocked.",
                "Accepting clears the waiting key.",
                (_ACCEPT, 'pin, compared, answer = key, False, "pinned"'),
            ),
            (
                "accepting changes no pin",
                "`accept` only ends the alarm. The pin is the old key, so the new one raises the "
                "next alarm.",
                "The accepted key becomes the pin.",
                (_ACCEPT, 'waiting, compared, answer = None, False, "pinned"'),
            ),
            (
                "compared without a look",
                "The person was marked as compared, whichever key was confirmed.",
                "Compare the confirmed key with the pin.",
                (_CHECKED, 'what == "compared" and pin and not waiting'),
            ),
            (
                "compared during an alarm",
                "The old key was confirmed while a new one waits. First somebody has to answer "
                "the alarm.",
                "While a key waits, the answer is refused.",
                (_CHECKED, 'what == "compared" and pin and key == pin'),
            ),
            (
                "the first change waits for ever",
                "A third key did not take the second one's place. Then the person accepts a key "
                "that is old already.",
                "The newest key that came is the one that waits.",
                (_SEEN, '(waiting, "ok") if key == pin else (waiting or key, "alarm")'),
            ),
            (
                "strangers may be written to",
                "A person without a pin got a message. There is no key to seal it for.",
                "Without a pin the answer to send is refused.",
                (
                    ' and pin is not None:\n        answer = "blocked"',
                    ':\n        answer = "blocked"',
                ),
            ),
            (
                "one pin for everybody",
                "All people share one pin. A second person raises an alarm, or an alarm about one "
                "stops letters to the other.",
                "The state has an entry for each person.",
                ('event["peer"]', '"everybody"'),
            ),
            (
                "alarm at first contact",
                "The first key raised an alarm. There is nothing to compare it with.",
                "A person without a pin: pin the key, answer pinned.",
                ('pin, answer = key, "pinned"', 'pin, answer = key, "alarm"'),
            ),
            (
                "pinned again and again",
                "The pinned key gave pinned every time. It was pinned the first time only.",
                "The same key again: ok.",
                (_SEEN, '(waiting, "pinned") if key == pin else (key, "alarm")'),
            ),
            (
                "answer before the state",
                "The two values are in the wrong order.",
                "Return the next state first, then the answer.",
                (
                    "[{**state, peer: [pin, waiting, compared]}, answer]",
                    "[answer, {**state, peer: [pin, waiting, compared]}]",
                ),
            ),
        ),
    ),
)

# fingerprint.safety_number

SAFETY_NUMBER = """
import hashlib

def safety_number(my_id, my_key, their_id, their_key, rounds):
    def half(name, key):
        key = b"\\x05" + key
        value = b"\\x00\\x00" + key + name.encode()
        for _ in range(rounds):
            value = hashlib.sha512(value + key).digest()
        groups = [int.from_bytes(value[at : at + 5], "big") for at in range(0, 30, 5)]
        return "".join(f"{number % 100000:05}" for number in groups)
    return "".join(sorted([half(my_id, my_key), half(their_id, their_key)]))
"""

# Published with libsignal's tests.
_VECTOR = (
    "+14152222222",
    bytes.fromhex("06863bc66d02b40d27b8d49ca7c09e9239236f9d7d25d6fcca5ce13c7064d868"),
    "+14153333333",
    bytes.fromhex("f781b6fb32fed9ba1cf2de978d4d5da28dc34046ae814402b5c0dbd96fda907b"),
    5200,
)


def safety_number_cases(seed: int) -> list[Case]:
    """One round, several, both directions, a name beyond ASCII, zeros in front; the vector."""
    rng = random.Random(f"fingerprint.safety_number {seed}")
    keys = [rng.randbytes(32) for _ in range(8)]
    phones = [f"+1415{rng.randint(1000000, 9999999)}" for _ in range(8)]
    short, several = rng.randint(2, 4), rng.randint(7, 20)
    zeros = _leading_zero(rng)
    return [
        Case((phones[0], keys[0], phones[1], keys[1], 1), "one round"),
        Case((phones[0], keys[0], phones[1], keys[1], short), "some rounds"),
        Case((phones[1], keys[1], phones[0], keys[0], short), "the other phone"),
        Case((phones[2], keys[2], "Zoë", keys[3], several), "a name beyond ASCII"),
        Case((phones[4], keys[4], phones[5], zeros(phones[5]), 1), "a group that begins with 0"),
        Case((phones[6], keys[6], phones[7], keys[6], short), "one key under two names"),
        Case(_VECTOR, "libsignal's published numbers"),
    ]


def _leading_zero(rng):
    space: dict = {}
    exec(SAFETY_NUMBER, space)

    def key_for(name):
        while True:
            key = rng.randbytes(32)
            digits = space["safety_number"](name, key, name, key, 1)[:30]
            if "0" in digits[::5]:
                return key

    return key_for


_HASHED = 'b"\\x00\\x00" + key + name.encode()'

_SAFETY_NUMBER = Task(
    id="fingerprint.safety_number",
    lesson="13",
    title="Sixty digits to compare",
    signature=(
        "safety_number(my_id: str, my_key: bytes, their_id: str, their_key: bytes, rounds: int) "
        "-> str"
    ),
    statement=(
        "For each person, with key = 05 ‖ the 32 bytes of the identity key: begin with "
        "value = 00 00 ‖ key ‖ name (UTF-8). Then `rounds` times: value = SHA-512(value ‖ key). "
        "Take the first 30 bytes of the last value as six big-endian numbers of 5 bytes. Each "
        "modulo 100,000 gives five digits, with zeros in front. That is half a safety number, 30 "
        "digits. Return both halves as one text of 60 digits without spaces, the smaller one "
        "first. `my_id` and `my_key` are one person's, `their_id` and `their_key` the other's; "
        "Signal's apps have 5,200 for `rounds`. Use hashlib of Python's library."
    ),
    why="Both phones compute the same digits, each from the keys that it holds. If the server "
    "gave one of them another key, the digits differ.",
    points=3,
    minutes=12,
    section="Lesson 13, “Sixty digits”",
    modules=(),
    hints=Hints(
        "Write a function for one half first, and call it twice.",
        "The key is hashed at the start and again in every round. Digits come from 30 of the 64 "
        "bytes.",
        'int.from_bytes(value[at : at + 5], "big") % 100000, for at in 0, 5, …, 25; five digits '
        'with f"{number:05}"; then "".join(sorted([one, other])).',
    ),
    reference=SAFETY_NUMBER,
    cases=safety_number_cases,
    mistakes=(
        generic.nothing_returned("safety_number", SAFETY_NUMBER),
        *generic.variants(
            SAFETY_NUMBER,
            (
                "my half first",
                "The halves are in the order of the arguments. The two phones then show different "
                "texts, although nothing is wrong.",
                "Sort the two halves.",
                (
                    "sorted([half(my_id, my_key), half(their_id, their_key)])",
                    "[half(my_id, my_key), half(their_id, their_key)]",
                ),
            ),
            (
                "the larger half first",
                "The larger half stands first. Other programs have it the other way round.",
                "The smaller one first: sorted(…).",
                ("half(their_id, their_key)])", "half(their_id, their_key)], reverse=True)"),
            ),
            (
                "one half only",
                "Only the other person's half is there. Then nobody compares what the other side "
                "has for us.",
                "Both halves: 60 digits.",
                ("[half(my_id, my_key), half(their_id, their_key)]", "[half(their_id, their_key)]"),
            ),
            (
                "raw keys",
                "The keys were hashed without their type byte 05.",
                "key = 05 ‖ 32 bytes, at the start and in every round.",
                ('        key = b"\\x05" + key\n', ""),
            ),
            (
                "no name",
                "The names are not in it. A key under another name then has the same digits.",
                "value = 00 00 ‖ key ‖ name.",
                (_HASHED, 'b"\\x00\\x00" + key'),
            ),
            (
                "name before key",
                "The name stands before the key.",
                "value = 00 00 ‖ key ‖ name.",
                (_HASHED, 'b"\\x00\\x00" + name.encode() + key'),
            ),
            (
                "no version",
                "The two zero bytes of the version are missing.",
                "value begins with 00 00.",
                (_HASHED, "key + name.encode()"),
            ),
            (
                "names exchanged",
                "Each key was hashed with the other person's name.",
                "My name with my key, their name with their key.",
                (
                    "half(my_id, my_key), half(their_id, their_key)",
                    "half(their_id, my_key), half(my_id, their_key)",
                ),
            ),
            (
                "the key at the start only",
                "The rounds hash the value alone. The key belongs into every round.",
                "SHA-512(value ‖ key) in each round.",
                ("hashlib.sha512(value + key)", "hashlib.sha512(value)"),
            ),
            (
                "key before value",
                "The key stands before the value in each round.",
                "SHA-512(value ‖ key).",
                ("hashlib.sha512(value + key)", "hashlib.sha512(key + value)"),
            ),
            (
                "one round too few",
                "There is one round less than asked for.",
                "range(rounds) rounds, each with one SHA-512.",
                ("range(rounds)", "range(rounds - 1)"),
            ),
            (
                "one round too many",
                "There is one round more than asked for.",
                "range(rounds) rounds; the first one hashes 00 00 ‖ key ‖ name ‖ key.",
                ("range(rounds)", "range(rounds + 1)"),
            ),
            (
                "always one round",
                "The number of rounds was not used.",
                "for _ in range(rounds).",
                ("range(rounds)", "range(1)"),
            ),
            (
                "always 5,200 rounds",
                "The number of rounds is the one of Signal's apps, not the argument.",
                "for _ in range(rounds).",
                ("range(rounds)", "range(5200)"),
            ),
            (
                "another hash",
                "The hash is SHA-256. Its 32 bytes give other digits.",
                "hashlib.sha512.",
                ("sha512", "sha256"),
            ),
            (
                "little-endian groups",
                "The numbers were read with the lowest byte first.",
                'int.from_bytes(…, "big").',
                ('"big"', '"little"'),
            ),
            (
                "zeros in front missing",
                "A group with a small number has fewer than five digits, so the text is shorter.",
                "Five digits with zeros in front: :05.",
                ("% 100000:05}", "% 100000}"),
            ),
            (
                "the first five digits",
                "The digits were cut off the front of the number. Wanted is the remainder.",
                "number % 100000.",
                ('f"{number % 100000:05}"', 'f"{number:05}"[:5]'),
            ),
            (
                "digits in groups",
                "Spaces were put between the groups. They are for people to read; wanted are the "
                "60 digits.",
                "Join the groups without spaces.",
                ('return "".join(f"', 'return " ".join(f"'),
            ),
            (
                "spaces between all groups",
                "Spaces were put between all groups, as phones show them. Wanted are the 60 "
                "digits.",
                "Join groups and halves without spaces.",
                ('return "".join(f"', 'return " ".join(f"'),
                ('return "".join(sorted', 'return " ".join(sorted'),
            ),
            (
                "a number for a text",
                "The result is a number. A text that begins with 0 keeps its zeros.",
                "Return the text.",
                (
                    'return "".join(sorted([half(my_id, my_key), half(their_id, their_key)]))',
                    'return int("".join(sorted([half(my_id, my_key), half(their_id, their_key)])))',
                ),
            ),
        ),
    ),
)

# defence.fetch_limit

LEVEL = '''
def level(bucket, size, seconds, now):
    """The credit of a bucket in seconds: it grows with time, up to size × seconds."""
    if bucket is None:
        return size * seconds
    credit, then = bucket
    return min(size * seconds, credit + max(0, now - then))
'''

FETCH_LIMIT = """
def fetch_limit(state, requester, target, now):
    limits = {("pair", requester, target): state["pair"], ("target", target): state["target"]}
    buckets, allowed = dict(state["buckets"]), True
    for name, (size, seconds) in limits.items():
        credit = level(buckets.get(name), size, seconds, now) - seconds
        allowed = allowed and credit >= 0
        buckets[name] = [credit, now]
    return [{**state, "buckets": buckets} if allowed else state, allowed]
"""


def fetch_limit_cases(seed: int) -> list[Case]:
    """Bursts of one and of many requesters, waiting, other targets, and names that run together."""
    rng = random.Random(f"defence.fetch_limit {seed}")
    size, seconds = rng.randint(2, 3), rng.choice((300, 600, 900))
    wide, slow = size + 2, rng.choice((40, 60, 90))
    t = rng.randint(10_000, 90_000)
    state = {"pair": [size, seconds], "target": [wide, slow], "buckets": {}}
    roomy = {"pair": [size, seconds], "target": [50, slow], "buckets": {}}
    narrow = {"pair": [5, 100 * slow], "target": [2, slow], "buckets": {}}
    burst = [("Mallory", "Bob", t)] * (size + 2)
    scripts = [
        ("one requester", roomy, burst),
        ("one requester and two targets", roomy, [*burst, ("Mallory", "Carol", t)]),
        ("two requesters", roomy, [*burst, ("Alice", "Bob", t)]),
        (
            "many requesters for one target",
            state,
            [(f"Mallory {n}", "Bob", t) for n in range(wide + 2)] + [("Alice", "Carol", t)],
        ),
        (
            "one who waits",
            roomy,
            [*burst, ("Mallory", "Bob", t + seconds - 1), ("Mallory", "Bob", t + seconds)]
            + [("Mallory", "Bob", t + seconds + 1), ("Mallory", "Bob", t + 50 * seconds)]
            + [("Mallory", "Bob", t + 50 * seconds)] * size,
        ),
        (
            "one who never stops asking",
            roomy,
            burst + [("Mallory", "Bob", t + n * seconds // 3) for n in range(1, 5)],
        ),
        (
            "refused requests and another target's limit",
            narrow,
            [("Mallory", "Bob", t)] * 4 + [("Mallory", "Bob", t + 5 * slow)] * 4,
        ),
        (
            "many requests of one, few of others",
            state,
            [*burst, ("Alice", "Bob", t), ("Dora", "Bob", t), ("Eve", "Bob", t)],
        ),
        (
            "names that run together",
            {**roomy, "pair": [1, seconds]},
            [("Al", "ice", t), ("Ali", "ce", t), ("Al", "ice", t), ("A l", "ice", t)],
        ),
    ]
    return [_limited(about, *script) for about, *script in scripts]


def _limited(about, state, requests):
    first = requests[0][2]
    steps = tuple(
        Step(f"{who} → {target}, {now - first} s", (who, target, now))
        for who, target, now in requests
    )
    return Case((state,), about, {}, steps)


_CREDIT = "level(buckets.get(name), size, seconds, now) - seconds"
_TAKES = "        buckets[name] = [credit, now]\n"
_STOPS = f"        if not allowed:\n            break\n{_TAKES}"
_KEPT = '{**state, "buckets": buckets}'
_KEEPS = f"{_KEPT} if allowed else state"
_LIMITS = '{("pair", requester, target): state["pair"], ("target", target): state["target"]}'

_FETCH_LIMIT = Task(
    id="defence.fetch_limit",
    lesson="13",
    title="A limit for requests",
    signature="fetch_limit(state: dict, requester: str, target: str, now: int) -> list",
    statement=(
        "May `requester` have a bundle of `target`? Return [next state, True or False]. `now` "
        'counts seconds. `state["pair"]` and `state["target"]` are [size, seconds]: a bucket '
        "has at most `size` tokens, and one comes back after `seconds`. Each requester has a "
        "bucket for each target (`pair`), and each target has one for all requesters together "
        '(`target`). `state["buckets"]` is {} at first; what it holds is up to you. A new '
        "bucket is full. A request is allowed if both buckets have a token; then both lose one. "
        "A refused request takes nothing from either. Given: level(bucket, size, seconds, now), "
        "the credit of a bucket [credit, then] in seconds (a token is worth `seconds`); for None "
        "it is full. Change no argument in place."
    ),
    why="One requester cannot empty a pool, and many together are slowed down. Whoever is refused "
    "loses nothing.",
    points=3,
    minutes=12,
    section="Lesson 13, “Limits”; X3DH §4.7",
    modules=(),
    given=LEVEL,
    hints=Hints(
        "Compute both credits first, and decide before you store anything.",
        "A request costs `seconds` of credit in each bucket. It is allowed if neither falls below "
        "0.",
        'Names such as ("pair", requester, target) and ("target", target) for the buckets; '
        "credit = level(…) - seconds; store [credit, now] in a new dict only if both are ≥ 0.",
    ),
    reference=FETCH_LIMIT,
    cases=fetch_limit_cases,
    mistakes=(
        generic.nothing_returned("fetch_limit", FETCH_LIMIT),
        *generic.variants(
            FETCH_LIMIT,
            (
                "no limit for the target",
                "Only requesters are limited. Many accounts together still empty the pool.",
                "Two buckets for each request: one for the pair, one for the target.",
                (', ("target", target): state["target"]}', "}"),
            ),
            (
                "no limit for the pair",
                "Only the target is limited. One requester takes all its tokens, and everybody "
                "else is refused.",
                "Two buckets for each request: one for the pair, one for the target.",
                ('{("pair", requester, target): state["pair"], ', "{"),
            ),
            (
                "one bucket for a requester",
                "A requester has one bucket for all targets. Whoever asks for several people is "
                "refused too early.",
                "The bucket of a pair is named by requester and target.",
                ('("pair", requester, target)', '("pair", requester)'),
            ),
            (
                "one bucket for all targets",
                "All targets share one bucket. A rush on Bob stops requests for Carol.",
                "The bucket of a target is named by the target.",
                ('("target", target):', '("target",):'),
            ),
            (
                "the limits exchanged",
                "The pair has the target's limit, and the target the pair's.",
                "`pair` is for requester and target together, `target` for the target alone.",
                ('target): state["pair"]', 'target): state["XX"]'),
                ('target): state["target"]', 'target): state["pair"]'),
                ('"XX"', '"target"'),
            ),
            (
                "a refusal costs a token",
                "A refused request took tokens. Whoever keeps asking is never served, and takes "
                "the target's tokens away from others.",
                "Store the new credits only if the request is allowed.",
                (
                    '{**state, "buckets": buckets} if allowed else state',
                    '{**state, "buckets": buckets}',
                ),
            ),
            (
                "half of a refusal",
                "A request that the target's bucket refuses still took a token of the pair.",
                "Decide on both buckets first, then take both tokens or none.",
                (_TAKES, _STOPS),
                (_KEEPS, _KEPT),
            ),
            (
                "a refusal costs the target",
                "A request that the pair's bucket refuses still took a token of the target. One "
                "requester then uses up what is there for everybody.",
                "Decide on both buckets first, then take both tokens or none.",
                ("in limits.items():", "in reversed(limits.items()):"),
                (_TAKES, _STOPS),
                (_KEEPS, _KEPT),
            ),
            (
                "each bucket for itself",
                "When one bucket refuses, the other one still lost a token.",
                "Decide on both buckets first, then take both tokens or none.",
                (_TAKES, "        if credit >= 0:\n            buckets[name] = [credit, now]\n"),
                (_KEEPS, _KEPT),
            ),
            (
                "one too many",
                "A bucket with less than a whole token still gives one.",
                "Allowed if the credit after the request is at least 0.",
                ("credit >= 0", "credit > -seconds"),
            ),
            (
                "the last token kept back",
                "The last token is never given.",
                "Allowed if the credit after the request is at least 0.",
                ("credit >= 0", "credit > 0"),
            ),
            (
                "nothing is taken",
                "The buckets stay full. Every request is allowed.",
                "Store the credit after the request.",
                ("buckets[name] = [credit, now]", "buckets[name] = [credit + seconds, now]"),
            ),
            (
                "nothing comes back",
                "Time adds nothing: after the first burst, requests are refused for ever.",
                "Ask `level` with the time of this request.",
                (_CREDIT, "level(buckets.get(name), size, seconds, 0) - seconds"),
            ),
            (
                "full after every pause",
                "After a pause the bucket is full at once. One token comes back in each `seconds`.",
                "Take the credit that `level` gives.",
                (
                    f"        credit = {_CREDIT}\n",
                    "        bucket = buckets.get(name)\n"
                    "        if bucket and now - bucket[1] >= seconds:\n"
                    "            bucket = None\n"
                    "        credit = level(bucket, size, seconds, now) - seconds\n",
                ),
            ),
            (
                "either bucket is enough",
                "The request was allowed although one of the two buckets was empty.",
                "Both must have a token.",
                ("allowed = allowed and credit >= 0", "allowed = allowed or credit >= 0"),
                ('dict(state["buckets"]), True', 'dict(state["buckets"]), False'),
            ),
            (
                "names joined",
                "Requester and target were joined to one text, so two different pairs have one "
                "bucket.",
                "Keep them apart, for example in a tuple.",
                ('("pair", requester, target)', '("pair", requester + target)'),
            ),
            (
                "a number for the answer",
                "The answer is a number of seconds. Wanted is True or False.",
                "Return True or False.",
                ("else state, allowed]", "else state, credit]"),
            ),
            (
                "refused and allowed exchanged",
                "True was returned for a refused request, and False for an allowed one.",
                "True means that the bundle is handed out.",
                ("else state, allowed]", "else state, not allowed]"),
            ),
        ),
    ),
)

TASKS = (_PIN_AND_WARN, _SAFETY_NUMBER, _FETCH_LIMIT)
