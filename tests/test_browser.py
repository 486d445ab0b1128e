"""Lesson 04 in JupyterLab under Chromium: the player and the questions as a person meets them."""

from pathlib import Path

import browser
import nbformat
import pytest

LESSON = Path(__file__).resolve().parent.parent / "notebooks" / "04_four_diffie_hellmans.ipynb"
CLICKS = 50

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(browser.chromium() is None, reason="Chromium is not installed"),
]

# Click, then wait for the frame that shows the result: milliseconds for each click.
_MEASURE = """async ([number, clicks]) => {
  const root = [...document.querySelectorAll('.x3dh-player')].at(number);
  const button = name => root.querySelector(`[aria-label="${name}"]`);
  const times = [];
  for (let n = 0; n < clicks; n++) {
    const before = root.querySelector('.p-count').textContent;
    if (n === 0) root.scrollIntoView();
    const start = performance.now();
    button(n % 2 ? 'Step back' : 'Step forward').click();
    await new Promise(done => requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = done;
      channel.port2.postMessage(0);
    }));
    times.push(performance.now() - start);
    if (root.querySelector('.p-count').textContent === before) throw Error('nothing changed');
  }
  return times.sort((a, b) => a - b);
}"""

# A conversation of more than 1,000 operations, in a cell below the lesson.
LONG = """from x3dhlab import scenes
from x3dhlab.widgets import ProtocolPlayer
long = scenes.conversation(" ".join("AAABBB" * 13)).trace
ProtocolPlayer(long, f"{len(long.events)} operations")"""

_SAVED_TEXT = """() => {
  for (const cell of jupyterapp.shell.currentWidget.content.model.cells) {
    for (const output of cell.outputs?.toJSON?.() || []) {
      const text = [output.data?.['text/plain'] || ''].flat().join('');
      if (text.includes('steps. Lanes:')) return text;
    }
  }
}"""


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    """Lesson 04, run from top to bottom with an empty progress file: (page, console problems)."""
    root, private = (tmp_path_factory.mktemp(name) for name in ("course", "private"))
    notebook = nbformat.read(LESSON, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(LONG, id="long"))
    nbformat.write(notebook, root / LESSON.name)
    with browser.jupyter(root, private) as address, browser.browser() as (page, problems):
        browser.open_notebook(page, address, LESSON.name)
        browser.hide_sidebars(page)
        browser.run_all(page)
        page.wait_for_selector(".x3dh-player .p-now")
        yield page, problems


@pytest.fixture
def player(lesson):
    """The player, at its first step."""
    page, _ = lesson
    player = page.locator(".x3dh-player").first
    player.scroll_into_view_if_needed()
    player.locator("input[type=range]").fill("0")
    return player


def shows(player, number):
    """Wait until the player shows step `number`, counted from 1."""
    player.locator(".p-count", has_text=f"Step {number} of ").wait_for()


def press(page, player, key):
    player.locator('[aria-label="Step forward"]').focus()
    page.keyboard.press(key)


def test_run_all_raises_nothing(lesson):
    page, _ = lesson
    assert page.locator('.jp-OutputArea-output[data-mime-type*="stderr"]').count() == 0
    assert page.locator('.jp-OutputArea-output[data-mime-type*="error"]').count() == 0


def test_the_live_view_stands_in_place_of_the_still_picture(lesson):
    page, _ = lesson
    outputs = page.locator(".jp-OutputArea-output:has(.x3dh)")
    assert outputs.count() >= 3
    assert outputs.locator('img[src^="data:image/svg"]').count() == 0


def test_the_mouse_steps_forward_and_back(player):
    player.locator('[aria-label="Step forward"]').click()
    shows(player, 2)
    player.locator('[aria-label="Step forward"]').click()
    shows(player, 3)
    player.locator('[aria-label="Step back"]').click()
    shows(player, 2)


def test_the_keyboard_steps_and_jumps_and_focus_stays(lesson, player):
    page, _ = lesson
    count = player.locator(".p-list button").count()
    for key, expected in (
        ("ArrowRight", 2),
        ("ArrowRight", 3),
        ("ArrowLeft", 2),
        ("End", count),
        ("Home", 1),
    ):
        press(page, player, key)
        shows(player, expected)
    assert page.evaluate("document.activeElement.closest('.x3dh-player') !== null")


def test_the_list_of_steps_works_by_mouse_and_by_keyboard(lesson, player):
    page, _ = lesson
    player.locator(".p-list button").nth(4).click()
    shows(player, 5)
    page.keyboard.press("ArrowDown")
    shows(player, 6)
    assert player.locator('.p-list [aria-current="step"]').count() == 1
    assert page.evaluate("document.activeElement.getAttribute('aria-current')") == "step"


def test_a_letter_typed_in_the_player_adds_no_cell(lesson, player):
    page, _ = lesson
    before = page.evaluate("jupyterapp.shell.currentWidget.content.model.cells.length")
    press(page, player, "b")
    press(page, player, "ArrowRight")
    shows(player, 2)
    assert page.evaluate("jupyterapp.shell.currentWidget.content.model.cells.length") == before


def test_every_step_on_the_page_is_the_step_of_the_text_form(lesson, player):
    page, _ = lesson
    lines = page.evaluate(_SAVED_TEXT).split("\n")[1:]
    assert player.locator(".p-list button").count() == len(lines)
    for number, line in enumerate(lines):
        player.locator("input[type=range]").fill(str(number))
        shows(player, number + 1)
        now = player.locator(".p-now").inner_text()
        for part in line.split("[")[0].split(". ", 1)[1].split("; "):
            formula = part.split(": ", 1)[-1] if "→" not in part else part
            assert "".join(formula.split()) in "".join(now.split())


