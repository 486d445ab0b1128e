"""Lesson 03: pools of one-time prekeys, refilled and drained."""

from x3dhlab import plots
from x3dhlab.attacks import (
    pools,
)
from x3dhlab.plots import Picture
from x3dhlab.widgets import (
    FALLS,
    HOLDS,
    NOTE,
    Check,
    Choose,
    Experiment,
    Number,
    Outcome,
)


def refill_rule() -> Experiment:
    """Choose a refill rule; strangers fetch bundles from a real store, the phone refills."""
    fixed, fill = "always the same number", "fill up to 100"

    def run(low, how, amount, every):
        rule = pools.Rule(low=low, fixed=amount if how == fixed else None, every=every)
        life = pools.live(rule)
        facts = {
            "refills in 240 requests": len(life.refills),
            "highest level after a refill": life.refilled_to,
            "requests without a one-time key": life.without_key,
        }
        if how == fill:
            facts["the same number"] = "not used: the phone fills up"
        if life.without_key:
            return Outcome(FALLS, f"{life.without_key} people got no one-time key.", facts)
        if life.refills and life.refilled_to < rule.target:
            words = f"No refill reaches {rule.target}: {life.refilled_to} is the highest level."
            return Outcome(FALLS, words, facts)
        return Outcome(HOLDS, "Everybody got a key, and the pool reaches its target.", facts)

    return Experiment(
        "A pool of 100 keys, and 240 people who write to Bob",
        [
            Number("low", "Refill when fewer are left than", 1, 100, 20),
            Choose("how", "How much", (fixed, fill), fixed),
            Number("amount", "The same number is", 1, 100, 50),
            Number("every", "The phone looks after how many requests", 1, 120, 1),
        ],
        run,
    )


def refills() -> dict[str, list[int]]:
    """Rule → the level of the pool after each of 240 requests."""
    return {
        "50 more, below 20": pools.live(pools.DESIGN_C).levels,
        "fill up to 100, below 20": pools.live(pools.FILL_UP).levels,
    }


def show_refills() -> Picture:
    """The figure of `refills`."""
    title = "One-time keys left on the server"
    return plots.levels(refills(), target=100, title=title, along="requests for Bob's bundle")


def drain_the_pool() -> Experiment:
    """Mallory asks for Bob's bundle many times; then Alice wants to write."""
    strict, soft = "refuses without a one-time key", "goes on without one"

    def run(requests, accounts, limit, client):
        drained = pools.drain(requests, accounts, pools.BURST if limit else None)
        got = drained.bundle.one_time_prekey is not None
        facts = {
            "requests refused": drained.refused,
            "keys left when Alice comes": drained.left,
            "Alice gets a one-time key": "yes" if got else "no",
        }
        if not limit:
            facts["accounts"] = "they change nothing while there is no limit"
        if got:
            return Outcome(HOLDS, "Alice writes, with all four terms.", facts)
        if client == strict:
            return Outcome(FALLS, "Nobody can start a conversation with Bob.", facts)
        return Outcome(NOTE, "Alice writes, with three terms.", facts)

    return Experiment(
        "Mallory empties Bob's pool of 100",
        [
            Number("requests", "Mallory's requests", 0, 400, 100),
            Number("accounts", "from how many accounts", 1, 40, 1),
            Check("limit", f"At most {pools.BURST} for one account and one target", False),
            Choose("client", "Alice's client", (strict, soft), strict),
        ],
        run,
    )
