"""Tasks of lesson 21: numbers from a history of first messages, and a cause from evidence."""

import random

from x3dhlab.grading.task import Case, Hints, Mistake, Task
from x3dhlab.grading.tasks import generic
from x3dhlab.worlds import incidents
from x3dhlab.worlds.evidence import everything
from x3dhlab.worlds.network import DAY, HOUR

# incident.metrics

METRICS = """
def metrics(history):
    about, accepted, reasons = {}, set(), {}
    for line in history:
        number = line.get("request", line.get("message"))
        if "version" in line:
            about[number] = line["version"]
        if line["op"] == "accept":
            accepted.add(number)
        if line["op"] == "refuse" and number not in reasons:
            reasons[number] = line["reason"]
    lost = [number for number in reasons if number not in accepted]
    counts, versions = {}, {}
    for number in lost:
        counts[reasons[number]] = counts.get(reasons[number], 0) + 1
    for number, version in about.items():
        row = versions.setdefault(version, [0, 0])
        row[0] += number in lost
        row[1] += 1
    return {"tried": len(about), "lost": len(lost), "reasons": counts, "versions": versions}
"""

_READ, _LOST, _COPY = "read", "lost", "read, and a second copy refused"
_AGAIN, _EXPIRED, _WRITER = "refused first, read later", "refused by the service", "by the app"
_WAY, _TWICE, _OTHER = "on its way", "refused twice", "refused for two reasons"


def metrics_cases(seed: int) -> list[Case]:
    """Histories of one to six messages, then the first days of a whole fleet."""
    rng = random.Random(f"incident.metrics {seed}")
    rows = [
        [_READ],
        [_LOST, _READ],
        [_EXPIRED, _READ],
        [_WRITER, _READ, _READ],
        [_COPY, _LOST],
        [_AGAIN, _READ],
        [_WAY, _READ],
        [_TWICE, _READ],
        [_OTHER, _LOST],
        [_LOST, _EXPIRED, _WRITER, _COPY, _WAY, _TWICE],
        [],
    ]
    cases = [Case((_history(rng, row),), ", ".join(row) or "no message") for row in rows]
    found = incidents.generate(rng.randrange(10**6))
    history = incidents.run(found.rules, found.plan)[:200]
    return [*cases, Case((history,), "the first days of a fleet")]


def _history(rng, fates):
    """Lines as the worlds write them, for messages with these fates; oldest first."""
    lines, first = [], rng.randint(10, 99)
    for place, fate in enumerate(fates):
        lines += _story(rng, first + place, fate, place)
    return sorted(lines, key=lambda line: line["t"])


def _story(rng, number, fate, place):
    t, version = rng.randint(1, 9) * HOUR + place, ("7.1", "7.2")[place % 2]
    user, writer = f"p{rng.randint(0, 9)}", f"s{number}"
    about = {"version": version, "app": "7.1", "region": rng.choice(incidents.REGIONS)}
    about |= {"queue": rng.choice(incidents.QUEUES)}

    def refused(at, time, reason):
        return {"t": time, "op": "refuse", "at": at, "message": number, "reason": reason}

    unknown, missing = incidents.SIGNED_PREKEY_UNKNOWN, incidents.ONE_TIME_KEY_MISSING
    if fate == _EXPIRED:
        return [refused("server", t, unknown) | {"user": user} | about]
    key = None if fate == _WRITER else rng.randint(2, 40)
    names = {"user": user, "to": writer, "spk": 1, "key": key, "request": number}
    lines = [{"t": t, "op": "issue", "at": "server"} | names | about]
    if fate == _WRITER:
        return [*lines, refused(writer, t, missing)]
    names = {"sender": writer, "recipient": user, "spk": 1, "key": key, "first": True}
    lines.append({"t": t, "op": "send", "at": writer, "message": number} | names)
    if fate == _WAY:
        return lines
    ends = {
        _READ: ["accept"],
        _LOST: [unknown],
        _COPY: ["accept", incidents.REPLAY],
        _AGAIN: [incidents.OTHER, "accept"],
        _TWICE: [unknown, unknown],
        _OTHER: [unknown, missing],
    }[fate]
    for turn, end in enumerate(ends):
        then = t + DAY + turn * HOUR
        lines.append({"t": then, "op": "deliver", "at": user, "message": number})
        read = {"t": then, "op": "accept", "at": user, "message": number}
        lines.append(read if end == "accept" else refused(user, then, end))
    return lines