def test_the_picture_shows_who_holds_which_bytes(player):
    row = player.locator(".p-list button", has_text="Compute DH4").first
    row.click()
    lanes = {
        name: player.locator(f'[aria-label="What {name} has"]') for name in ("Alice", "server")
    }
    assert "DH4" in lanes["Alice"].inner_text()
    assert "DH4" not in lanes["server"].inner_text()
    assert "DH4 = DH(EK_A, OPK_B)" in player.locator(".p-formula").inner_text().replace("\n", "")
    lanes["Alice"].locator(".p-chip", has_text="DH4").click()
    assert "Bytes of DH4" in player.locator(".p-bytes").inner_text()


def test_each_step_is_announced(player):
    player.locator('[aria-label="Step forward"]').click()
    live = player.locator("[aria-live=polite]")
    assert live.inner_text().startswith("Step 2 of ")


def test_a_button_at_the_end_keeps_the_focus(lesson, player):
    page, _ = lesson
    press(page, player, "End")
    button = player.locator('[aria-label="Step forward"]')
    assert button.get_attribute("aria-disabled") == "true"
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Step forward"


def test_a_prediction_is_made_by_keyboard_and_stays_locked(lesson):
    page, _ = lesson
    question = page.locator(".x3dh-question", has_text="you cannot change it later").first
    text = question.locator("legend").first.inner_text()
    question.locator("input[type=radio]").first.focus()
    page.keyboard.press("Space")
    question.locator(".q-level input").first.focus()
    page.keyboard.press("Space")
    assert question.locator(".q-answers").count() == 0
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    done = page.locator(".x3dh-question", has_text="Predicted").filter(has_text=text).first
    done.locator(".q-answers").wait_for()
    assert done.locator("input").count() == 0
    assert "your prediction, sure" in done.inner_text()


def test_a_quiz_explains_and_may_be_tried_again(lesson):
    page, _ = lesson
    quiz = page.locator(".x3dh-question", has_text="Check yourself").first
    for number in range(quiz.locator("input").count()):
        quiz.locator("input").nth(number).check()
        quiz.get_by_role("button", name="Check").click()
        chosen = quiz.locator(".q-option").nth(number).inner_text()
        quiz.locator(".q-feedback", has_text=chosen).wait_for()
    assert quiz.locator(".q-option.right, .q-option.wrong").count() == 1


def test_a_step_is_enlarged_by_mouse_and_shown_alone(player):
    player.locator(".p-list button", has_text="Compute DH4").first.click()
    small = player.locator(".p-formula").evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
    button = player.locator('[aria-label="Zoom to this step"]')
    button.click()
    large = player.locator(".p-formula").evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
    assert large > 1.4 * small
    assert button.get_attribute("aria-pressed") == "true"
    assert not player.locator(".p-list").is_visible()
    assert not player.locator(".p-scroll").is_visible()
    assert "Diffie-Hellman output" in player.locator(".p-bytes").inner_text()
    button.click()
    assert player.locator(".p-list").is_visible()


def test_the_keyboard_enlarges_steps_on_and_leaves(lesson, player):
    page, _ = lesson
    player.locator(".p-list button").nth(3).click()
    page.keyboard.press("z")
    focused = "document.activeElement.getAttribute('aria-label')"
    assert page.evaluate(focused) == "Zoom to this step"
    live = player.locator("[aria-live=polite]")
    assert live.inner_text().startswith("Enlarged: Step 4 of ")
    page.keyboard.press("ArrowRight")
    shows(player, 5)
    assert not player.locator(".p-list").is_visible()
    page.keyboard.press("Escape")
    assert player.locator(".p-list").is_visible()
    assert page.evaluate(focused) == "Zoom to this step"


@pytest.mark.parametrize(("number", "what"), [(0, "the lesson's run"), (-1, "1,000 operations")])
def test_a_click_answers_at_once(lesson, player, number, what, record_property, capsys):
    page, _ = lesson
    if number:
        long = page.locator(".x3dh-player").last
        long.scroll_into_view_if_needed()
        middle = int(long.locator("input[type=range]").get_attribute("max")) // 2
        long.locator("input[type=range]").fill(str(middle))
    times = page.evaluate(_MEASURE, [number, CLICKS])
    p95 = times[int(0.95 * len(times))]
    record_property("click_to_picture_p95_ms", round(p95, 1))
    with capsys.disabled():
        print(f"\n{what}, click to picture: 95 % of {len(times)} clicks within {p95:.1f} ms")
    assert len(times) == CLICKS


def test_pictures_for_a_reviewer(lesson, player):
    page, _ = lesson
    player.locator(".p-list button", has_text="Compute DH4").first.click()
    assert browser.screenshot(player, "player 1200").stat().st_size > 10_000
    page.set_viewport_size({"width": 380, "height": 900})
    try:
        assert player.evaluate("e => e.scrollWidth <= e.clientWidth")
        assert browser.screenshot(player, "player 380").stat().st_size > 10_000
    finally:
        page.set_viewport_size({"width": 1200, "height": 900})


def test_the_console_stays_clean(lesson):
    _, problems = lesson
    assert problems == []
