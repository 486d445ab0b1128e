"""The ratchet theatre in JupyterLab under Chromium, by mouse and by keyboard alone."""

import axe
import browser
import pytest

CLICKS = 50

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(browser.chromium() is None, reason="Chromium is not installed"),
]

CELL = """from x3dhlab import scenes
theatre = scenes.ratchet_theatre(1, title="The theatre")
theatre"""


# Click, then wait for the kernel's answer and the frame that shows it: milliseconds.
_MEASURE = """async (clicks) => {
  const root = document.querySelector('.x3dh-theatre');
  const button = words => [...root.querySelectorAll('.p-buttons button')]
    .find(found => found.textContent === words);
  const shown = () => root.querySelector('.p-count').textContent;
  const times = [];
  for (let n = 0; n < clicks; n++) {
    const before = shown();
    const start = performance.now();
    button(n % 2 ? 'Redo' : 'Undo').click();
    while (shown() === before) await new Promise(done => requestAnimationFrame(done));
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b);
}"""


@pytest.fixture(scope="module", params=["light", "dark"])
def lab(request, tmp_path_factory):
    """A notebook with one theatre: (page, console problems, "light" or "dark")."""
    theme = request.param
    root, private = (tmp_path_factory.mktemp(name) for name in ("course", "private"))
    browser.notebook(root / "theatre.ipynb", CELL, "print(repr(theatre))")
    with (
        browser.jupyter(root, private, theme=f"JupyterLab {theme.title()}") as address,
        browser.browser(dark=theme == "dark") as (page, problems),
    ):
        browser.open_notebook(page, address, "theatre.ipynb")
        browser.hide_sidebars(page)
        yield page, problems, theme


@pytest.fixture
def theatre(lab):
    """A theatre at its first step."""
    page, *_ = lab
    page.set_viewport_size({"width": 1200, "height": 1100})
    browser.run_all(page)
    theatre = page.locator(".x3dh-theatre").first
    theatre.locator(".t-field").first.wait_for()
    theatre.scroll_into_view_if_needed()
    return theatre


def at(theatre, number):
    """Wait until the theatre has made so many steps."""
    theatre.locator(".p-count", has_text=f"Step {number}").wait_for()


def write(theatre, person, text, step):
    phone = theatre.get_by_role("group", name=f"{person}'s phone")
    phone.locator("input").fill(text)
    phone.get_by_role("button", name=f"Send as {person}").click()
    at(theatre, step)


def deliver(theatre, person, step):
    theatre.get_by_role("button", name=f"Deliver the next message to {person}").click()
    at(theatre, step)


def stolen_and_refused(theatre):
    """Five messages, a theft and a refusal, by mouse."""
    write(theatre, "Alice", "one", 1)
    write(theatre, "Alice", "two", 2)
    theatre.locator(".t-face").first.click()
    theatre.get_by_role("button", name="Copy", exact=True).click()
    at(theatre, 3)
    deliver(theatre, "Bob", 4)
    theatre.get_by_role("group", name="Bob's phone").get_by_text("Copy this state").click()
    at(theatre, 5)
    write(theatre, "Bob", "three", 6)
    deliver(theatre, "Bob", 7)


def focused(page):
    return page.evaluate("document.activeElement.dataset.key || ''")


def test_the_mouse_writes_delivers_steals_and_meets_a_refusal(theatre):
    stolen_and_refused(theatre)
    said = theatre.locator(".t-now").inner_text()
    assert "OldMessage: refused under Double Ratchet §3.5. The state did not change." in said
    assert theatre.locator(".t-field.changed").count() == 0
    assert theatre.locator(".t-field.stolen").count() > 3
    assert "The thief reads “three”" in theatre.locator(".t-verdicts").inner_text()


def test_the_thief_shows_how(theatre):
    stolen_and_refused(theatre)
    theatre.locator(".t-verdicts button").first.click()
    theatre.locator(".t-proof li", has_text="plaintext = OPEN").wait_for()


def test_a_step_back_takes_everything_back(theatre):
    stolen_and_refused(theatre)
    for step in range(6, -1, -1):
        theatre.get_by_role("button", name="Undo").click()
        at(theatre, step)
    assert theatre.locator(".t-face, .t-field.stolen").count() == 0
    assert theatre.get_by_role("button", name="Undo").get_attribute("aria-disabled") == "true"