_IN_ABOUT = '        if "version" in line:\n'
_LOST_ONES = "    lost = [number for number in reasons if number not in accepted]\n"

_METRICS = Task(
    id="incident.metrics",
    lesson="21",
    title="Numbers that tell causes apart",
    signature="metrics(history: list) -> dict",
    statement=(
        "The history is a list of lines, each a dict with t, op and at, oldest first. `op` is the "
        "kind of a line: publish, rotate, forget, recover, issue, send, deliver, accept or refuse. "
        "A first message has a number: `request` in an issue line, `message` in a send, deliver, "
        "accept or refuse; the other four have none. The line that has a `version` (the reader's: "
        'an issue, or a refuse at "server") says that the message was tried. Return {"tried": '
        'how many, "lost": how many were refused and never accepted, "reasons": reason of the '
        'first refusal → number of lost messages, "versions": version → [lost, tried]}. A message '
        "counts once, however often it comes. No reason and no version stands there with nothing "
        "to count, and no name stands there at all."
    ),
    why="A lost message counts once, under its reason, and beside the number that were tried.",
    points=3,
    minutes=12,
    section="Lesson 21, “What to log”",
    modules=(),
    hints=Hints(
        "Which lines of one message can come twice? What must be known before a refusal counts?",
        "First read the whole history: version, first reason and acceptance of each number. Then "
        "count.",
        "lost = [number for number in reasons if number not in accepted]",
    ),
    reference=METRICS,
    cases=metrics_cases,
    mistakes=(
        generic.nothing_returned("metrics", METRICS),
        generic.changed_argument("metrics", METRICS, "arguments[0].append({})"),
        *generic.variants(
            METRICS,
            (
                "accepted messages counted as lost",
                "A message that was read counts as lost, because a copy of it was refused.",
                "Leave out every number that has an accept line, before or after the refusal.",
                (
                    "    lost = [number for number in reasons if number not in accepted]\n",
                    "    lost = list(reasons)\n",
                ),
            ),
            (
                "the last reason",
                "The last refusal gives the reason. The first one tells what happened first.",
                "Set the reason only where the number has none yet.",
                (" and number not in reasons", ""),
            ),
            (
                "refusals of the service left out",
                "A request that the service refuses is not counted as tried: it has no issue line.",
                "Take the version from every line that has one.",
                (_IN_ABOUT, '        if line["op"] == "issue":\n'),
            ),
            (
                "only what was sent",
                "Only sent messages count as tried. Those that the app or the service refused "
                "never were sent, and are lost.",
                "A message was tried when a line has its version.",
                (
                    '"tried": len(about)',
                    '"tried": len({x["message"] for x in history if x["op"] == "send"})',
                ),
            ),
            (
                "shares for counts",
                "The versions have a share. Three lost of four, and 300 of 400, are then one.",
                "Give both numbers: [lost, tried].",
                (
                    '"versions": versions}',
                    '"versions": {v: 100 * row[0] // row[1] for v, row in versions.items()}}',
                ),
            ),
            (
                "lost and read",
                "The versions have [lost, read]. A message on its way is neither, so the second "
                "number is too small to divide by.",
                "The second number counts every message that was tried.",
                ("        row[1] += 1\n", "        row[1] += number in accepted\n"),
            ),
            (
                "healthy versions left out",
                "A version without losses is missing, and there is nothing to compare with.",
                "Begin each version with [0, 0], also if nothing is lost there.",
                (
                    '"versions": versions}',
                    '"versions": {v: row for v, row in versions.items() if row[0]}}',
                ),
            ),
            (
                "on its way counted as lost",
                "A message on its way counts as lost. It may still come.",
                "Lost is what was refused, and not what was not read.",
                (
                    _LOST_ONES,
                    "    lost = [n for n in about if n not in accepted]\n"
                    '    reasons = {n: reasons.get(n, "unknown") for n in lost}\n',
                ),
            ),
        ),
        Mistake(
            "events counted, not messages",
            METRICS.replace(
                "    counts, versions = {}, {}\n    for number in lost:\n"
                "        counts[reasons[number]] = counts.get(reasons[number], 0) + 1\n",
                "    counts, versions = {}, {}\n    for line in history:\n"
                '        if line["op"] == "refuse":\n'
                '            counts[line["reason"]] = counts.get(line["reason"], 0) + 1\n',
            ),
            "The reasons count refusals: copies of messages that were read are among them.",
            "Go through the lost messages, and count the reason of each.",
        ),
        Mistake(
            "each refusal a loss",
            METRICS.replace(
                "    counts, versions = {}, {}\n    for number in lost:\n"
                "        counts[reasons[number]] = counts.get(reasons[number], 0) + 1\n",
                "    counts, versions, lost = {}, {}, []\n    for line in history:\n"
                '        if line["op"] == "refuse":\n'
                '            lost.append(line["message"])\n'
                '            counts[line["reason"]] = counts.get(line["reason"], 0) + 1\n',
            ).replace("row[0] += number in lost", "row[0] += lost.count(number)"),
            "Every line of a refusal counts as a loss. A message can be refused twice, and a "
            "second copy is refused after its message was read.",
            "Count numbers of messages, each once, and only those without an accept line.",
        ),
        *generic.variants(
            METRICS,
            (
                "an earlier acceptance forgotten",
                "A message that was read counts as lost, because its second copy was refused "
                "after that. An accept line takes back only the refusals before it.",
                "First collect all accept lines. Then look at the refusals.",
                (
                    "            accepted.add(number)\n",
                    "            accepted.add(number)\n            reasons.pop(number, None)\n",
                ),
                (_LOST_ONES, "    lost = list(reasons)\n"),
            ),
        ),
    ),
)

