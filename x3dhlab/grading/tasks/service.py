"""Tasks of lesson 17: SQL that hands out a key once, keys that went out twice, and a limit."""

import functools
import random

from x3dhlab.grading.task import Case, Hints, Mistake, Step, Task, Witness
from x3dhlab.grading.tasks import generic
from x3dhlab.worlds import takers
from x3dhlab.worlds.history import line

# store.take_atomically

CHOOSE = '''
CHOOSE = """SELECT identifier FROM one_time_prekeys
WHERE name = :name ORDER BY identifier LIMIT 1"""
'''

TAKE = '''
def take_atomically(dialect):
    lock = " FOR UPDATE SKIP LOCKED" if dialect == "postgresql" else ""
    return [
        f"""DELETE FROM one_time_prekeys
        WHERE name = :name AND identifier = ({CHOOSE}{lock})
        RETURNING identifier, prekey"""
    ]
'''


def take_cases(seed: int) -> list[Case]:
    """Both dialects; which one comes first depends on the seed."""
    dialects = takers.DIALECTS if seed % 2 else takers.DIALECTS[::-1]
    names = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
    return [Case((dialect,), f"two takers on {names[dialect]}") for dialect in dialects]


def take_objection(case: Case, value) -> str:
    """Run the statements of two takers in every order. "" if no order is wrong."""
    if type(value) is str:
        return "That is one text. Wanted is a list of texts."
    if type(value) is not list or not all(type(text) is str for text in value):
        raise TypeError("a list of statements")
    if not 0 < len(value) <= takers.MOST:
        return f"There are {len(value)} statements; the checker runs 1 to {takers.MOST}."
    found = _objection(case.arguments[0], tuple(value))
    return f"{found} {_UNDONE}" if " without COMMIT" in found else found


_UNDONE = "When the connection closes, what is not committed is undone."
_objection = functools.lru_cache(maxsize=256)(takers.objection)

_TWO_STEPS = """
def take_atomically(dialect):
    look = CHOOSE.replace("identifier", "identifier, prekey", 1)
    delete = "DELETE FROM one_time_prekeys WHERE name = :name AND identifier = :identifier"
    return [look, delete]
"""
_STEPS = "return [look, delete]"
_LOCK = '" FOR UPDATE SKIP LOCKED" if dialect == "postgresql" else ""'
_BEGIN = '"BEGIN IMMEDIATE" if dialect == "sqlite" else "BEGIN"'
_STEPS_ON_SQLITE = (
    "if dialect == 'sqlite':\n        return ['BEGIN IMMEDIATE', look, delete, 'COMMIT']"
)
_LOOKS = 'look + " FOR UPDATE" if dialect == "postgresql" else look'

