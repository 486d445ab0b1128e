"""Lesson 20: one prekey service in several regions, and what one server carries."""

from time import perf_counter

from x3dhlab import plots, prekeys
from x3dhlab.party import LocalTransport, Party
from x3dhlab.plots import Picture
from x3dhlab.service.store import PreKeyStore
from x3dhlab.widgets import FALLS, HOLDS, NOTE, Choose, Experiment, Number, Outcome
from x3dhlab.worlds import load, outages, regions
from x3dhlab.worlds.record import Log, Recorder, receive

NO_RESTORE = ("lag", "partition", "failover", "skew")
SEEDS = range(1, 13)
DESIGNS = tuple(regions.DESIGNS.values())

# Two copies of one table, with real stores


class _Near(LocalTransport):
    """One region's store; mailboxes are in another one."""

    def __init__(self, store, mail):
        super().__init__(store)
        self.mail = mail

    def send(self, sender, recipient, data):
        self.mail.send(sender, recipient, data)

    def collect(self, name):
        return self.mail.collect(name)


def two_copies(*, apart: int = 150) -> Log:
    """Two regions with a real store each. Carol asks in B, `apart` ms after Alice asked in A.

    The deletion needs 400 ms from A to B. Returns the recording, Bob's answers included.
    """
    now = [0]
    log = Log(clock=lambda: now[0])
    stores = {"region A": PreKeyStore(), "region B": PreKeyStore()}
    mail = LocalTransport(stores["region A"])
    near = {at: Recorder(_Near(store, mail), log, at) for at, store in stores.items()}
    bob = Party("Bob", near["region A"], one_time=3)
    bob.publish()
    stores["region B"].publish("Bob", prekeys.publication(bob.device.ring))
    now[0] = 60_000
    Party("Alice", near["region A"]).send("Bob", b"from Alice")
    if apart >= 400:  # the copy in B has heard of it: the same key is gone there, too
        stores["region B"].fetch("Bob")
    now[0] += apart
    Party("Carol", near["region B"]).send("Bob", b"from Carol")
    now[0] += 5_000
    receive(bob, log)
    return log


def show_double_issue(log: Log) -> Picture:
    """The recording as lines of life: regions, senders, Bob."""
    lanes = ["region A", "region B", "Alice", "Carol", "Bob"]
    arrows, marks, place = [], [], 0
    sent = {}
    for one in log.history:
        place += one["op"] in ("issue", "send", "accept", "refuse")
        if one["op"] == "issue":
            words = "no one-time key" if one["key"] is None else f"key {one['key']}"
            arrows.append((one["at"], place, one["to"], place + 0.5, words))
        elif one["op"] == "send":
            sent[one["message"]] = (one["sender"], place, one["key"])
        elif one["op"] in ("accept", "refuse"):
            sender, begin, key = sent[one["message"]]
            arrows.append((sender, begin, "Bob", place, ""))
            word = "opens, deletes" if one["op"] == "accept" else "refuses: it has no"
            marks.append(("Bob", place, f"{word} key {key}", one["op"] == "refuse"))
    return plots.lanes(lanes, arrows, marks, title="One key, two regions")


# Four designs under the same outages

CHOICES = {name.replace("_", " "): design for name, design in regions.DESIGNS.items()}
EVENTS = ("nothing", "B is cut off", "A is down", "B is down")


def choose_a_design() -> Experiment:
    """Choose a design and an outage; the same 300 requests meet both."""

    def run(design, event, seconds, lag, seed):
        begin, end = 120_000, 120_000 + seconds * 1_000
        fixed = {"lag": lag}
        if event == "B is cut off":
            fixed["cuts"] = (("A", "B", begin, end), ("B", "C", begin, end))
        elif event != "nothing":
            fixed["downs"] = ((event[0], begin, end),)
        found = regions.run(CHOICES[design], outages.script(seed, (), **fixed))
        twice, lost = found.count("double_issue"), found.count("lost_first_message")
        facts = {
            "keys given out twice": twice,
            "first messages lost": lost,
            "senders who had to start again": found.again,
            "answers with a one-time key": _percent(found.share(regions.FULL)),
            "answers without one": _percent(found.share(regions.WITHOUT)),
            "half of the answers within": f"{found.latency(0.5)} ms",
            "99 % within": f"{found.latency(0.99)} ms",
        }
        if lost:
            return Outcome(FALLS, f"{lost} first messages are lost.", facts)
        if twice:
            return Outcome(NOTE, f"No message is lost; {twice} keys went out twice.", facts)
        return Outcome(HOLDS, "Each one-time key went out once.", facts)

    controls = [
        Choose("design", "Design", tuple(CHOICES), "eventual"),
        Choose("event", "What happens after two minutes", EVENTS, "nothing"),
        Number("seconds", "for seconds", 1, 300, 60),
        Number("lag", "A copy is late by, on average (ms)", 0, 5_000, 400),
        Number("seed", "Other requests: number", 1, 999, 1),
    ]
    return Experiment("Three regions, three users, 300 requests in ten minutes", controls, run)


