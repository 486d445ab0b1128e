"""What lesson 21 claims: of ticket 94, of the figure of repairs, and of the desk."""

from math import comb

import pytest

from x3dhlab import scenes
from x3dhlab.scenes import incidents as scenes_incidents
from x3dhlab.widgets import FALLS, HOLDS, NOTE
from x3dhlab.widgets.questions import bank
from x3dhlab.worlds import evidence, incidents
from x3dhlab.worlds.incidents import CAUSES, FIXES, REPAIR, SHORTCUTS

TICKET = 94
COPY = REPAIR["stale region"]
LONGER, ANY_SIGNATURE = SHORTCUTS


@pytest.fixture(scope="module")
def ticket():
    """The history of the lesson's ticket, by real parties."""
    found = incidents.generate(TICKET)
    return incidents.run(found.rules, found.plan, incidents.Real)


def ended(outcome):
    """Repair → the causes whose losses it removes."""
    return {
        fix: [cause for cause, lost in zip(CAUSES, row, strict=True) if not lost]
        for fix, row in outcome.items()
    }


def own_and_no_other(outcome):
    """The claim of the figure: each repair its own cause, and the shortcuts three in all."""
    found = ended(outcome)
    own = {fix: [cause] for cause, fix in REPAIR.items()}
    own |= {LONGER: ["stale region", "queue delay"], ANY_SIGNATURE: ["signature encoding"]}
    return found == own


@pytest.mark.parametrize("number", [1, 2, 3])
def test_each_repair_ends_its_own_incident_and_no_other(number):
    assert own_and_no_other(scenes.repairs(number))


def test_the_claim_about_repairs_fails_when_one_of_them_does_more(monkeypatch):
    more = FIXES[COPY] | FIXES[REPAIR["exhaustion"]]
    monkeypatch.setitem(FIXES, COPY, more)
    assert not own_and_no_other(scenes.repairs())


def test_the_claim_about_repairs_fails_when_one_of_them_does_nothing(monkeypatch):
    monkeypatch.setitem(FIXES, COPY, {})
    assert not own_and_no_other(scenes.repairs())


def test_the_figure_says_in_words_what_the_runs_gave():
    (row,) = [part for part in repr(scenes.show_repairs()).split(". ") if "60 days" in part]
    assert "ends “stale region” and “queue delay”" in row and "“exhaustion”" not in row


def test_a_repair_that_ends_nothing_says_so_in_the_figure(monkeypatch):
    monkeypatch.setitem(FIXES, COPY, {})
    assert "copy brought up to date ends nothing." in repr(scenes.show_repairs())


def test_the_ticket_of_the_lesson_is_four_of_123_and_a_stale_region(ticket):
    record = evidence.Record(ticket)
    assert incidents.generate(TICKET).cause == "stale region"
    assert (len(record.lost), len(record.tried)) == (4, 123)
    assert evidence.ask(ticket, "regions")["north"][0] == 4
    assert evidence.ask(ticket, "versions") == {"7.1": [3, 104], "7.2": [1, 19]}


def test_the_highest_counter_of_the_ticket_is_not_its_cause(ticket):
    counters = evidence.ask(ticket, "counters")
    assert max(counters, key=counters.get) == "replay/client"
    assert counters["signed_prekey_unknown/client"] == 4 < sum(counters.values()) == 17


def test_every_lost_prekey_of_the_ticket_was_old_when_it_was_handed_out(ticket):
    stories = evidence.ask(ticket, "prekeys")
    assert len(stories) == 4
    assert all(story["behind"] > 13 * 24 and story["kept"] == 14 * 24 for story in stories)


def test_in_the_timeline_of_the_ticket_the_half_is_gone_before_the_message_is_written(ticket):
    timeline = evidence.ask(ticket, "timeline")
    assert timeline.index("forget") < timeline.index(" send ") < timeline.index("refuse")


def test_three_causes_are_told_by_the_counters_and_four_look_alike():
    always = {"replay/client", "one_time_key_missing/service"}
    seen = {}
    for cause, found in scenes.seen_by_counters().items():
        facts = (found["refused by"], *sorted(set(found) - always - {"refused by"}))
        seen.setdefault(facts, []).append(cause)
    assert sorted(map(len, seen.values())) == [1, 1, 1, 4]


def test_a_shortcut_has_a_price():
    assert "never signed" in scenes.price(ANY_SIGNATURE)
    assert "46 d older" in scenes.price(LONGER)


def test_a_desk_adds_up_what_was_asked_and_takes_nothing_twice(capsys):
    desk = scenes.Desk(TICKET)
    for question in ("where", "counters", "where"):
        desk.ask(question)
    assert desk.spent == 5
    desk.repair(COPY)
    assert desk.spent == 65
    printed = capsys.readouterr().out
    assert "3% of the users" in printed and "0 of 123 lost" in printed


@pytest.fixture
def desk():
    widget = scenes.incident_desk()
    widget.set(ticket=str(TICKET))
    return widget


def facts(widget):
    return dict(widget.outcome["facts"])