def test_the_keyboard_alone_writes_swaps_delivers_and_drops(lab, theatre):
    page, *_ = lab
    theatre.locator("input").first.focus()
    for number in (1, 2, 3):
        page.keyboard.type(f"text {number}")
        page.keyboard.press("Enter")
        at(theatre, number)
    assert focused(page) == "text-Alice"
    theatre.locator(".t-face").first.focus()
    page.keyboard.press("Enter")
    for _ in range(3):  # Deliver, Hold back, Move…
        page.keyboard.press("Tab")
    assert focused(page) == "move-1"
    page.keyboard.press("Enter")
    assert focused(page) == "slot-3"
    page.keyboard.press("Enter")
    at(theatre, 4)
    assert theatre.locator(".t-text").all_inner_texts() == ["text 2", "text 1", "text 3"]
    assert focused(page) == "parcel-1"
    page.keyboard.press("ArrowUp")
    assert focused(page) == "parcel-2"
    page.keyboard.press("Delete")
    at(theatre, 5)
    assert theatre.locator(".t-text").all_inner_texts() == ["text 1", "text 3"]
    assert focused(page) == "parcel-1"


def test_escape_leaves_a_message_where_it_was(lab, theatre):
    page, *_ = lab
    write(theatre, "Alice", "one", 1)
    write(theatre, "Alice", "two", 2)
    theatre.locator(".t-face").first.click()
    theatre.get_by_role("button", name="Move…").click()
    page.keyboard.press("Escape")
    assert theatre.locator(".t-slot").count() == 0
    assert focused(page) == "parcel-1"


def test_dragging_swaps_two_messages(lab, theatre):
    page, *_ = lab
    write(theatre, "Alice", "one", 1)
    write(theatre, "Alice", "two", 2)
    boxes = [theatre.locator(".t-face").nth(n).bounding_box() for n in (0, 1)]
    (x1, y1), (x2, y2) = [(b["x"] + 60, b["y"] + b["height"] / 2) for b in boxes]
    page.mouse.move(x1, y1)
    page.mouse.down()
    page.mouse.move(x1 + 4, y1 + 20)
    page.mouse.move(x2, y2)
    page.mouse.up()
    at(theatre, 3)
    assert theatre.locator(".t-text").all_inner_texts() == ["two", "one"]
    assert theatre.locator(".t-tools").count() == 0


def test_letters_typed_on_a_message_add_no_cell(lab, theatre):
    page, *_ = lab
    write(theatre, "Alice", "one", 1)
    count = "jupyterapp.shell.currentWidget.content.model.cells.length"
    before = page.evaluate(count)
    theatre.locator(".t-face").first.focus()
    for key in "bad":
        page.keyboard.press(key)
    write(theatre, "Alice", "two", 2)
    assert page.evaluate(count) == before


def test_the_text_form_tells_what_the_page_shows(lab, theatre):
    page, *_ = lab
    stolen_and_refused(theatre)
    page.evaluate(
        """async () => {
          const notebook = jupyterapp.shell.currentWidget.content;
          notebook.activeCellIndex = 1;
          await jupyterapp.commands.execute('notebook:run-cell');
        }"""
    )
    text = page.locator(".jp-OutputArea-output pre", has_text="7 steps").last.inner_text()
    shown = theatre.locator(".t-field code").all_inner_texts()
    assert len(shown) == 16
    assert [value for value in shown if value not in text] == []
    for words in theatre.locator(".t-steps li").all_text_contents():
        assert words in text
    for words in theatre.locator(".t-next li").all_inner_texts():
        assert words in text


def test_axe_finds_nothing_in_any_state_at_two_widths(lab, theatre):
    page, _, theme = lab
    assert axe.violations(page, ".x3dh-theatre") == []
    stolen_and_refused(theatre)
    theatre.locator(".t-verdicts button").first.click()
    theatre.locator(".t-proof").wait_for()
    write(theatre, "Bob", "four", 8)
    theatre.locator(".t-face").last.click()
    theatre.get_by_role("button", name="Move…").click()
    theatre.locator(".t-log summary").click()
    for width in (1200, 380):
        page.set_viewport_size({"width": width, "height": 2900})  # so that one picture shows all
        assert axe.violations(page, ".x3dh-theatre") == []
        assert theatre.evaluate("e => e.scrollWidth <= e.clientWidth")
        picture = browser.screenshot(theatre, f"theatre {theme} {width}")
        assert picture.stat().st_size > 10_000


def test_a_click_answers_at_once(lab, theatre, record_property, capsys):
    page, *_ = lab
    stolen_and_refused(theatre)
    times = page.evaluate(_MEASURE, CLICKS)
    p95 = times[int(0.95 * len(times))]
    record_property("theatre_click_to_picture_p95_ms", round(p95, 1))
    with capsys.disabled():
        print(f"\ntheatre, click to picture: 95 % of {len(times)} clicks within {p95:.1f} ms")
    assert len(times) == CLICKS


def test_the_console_stays_clean(lab, theatre):
    _, problems, _ = lab
    assert problems == []


def test_a_silent_kernel_is_a_sentence(lab, theatre):
    page, *_ = lab
    page.evaluate("jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    theatre.locator("input").first.fill("Is anybody there?")
    theatre.get_by_role("button", name="Send as Alice").click()
    theatre.get_by_text("The kernel does not answer").wait_for()