_TAKE_ATOMICALLY = Task(
    id="store.take_atomically",
    lesson="17",
    title="One key, one taker",
    signature="take_atomically(dialect: str) -> list",
    statement=(
        "Return a list of one to five SQL statements that take one of a user's one-time prekeys "
        "out of the table one_time_prekeys (name, identifier, prekey). `dialect` is “sqlite” or "
        "“postgresql”. The statements are sent one by one, each as it stands; a text holds one "
        "statement. They may use :name, the user, and :identifier and :prekey of the row that an "
        "earlier statement gave. The last statement that gives columns must give identifier and "
        "prekey: its row is handed out; no row means no key. The connection is closed "
        "afterwards, and what is not committed is undone. Two takers run at once, in every order; "
        "nobody tries again. Both get a key of their own while there are keys, and a key that was "
        "handed out is gone. Given: CHOOSE, the query for the oldest key."
    ),
    why="The database decides who gets a row. Whatever stands in the program, between its "
    "statements another taker can come.",
    points=4,
    minutes=12,
    section="Lesson 17, “Every order” and “One step”; X3DH §3.3",
    modules=(),
    given=CHOOSE,
    hints=Hints(
        "Where can the other taker come between? Let that place not exist.",
        "One statement that chooses, deletes and returns. On PostgreSQL the choice must also "
        "lock its row, or pass over rows that are locked.",
        "DELETE FROM one_time_prekeys WHERE name = :name AND identifier = (the query) RETURNING "
        "identifier, prekey; for PostgreSQL the query ends with FOR UPDATE SKIP LOCKED.",
    ),
    reference=TAKE,
    cases=take_cases,
    witness=Witness("statements with which every order of two takers is right", take_objection),
    mistakes=(
        generic.nothing_returned("take_atomically", TAKE),
        Mistake(
            "looked, then deleted",
            _TWO_STEPS,
            "Both look before one of them deletes, and both hand out the same key. The second "
            "deletion finds nothing, and nobody asks.",
            "Choose and delete in one statement, and hand out what that statement returns.",
        ),
        *generic.variants(
            _TWO_STEPS,
            (
                "BEGIN as a lock",
                "BEGIN locks nothing. On PostgreSQL both transactions see the key; on SQLite "
                "both read, and the second one may not write any more.",
                "One statement. Or a lock before looking: BEGIN IMMEDIATE on SQLite, FOR UPDATE "
                "on PostgreSQL.",
                (_STEPS, 'return ["BEGIN", look, delete, "COMMIT"]'),
            ),
            (
                "an isolation level as a lock",
                "REPEATABLE READ ends the second taker with an error. No key goes out twice, and "
                "somebody who only asked gets nothing; nobody tries again here.",
                "Lock the row when you choose it, with FOR UPDATE or FOR UPDATE SKIP LOCKED.",
                (
                    _STEPS,
                    'begin = "BEGIN IMMEDIATE" if dialect == "sqlite" else '
                    '"BEGIN ISOLATION LEVEL REPEATABLE READ"\n'
                    '    return [begin, look, delete, "COMMIT"]',
                ),
            ),
            (
                "COMMIT forgotten",
                "The transaction is never committed. When the connection closes, the deletion is "
                "undone, and the key goes out again.",
                "End with COMMIT; a single statement commits by itself.",
                (_STEPS, f"return [{_BEGIN}, {_LOOKS}, delete]"),
            ),
            (
                "COMMIT forgotten on PostgreSQL",
                "The transaction is never committed. When the connection closes, the deletion is "
                "undone, and the key goes out again.",
                "End with COMMIT; a single statement commits by itself.",
                (_STEPS, f"{_STEPS_ON_SQLITE}\n    return ['BEGIN', {_LOOKS}, delete]"),
            ),
            (
                "deleted only if it is still there",
                "The deletion tells whether it found the key, so none goes out twice. But the "
                "loser gets nothing, although other keys are there, and nobody tries again.",
                "Choose inside the statement that deletes.",
                (_STEPS, 'return [look, delete + " RETURNING identifier, prekey"]'),
            ),
            (
                "the next key handed out",
                "One key is deleted, and the row that is handed out is another one: a query "
                "after the deletion finds the next key.",
                "Hand out what the deletion returns: RETURNING.",
                (
                    _STEPS,
                    'return [look.replace(", prekey", ""), delete, look]',
                ),
            ),
        ),
        *generic.variants(
            TAKE,
            (
                "no lock on PostgreSQL",
                "On PostgreSQL the second taker chose the same key, waits for it, and finds it "
                "deleted. It gets nothing, although other keys are there.",
                "End the inner query with FOR UPDATE SKIP LOCKED on PostgreSQL.",
                (_LOCK, '""'),
            ),
            (
                "PostgreSQL's words on SQLite",
                "SQLite does not know FOR UPDATE. It has no locks of rows: one writer locks the "
                "whole database.",
                "Leave the words out when `dialect` is sqlite.",
                (_LOCK, '" FOR UPDATE SKIP LOCKED"'),
            ),
            (
                "the user forgotten in the choice",
                "The oldest number of all users was chosen. It need not be one of this user's.",
                "WHERE name = :name belongs into the inner query, too.",
                ("({CHOOSE}{lock})", "({CHOOSE.replace('WHERE name = :name ', '')}{lock})"),
            ),
            (
                "the user forgotten in the deletion",
                "Numbers belong to a user. The deletion also took another user's key with the "
                "same number.",
                "WHERE name = :name AND identifier = (…).",
                ("WHERE name = :name AND identifier", "WHERE identifier"),
            ),
            (
                "all keys deleted",
                "All keys of the user are deleted for one request.",
                "Add AND identifier = (the query for one number).",
                (" AND identifier = ({CHOOSE}{lock})", ""),
            ),
            (
                "only the number returned",
                "The number alone is returned. Alice needs the key.",
                "RETURNING identifier, prekey.",
                ("RETURNING identifier, prekey", "RETURNING identifier"),
            ),
            (
                "nothing handed out",
                "The key is deleted, and nobody gets it: the statement returns no row.",
                "End it with RETURNING identifier, prekey.",
                ("RETURNING identifier, prekey", ""),
            ),
            (
                "marked as used",
                "The table has no column for that, and a key that is only marked can still be "
                "found.",
                "Delete the row.",
                ("DELETE FROM one_time_prekeys", "UPDATE one_time_prekeys SET used = TRUE"),
            ),
            (
                "LIMIT in the deletion",
                "DELETE knows no LIMIT in PostgreSQL, and in SQLite only if it was built that way.",
                "Choose in an inner query, which may have ORDER BY and LIMIT.",
                (
                    "WHERE name = :name AND identifier = ({CHOOSE}{lock})",
                    "WHERE name = :name LIMIT 1",
                ),
            ),
            (
                "a text for a list",
                "One text came back. Wanted is a list of texts, also for one statement.",
                "Put the statement into a list.",
                ("return [\n        f", "return (\n        f"),
                ('"""\n    ]', '"""\n    )'),
            ),
        ),
    ),
)