def test_the_desk_shows_what_was_paid_for_and_keeps_the_bill(desk):
    assert desk.outcome["verdict"] == NOTE and "4 of 123" in desk.outcome["sentence"]
    assert facts(desk) == {"minutes spent on this ticket": "0"}
    desk.set(regions=True)
    assert "north: 4 of 26 lost" in facts(desk)["By region of the bundle"].splitlines()
    desk.set(regions=False)
    assert facts(desk) == {"minutes spent on this ticket": "5"}
    desk.set(ticket=str(TICKET + 1))
    assert facts(desk)["minutes spent on this ticket"] == "0"


def test_a_new_ticket_starts_clean(desk):
    desk.set(regions=True, cause="queue delay", fix=LONGER)
    desk.set(ticket=str(TICKET + 1))
    assert facts(desk) == {"minutes spent on this ticket": "0"}
    changed = {name for name, value in desk.values.items() if value not in (False, "not yet")}
    assert changed == {"ticket", "fix"} and desk.values["fix"] == "none yet"


def test_a_diagnosis_is_answered_before_the_repair(desk):
    desk.set(cause="queue delay")
    assert "Your diagnosis is “queue delay”" in desk.outcome["sentence"]
    assert desk.outcome["verdict"] == NOTE


def test_the_desk_tells_a_right_repair_from_a_wrong_one_and_from_a_shortcut(desk):
    desk.set(fix=REPAIR["queue delay"])
    assert desk.outcome["verdict"] == FALLS and "the cause was" not in facts(desk)
    desk.set(fix=COPY)
    assert desk.outcome["verdict"] == NOTE and "not diagnosed" in desk.outcome["sentence"]
    desk.set(cause="stale region")
    assert desk.outcome["verdict"] == HOLDS
    desk.set(fix=LONGER)
    assert desk.outcome["verdict"] == NOTE and "46 d older" in desk.outcome["sentence"]
    assert facts(desk)["minutes spent on this ticket"] == "180"


@pytest.mark.parametrize("question", evidence.QUESTIONS)
def test_every_answer_has_a_text_form(question):
    widget = scenes.incident_desk()
    widget.set(ticket=str(TICKET), **{question: True})
    words = evidence.QUESTIONS[question].words
    assert words in repr(widget)
    assert all(line.strip() in repr(widget) for line in facts(widget)[words].splitlines())


def in_order(history):
    """The cause as the folded advice finds it, and the minutes that it takes, repair included."""
    spent = []

    def ask(question):
        spent.append(evidence.QUESTIONS[question].minutes)
        return evidence.ask(history, question)

    cause = advised(ask)
    return cause, sum(spent) + scenes_incidents.ROLL_OUT


def advised(ask):
    where, counters = ask("where"), ask("counters")
    if where["service"]:
        return "expiry by a wrong clock"
    if where["writer"]:
        invalid = "signature_invalid/client" in counters
        return "signature encoding" if invalid else "exhaustion"
    stories = ask("prekeys")
    if min(story["behind"] for story in stories) >= 24:
        return "stale region"
    if all(story["kept"] == 14 * 24 for story in stories):
        return "queue delay"
    return "lost client state" if all(ask("restores")) else "premature deletion"


def test_the_advice_settles_every_ticket_within_105_minutes():
    bills = []
    for number in range(100):
        found = incidents.generate(number)
        cause, minutes = in_order(incidents.run(found.rules, found.plan))
        assert cause == found.cause, number
        bills.append(minutes)
    assert max(bills) == 105


def test_each_cause_is_among_the_tickets_of_the_desk():
    found = {incidents.generate(int(number)).cause for number in scenes_incidents.TICKETS}
    assert found == set(CAUSES)


def test_three_halves_of_the_ticket_were_gone_before_the_bundle_and_one_stayed_18_hours():
    found = incidents.generate(TICKET)
    stories = evidence.ask(incidents.run(found.rules, found.plan), "prekeys")
    assert sorted(story["kept"] - story["behind"] > 0 for story in stories) == [False] * 3 + [True]
    assert max(story["kept"] - story["behind"] for story in stories) == 18


def test_two_faults_lose_what_each_of_them_loses():
    def lost(**faults):
        return incidents.lost(incidents.run(incidents.Rules(**faults), weeks))

    weeks = incidents.generate(TICKET).plan
    stuck, dry = lost(stuck=True), lost(needs_one_time=True)
    assert (len(stuck), len(dry)) == (4, 6)
    assert lost(stuck=True, needs_one_time=True) == sorted(stuck + dry)


def test_the_desk_makes_no_key_and_the_ticket_of_the_lesson_does(monkeypatch):
    played, found = [], incidents.generate(TICKET)
    history = incidents.run(found.rules, found.plan)
    monkeypatch.setattr(
        scenes_incidents, "_played", lambda number, fix, keys: played.append(keys) or history
    )
    scenes.incident_desk().set(ticket=str(TICKET), fix=COPY)
    assert set(played) == {incidents.Counted}
    played.clear()
    scenes.Desk(TICKET).repair(COPY)
    assert set(played) == {incidents.Real}


def test_chance_gives_two_or_more_of_five_above_the_line_and_one_region_below():
    two_of_five = sum(comb(5, n) * 0.1**n * 0.9 ** (5 - n) for n in range(2, 6))
    assert round(two_of_five, 2) == 0.08 > 0.05 > 4 * (1 / 4) ** 4
    _, options = bank("21.version")
    assert sum("about 8 %" in one.why for one in options) == 2