def _percent(share):
    return f"{100 * share:.1f} %"


MEASURES = {
    "keys given out twice, per 1,000 requests": lambda one: (
        1_000 * one.count("double_issue") / len(one.answers)
    ),
    "answers with a one-time key, %": lambda one: 100 * one.share(regions.FULL),
    "half of the answers within, ms": lambda one: one.latency(0.5),
    "99 % of the answers within, ms": lambda one: one.latency(0.99),
}


def under_outages(designs=DESIGNS, seeds=SEEDS) -> dict:
    """{measure: {design: [one value a seed]}}, under late copies, a cut, a lost region and skew."""
    scripts = [outages.script(seed, NO_RESTORE) for seed in seeds]
    runs = {design: [regions.run(design, one) for one in scripts] for design in designs}
    return {
        measure: {
            design.name.replace("_", " "): [value(one) for one in found]
            for design, found in runs.items()
        }
        for measure, value in MEASURES.items()
    }


def show_under_outages(found: dict) -> Picture:
    """The figure of `under_outages`: means, and the range over the seeds."""
    return plots.panels(found, title="Four designs under the same outages")


# Leaders


def two_leaders(confirm: bool, seed: int = 2) -> regions.Outcome:
    """Region A leads the only user, is cut off, and its clock is 4 s slow."""
    design = regions.DESIGNS["leader_per_user"] if confirm else regions.UNCONFIRMED
    cuts = (("A", "B", 20_000, 80_000), ("A", "C", 20_000, 80_000))
    fixed = {"cuts": cuts, "skew": (-4_000, 0, 0), "users": 1, "requests": 240, "minutes": 2}
    return regions.run(design, outages.script(seed, (), **fixed))


def stale_copy(retention: int) -> regions.Outcome:
    """Region B is cut off while a user rotates; the old private half is kept `retention` ms."""
    cuts = (("A", "B", 20_000, 90_000), ("B", "C", 20_000, 90_000))
    fixed = {"cuts": cuts, "rotations": ((30_000, "user 1"),), "retention": retention}
    script = outages.script(4, (), users=1, requests=60, minutes=2, **fixed)
    return regions.run(regions.DESIGNS["linearizable"], script)


# What one server carries

SERVICE = 2_500  # µs for one answer: 400 a second
RATES = (100, 200, 300, 350, 380)


def times_by_rate(rates=RATES, service: int = SERVICE) -> dict[str, list[float]]:
    """The median and the slowest hundredth of the answers, in ms, for each rate of questions."""
    tests = [load.asked_at_a_rate(rate, service) for rate in rates]
    return {
        "half of the answers": [one.within(0.5) for one in tests],
        "99 % of the answers": [one.within(0.99) for one in tests],
    }


def show_times_by_rate() -> Picture:
    """The figure of `times_by_rate`."""
    return plots.curves(
        RATES,
        times_by_rate(),
        title="One server that needs 2.5 ms for an answer",
        along="questions a second",
        upward="ms until the answer",
        log=True,
        room=0.2,
    )


def fetches_a_second(count: int = 500) -> float:
    """How many bundles a store in memory gives out in a second, on this machine."""
    store = PreKeyStore()
    store.publish("Bob", prekeys.publication(prekeys.generate(one_time=100)))
    begin = perf_counter()
    for _ in range(count):
        store.fetch("Bob")
    return count / (perf_counter() - begin)
