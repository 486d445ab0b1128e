"""Key lineage in JupyterLab and Notebook 7 under Chromium, by mouse and by keyboard alone."""

import axe
import browser
import pytest

CLICKS = 50
THEMES = ("JupyterLab Light", "JupyterLab Dark")

SMALL = """from x3dhlab import scenes
from x3dhlab.proof import stolen
run = scenes.conversation("A B A")
phone = stolen(run.devices["Bob", 1])
widget = scenes.key_lineage(run.trace, "What falls?", thefts={"Bob's phone after message 1": phone})
widget"""
LARGE = """long = scenes.conversation(" ".join("ABBBBAAABA" * 9))
large = scenes.key_lineage(long.trace, "A long conversation")
assert len(long.trace) > 1000
large"""
EMPTY = """from x3dhlab.trace import Trace
scenes.key_lineage(Trace(), "Nothing")"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(browser.chromium() is None, reason="Chromium is not installed"),
]

# Click a secret, then wait until the sentence has changed and was painted.
_MEASURE = """async (clicks) => {
  const root = [...document.querySelectorAll('.x3dh-lineage')][1];
  const node = root.querySelector('.l-node.secret:not(.fold)').dataset.node;
  const times = [];
  for (let n = 0; n < clicks; n++) {
    const sentence = root.querySelector('.l-outcome');
    const start = performance.now();
    const changed = new Promise(done => {
      const seen = new MutationObserver(() => (seen.disconnect(), done()));
      seen.observe(sentence, {childList: true, subtree: true, characterData: true});
    });
    const click = new MouseEvent('click', {bubbles: true});
    root.querySelector(`[data-node="${node}"].l-node`).dispatchEvent(click);
    await changed;
    await new Promise(done => requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = done;
      channel.port2.postMessage(0);
    }));
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b);
}"""


@pytest.fixture(scope="module")
def page_and_problems(tmp_path_factory):
    """A notebook with a small, a large and an empty lineage, run: (page, console problems)."""
    root, private = (tmp_path_factory.mktemp(name) for name in ("lineage", "private"))
    browser.notebook(root / "lineage.ipynb", SMALL, LARGE, EMPTY)
    with browser.jupyter(root, private) as address, browser.browser() as (page, problems):
        browser.open_notebook(page, address, "lineage.ipynb")
        browser.hide_sidebars(page)
        browser.run_all(page)
        page.locator(".x3dh-lineage").nth(2).wait_for()
        yield page, problems


@pytest.fixture
def page(page_and_problems):
    return page_and_problems[0]


@pytest.fixture
def widget(page):
    """The small lineage with nothing leaked."""
    return _fresh(page, 0)


@pytest.fixture
def large(page):
    return _fresh(page, 1)


def _fresh(page, number):
    widget = page.locator(".x3dh-lineage").nth(number)
    widget.scroll_into_view_if_needed()
    back = widget.get_by_role("button", name="Take all back")
    if back.get_attribute("aria-disabled") == "false":
        back.click()
    says(widget, "Nothing is leaked")
    return widget


def node(widget, name):
    return widget.locator(f'.l-node[aria-label^="{name},"]')


def says(widget, words):
    widget.locator(".l-outcome", has_text=words).wait_for()


def walk_to(page, widget, name):
    """Reach a value by the arrow keys alone: from the top row down, each row from left to right."""
    first = widget.locator('.l-node[tabindex="0"]')
    first.focus()
    page.keyboard.press("Home")
    for _ in range(30):
        for _ in range(12):
            page.keyboard.press("ArrowLeft")
        for _ in range(12):
            label = page.evaluate("document.activeElement.getAttribute('aria-label')")
            if label.startswith(f"{name},"):
                return
            page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowDown")
    raise AssertionError(f"{name} cannot be reached by keyboard")


def test_the_mouse_leaks_values_and_takes_them_back(widget):
    node(widget, "SK").click()
    says(widget, "1 value leaked, 0 more fall. The attacker reads 0 of 3 messages.")
    node(widget, "DHs_A").click()
    says(widget, "2 values leaked, 10 more fall. The attacker reads 2 of 3 messages.")
    assert "✗ falls" in node(widget, "MK1").text_content()
    assert node(widget, "SK").get_attribute("aria-pressed") == "true"
    node(widget, "SK").click()
    says(widget, "1 value leaked")
    assert node(widget, "SK").get_attribute("aria-pressed") == "false"


def test_the_keyboard_alone_leaks_a_value_and_opens_the_proof(page, widget):
    walk_to(page, widget, "CK1")
    page.keyboard.press("Enter")
    says(widget, "1 value leaked")
    walk_to(page, widget, "C1")
    page.keyboard.press(" ")
    widget.locator(".l-verdict", has_text="C1 falls").wait_for()
    steps = widget.locator(".l-steps .p-count")
    total = int(steps.inner_text().split(" of ")[1])
    following = widget.get_by_role("button", name="Next operation")
    for number in range(2, total + 1):
        following.focus()
        page.keyboard.press("Enter")
        widget.locator(".l-steps", has_text=f"Operation {number} of {total}").wait_for()
    assert '"message 1" = Open(' in widget.locator(".l-proof .l-formula").inner_text()
    assert following.get_attribute("aria-disabled") == "true"
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Next operation"


def test_the_focus_stays_on_a_value_that_was_leaked(page, widget):
    walk_to(page, widget, "SK")
    page.keyboard.press("Enter")
    says(widget, "1 value leaked")
    label = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert label.startswith("SK,") and "leaked" in label


def test_a_message_that_holds_says_what_is_missing(widget):
    widget.locator(".l-list button").nth(2).click()
    widget.locator(".l-verdict", has_text="C3 holds").wait_for()
    assert "MK3" in widget.locator(".l-chips").first.inner_text()
    widget.locator(".l-chips button", has_text="MK3").click()
    assert widget.locator(".l-details strong").inner_text() == "MK3"


def test_a_stolen_phone_marks_what_falls(widget):
    theft = widget.get_by_role("button", name="Bob's phone after message 1")
    theft.click()
    says(widget, "The attacker reads 2 of 3 messages")
    assert theft.get_attribute("aria-pressed") == "true"


def test_the_list_of_messages_moves_by_arrow_keys(page, widget):
    widget.locator('.l-list button[tabindex="0"]').focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.dataset.node") == widget.locator(
        ".l-list button"
    ).nth(1).get_attribute("data-node")


def test_a_letter_typed_in_the_graph_adds_no_cell(page, widget):
    cells = "jupyterapp.shell.currentWidget.content.model.cells.length"
    before = page.evaluate(cells)
    widget.locator('.l-node[tabindex="0"]').focus()
    page.keyboard.press("b")
    page.keyboard.press("ArrowDown")
    assert page.evaluate(cells) == before


def test_the_page_shows_the_values_of_the_text_form(page, widget):
    text = page.evaluate(
        """() => {
          for (const cell of jupyterapp.shell.currentWidget.content.model.cells)
            for (const output of cell.outputs?.toJSON?.() || []) {
              const text = [output.data?.['text/plain'] || ''].flat().join('');
              if (text.startsWith('What falls?')) return text;
            }
        }"""
    )
    lines = [line.strip() for line in text.split("\n")[2:]]
    labels = widget.locator(".l-node").evaluate_all(
        "all => all.map(node => node.getAttribute('aria-label').split(',')[0])"
    )
    assert len(lines) == len(labels)
    assert all(any(line.startswith(label) for line in lines) for label in labels)
    assert text.split("\n")[1] == widget.locator(".l-outcome").inner_text()


def test_a_large_run_is_searched_and_looked_through(page, large):
    large.locator("input[type=search]").fill("message 60")
    page.keyboard.press("Enter")
    large.locator(".l-details", has_text='"message 60"').wait_for()
    assert node(large, "C60").count() == 1
    assert large.locator(".l-node").count() <= 40
    large.get_by_role("button", name="Look around it").click()
    large.get_by_role("button", name="Show the start").click()
    node(large, "SK").wait_for()


def test_a_folded_chain_opens_by_keyboard(page, large):
    chain = large.locator(".l-node.fold").first
    name = chain.get_attribute("aria-label").split("…")[0]
    chain.focus()
    page.keyboard.press("Enter")
    node(large, name).wait_for()
    assert page.evaluate("document.activeElement.closest('.x3dh-lineage') !== null")


def test_a_click_in_a_large_run_answers_at_once(page, large, record_property, capsys):
    times = page.evaluate(_MEASURE, CLICKS)
    p95 = times[int(0.95 * len(times))]
    record_property("leak_to_picture_p95_ms", round(p95, 1))
    with capsys.disabled():
        print(f"\nleak to picture: 95 % of {len(times)} clicks within {p95:.1f} ms")
    assert len(times) == CLICKS


def test_an_empty_trace_says_so(page):
    empty = page.locator(".x3dh-lineage").nth(2)
    assert "Nothing was recorded" in empty.inner_text()


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", [1200, 380])
def test_axe_finds_no_violation_and_nothing_is_cut_off(page, widget, theme, width):
    page.evaluate(f"jupyterapp.commands.execute('apputils:change-theme', {{theme: '{theme}'}})")
    light = str(theme.endswith("Light")).lower()
    page.wait_for_function(f"document.body.dataset.jpThemeLight === '{light}'")
    page.set_viewport_size({"width": width, "height": 900})
    try:
        assert axe.violations(page, ".x3dh-lineage") == []
        node(widget, "SK").click()
        node(widget, "DHs_A").click()
        says(widget, "2 values leaked")
        for number in (0, 2):
            widget.locator(".l-list button").nth(number).click()
            widget.locator(".l-verdict", has_text=("C1 falls", "", "C3 holds")[number]).wait_for()
            assert axe.violations(page, ".x3dh-lineage") == []
        assert widget.evaluate("e => e.scrollWidth <= e.clientWidth")
        picture = browser.screenshot(widget, f"lineage {width} {theme.split()[1]}")
        assert picture.stat().st_size > 10_000
    finally:
        page.set_viewport_size({"width": 1200, "height": 900})


def test_the_console_stays_clean(page_and_problems):
    assert page_and_problems[1] == []


def test_it_works_in_notebook_7(page, tmp_path):
    (tmp_path / "root").mkdir(), (tmp_path / "private").mkdir()
    browser.notebook(tmp_path / "root" / "lineage.ipynb", SMALL)
    with browser.jupyter(tmp_path / "root", tmp_path / "private", app="tree") as address:
        other = page.context.browser.new_page()
        browser.open_notebook(other, address, "lineage.ipynb", app="tree")
        browser.run_all(other)
        widget = other.locator(".x3dh-lineage")
        widget.wait_for()
        walk_to(other, widget, "CK1")
        other.keyboard.press("Enter")
        says(widget, "1 value leaked")
        other.close()