# store.detect_double_issue

DETECT = """
def detect_double_issue(history):
    requests = {}
    for line in history:
        if line["op"] == "issue" and line["key"] is not None:
            seen = requests.setdefault((line["user"], line["key"]), [])
            if line["request"] not in seen:
                seen.append(line["request"])
    return [[user, key, seen] for (user, key), seen in requests.items() if len(seen) > 1]
"""


def detect_cases(seed: int) -> list[Case]:
    """Sound days, retries, two users, dry pools, messages that name keys, three takers, repeats."""
    rng = random.Random(f"store.detect_double_issue {seed}")
    first, spk = rng.randint(10, 900), rng.randint(2, 9)
    a, b, c, d = (f"r{number}" for number in rng.sample(range(100, 999), 4))

    def told(*rows):
        clock, found = rng.randint(1000, 9000), []
        for op, *fields in rows:
            clock += rng.randint(5, 4000)
            found.append(_OPS[op](clock, spk, first, *fields))
        return found

    scripts = {
        "a sound day": [("publish", "Bob", 2), ("issue", "Alice", 0, a), ("issue", "Carol", 1, b)],
        "one key for two": [
            *(("publish", "Bob", 2), ("issue", "Alice", 0, a), ("issue", "Carol", 0, b)),
            ("issue", "Dora", 1, c),
        ],
        "a request that was repeated": [
            *(("issue", "Alice", 0, a), ("issue", "Alice", 0, a), ("issue", "Carol", 1, b)),
        ],
        "a repeated request, then another one": [
            *(("issue", "Alice", 0, a), ("issue", "Alice", 0, a), ("issue", "Carol", 0, b)),
            ("issue", "Carol", 0, b),
        ],
        "one person, two requests": [("issue", "Alice", 0, a), ("issue", "Alice", 0, b)],
        "an empty pool": [("issue", "Alice", None, a), ("issue", "Carol", None, b)],
        "two users with one number": [
            *(("issue", "Alice", 0, a), ("issue", "Bob", 0, b, "Carol")),
        ],
        "messages that name a key": [
            *(("issue", "Alice", 0, a), ("send", "Alice", 0, 1), ("send", "Alice", 0, 2)),
            ("issue", "Carol", 1, b),
        ],
        "three people": [
            *(("issue", "Alice", 0, a), ("issue", "Carol", 0, b), ("issue", "Dora", 0, c)),
        ],
        "two keys, mixed": [
            *(("issue", "Alice", 1, a), ("issue", "Carol", 0, b), ("issue", "Dora", 0, c)),
            *(("issue", "Alice", 2, d), ("issue", "Eve", 1, "r1")),
        ],
        "a key that goes out again before an earlier one does": [
            *(("issue", "Alice", 0, a), ("issue", "Carol", 1, b)),
            *(("issue", "Dora", 1, c), ("issue", "Eve", 0, d)),
        ],
        "a key that was published again": [
            *(("publish", "Bob", 2), ("issue", "Alice", 0, a), ("publish", "Bob", 2)),
            ("issue", "Carol", 0, b),
        ],
        "no line": [],
    }
    return [Case((told(*rows),), about) for about, rows in scripts.items()]


def _issue(t, spk, first, to, place, request, user="Bob"):
    key = None if place is None else first + place
    return line(t, "issue", "server", user=user, to=to, spk=spk, key=key, request=request)


def _publish(t, spk, first, user, count):
    return line(t, "publish", user, user=user, spk=spk, keys=list(range(first, first + count)))


def _send(t, spk, first, sender, place, message):
    names = {"message": message, "sender": sender, "recipient": "Bob"}
    return line(t, "send", sender, spk=spk, key=first + place, first=True, **names)


_OPS = {"issue": _issue, "publish": _publish, "send": _send}
_NEW = 'if line["request"] not in seen:\n                seen.append(line["request"])'
_RESULT = "[[user, key, seen] for (user, key), seen in requests.items() if len(seen) > 1]"

_PEOPLE = """
def detect_double_issue(history):
    requests, people = {}, {}
    for line in history:
        if line["op"] == "issue" and line["key"] is not None:
            key = (line["user"], line["key"])
            people.setdefault(key, set()).add(line["to"])
            seen = requests.setdefault(key, [])
            if line["request"] not in seen:
                seen.append(line["request"])
    return [[*key, seen] for key, seen in requests.items() if len(people[key]) > 1]
"""
_ROWS = """
def detect_double_issue(history):
    requests, rows = {}, []
    for line in history:
        if line["op"] == "issue" and line["key"] is not None:
            seen = requests.setdefault((line["user"], line["key"]), [])
            new = line["request"] not in seen
            if new:
                seen.append(line["request"])
            if len(seen) == 2:
                rows.append([line["user"], line["key"], seen])
    return rows
"""

