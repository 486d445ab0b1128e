"""The safety number in JupyterLab under Chromium, by mouse and by keyboard alone."""

import axe
import browser
import pytest

THEMES = ("JupyterLab Light", "JupyterLab Dark")
HONEST, SWAPPED = 0, 1

CELLS = (
    "from x3dhlab import scenes",
    "scenes.safety_numbers()",
    "scenes.safety_numbers(swapped=True)",
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(browser.chromium() is None, reason="Chromium is not installed"),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A notebook with an honest and a swapped run: (page, console problems)."""
    root, private = (tmp_path_factory.mktemp(name) for name in ("safety", "private"))
    browser.notebook(root / "safety.ipynb", *CELLS)
    with browser.jupyter(root, private) as address, browser.browser() as (page, problems):
        browser.open_notebook(page, address, "safety.ipynb")
        browser.hide_sidebars(page)
        browser.run_all(page)
        page.locator(".x3dh-safety").nth(1).wait_for()
        yield page, problems


def safety_of(page, number):
    widget = page.locator(".x3dh-safety").nth(number)
    widget.scroll_into_view_if_needed()
    return widget


def field(widget):
    return widget.get_by_label("What Bob's phone shows")


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
            assert axe.violations(page, ".x3dh-safety") == []
            assert widget.evaluate("e => e.scrollWidth <= e.clientWidth")
            picture = browser.screenshot(widget, f"safety {name} {width} {theme.split()[1]}")
            assert picture.stat().st_size > 8_000
    page.set_viewport_size({"width": 1200, "height": 900})


def test_the_code_is_a_picture_with_words(lab):
    page, _ = lab
    code = safety_of(page, HONEST).get_by_role("img", name="QR code of Alice's phone")
    assert code.evaluate("e => e.complete && e.naturalWidth") > 150
    assert code.get_attribute("src").startswith("data:image/png;base64,")
    check(page, safety_of(page, HONEST), "open")


def test_the_other_phone_is_read_and_scanned_by_mouse(lab):
    page, _ = lab
    widget = safety_of(page, HONEST)
    for button, how in (("Read Bob's digits", "digits"), ("Scan Bob's code", "scanned code")):
        widget.get_by_role("button", name=button).click()
        widget.locator(".e-outcome", has_text=f"Compared by {how}").wait_for()
        says(widget, "Both phones hold the same two keys.")
    assert widget.locator(".wrong").count() == 0


def test_a_swap_shows_in_every_group(lab):
    page, _ = lab
    widget = safety_of(page, SWAPPED)
    widget.get_by_role("button", name="Scan Bob's code").click()
    says(widget, "different values for Alice's key and Bob's key")
    assert widget.locator(".sn-group.wrong").count() == 12
    check(page, widget, "swapped")


def test_the_keyboard_alone_types_the_digits_and_finds_the_misread_group(lab):
    page, _ = lab
    widget = safety_of(page, HONEST)
    shown = widget.locator(".sn-group").evaluate_all("all => all.map(e => e.firstChild.data)")
    field(widget).fill("")
    field(widget).focus()
    typed = [*shown[:11], f"{(int(shown[11]) + 1) % 100_000:05}"]
    page.keyboard.type(" ".join(typed))
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    says(widget, "One group")
    assert widget.locator(".sn-group.wrong").inner_text().startswith(shown[11])
    assert page.evaluate("document.activeElement.textContent") == "Compare"
    check(page, widget, "misread")
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.tagName") == "TEXTAREA"


def test_an_empty_field_and_half_a_number_are_answered(lab):
    page, _ = lab
    widget = safety_of(page, SWAPPED)
    compare = widget.get_by_role("button", name="Compare")
    field(widget).fill("  ")
    compare.click()
    widget.locator(".q-status", has_text="The field is empty.").wait_for()
    field(widget).fill("12345 67890")
    compare.click()
    says(widget, "a safety number has 60 digits, not 10")
    assert widget.locator(".wrong").count() == 0


def test_the_same_answer_twice_is_an_answer(lab):
    page, _ = lab
    widget = safety_of(page, HONEST)
    for _ in range(2):
        widget.get_by_role("button", name="Read Bob's digits").click()
        says(widget, "Both phones hold the same two keys.")
        assert "kernel" not in widget.locator(".q-status").inner_text()


def test_keys_in_the_field_reach_no_shortcut_of_the_notebook(lab):
    page, _ = lab
    cells = "jupyterapp.shell.currentWidget.content.model.cells.length"
    before = page.evaluate(cells)
    widget = safety_of(page, HONEST)
    for place in (field(widget), widget.get_by_role("button", name="Compare")):
        place.focus()
        for key in ("a", "b", "x"):
            page.keyboard.press(key)
    assert page.evaluate(cells) == before


def test_the_console_stays_clean(lab):
    assert lab[1] == []