# incident.classify

CLASSIFY = """
def classify(evidence):
    where, counters = evidence["where"], evidence["counters"]
    if where["service"]:
        return "expiry by a wrong clock"
    if where["writer"]:
        invalid = counters.get("signature_invalid/client", 0)
        return "signature encoding" if invalid else "exhaustion"
    if all(evidence["restores"]):
        return "lost client state"
    if min(story["behind"] for story in evidence["prekeys"]) >= 24:
        return "stale region"
    if min(story["kept"] for story in evidence["prekeys"]) < 24:
        return "premature deletion"
    return "queue delay"
"""


def classify_cases(seed: int) -> list[Case]:
    """One ticket of each cause, then tickets whose numbers point to another cause as well."""
    rng = random.Random(f"incident.classify {seed}")
    easy = [
        "signature encoding",
        "expiry by a wrong clock",
        "queue delay",
        "premature deletion",
        "stale region",
        "exhaustion",
        "lost client state",
    ]
    cases = [Case((_evidence(rng, cause),), "one ticket of each cause") for cause in easy]
    backups = _evidence(rng, "lost client state", _hasty_too)
    cases.append(Case((backups,), "halves that were not kept, on phones that were put back"))
    harder = [
        ("lost client state", _one_time_too, "a one-time private half is missing as well"),
        ("queue delay", _restored, "a phone was put back as well"),
        ("stale region", _guilty_version, "the new version loses more"),
        ("stale region", _slow, "messages that took long were read"),
        ("premature deletion", _dry, "pools run dry as well"),
    ]
    cases += [Case((_evidence(rng, cause, wanted),), about) for cause, wanted, about in harder]
    chance = _evidence(rng, "queue delay")
    chance["regions"] = _all_in_one(rng, chance["regions"])
    cases.append(Case((chance,), "all lost messages came by way of one region"))
    chance = _evidence(rng, "stale region")
    chance["queues"] = _all_in_one(rng, chance["queues"])
    cases.append(Case((chance,), "all lost messages went into one queue"))
    sound = _evidence(rng, "premature deletion")
    sound["restores"] = [0] * len(sound["restores"])
    cases.append(Case((sound,), "all phones were put back, and none lost a key by that"))
    slow = _evidence(rng, "premature deletion")
    slow["delays"]["lost"] = sorted(rng.randint(8 * 24, 9 * 24) for _ in range(3))
    return [*cases, Case((slow,), "the lost messages took eight days and more")]


