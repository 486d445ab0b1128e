"""The claim deck in JupyterLab under Chromium, by keyboard alone, and after a restart."""

import browser
import pytest

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(browser.chromium() is None, reason="Chromium is not installed"),
]

CELL = """from x3dhlab.widgets import Card, ClaimDeck
runs = {"sizes": "A key, counted", "pool": "A pool, emptied", "": "No run"}
seen = {"sizes": "32 bytes", "pool": "0 keys are left"}
ClaimDeck("Claims", [
    Card("B-1", "A key has 32 bytes.", "holds", "It is one number.", runs, "sizes"),
    Card("C-1", "A pool never gets empty.", "false", "Nobody refilled it.", runs, "pool",
         beside="It is small."),
    Card("C-2", "Groups need no keys.", "false", "Left.", runs, "pool", "24")], seen.get)"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    root, private = (tmp_path_factory.mktemp(name) for name in ("course", "private"))
    browser.notebook(root / "claims.ipynb", CELL)
    with browser.jupyter(root, private) as address:
        yield address, private


@pytest.fixture
def opened(server):
    address, private = server
    (private / "progress.jsonl").unlink(missing_ok=True)
    with browser.browser(height=1100) as (page, problems):
        yield page, shown(page, address)
        assert problems == []


def shown(page, address):
    browser.open_notebook(page, address, "claims.ipynb")
    browser.hide_sidebars(page)
    browser.run_all(page)
    widget = page.locator(".x3dh-question")
    widget.wait_for()
    return widget


def choose(page, widget, verdict, run):
    """With Space on the two radio buttons, and Enter on the button."""
    for value in (verdict, run):
        widget.locator(f'input[value="{value}"]').focus()
        page.keyboard.press("Space")
    widget.get_by_role("button", name="Run it").focus()
    page.keyboard.press("Enter")


def test_a_card_is_judged_by_keyboard_and_the_focus_stays(opened):
    page, widget = opened
    choose(page, widget, "holds", "pool")
    widget.locator(".q-verdict.wrong").wait_for()
    assert "0 keys are left" in widget.inner_text()
    assert "It is one number." not in widget.inner_text()
    choose(page, widget, "holds", "sizes")
    widget.locator(".q-verdict.right").wait_for()
    assert "It is one number." in widget.inner_text()
    assert "1 of 3 count" in widget.inner_text()
    assert page.evaluate("document.activeElement.textContent") == "Run it"


def test_cards_are_turned_and_a_locked_one_says_when_it_opens(opened):
    page, widget = opened
    widget.get_by_role("button", name="Next").click()
    assert "A pool never gets empty." in widget.inner_text()
    assert "Elsewhere in the same design: It is small." in widget.inner_text()
    assert widget.get_by_role("button", name="Next").get_attribute("aria-disabled") == "true"
    locked = widget.locator("option[disabled]")
    assert locked.all_inner_texts() == ["C-2, opens after lesson 24"]
    widget.locator("select").select_option("B-1")
    assert "A key has 32 bytes." in widget.inner_text()


def test_without_a_choice_nothing_is_run(opened):
    page, widget = opened
    widget.get_by_role("button", name="Run it").focus()
    page.keyboard.press("Enter")
    widget.locator(".q-status", has_text="Choose a verdict").wait_for()
    assert widget.locator(".q-verdict").count() == 0


def test_what_counted_is_there_after_a_restart(opened, server):
    page, widget = opened
    choose(page, widget, "holds", "sizes")
    widget.locator(".q-verdict.right").wait_for()
    again = shown(page, server[0])
    again.get_by_text("You showed this earlier.").wait_for()
    assert "1 of 3 count" in again.inner_text()
