"""Tasks of lesson 18: which private halves stay, and a policy from what was measured."""

import random

from x3dhlab.grading.task import Case, Hints, Mistake, Task
from x3dhlab.grading.tasks import generic

# rotation.retain

RETAIN = """
def retain(keys, now, retention):
    kept = []
    for place, key in enumerate(keys):
        newest = place == len(keys) - 1
        if newest or now < keys[place + 1]["made"] + retention:
            kept.append(key["id"])
    return kept
"""


def retain_cases(seed: int) -> list[Case]:
    """Regular and late rotations, the exact end, one key, none, and a clock that was put back."""
    rng = random.Random(f"rotation.retain {seed}")
    every = rng.randint(40, 60)
    first = rng.randint(100, 200)
    start = rng.randint(5, 40)
    regular = _keys(start, [first + every * n for n in range(6)])
    last = first + every * 5
    late = _keys(start, [first, first + 500, first + 500 + every])
    return [
        Case((regular, last + 10, 3 * every), "regular rotation"),
        Case((late, first + 520 + every, 3 * every), "a phone that slept before it rotated"),
        Case((regular, last, 2 * every), "exactly at the end of the retention"),
        Case((regular, last + 9 * every, 2 * every), "a phone that did not rotate for long"),
        Case((regular[:1], first + 900, every), "one key only"),
        Case((regular, last + 20, 0), "a retention of nothing"),
        Case((regular, last + 20, 90 * every), "a long retention"),
        Case((regular, first - 400, 100), "a clock that was put back"),
        Case(([], first, every), "no key"),
    ]


def _keys(start, times):
    return [{"id": number, "made": time} for number, time in enumerate(times, start)]


_STAYS = 'newest or now < keys[place + 1]["made"] + retention'

_RETAIN = Task(
    id="rotation.retain",
    lesson="18",
    title="Which private halves stay",
    signature="retain(keys: list, now: int, retention: int) -> list",
    statement=(
        "`keys` are a phone's signed prekeys, oldest first; each is a dict with `id` and `made`. "
        "All times are hours on the phone's clock. A key is replaced at the moment when the next "
        "one is made. Its private half stays while `now` is before that moment plus `retention`; "
        "the newest key always stays. Return the list of the ids that stay, oldest first."
    ),
    why="Retention begins when a key is replaced, and the published key is never deleted.",
    points=2,
    minutes=7,
    section="Lesson 18, “Who holds which key, and for how long”; X3DH §3.2",
    modules=(),
    hints=Hints(
        "From which moment on can nobody fetch a key any more?",
        "Key number n is replaced when key n + 1 is made. The last one has no successor.",
        'The condition: newest or now < keys[place + 1]["made"] + retention.',
    ),
    reference=RETAIN,
    cases=retain_cases,
    mistakes=(
        generic.nothing_returned("retain", RETAIN),
        generic.changed_argument("retain", RETAIN, "arguments[0].clear()"),
        *generic.variants(
            RETAIN,
            (
                "counted from the making",
                "The retention begins when the key is made. A key that was published for long is "
                "then deleted at the moment of its replacement.",
                'Begin when the next key is made: keys[place + 1]["made"].',
                (_STAYS, 'newest or now < key["made"] + retention'),
            ),
            (
                "the newest goes by age",
                "The newest key is deleted when it is old. It is the one that the server hands "
                "out, so every new message is lost.",
                "The newest key stays whatever its age.",
                (_STAYS, 'now < keys[min(place + 1, len(keys) - 1)]["made"] + retention'),
            ),
            (
                "one hour too long",
                "At the very end of the retention the key still stays.",
                "It stays while now is before the end: use <.",
                ("now < keys", "now <= keys"),
            ),
            (
                "comparison reversed",
                "The old keys stay, and those that late mail needs are deleted.",
                "A key stays while now is before the end of its retention.",
                ("now < keys", "now >= keys"),
            ),
            (
                "kept when older than the retention",
                "What was replaced longer ago than the retention stays, and the rest goes. It is "
                "the other way round.",
                "A key stays while now is before the end of its retention.",
                ("now < keys", "now > keys"),
            ),
            (
                "counted from the newest",
                "The retention of every old key begins when the newest key is made. A key is "
                "replaced by the one after it, not by the newest.",
                'Begin when the next key is made: keys[place + 1]["made"].',
                ("keys[place + 1]", "keys[-1]"),
            ),
            (
                "the deleted ones returned",
                "The result has the ids of the keys that go.",
                "Collect the ids of the keys that stay.",
                (f"if {_STAYS}:", f"if not ({_STAYS}):"),
            ),
            (
                "only the newest",
                "Every old key goes at once, so every message on its way is lost.",
                "An old key stays for the retention after its replacement.",
                (_STAYS, "newest"),
            ),
            (
                "nothing is deleted",
                "Every key stays. A thief of the phone gets all of them.",
                "A key goes when its retention is over.",
                (_STAYS, "True"),
            ),
            (
                "a distance in time",
                "A clock that was put back gives a large distance, and keys are deleted.",
                "Compare the two moments; a negative age is no great age.",
                (
                    'now < keys[place + 1]["made"] + retention',
                    'abs(now - keys[place + 1]["made"]) < retention',
                ),
            ),
            (
                "the oldest kept for the newest",
                "The first key of the list is protected. The list begins with the oldest.",
                "The newest is the last one: place == len(keys) - 1.",
                (
                    _STAYS,
                    'place == 0 or now < keys[min(place + 1, len(keys) - 1)]["made"] + retention',
                ),
            ),
            (
                "the newest left out",
                "The list has no newest key. The server still hands that one out.",
                "The newest key stays too.",
                (_STAYS, 'not newest and now < keys[place + 1]["made"] + retention'),
            ),
            (
                "whole keys returned",
                "The result has the dicts of the keys.",
                'Collect key["id"] only.',
                ('kept.append(key["id"])', "kept.append(key)"),
            ),
            (
                "places returned",
                "The result has the places in the list. Ids do not begin at 0.",
                'Collect key["id"].',
                ('kept.append(key["id"])', "kept.append(place)"),
            ),
            (
                "newest first",
                "The ids are in the reverse order.",
                "Keep the order of `keys`: oldest first.",
                ("return kept", "return kept[::-1]"),
            ),
        ),
        Mistake(
            "the newest asked for its successor",
            generic.replaced(RETAIN, (_STAYS, 'now < keys[place + 1]["made"] + retention')),
            "The newest key has no successor: the list has nothing at place + 1 there.",
            "Let the newest stay before you look at place + 1: `newest or …`. Python reads the "
            "right side only if the left one is false.",
            tell=r"place \+ 1\]",
        ),
    ),
)

