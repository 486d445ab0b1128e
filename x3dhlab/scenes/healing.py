"""Lesson 11: thefts of a ratchet state under chosen rules, and an attacker who keeps sending."""

from x3dhlab import plots
from x3dhlab.attacks import healing
from x3dhlab.plots import Picture
from x3dhlab.widgets import FALLS, HOLDS, NOTE, Choose, Experiment, Number, Outcome, Text

_WHO = {"Alice": "A", "Bob": "B"}
_NAME = {letter: name for name, letter in _WHO.items()}


def steal_a_state() -> Experiment:
    """Choose a conversation, a theft and the rule for turns; the thief reads what he can."""

    def run(senders, who, after, rule):
        talk = healing.talk(_letters(senders), rule)
        count = len(talk.sent)
        if after > count:
            raise ValueError(f"there are only {count} messages")
        opened = healing.listen(talk, _WHO[who], after)
        safe = [n for n in range(after + 1, count + 1) if n not in opened]
        facts = {
            "messages after the theft": count - after,
            "he reads": _listed(opened),
            "he does not read": _listed(safe),
        }
        if after == count:
            return Outcome(NOTE, "No message comes after the theft.", facts)
        if not opened:
            return Outcome(HOLDS, "He reads nothing.", facts)
        if not safe:
            return Outcome(FALLS, "He reads to the end.", facts)
        healed = max(opened) + 1
        if healed > count:
            return Outcome(NOTE, "At the end he still reads.", facts)
        return Outcome(HOLDS, f"From message {healed} on he reads nothing.", facts)

    controls = [
        Text("senders", "Who writes", "A B A B A B", 120),
        Choose("who", "The thief copies the state of", tuple(_WHO), "Alice"),
        Number("after", "after message", 0, 60, 1),
        Choose("rule", "A phone makes a new ratchet key", healing.RULES, healing.READING),
    ]
    return Experiment("A theft, and when it ends", controls, run)


def _letters(text):
    return "".join(text.upper().split())


def _listed(numbers):
    return ", ".join(map(str, numbers)) or "nothing"


def show_cost_of_a_theft() -> Picture:
    """The figure of `healing.cost_of_a_theft`."""
    return plots.curves(
        healing.IN_A_ROW,
        healing.cost_of_a_theft(),
        title="What a theft costs: messages that the thief reads",
        along="messages that each side writes in a row",
        upward="messages read, on average",
    )


SCRIPT = "ABABABABAB"


def stay_between() -> Experiment:
    """Eve copies Alice's state, and stands between the phones for as long as you choose."""

    def run(after, begin, last):
        told = healing.stay(SCRIPT, after, begin, last)
        read = [n for n, (_, reads, _) in enumerate(told, 1) if reads]
        refused = [n for n, (*_, text) in enumerate(told, 1) if not text.startswith("message")]
        facts = {"Eve reads": _listed(read), "a phone refuses": _listed(refused)}
        if refused:
            sentence = f"From message {refused[0]} on the phones refuse each other's messages."
            return Outcome(NOTE, sentence, facts)
        if len(told) in read:
            return Outcome(FALLS, "Eve reads to the end, and no phone refuses anything.", facts)
        closed = max(read, default=after) + 1
        sentence = f"Both phones read all. From message {closed} on Eve reads nothing."
        return Outcome(HOLDS, sentence, facts)

    count = len(SCRIPT)
    controls = [
        Number("after", "Eve copies Alice's state after message", 1, count - 1, 1),
        Number("begin", "she relays from message", 2, count, 2),
        Number("last", "she leaves after message", 1, count, count),
    ]
    return Experiment("Alice and Bob write in turn, ten messages", controls, run)