def _evidence(rng, cause, wanted=lambda evidence: True):
    """All answers of a ticket with that cause for which `wanted` is true."""
    while True:
        found = incidents.generate(rng.randrange(10**6), cause)
        evidence = everything(incidents.run(found.rules, found.plan))
        if wanted(evidence):
            return evidence


def _hasty_too(evidence):
    """Without the restores, this looks like a phone that deletes too soon."""
    kept = [story["kept"] for story in evidence["prekeys"]]
    return None not in kept and min(kept) < 24


def _one_time_too(evidence):
    kept = [story["kept"] for story in evidence["prekeys"]]
    return None in kept and 0 in kept


def _restored(evidence):
    return any(age is not None for age in evidence["restores"])


def _guilty_version(evidence):
    (old, of_old), (new, of_new) = (evidence["versions"][name] for name in ("7.1", "7.2"))
    return new * of_old > old * of_new


def _all_in_one(rng, shares):
    """As many lost and as many tried; chance put all the losses into one place."""
    lost, place = sum(count for count, _ in shares.values()), rng.choice(sorted(shares))
    tried = {name: tried - count for name, (count, tried) in shares.items()}
    return {name: [lost * (name == place), n + lost * (name == place)] for name, n in tried.items()}


def _dry(evidence):
    missing = evidence["counters"].get("one_time_key_missing/service", 0)
    return missing > evidence["counters"]["signed_prekey_unknown/client"]


def _slow(evidence):
    return evidence["delays"]["read"][2] > 9 * 24


_PHONE = '    if all(evidence["restores"]):\n        return "lost client state"\n'
_BEHIND = '    if min(story["behind"] for story in evidence["prekeys"]) >= 24:\n'
_KEPT = (
    '    if min(story["kept"] for story in evidence["prekeys"]) < 24:\n'
    '        return "premature deletion"\n'
)
_ANY_SHORT = 'any((story["kept"] or 0) < 24 for story in evidence["prekeys"])'
_STALE = _BEHIND + '        return "stale region"\n'
_FIRST = '    if where["service"]:\n'


def explain_cause(case: Case, got) -> str:
    """The answers that settle this ticket: who refused, and the story of the keys."""
    evidence = case.arguments[0]
    if type(got) is not str or got not in incidents.CAUSES:
        return "that is none of the seven names"
    place = next(place for place, count in evidence["where"].items() if count)
    if place != "phone":
        return f"refused by the {place}, with the counters {', '.join(evidence['counters'])}"
    behind, kept = (
        ", ".join(str(story[name]) for story in evidence["prekeys"]) for name in ("behind", "kept")
    )
    ages = ", ".join(map(str, evidence["restores"]))
    return f"refused by phones; hours behind: {behind}; kept: {kept}; ages of backups: {ages}"