_DETECT = Task(
    id="store.detect_double_issue",
    lesson="17",
    title="Which keys went out twice?",
    signature="detect_double_issue(history: list) -> list",
    statement=(
        "`history` is a list of dicts, oldest first; each has t, op and at. An issue line has "
        "user (whose key), to (who asked), spk, key (the number of the one-time key, or None for "
        "an empty pool) and request (a number that a client gives to a request, and repeats when "
        "it asks again because no answer came). Other lines may name keys, too; they hand out "
        "nothing. Return a list with [user, key, requests] for each one-time key that went out "
        "for more than one request, in the order in which the keys first went out; requests are "
        "in order, each once."
    ),
    why="What no program prevents can still be found, if issues and their requests are written "
    "down.",
    points=3,
    minutes=9,
    section="Lesson 17, “What a history tells”; X3DH §3.3",
    modules=(),
    hints=Hints(
        "What makes two issues of one number harmless?",
        "A number belongs to a user; a repeated request is the same request; None is no key.",
        'Collect the requests in a dict under (line["user"], line["key"]), each request once.',
    ),
    reference=DETECT,
    cases=detect_cases,
    mistakes=(
        generic.nothing_returned("detect_double_issue", DETECT),
        generic.changed_argument(
            "detect_double_issue", DETECT, "arguments[0] and arguments[0].pop()"
        ),
        *generic.variants(
            DETECT,
            (
                "repeated requests counted",
                "A request that was repeated counts as a second one. The server may give the "
                "same answer to the same request; that is what the number is for.",
                "Add a request to the list only if it is not in it.",
                (_NEW, 'seen.append(line["request"])'),
            ),
            (
                "people for requests",
                "Issues were told apart by who asked. One person can get one key for two "
                "requests; then two sessions share it.",
                "Compare the request numbers.",
                ('line["request"] not in seen', 'line["to"] not in seen'),
                ('seen.append(line["request"])', 'seen.append(line["to"])'),
            ),
            (
                "one list for each person",
                "Requests were collected for each person apart, and a person is not a request. "
                "Two people who got one key stand in two lists.",
                'Collect under user and number; `line["to"]` is not needed.',
                ('(line["user"], line["key"])', '(line["user"], line["key"], line["to"])'),
                ("for (user, key), seen", "for (user, key, _), seen"),
            ),
            (
                "no user",
                "The key's number alone was compared. Two users may have the same number.",
                "Keep the requests under user and number together.",
                ('(line["user"], line["key"])', 'line["key"]'),
                (
                    _RESULT,
                    '[["Bob", key, seen] for key, seen in requests.items() if len(seen) > 1]',
                ),
            ),
            (
                "an empty pool as a key",
                "None counts as a key. It means that the pool was empty.",
                "Leave out lines whose key is None.",
                (' and line["key"] is not None', ""),
            ),
            (
                "messages counted",
                "Lines that are no issues were counted. A sender names the key in each message "
                "until an answer comes.",
                'Look at lines with op == "issue" only.',
                ('(line["user"], line["key"])', '(line.get("user", "Bob"), line["key"])'),
                ('line["op"] == "issue" and line["key"]', 'line.get("key")'),
                (
                    'if line["request"] not in seen:\n                seen.append(line["request"])',
                    'if line.get("request", line["t"]) not in seen:\n'
                    '                seen.append(line.get("request", line["t"]))',
                ),
            ),
            (
                "the signed prekey",
                "The number of the signed prekey was compared. Everybody gets that one.",
                'Compare line["key"].',
                ('(line["user"], line["key"])', '(line["user"], line["spk"])'),
            ),
            (
                "every key",
                "Keys that went out once are in the list, too.",
                "Only keys with more than one request.",
                (" if len(seen) > 1", ""),
            ),
            (
                "one too many",
                "A key with exactly two requests is missing.",
                "More than one request: len(seen) > 1.",
                ("len(seen) > 1", "len(seen) > 2"),
            ),
            (
                "only the first key",
                "The search stopped at the first key that went out twice.",
                "Collect all of them.",
                (_RESULT, f"{_RESULT}[:1]"),
            ),
            (
                "only neighbours",
                "Only lines that follow each other were compared.",
                "Keep the requests of all keys that were seen.",
                (
                    "            seen = requests",
                    '            now = (line["user"], line["key"])\n'
                    "            requests = {k: v for k, v in requests.items()"
                    " if k == now or len(v) > 1}\n"
                    "            seen = requests",
                ),
            ),
            (
                "the last two requests",
                "Of three requests only two are named.",
                "Name all requests of the key.",
                ("[user, key, seen]", "[user, key, seen[-2:]]"),
            ),
            (
                "a count for the requests",
                "The number of requests came back. Wanted are the requests themselves.",
                "Put the list of requests into the row.",
                ("[user, key, seen]", "[user, key, len(seen)]"),
            ),
            (
                "sorted by number",
                "The rows are sorted by number. Wanted is the order in which the keys first went "
                "out.",
                "A dict keeps the order in which its keys came.",
                (_RESULT, f"sorted({_RESULT})"),
            ),
            (
                "forgotten when published again",
                "A new upload of the same numbers made the earlier issues forgotten.",
                "Lines other than issues change nothing.",
                (
                    '        if line["op"] == "issue"',
                    '        if line["op"] == "publish":\n            requests = {}\n'
                    '        if line["op"] == "issue"',
                ),
            ),
        ),
        Mistake(
            "people counted",
            _PEOPLE,
            "People were counted, and a person is not a request. One person can get one key for "
            "two requests; then two sessions share it.",
            'Count the requests of each key; `line["to"]` is not needed.',
        ),
        *generic.variants(
            _ROWS,
            (
                "a row added twice",
                "A row is added at each line at which a key has two requests. A repeated request "
                "is such a line, and the row is added again.",
                "Make the rows after the loop, when the list of each key is complete.",
            ),
            (
                "a row for each further request",
                "A row is added at each request after the first: a key with three requests has "
                "two rows.",
                "Make the rows after the loop, when the list of each key is complete.",
                ("len(seen) == 2", "new and len(seen) > 1"),
            ),
            (
                "a row at each step",
                "A row is added at each request after the first, with the requests until then.",
                "Make the rows after the loop, when the list of each key is complete.",
                ("len(seen) == 2", "new and len(seen) > 1"),
                ('line["key"], seen]', 'line["key"], seen[:]]'),
            ),
            (
                "in the order of the second requests",
                "The rows stand in the order in which the keys went out for the second time.",
                "Make the rows after the loop: a dict keeps the order in which its keys came.",
                ("len(seen) == 2", "new and len(seen) == 2"),
            ),
        ),
    ),
)

