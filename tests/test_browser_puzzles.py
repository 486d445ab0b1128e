"""Order, Match and FreeAnswer in JupyterLab under Chromium, by mouse and by keyboard alone."""

import json

import axe
import browser
import pytest

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(browser.chromium() is None, reason="Chromium is not installed"),
]

CELLS = (
    "from x3dhlab.widgets import FreeAnswer, Match, Order, Pair, Step",
    """Order("try.order", "In which order?", [
    Step("fetch", "Nothing is known before it."), Step("check", "Check before use."),
    Step("derive", "It needs the keys.")], explain="Fetch, check, derive.")""",
    """Match("try.match", "What belongs together?", [
    Pair("kept for years", "IK", "What people compare."), Pair("used once", "OPK", "No replay."),
    Pair("never used", why="Every key has a use.")], explain="Two lives.")""",
    """FreeAnswer("try.free", "Why is he locked out?", "New keys on both sides.", ["new keys"])""",
)


@pytest.fixture(params=["light"], scope="module")
def server(request, tmp_path_factory):
    """A notebook with the three: (address, theme, its private folder)."""
    root, private = (tmp_path_factory.mktemp(name) for name in ("course", "private"))
    browser.notebook(root / "puzzles.ipynb", *CELLS)
    theme = f"JupyterLab {request.param.title()}"
    with browser.jupyter(root, private, theme=theme) as address:
        yield address, request.param, private


@pytest.fixture
def opened(server):
    """The notebook, run with an empty progress file: (page, the three questions)."""
    address, theme, private = server
    (private / "progress.jsonl").unlink(missing_ok=True)
    with browser.browser(dark=theme == "dark", height=1100) as (page, problems):
        browser.open_notebook(page, address, "puzzles.ipynb")
        browser.hide_sidebars(page)
        browser.run_all(page)
        questions = page.locator(".x3dh-question")
        questions.nth(2).wait_for()
        yield page, [questions.nth(number) for number in range(3)]
        assert problems == []


