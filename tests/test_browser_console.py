"""The attack console in JupyterLab under Chromium, by mouse and by keyboard alone."""

import axe
import browser
import pytest

THEMES = ("JupyterLab Light", "JupyterLab Dark")
CELLS = ("from x3dhlab import scenes", "console = scenes.attack_console()\nconsole")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(browser.chromium() is None, reason="Chromium is not installed"),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A notebook with the console: (page, console problems)."""
    root, private = (tmp_path_factory.mktemp(name) for name in ("console", "private"))
    browser.notebook(root / "console.ipynb", *CELLS)
    with browser.jupyter(root, private) as address, browser.browser() as (page, problems):
        browser.open_notebook(page, address, "console.ipynb")
        browser.hide_sidebars(page)
        browser.run_all(page)
        page.locator(".x3dh-console").wait_for()
        yield page, problems


@pytest.fixture
def console(lab):
    """The widget as it opens: one lie, the package's programs."""
    page, _ = lab
    widget = page.locator(".x3dh-console")
    widget.scroll_into_view_if_needed()
    for label in widget.locator(".e-check").all():
        usual = label.inner_text().startswith(("plays", "check", "stop", "remember", "keep", "ask"))
        label.locator("input").set_checked(usual)
    widget.get_by_label("It begins").select_option("at first contact")
    says(widget, "The server reads, and nobody notices anything.")
    return widget


def says(widget, words):
    widget.locator(".e-verdict", has_text=words).wait_for()


def check(page, widget, name):
    """Axe in light and dark, at both widths; a picture of each."""
    for theme in THEMES:
        page.evaluate(f"jupyterapp.commands.execute('apputils:change-theme', {{theme: '{theme}'}})")
        light = str(theme.endswith("Light")).lower()
        page.wait_for_function(f"document.body.dataset.jpThemeLight === '{light}'")
        for width in (1200, 380):
            page.set_viewport_size({"width": width, "height": 900})
            assert axe.violations(page, ".x3dh-console") == []
            assert widget.evaluate("e => e.scrollWidth <= e.clientWidth")
            picture = browser.screenshot(widget, f"console {name} {width} {theme.split()[1]}")
            assert picture.stat().st_size > 8_000
    page.set_viewport_size({"width": 1200, "height": 900})


def test_a_click_shows_who_notices(lab, console):
    page, _ = lab
    check(page, console, "unnoticed")
    console.get_by_label("compare safety numbers").check()
    says(console, "The server reads, and Alice and Bob notice something.")
    rows = console.locator(".c-table").first.locator("tr")
    assert rows.count() == 1 and "unequal safety numbers" in rows.inner_text()
    console.get_by_label("plays Bob for Alice").uncheck()
    says(console, "The server reads nothing, and nobody notices anything.")


def test_a_later_reading_has_its_row(lab, console):
    page, _ = lab
    console.get_by_label("plays Bob for Alice").uncheck()
    console.get_by_label("exchanges Bob's signed prekey").check()
    says(console, "The server reads nothing, and Alice notices something.")
    console.get_by_label("check signatures").uncheck()
    says(console, "The server can read later")
    check(page, console, "later")


def test_the_keyboard_alone_changes_switches_and_the_choice(lab, console):
    page, _ = lab
    console.get_by_label("plays Bob for Alice").focus()
    page.keyboard.press("Space")
    says(console, "The server reads nothing")
    page.keyboard.press("Space")
    says(console, "The server reads, and nobody notices anything.")
    for _ in range(8):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "SELECT"
    page.keyboard.press("ArrowDown")
    says(console, "The server reads nothing, and Alice notices something.")
    assert "IdentityChanged" in console.locator(".c-table").first.inner_text()


def test_a_change_without_a_difference_is_answered_too(lab, console):
    page, _ = lab
    console.evaluate(
        """e => {
          window.answered = 0;
          new MutationObserver(() => window.answered++).observe(
            e.querySelector('.e-outcome'), {childList: true, subtree: true});
        }"""
    )
    console.get_by_label("check signatures").uncheck()
    page.wait_for_function("window.answered > 0")
    says(console, "The server reads, and nobody notices anything.")


def test_keys_on_a_switch_reach_no_shortcut_of_the_notebook(lab, console):
    page, _ = lab
    cells = "jupyterapp.shell.currentWidget.content.model.cells.length"
    before = page.evaluate(cells)
    console.get_by_label("check signatures").focus()
    for key in ("a", "b", "x"):
        page.keyboard.press(key)
    assert page.evaluate(cells) == before


def test_every_switch_has_its_own_label_and_the_answer_is_announced(lab, console):
    names = console.locator("input, select").evaluate_all(
        "all => all.map(e => e.labels[0].innerText)"
    )
    assert len(names) == len(set(names)) == 16 and all(names)
    assert console.locator(".e-verdict").get_attribute("role") == "status"
    assert console.locator("legend").all_inner_texts() == ["The server …", "The clients …"]


def test_the_console_stays_clean(lab):
    assert lab[1] == []