# service.rate_limit

RATE_LIMIT = """
def rate_limit(state, event):
    now, wait, buckets = event["now"], 0, dict(state["buckets"])
    for number, rule in enumerate(state["rules"]):
        if rule["what"] not in (event["what"], "any"):
            continue
        bucket = (number, *(event[field] for field in rule["by"]))
        full = rule["size"] * rule["seconds"]
        credit, then = buckets.get(bucket, (full, now))
        later = max(then, now)
        credit = min(full, credit + later - then) - rule["seconds"]
        wait = max(wait, later - now - credit if credit < 0 else 0)
        buckets[bucket] = (credit, later)
    if wait > 0:
        return [state, {"status": 429, "retry_after": wait}]
    return [{**state, "buckets": buckets}, {"status": 200}]
"""


def rate_limit_cases(seed: int) -> list[Case]:
    """One rule, several, several kinds of requests, waiting, names that run together, clocks."""
    rng = random.Random(f"service.rate_limit {seed}")
    size, seconds, t = rng.randint(2, 3), rng.choice((300, 600)), rng.randint(10_000, 90_000)
    wide, slow = size + 2, rng.choice((40, 60))
    pair = {"what": "fetch", "by": ["from", "to"], "size": size, "seconds": seconds}
    target = {"what": "fetch", "by": ["to"], "size": wide, "seconds": slow}
    sends = {"what": "send", "by": ["from"], "size": size, "seconds": 10}
    whole = {"what": "any", "by": ["from"], "size": wide + 1, "seconds": 30}
    everybody = {"what": "publish", "by": [], "size": 2, "seconds": slow}
    minute = {"what": "fetch", "by": ["to"], "size": 1, "seconds": 60}
    ask = ("fetch", "Mallory", "Bob", 0)
    burst = [ask] * (size + 2)
    scripts = [
        ("a third of a minute", [minute], [ask, ("fetch", "Mallory", "Bob", 20)]),
        ("one rule", [pair], burst),
        ("one rule and two targets", [pair], [*burst, ("fetch", "Mallory", "Carol", 0)]),
        ("one rule and two requesters", [pair], [*burst, ("fetch", "Alice", "Bob", 0)]),
        (
            "a rule for the target",
            [pair, target],
            [("fetch", f"Mallory {n}", "Bob", n) for n in range(wide + 2)]
            + [("fetch", "Alice", "Carol", wide + 2)],
        ),
        (
            "one who waits",
            [pair],
            [*burst, ("fetch", "Mallory", "Bob", seconds - 1)]
            + [("fetch", "Mallory", "Bob", seconds)] * 2
            + [("fetch", "Mallory", "Bob", 50 * seconds)] * (size + 1),
        ),
        (
            "one who never stops asking",
            [pair, target],
            burst + [("fetch", "Mallory", "Bob", n * seconds // 3) for n in range(1, 5)],
        ),
        (
            "two kinds of requests",
            [pair, sends],
            [*burst, *[("send", "Mallory", "Bob", 0)] * (size + 1), ("read", "Mallory", "Bob", 0)],
        ),
        (
            "a rule for all requests",
            [pair, sends, whole],
            [("send", "Alice", "Bob", 0)] * size
            + [("fetch", "Alice", "Bob", 1)] * size
            + [("read", "Alice", "Bob", 2)] * 3,
        ),
        (
            "refused by one rule of two",
            [{**pair, "size": 5}, {**target, "size": 2}],
            [ask] * 4 + [("fetch", "Mallory", "Bob", 5 * slow)] * 3,
        ),
        (
            "a rule for everybody together",
            [everybody],
            [("publish", name, name, n) for n, name in enumerate(("Alice", "Bob", "Carol"))],
        ),
        (
            "names that run together",
            [{**pair, "size": 1}],
            [("fetch", "Al", "ice", 0), ("fetch", "Ali", "ce", 0), ("fetch", "Al", "ice", 1)],
        ),
        (
            "refused by two rules",
            [{**pair, "size": 1}, {**target, "size": 1}],
            [ask, ("fetch", "Mallory", "Bob", 1), ("fetch", "Alice", "Bob", 2)],
        ),
        (
            "a clock that goes back",
            [{**pair, "size": 2}],
            [ask, ("fetch", "Mallory", "Bob", -seconds), ask]
            + [("fetch", "Mallory", "Bob", n) for n in (seconds - 1, seconds, seconds + 1)],
        ),
        (
            "refused while the clock is back",
            [{**pair, "size": 1}],
            [("fetch", "Mallory", "Bob", n) for n in (0, -seconds // 6, seconds - 1, seconds)],
        ),
        ("an answer that was not kept", [{**pair, "size": 1}], [ask, (*ask, True)]),
    ]
    return [_limited(about, rules, t, events) for about, rules, events in scripts]


def _limited(about, rules, t, events):
    """A case of these events. One with `True` at its end gets the state of the one before."""
    steps = tuple(
        Step(
            f"{what}, {who} → {target}, {after} s",
            ({"what": what, "from": who, "to": target, "now": t + after},),
            bool(again),
        )
        for what, who, target, after, *again in events
    )
    return Case(({"rules": rules, "buckets": {}},), about, {}, steps)


def _wait_explained(case, got):
    """What one wait says of how tokens are counted: as floats, or whole."""
    last = got[-1][1] if got else None
    wait = last.get("retry_after") if type(last) is dict else None
    if case.about == "a third of a minute" and wait in (39, 41):
        return _NO_THIRD
    rule = case.arguments[0]["rules"][-1]
    return _LOST if case.about == "a rule for the target" and wait == rule["seconds"] - 1 else ""


_LOST = "the seconds before the last request that was allowed are lost; they are part of a token"
_NO_THIRD = "one second off. No float is exactly a third of a token; count in whole seconds"
_FILLS = "credit + later - then"
_WAIT = "wait = max(wait, later - now - credit if credit < 0 else 0)"
_KEEPS = "        buckets[bucket] = (credit, later)\n"
_REFUSES = 'return [state, {"status": 429, "retry_after": wait}]'
_KNOWN = 'if rule["what"] not in (event["what"], "any"):'

_WHOLE = generic.replaced(
    RATE_LIMIT,
    ('        full = rule["size"] * rule["seconds"]\n', ""),
    (
        "credit, then = buckets.get(bucket, (full, now))",
        'tokens, then = buckets.get(bucket, (rule["size"], now))',
    ),
    ("later = max(then, now)", 'back = max(0, now - then) // rule["seconds"]'),
    (
        f'credit = min(full, {_FILLS}) - rule["seconds"]',
        'tokens = min(rule["size"], tokens + back) - 1',
    ),
    (_WAIT, 'wait = max(wait, then + rule["seconds"] - now if tokens < 0 else 0)'),
    (_KEEPS, "        buckets[bucket] = (tokens, now)\n"),
)
_WHOLE_SAID = (
    "Whole tokens were counted: `//` drops the seconds after the last whole token, and storing "
    "`now` forgets them. Part of a token comes back, too.",
    "Count in seconds, as the task says: a full bucket has size * seconds, a request costs "
    "`seconds`.",
)

_RATE_LIMIT = Task(
    id="service.rate_limit",
    lesson="17",
    title="The rules of a service",
    signature="rate_limit(state: dict, event: dict) -> list",
    statement=(
        "Return [next state, decision]. An event has `what`, `from`, `to` and `now` (whole "
        'seconds). `state["rules"]` is a list of rules: `what` (the kind of request, or “any” for '
        "every kind), `by` (names of fields of the event), `size` and `seconds`. A rule has one "
        "bucket for each combination of the values of these fields (an empty list: one bucket "
        "for everybody). A bucket begins full with `size` tokens; one comes back after `seconds`, "
        "gradually, and never more than `size`. A request needs a token from every rule that "
        'fits it, and takes all of them or none. Decision: {"status": 200}, or {"status": 429, '
        '"retry_after": s} with the smallest number of seconds after which this request would be '
        "allowed. A clock that goes back gives no token, and takes none: nothing comes back until "
        "it is where it was, and `retry_after` counts this time, too. All numbers are whole: count "
        'in seconds, a token is `seconds` of them. state["buckets"] is {} at first; what it holds '
        "is up to you. Change no argument in place, and nothing inside one."
    ),
    why="The server says when it is worth asking again, and whoever is refused loses nothing.",
    points=4,
    minutes=14,
    section="Lesson 17, “Limits of a service”; X3DH §4.7",
    modules=(),
    hints=Hints(
        "Compute what is left in all buckets first, and decide when the last rule has spoken.",
        "Count what a bucket has in seconds: a full one has size × seconds, a request costs "
        "`seconds`. What is missing below 0 is the time to wait.",
        'bucket = (number, *(event[field] for field in rule["by"])); later = max(then, now); '
        'left = min(full, left + later - then) - rule["seconds"]; if it is below 0, wait '
        "later - now - left.",
    ),
    reference=RATE_LIMIT,
    explain=_wait_explained,
    cases=rate_limit_cases,
    mistakes=(
        generic.nothing_returned("rate_limit", RATE_LIMIT),
        generic.changed_argument("rate_limit", RATE_LIMIT, "arguments[1].clear()"),
        *generic.variants(
            RATE_LIMIT,
            (
                "a refusal costs a token",
                "A refused request took tokens. Whoever keeps asking is never served, and takes "
                "the target's tokens away from others.",
                "Return the old state with a refusal.",
                (_REFUSES, _REFUSES.replace("[state,", '[{**state, "buckets": buckets},')),
            ),
            (
                "a refusal costs some tokens",
                "The rules that had a token took it, although another rule refused. A request "
                "takes all tokens or none.",
                "Write nothing until every rule has spoken; return the old state with a refusal.",
                (_REFUSES, _REFUSES.replace("[state,", '[{**state, "buckets": buckets},')),
                (_KEEPS, f"        if credit >= 0:\n    {_KEEPS}"),
            ),
            (
                "written before all rules have spoken",
                "A dict inside the state was changed in place, and before all rules had spoken. "
                "So a refused request costs a token as well.",
                'Work on a copy: dict(state["buckets"]). A copy of the outer dict shares what is '
                "inside.",
                ('dict(state["buckets"])', 'state["buckets"]'),
            ),
            (
                "the old buckets changed",
                'state["buckets"] was changed in place. Whoever could not save the new state, and '
                "goes on with the old one, has paid.",
                'Work on a copy: dict(state["buckets"]). A copy of the outer dict shares what is '
                "inside.",
                (
                    'return [{**state, "buckets": buckets}, {"status": 200}]',
                    'state["buckets"].update(buckets)\n    return [state, {"status": 200}]',
                ),
            ),
            (
                "tokens as floats",
                "Parts of a token were counted as floats, and no float is exactly a third. So the "
                "wait is a second too long.",
                "Count in whole seconds: a full bucket has size * seconds, a request costs "
                "`seconds`.",
                ('full = rule["size"] * rule["seconds"]', 'full = rule["size"]'),
                (
                    'credit + later - then) - rule["seconds"]',
                    'credit + (later - then) / rule["seconds"]) - 1',
                ),
                ("later - now - credit", 'later - now - int(credit * rule["seconds"] // 1)'),
            ),
            (
                "the first rule decides",
                "The search ended at the first rule that fits. Later rules never count.",
                "Every rule that fits must give a token.",
                (_KEEPS, f"{_KEEPS}        break\n"),
            ),
            (
                "the last rule decides",
                "The wait of the last rule replaced the others. A rule that refuses is forgotten.",
                "Keep the longest wait: max(wait, what this rule asks for).",
                (_WAIT, "wait = later - now - credit if credit < 0 else 0"),
            ),
            (
                "the shortest wait",
                "The wait is the shortest of all rules. After it another rule still refuses.",
                "Every rule must have a token: take the longest wait.",
                (_WAIT, "wait = min(wait or 10**9, later - now - credit) if credit < 0 else wait"),
            ),
            (
                "always the whole time",
                "The wait is the time of a whole token, although a part of it has passed.",
                "Only what is missing of the token has to come back.",
                (_WAIT, 'wait = max(wait, rule["seconds"] if credit < 0 else 0)'),
            ),
            (
                "all kinds of requests",
                "A rule for one kind of request counted the others as well.",
                "Leave out rules whose `what` is neither the event's nor “any”.",
                (f"        {_KNOWN}\n            continue\n", ""),
            ),
            (
                "rules for all left out",
                "Rules with “any” were passed over.",
                "“any” fits every event.",
                (_KNOWN, 'if rule["what"] != event["what"]:'),
            ),
            (
                "one bucket for two rules",
                "Two rules with the same values share a bucket. Their sizes differ.",
                "The number of the rule belongs to the name of the bucket.",
                ("bucket = (number, *(", "bucket = (*("),
                ('rule["by"]))', 'rule["by"]),)'),
            ),
            (
                "names joined",
                "The values were joined to one text, so that different pairs share a bucket.",
                "Keep the values apart, as in a tuple.",
                (
                    'bucket = (number, *(event[field] for field in rule["by"]))',
                    'bucket = (number, "".join(event[field] for field in rule["by"]))',
                ),
            ),
            (
                "only the requester",
                "Every rule counted by requester, whatever stands in `by`.",
                "Take the fields that `by` names.",
                ('for field in rule["by"]', 'for field in ["from"]'),
            ),
            (
                "one too many",
                "A bucket with less than a whole token still gives one.",
                "Refuse when the bucket would be below 0 after the request.",
                ("    if wait > 0:", '    if wait >= min(r["seconds"] for r in state["rules"]):'),
            ),
            (
                "the last token kept back",
                "The last token is never given.",
                "A bucket that is exactly empty after the request is right.",
                ("- credit if credit < 0", "+ 1 - credit if credit < 1"),
            ),
            (
                "nothing comes back",
                "Time adds nothing: after the first burst everything is refused for ever.",
                "What a bucket has grows with the seconds since its last request.",
                (_FILLS, "credit"),
            ),
            (
                "more than full",
                "A bucket grows beyond its size. After a quiet night, one person may empty a pool.",
                "min(full, …).",
                (f"min(full, {_FILLS})", f"({_FILLS})"),
            ),
            (
                "a clock taken at its word",
                "The clock went back, and tokens were taken away for it.",
                "max(0, now - then): time that goes backwards counts as none.",
                ("later = max(then, now)", "later = now"),
            ),
            (
                "the clock's way back not waited for",
                "A bucket gets nothing while the clock is behind the time of its last request. "
                "The wait does not count this time, so the client comes too early.",
                "Add what the clock lacks: max(0, then - now).",
                (_WAIT, "wait = max(wait, -credit)"),
            ),
            (
                "a clock set back and forth",
                "The clock went back, its time was stored, and when it came right again the same "
                "time gave tokens twice.",
                "Store the later of the two times.",
                ("(credit, later)", "(credit, now)"),
            ),
            (
                "nothing is taken",
                "The buckets stay full, and every request is allowed.",
                "Store what the bucket has after the request.",
                ("buckets[bucket] = (credit,", 'buckets[bucket] = (credit + rule["seconds"],'),
            ),
            (
                "a number for the decision",
                "The decision is a number. Wanted is a dict with the status.",
                'Return {"status": 200}, or {"status": 429, "retry_after": wait}.',
                ('{"status": 429, "retry_after": wait}', "429"),
                ('{"status": 200}', "200"),
            ),
            (
                "no time to wait",
                "The refusal does not say when to come back. Clients then ask again at once.",
                "Add retry_after.",
                (', "retry_after": wait', ""),
            ),
        ),
        *generic.variants(
            _WHOLE,
            ("tokens counted whole", *_WHOLE_SAID),
            (
                "whole tokens, with the later time stored",
                *_WHOLE_SAID,
                ("(tokens, now)", "(tokens, max(then, now))"),
            ),
            (
                "whole tokens, and a clock taken at its word",
                *_WHOLE_SAID,
                ("max(0, now - then)", "(now - then)"),
            ),
            (
                "whole tokens, and the whole time",
                "Tokens and waits were counted whole: `//` drops the seconds that have passed "
                "since the last token, and the wait forgets them.",
                _WHOLE_SAID[1],
                ("max(0, now - then) //", "(now - then) //"),
                ('then + rule["seconds"] - now if', 'rule["seconds"] if'),
            ),
        ),
    ),
)

TASKS = (_TAKE_ATOMICALLY, _DETECT, _RATE_LIMIT)