# rotation.policy

POLICY = """
def policy(measured, retentions, one_in):
    best = None
    for world in measured:
        for retention in retentions:
            lost = sum(days >= retention for days in world["needed"])
            if lost * one_in > len(world["needed"]):
                continue
            choice = [world["every"], retention]
            if best is None or (sum(choice), -choice[0]) < (sum(best), -best[0]):
                best = choice
    return best
"""


def policy_cases(seed: int) -> list[Case]:
    """One rotation and several, the exact limit, a tie, a long tail, and nothing that fits."""
    rng = random.Random(f"rotation.policy {seed}")
    offered = [0, 1, 2, 4, 7, 14, 30]
    usual = {"every": 2, "needed": _needed(rng, 40, [6, 3])}
    slow = {"every": 14, "needed": _needed(rng, 40, [1])}
    tail = {"every": 7, "needed": _needed(rng, 200, [29, 25, 20, 13, 9])}
    fast = {"every": 1, "needed": _needed(rng, 40, [13, 12, 12])}
    week = {"every": 7, "needed": _needed(rng, 40, [1, 1, 1])}
    tie = [
        {"every": 2, "needed": _needed(rng, 40, [6, 6, 6])},
        {"every": 5, "needed": _needed(rng, 40, [3, 3, 3])},
    ]
    return [
        Case(([usual], offered, 20), "one rotation, and exactly the allowed loss"),
        Case(([usual], offered, 40), "one rotation, and one message may be lost"),
        Case(([usual], offered, 6), "one message in six may be lost"),
        Case(([usual, slow, tail], offered, 20), "three rotations"),
        Case(([slow, tail, usual], [30, 14, 7, 4, 2, 1], 45), "retentions in another order"),
        Case(([fast, week], offered, 40), "a fast rotation whose mail comes late"),
        Case((tie, offered, 40), "two policies with the same life"),
        Case((tie[::-1], offered, 40), "the same two in another order"),
        Case(([tail], offered, 50), "a long tail"),
        Case(([{"every": 2, "needed": _needed(rng, 60, [7, 7])}], [4, 7, 8], 60), "just too short"),
        Case(([tail, usual], [0, 1, 2], 500), "nothing that fits"),
    ]


def _needed(rng, count, late):
    """`count` whole numbers of days: those of `late`, and others that need it for less than one."""
    days = [*late, *((0, -1, 0, -2, -3)[n % 5] for n in range(count - len(late)))]
    rng.shuffle(days)
    return days


_FITS = 'lost * one_in > len(world["needed"])'
_BEST = "(sum(choice), -choice[0]) < (sum(best), -best[0])"