def saved(server):
    """What the progress file holds, in order."""
    lines = (server[2] / "progress.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["value"] for line in lines]


def words(question, kind):
    return question.locator(kind).all_inner_texts()


def check(question, verdict):
    question.get_by_role("button", name="Check", exact=True).click()
    question.locator(".q-verdict", has_text=verdict).wait_for()


def sort_by_keyboard(page, order, wanted):
    """Bring the steps into the wanted order with Enter and arrow keys only."""
    for place, text in enumerate(wanted):
        now = words(order, ".z-words").index(text)
        order.locator(".z-item").nth(now).focus()
        page.keyboard.press("Enter")
        for _ in range(now - place):
            page.keyboard.press("ArrowUp")
        page.keyboard.press("Enter")


def drag(page, source, target):
    one, two = source.bounding_box(), target.bounding_box()
    page.mouse.move(one["x"] + 40, one["y"] + 12)
    page.mouse.down()
    page.mouse.move(one["x"] + 52, one["y"] + 20)
    page.mouse.move(two["x"] + 40, two["y"] + 12)
    page.mouse.up()


def test_the_keyboard_puts_steps_in_order(opened, server):
    page, (order, *_) = opened
    sort_by_keyboard(page, order, ["derive", "fetch", "check"])
    check(order, "One step stands wrong.")
    assert "It needs the keys." in order.locator(".q-feedback").inner_text()
    assert "Fetch, check, derive." not in order.inner_text()
    sort_by_keyboard(page, order, ["fetch", "check", "derive"])
    check(order, "Right.")
    assert "Fetch, check, derive." in order.inner_text()
    assert saved(server)[-1] == {"order": ["fetch", "check", "derive"], "correct": True}


def test_escape_puts_a_step_back(opened):
    page, (order, *_) = opened
    before = words(order, ".z-words")
    order.locator(".z-item").first.focus()
    for key in ("Enter", "ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    assert words(order, ".z-words") == [*before[1:], before[0]]
    page.keyboard.press("Escape")
    assert words(order, ".z-words") == before
    assert order.locator(".q-status").inner_text() == "Put back."


def test_a_step_is_dragged_or_placed_by_two_clicks(opened):
    page, (order, *_) = opened
    before = words(order, ".z-words")
    items = order.locator(".z-item")
    drag(page, items.nth(2), items.nth(0))
    assert words(order, ".z-words") == [before[2], *before[:2]]
    items.nth(0).click()
    items.nth(2).click()
    assert words(order, ".z-words") == before


def test_the_keyboard_brings_cards_to_their_places(opened, server):
    page, (_, match, _) = opened
    match.locator(".z-card", has_text="used once").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.dataset.key") == "row-0"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert match.locator(".q-status").inner_text() == "used once placed at OPK. 1 place left."
    match.locator(".z-card", has_text="never used").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    check(match, "1 of 2 is not there yet.")
    assert "Every key has a use." in match.locator(".q-feedback").inner_text()
    assert saved(server)[-1]["pairs"] == {"IK": "never used", "OPK": "used once"}


def test_the_cards_come_before_their_places(opened):
    page, (_, match, _) = opened
    keys = match.locator("[data-key]").evaluate_all("all => all.map(e => e.dataset.key)")
    assert keys == ["card-0", "card-1", "card-2", "row-0", "row-1"]


def test_a_live_region_speaks_the_verdict(opened):
    page, (order, match, _) = opened
    for number in range(2):
        match.locator(".z-card").first.click()
        match.locator(f'[data-key="row-{number}"]').click()
    check(match, "of 2")
    check(order, "stand")
    for question in (order, match):
        verdict = question.locator(".q-verdict").inner_text()
        assert question.get_by_role("status").filter(has_text=verdict).count() == 1


def test_a_card_is_dragged_replaced_and_taken_back(opened):
    page, (_, match, _) = opened
    slots, cards = match.locator(".z-slot"), match.locator(".z-card")
    drag(page, cards.filter(has_text="never used"), slots.nth(0))
    assert "never used" in slots.nth(0).inner_text()
    drag(page, cards.filter(has_text="kept for years"), slots.nth(0))
    assert "kept for years" in slots.nth(0).inner_text()
    assert cards.filter(has_text="never used").count() == 1
    drag(page, slots.nth(0), match.locator(".z-pool"))
    assert cards.count() == 3
    assert match.locator(".q-status").inner_text().startswith("kept for years is back.")


def test_an_unfinished_match_is_not_sent(opened, server):
    page, (_, match, _) = opened
    match.get_by_role("button", name="Check", exact=True).focus()
    page.keyboard.press("Enter")
    assert match.locator(".q-status").inner_text() == "2 places are still empty."
    assert not (server[2] / "progress.jsonl").exists()


def test_the_model_answer_opens_after_writing_and_points_are_kept(opened, server):
    page, (*_, free) = opened
    free.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert "Write a sentence first." in free.locator(".q-status").inner_text()
    free.locator("textarea").focus()
    page.keyboard.type("Because both phones have made new keys.")
    assert "New keys on both sides." not in free.inner_text()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    free.get_by_text("New keys on both sides.").wait_for()
    free.locator("input").first.focus()
    page.keyboard.press("Space")
    page.wait_for_function("document.querySelector('[data-point] input')?.checked")
    free.locator(".q-status", has_text="Saved.").wait_for()
    again = {"text": "Because both phones have made new keys.", "points": ["new keys"]}
    assert saved(server)[-1] == again


def test_answers_come_back_after_a_second_run(opened):
    page, (order, match, free) = opened
    sort_by_keyboard(page, order, ["derive", "fetch", "check"])
    check(order, "One step stands wrong.")
    free.locator("textarea").fill("Because both phones have made new keys.")
    free.get_by_role("button").click()
    free.locator(".z-model").wait_for()
    free.get_by_role("status").filter(has_text="The model answer is open below.").wait_for()
    browser.run_all(page)
    page.locator(".q-feedback", has_text="You answered this earlier.").wait_for()
    assert words(page.locator(".x3dh-question").first, ".z-words") == ["derive", "fetch", "check"]
    page.locator(".q-status", has_text="You wrote this earlier.").wait_for()


@pytest.mark.parametrize("server", ["light", "dark"], indirect=True)
def test_axe_finds_nothing_in_any_state_at_two_widths(opened, server):
    page, (order, match, free) = opened
    assert axe.violations(page, ".x3dh-question") == []
    order.locator(".z-item").first.click()
    match.locator(".z-card").first.click()
    assert axe.violations(page, ".x3dh-question") == []
    page.keyboard.press("Enter")
    match.locator(".z-card").first.click()
    page.keyboard.press("Enter")
    check(match, "of 2")
    check(order, "stand")
    free.locator("textarea").fill("Because both phones have made new keys.")
    free.get_by_role("button").click()
    free.locator(".z-model").wait_for()
    for width in (1200, 380):
        page.set_viewport_size({"width": width, "height": 1100})
        assert axe.violations(page, ".x3dh-question") == []
        for name, question in (("order", order), ("match", match), ("free", free)):
            assert question.evaluate("e => e.scrollWidth <= e.clientWidth")
            picture = browser.screenshot(question, f"{name} {server[1]} {width}")
            assert picture.stat().st_size > 5_000
