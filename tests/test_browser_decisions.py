"""The decision board in JupyterLab under Chromium, by mouse and by keyboard alone."""

import axe
import browser
import pytest

THEMES = ("JupyterLab Light", "JupyterLab Dark")
CELLS = (
    "from x3dhlab.scenes.board import decision_board",
    'board = decision_board(only=("store", "rotation"))\nboard',
)
GUESS = "Before you run"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(browser.chromium() is None, reason="Chromium is not installed"),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A notebook with a board of two rows: (page, console problems)."""
    root, private = (tmp_path_factory.mktemp(name) for name in ("board", "private"))
    browser.notebook(root / "board.ipynb", *CELLS)
    with browser.jupyter(root, private) as address, browser.browser() as (page, problems):
        browser.open_notebook(page, address, "board.ipynb")
        browser.hide_sidebars(page)
        browser.run_all(page)
        page.locator(".x3dh-decisions").wait_for()
        yield page, problems


@pytest.fixture
def board(lab):
    """The widget with a known choice, and no guess for it."""
    page, _ = lab
    widget = page.locator(".x3dh-decisions")
    widget.scroll_into_view_if_needed()
    for option in ("every region by itself", "one region decides"):
        widget.get_by_label("Who gives").select_option(option)
        widget.locator('button[aria-disabled="true"]').wait_for()
    return widget


def run(widget, guess="rotation"):
    widget.get_by_label(GUESS).select_option(guess)
    widget.locator('button[aria-disabled="false"]').click()
    widget.locator(".d-whole").wait_for()


def check(page, widget, name):
    """Axe in light and dark, at both widths; a picture of each."""
    for theme in THEMES:
        page.evaluate(f"jupyterapp.commands.execute('apputils:change-theme', {{theme: '{theme}'}})")
        light = str(theme.endswith("Light")).lower()
        page.wait_for_function(f"document.body.dataset.jpThemeLight === '{light}'")
        for width in (1200, 380):
            page.set_viewport_size({"width": width, "height": 900})
            assert axe.violations(page, ".x3dh-decisions") == []
            assert widget.evaluate("e => e.scrollWidth <= e.clientWidth")
            picture = browser.screenshot(widget, f"decisions {name} {width} {theme.split()[1]}")
            assert picture.stat().st_size > 8_000
    page.set_viewport_size({"width": 1200, "height": 900})


def test_nothing_runs_before_the_guess_and_the_board_says_so(lab, board):
    board.get_by_role("button", name="Run this design").click(force=True)
    board.locator(".q-status", has_text="First say which row keeps least").wait_for()
    assert board.locator(".d-whole").count() == 0


def test_a_run_shows_each_row_the_weakest_one_and_what_was_guessed(lab, board):
    page, _ = lab
    check(page, board, "open")
    run(board, "store")
    rows = board.locator(".d-table").first.locator("tbody tr").all_inner_texts()
    assert [row.split()[0] for row in rows] == ["store", "rotation", "the"]
    assert "keys were given out twice" in rows[0]
    assert board.locator(".d-least th").all_inner_texts() in (["rotation"], ["store"])
    assert (
        board.locator(".e-verdict")
        .inner_text()
        .endswith(f"least is kept in {board.locator('.d-least th').first.inner_text()}.")
    )
    check(page, board, "run")


def test_another_choice_takes_the_report_away_and_the_designs_stay(lab, board):
    run(board)
    board.get_by_label("How often").select_option("every 30 days, kept for 60")
    board.locator('button[aria-disabled="true"]').wait_for()
    assert board.locator(".d-whole").count() == 0
    run(board)
    last = board.locator(".d-table").last.locator("tbody tr").last
    assert "rotation: every 30 days, kept for 60" in last.inner_text()
    board.get_by_label("How often").select_option("every 2 days, kept for 2")


def test_the_keyboard_alone_chooses_guesses_and_runs(lab, board):
    page, _ = lab
    board.get_by_label("Who gives").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.labels[0].innerText").startswith(GUESS)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    board.locator('button[aria-disabled="false"]').wait_for()
    page.keyboard.press("Enter")
    board.locator(".d-whole").wait_for()
    assert board.locator(".e-verdict").inner_text().startswith("Least is kept in")


def test_keys_on_a_choice_reach_no_shortcut_of_the_notebook(lab, board):
    page, _ = lab
    cells = "jupyterapp.shell.currentWidget.content.model.cells.length"
    before = page.evaluate(cells)
    board.get_by_role("button", name="Run this design").focus()
    for key in ("a", "b", "x"):
        page.keyboard.press(key)
    assert page.evaluate(cells) == before


def test_every_choice_has_its_own_label_and_the_answer_is_announced(board):
    names = board.locator("select").evaluate_all("all => all.map(e => e.labels[0].innerText)")
    assert len(names) == len(set(names)) == 3 and all(names)
    assert board.locator(".e-verdict").get_attribute("role") == "status"


def test_the_console_stays_clean(lab):
    assert lab[1] == []
