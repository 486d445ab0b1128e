"""Several questions on one page, by keyboard: each has its own answers, and a way in and out."""

import browser
import pytest

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(browser.chromium() is None, reason="no Chromium is installed"),
]

CELLS = (
    "from x3dhlab.widgets import Check, Choose, Experiment, Quiz, Option, Outcome",
    *(
        f"Quiz('t.{name}', 'Which one, `{name}`?', [Option('this', True, 'Yes.'), "
        "Option('that', why='No.', cell='Some heading')])"
        for name in ("first", "second")
    ),
    """Experiment("Lamp", [Check("on", "Light")],
    lambda on: Outcome("note", "It is bright." if on else "It is dark."))""",
    """Experiment("Rooms", [Choose("room", "Room", ("hall", "attic"), "hall"), Check("on", "Fire")],
    lambda room, on: Outcome("note", f"In the {room}.", {"seen": "a wall\\na door"} if on else {}),
    opens="room")""",
)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    root, private = (tmp_path_factory.mktemp(name) for name in ("questions", "private"))
    browser.notebook(root / "two.ipynb", *CELLS)
    with browser.jupyter(root, private) as address, browser.browser() as (page, _):
        browser.open_notebook(page, address, "two.ipynb")
        browser.run_all(page)
        page.locator(".x3dh-question").nth(1).wait_for()
        yield page


def test_an_answer_to_one_question_leaves_the_other_alone(page):
    first, second = page.get_by_label("this", exact=True).all()
    first.check()
    second.check()
    assert first.is_checked() and second.is_checked()
    assert first.get_attribute("name") != second.get_attribute("name")


def test_the_name_of_a_question_has_no_marks_of_code(page):
    names = [root.get_attribute("aria-label") for root in page.locator(".x3dh-question").all()]
    assert names == ["Question: Which one, first?", "Question: Which one, second?"]


def test_escape_leads_from_a_widget_back_to_its_cell(page):
    page.get_by_label("this", exact=True).first.focus()
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.classList.contains('jp-Cell')")
    assert page.evaluate("jupyterapp.shell.currentWidget.content.mode") == "command"


def test_shift_and_enter_does_not_answer_again(page):
    question = page.locator(".x3dh-question").first
    question.get_by_label("that", exact=True).check()
    question.get_by_role("button", name="Check").focus()
    page.keyboard.press("Shift+Enter")
    page.get_by_label("this", exact=True).nth(1).focus()
    assert question.locator(".q-feedback").inner_text() == ""


def test_a_live_region_speaks_the_verdict(page):
    question = page.locator(".x3dh-question").first
    question.get_by_label("that", exact=True).check()
    question.get_by_role("button", name="Check").click()
    question.get_by_role("status").filter(has_text="Not this.").wait_for()
    experiment = page.locator(".x3dh-experiment").first
    experiment.get_by_label("Light").check()
    experiment.get_by_role("status").filter(has_text="It is bright.").wait_for()


def test_a_control_that_opens_puts_the_others_back_on_the_page(page):
    experiment = page.locator(".x3dh-experiment").nth(1)
    fire = experiment.get_by_label("Fire")
    fire.check()
    experiment.locator("dd").nth(1).wait_for()
    assert experiment.locator("dt, dd").all_inner_texts() == ["seen", "a wall", "a door"]
    wall, door = (line.bounding_box() for line in experiment.locator("dd").all())
    assert wall["x"] == door["x"] and wall["y"] < door["y"]
    experiment.get_by_label("Room").select_option("attic")
    experiment.get_by_text("In the attic.").wait_for()
    assert not fire.is_checked() and experiment.locator("dt").count() == 0