_POLICY = Task(
    id="rotation.policy",
    lesson="18",
    title="A policy from measurements",
    signature="policy(measured: list, retentions: list, one_in: int) -> list",
    statement=(
        "`measured` has a dict for each rotation that was tried: `every` (days between "
        "rotations) and `needed`. That is a list with one number for each first message: how "
        "many whole days after its replacement the private half was needed; negative, if it was "
        "needed before. With a retention of r days all messages are lost whose number is r or "
        "more. Try each of the `retentions` with each rotation. A policy fits if at most one "
        "message in `one_in` is lost, of all in `needed`. Return the fitting [every, retention] "
        "with the smallest sum, because a private half lives for that long. Of equal sums take "
        "the one that rotates less often; if nothing fits, return None."
    ),
    why="Loss is a limit, and the life of a private half is what you then make small.",
    points=3,
    minutes=12,
    section="Lesson 18, “Rotate more often?” and “Choose a policy, and score it”",
    modules=(),
    hints=Hints(
        "Which messages does one pair [every, retention] lose? Count them first.",
        "Two loops give all pairs. Drop those that lose too many; keep the smallest sum.",
        "It fits unless lost * one_in > len(needed). Compare (sum, -every) to settle equal sums.",
    ),
    reference=POLICY,
    cases=policy_cases,
    mistakes=(
        generic.nothing_returned("policy", POLICY),
        generic.changed_argument("policy", POLICY, "arguments[0].clear()"),
        *generic.variants(
            POLICY,
            (
                "needed on the last day",
                "A message that needs the key after exactly r days counts as opened. With r days "
                "the key is gone by then.",
                "Lost is days >= retention.",
                ("days >= retention", "days > retention"),
            ),
            (
                "fewer than one in",
                "A policy with exactly the allowed loss is refused.",
                "It fits while lost * one_in is not more than the number of messages.",
                (_FITS, 'lost * one_in >= len(world["needed"])'),
            ),
            (
                "one message too many",
                "A policy fits that loses one message more than is allowed.",
                "It fits unless lost * one_in is more than the number of messages. No + 1 is "
                "needed, also when the division leaves a rest.",
                (_FITS, 'lost > len(world["needed"]) // one_in + 1'),
            ),
            (
                "the allowed number rounded up",
                "The division left a rest, and the allowed number was rounded up. Then more than "
                "one message in `one_in` is lost.",
                "Compare lost * one_in with the number of messages; nothing is rounded then.",
                (_FITS, 'lost > -(-len(world["needed"]) // one_in)'),
            ),
            (
                "nothing may be lost",
                "Only policies that lose nothing count. With a long tail there may be none.",
                "One message in `one_in` may be lost.",
                (_FITS, "lost"),
            ),
            (
                "the usual message",
                "The average decides. The lost messages are the late ones, not the usual one.",
                "Count the messages whose number is r or more.",
                (_FITS, 'sum(world["needed"]) / len(world["needed"]) >= retention'),
            ),
            (
                "a fixed number of losses",
                "`one_in` counts as a number of messages that may be lost.",
                "It is a share: lost * one_in against the number of messages.",
                (_FITS, "lost > one_in"),
            ),
            (
                "only late messages counted",
                "The share is taken of the messages that needed an old key.",
                "Take it of all messages in `needed`.",
                (_FITS, 'lost * one_in > sum(days >= 0 for days in world["needed"])'),
            ),
            (
                "the shortest retention",
                "The retention alone decides. A key that is published for long lives long too.",
                "Make every + retention small.",
                (_BEST, "choice[1] < best[1]"),
            ),
            (
                "the shortest retention, then the slower rotation",
                "The retention alone decides. A key that is published for long lives long too.",
                "Make every + retention small.",
                (_BEST, "(choice[1], -choice[0]) < (best[1], -best[0])"),
            ),
            (
                "the shortest retention, the last one found",
                "The retention alone decides. A key that is published for long lives long too.",
                "Make every + retention small.",
                (_BEST, "choice[1] <= best[1]"),
            ),
            (
                "the fastest rotation",
                "The fastest rotation wins. It may need a long retention.",
                "Make every + retention small.",
                (_BEST, "choice < best"),
            ),
            (
                "the longest life",
                "The longest life wins, so a stolen private half is good for long.",
                "Take the smallest sum of those that fit.",
                (_BEST, "sum(choice) > sum(best)"),
            ),
            (
                "the first that fits",
                "The search ends at the first policy that fits.",
                "Look at all of them, and keep the best.",
                ("                best = choice", "                return choice"),
            ),
            (
                "equal sums to the faster one",
                "Of two policies with equal life, the one that rotates more often was taken.",
                "For equal sums, compare `every`: the larger one wins.",
                (_BEST, "(sum(choice), choice[0]) < (sum(best), best[0])"),
            ),
            (
                "equal sums to the first",
                "Of two policies with equal life, the first one stays.",
                "For equal sums, compare `every`: the larger one wins.",
                (_BEST, "sum(choice) < sum(best)"),
            ),
            (
                "the longest retention for none",
                "Nothing fits, and yet a policy is returned. Its owner believes that it fits.",
                "Return None when no policy fits.",
                ("return best", 'return best or [measured[0]["every"], max(retentions)]'),
            ),
            (
                "an empty list for none",
                "Nothing fits, and the result is an empty list.",
                "Return None.",
                ("return best", "return best or []"),
            ),
            (
                "order exchanged",
                "The retention stands first.",
                "Return [every, retention].",
                ("return best", "return best and best[::-1]"),
            ),
            (
                "the retention alone",
                "The result is the retention. It is right for one rotation only.",
                "Return both numbers: [every, retention].",
                ("return best", "return best and best[1]"),
            ),
        ),
    ),
)

TASKS = (_RETAIN, _POLICY)