_CLASSIFY = Task(
    id="incident.classify",
    lesson="21",
    title="Name the cause",
    signature="classify(evidence: dict) -> str",
    statement=(
        "The evidence holds every answer of the desk, by the question's name: where, counters, "
        "versions, apps, regions, queues, delays, clocks, prekeys and restores, as lesson 21 "
        'shows them. Return the one cause: "exhaustion", "premature deletion", "stale '
        'region", "expiry by a wrong clock", "queue delay", "signature encoding" or "lost client '
        'state". Times are whole hours. In prekeys and restores, each message that a phone '
        'refused has one entry: {"behind": how long its signed prekey had been replaced when '
        'the bundle went out, "kept": how long the private half stayed after that, None if it is '
        "there still}, and the age "
        "of the backup its phone came from, None without one. A phone that saves at every change "
        "has a backup of age 0. A copy of a region is up to date within an hour, and private "
        "halves are to be kept for 14 days. One cause holds for all lost messages of a ticket."
    ),
    why="Where a message is refused comes first; then the story of the key that it named.",
    points=4,
    minutes=15,
    section="Lesson 21, “One counter, four causes”",
    modules=(),
    hints=Hints(
        "Three of the seven causes never let a message reach a phone. Which question tells them?",
        "Go by where, then by the counters of that place, then by restores, behind and kept.",
        'if evidence["where"]["service"]: only one cause makes the service refuse.',
    ),
    reference=CLASSIFY,
    cases=classify_cases,
    explain=explain_cause,
    mistakes=(
        generic.nothing_returned("classify", CLASSIFY),
        generic.changed_argument("classify", CLASSIFY, "arguments[0].pop('where')"),
        *generic.variants(
            CLASSIFY,
            (
                "any dry pool is the cause",
                "A counter of dry pools is taken for the cause. A bundle without a one-time "
                "prekey loses no message, if the app goes on without.",
                "Look first where the lost messages were refused.",
                (
                    _FIRST,
                    '    if counters.get("one_time_key_missing/service"):\n'
                    '        return "exhaustion"\n' + _FIRST,
                ),
            ),
            (
                "one counter, one cause",
                "Every unknown signed prekey is taken for an early deletion. Four causes raise "
                "that counter.",
                "Ask how old the key was when it was handed out, and how long it was kept.",
                (
                    _PHONE + _STALE + _KEPT + '    return "queue delay"\n',
                    '    return "premature deletion"\n',
                ),
            ),
            (
                "restores ignored",
                "Restores are not looked at. A restore takes private halves too, and looks like "
                "an early deletion.",
                'If every backup has an age above 0, it is "lost client state".',
                (_PHONE, ""),
            ),
            (
                "kept judged before restores",
                "`kept` is judged before the restores. A restore takes private halves too, so a "
                "half that was not kept has two possible causes.",
                "Look at restores first: if every backup has an age above 0, the phones lost it.",
                (_PHONE, ""),
                ('min(story["kept"] for story in evidence["prekeys"]) < 24', _ANY_SHORT),
                ('    return "queue delay"\n', _PHONE + '    return "queue delay"\n'),
            ),
            (
                "every restore loses keys",
                "A half that was not kept is blamed on a restore, whatever the age of the backup. "
                "A backup of age 0 loses nothing, and it is not None.",
                "Ask whether each age is above 0: `if age`, and not `if age is not None`.",
                (
                    _KEPT,
                    _KEPT.replace(
                        "        return",
                        '        if any(age is not None for age in evidence["restores"]):\n'
                        '            return "lost client state"\n        return',
                    ),
                ),
            ),
            (
                "any restore is the cause",
                "Any restored phone is taken for the cause. A backup of age 0 loses nothing.",
                "Only a backup that is older than the keys loses keys.",
                (
                    'all(evidence["restores"])',
                    'any(age is not None for age in evidence["restores"])',
                ),
            ),
            (
                "the version that loses more",
                "The version with the larger share is blamed. With a handful of lost messages, "
                "chance does that.",
                "Go by the story of the keys: a hasty version keeps them for 0 hours.",
                (
                    _STALE,
                    '    shares = {v: row[0] / row[1] for v, row in evidence["versions"].items()}\n'
                    '    if shares["7.2"] > shares["7.1"]:\n        return "premature deletion"\n'
                    + _STALE,
                ),
            ),
            (
                "the region that loses most",
                "The region with most losses is blamed. With a handful of lost messages, chance "
                "does that.",
                "A stale copy hands out keys that were replaced long ago: look at `behind`.",
                (
                    _BEHIND,
                    '    most = max(row[0] for row in evidence["regions"].values())\n'
                    '    if 2 * most > sum(row[0] for row in evidence["regions"].values()):\n',
                ),
            ),
            (
                "the only region that loses",
                "One region with all the losses is blamed. With a handful of lost messages, "
                "chance does that too.",
                "A stale copy hands out keys that were replaced long ago: look at `behind`.",
                (
                    _BEHIND,
                    '    lost = [row[0] for row in evidence["regions"].values()]\n'
                    "    if max(lost) == sum(lost):\n",
                ),
            ),
            (
                "the only queue that loses",
                "The one queue with all the losses is blamed. With a handful of lost messages, "
                "chance does that too.",
                "A slow queue is told by the keys: their halves were kept for the agreed 14 days.",
                (
                    _BEHIND,
                    '    most = max(row[0] for row in evidence["queues"].values())\n'
                    '    if most == sum(row[0] for row in evidence["queues"].values()):\n'
                    '        return "queue delay"\n' + _BEHIND,
                ),
            ),
            (
                "the delay of messages that were read",
                "A long delay of a message that was read is taken for the cause. It was read.",
                "Look at the lost ones, and at how long their keys were kept.",
                (
                    _STALE,
                    '    if evidence["delays"]["read"][2] > 9 * 24:\n        return "queue delay"\n'
                    + _STALE,
                ),
            ),
            (
                "the delay of lost messages",
                "Lost messages that took long are taken for late ones. Late is what comes after "
                "the agreed 14 days; here the private halves did not stay so long.",
                "Ask first how long the halves were kept. Only after the agreed time is the delay "
                "to blame.",
                (
                    _KEPT,
                    '    slow = evidence["delays"]["lost"]\n    if slow and min(slow) > 100:\n'
                    '        return "queue delay"\n' + _KEPT,
                ),
            ),
            (
                "kept not looked at",
                "A late message and an early deletion are taken for one. In both a private half "
                "is gone; after 14 days that was agreed.",
                "`kept` tells them apart: 14 days, or none.",
                (_KEPT, ""),
            ),
            (
                "behind not looked at",
                "Old keys from a stale copy are taken for late messages.",
                "`behind` is how long the key had been replaced when it was handed out.",
                (_STALE, ""),
            ),
            (
                "service and app confused",
                "A refusal by the service is taken for an empty pool. The service hands out "
                "bundles without one-time prekeys; what it refuses is an expired signed prekey.",
                "The writer's app refuses a bundle that it finds too poor.",
                ('return "expiry by a wrong clock"', 'return "exhaustion"'),
                ('if invalid else "exhaustion"', 'if invalid else "expiry by a wrong clock"'),
            ),
            (
                "the app always checks wrongly",
                "Every refusal by an app is taken for a signature. An app that insists on a "
                "one-time prekey refuses too.",
                "Ask the counter signature_invalid/client.",
                ('"signature encoding" if invalid else "exhaustion"', '"signature encoding"'),
            ),
            (
                "another spelling",
                "The name of the cause is spelt in another way.",
                "Write the names as the task does, in small letters and with spaces.",
                ('"premature deletion"', '"premature_deletion"'),
            ),
        ),
    ),
)

TASKS = (_METRICS, _CLASSIFY)
