"""Every widget for everybody: the gallery in JupyterLab and Notebook 7, light and dark, wide and
narrow, looked at by axe-core, walked through by keyboard.

`CASES` is the register: a new widget gets a cell in the gallery and a line here. Each stage is an
act of the learner; after it, axe looks again.
"""

import re
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import axe
import browser
import nbformat
import pytest

from x3dhlab import widgets
from x3dhlab.widgets.base import View

GALLERY = Path(__file__).resolve().parent.parent / "notebooks" / "gallery.ipynb"
# Neighbours differ in one thing: to change the theme costs more than to look.
LOOKS = [("Light", 1200), ("Light", 380), ("Dark", 380), ("Dark", 1200)]
STOPS = 80  # no widget of the gallery has more stops for the Tab key
NOT_SHOWN = ("costs",)  # it takes seconds and shows no widget


@dataclass(frozen=True)
class Case:
    """One widget: its class, the selector of its root, what a learner does with it in order, and
    which words of its text form must stand on the page."""

    kind: type
    root: str
    stages: dict[str, Callable]
    words: Callable[[str], list[str]]


# What learners do


def click(name, **options):
    return lambda widget: widget.get_by_role("button", name=name, **options).first.click()


def step_with_a_message(widget):
    widget.locator(".p-list button", has_text="sends the first message").click()
    widget.locator(".p-arrow").wait_for(state="attached")


def refuse_a_byte(widget):
    widget.locator('[data-at="71"]').first.click()
    widget.get_by_label("bit 1 is 0").click()
    widget.locator(".e-outcome.holds").wait_for()


def leak_a_value(widget):
    widget.locator('.l-node[aria-label^="SK,"]').click()
    widget.locator(".l-outcome", has_text="1 value leaked").wait_for()


def open_a_proof(widget):
    widget.locator(".l-thefts button").first.click()
    widget.locator(".l-list button").first.click()
    widget.locator(".l-verdict").wait_for()


def reveal(widget):
    widget.locator("tbody [role=gridcell]").first.click()
    widget.get_by_role("button", name="Set the open cells").click()
    widget.get_by_role("button", name="Lock and reveal").click()
    widget.locator(".m-score").wait_for()


def write_a_message(widget):
    widget.get_by_label("Text that Bob writes").fill("Good morning.")
    widget.get_by_label("Send as Bob").click()
    widget.locator(".t-face", has_text="Good morning.").wait_for()


def steal_a_state(widget):
    widget.get_by_role("group", name="Bob's phone").get_by_text("Copy this state").click()
    widget.locator(".t-verdicts").wait_for()


def leave_a_block_out(widget):
    widget.locator('[data-block="info/application"]').click()
    widget.get_by_role("button", name="Leave out").click()
    widget.locator(".k-finding.falls").first.wait_for()


def undamaged(widget):
    widget.get_by_label("Flip one bit").uncheck()
    widget.locator(".e-outcome.note").wait_for()


def scan_the_other_phone(widget):
    widget.get_by_role("button", name="Scan Bob's code").click()
    widget.locator(".e-outcome.holds").wait_for()


def misread_a_digit(widget):
    field = widget.get_by_label("What Bob's phone shows")
    digits = "".join(widget.locator(".sn-group").all_inner_texts())
    field.fill(f"{digits[:-1]}{(int(digits[-1]) + 1) % 10}")
    widget.get_by_role("button", name="Compare").click()
    widget.locator(".sn-group.wrong").wait_for()


def tell_another_lie(widget):
    widget.get_by_label("plays Bob for Alice").uncheck()
    widget.get_by_label("exchanges Bob's signed prekey").check()
    widget.locator(".e-outcome.holds", has_text="BadSignature").wait_for()


def read_later(widget):
    widget.get_by_label("check signatures").uncheck()
    widget.locator(".c-table", has_text="after a theft of IK_B").wait_for()


def lock_a_prediction(widget):
    widget.locator(".q-option input").first.check()
    widget.locator(".q-level input").first.check()
    widget.get_by_role("button", name="Lock my prediction").click()
    widget.locator(".q-answers").wait_for()


def answer(*numbers):
    def act(widget):
        for number in range(widget.locator(".q-option input").count()):
            widget.locator(".q-option input").nth(number).set_checked(number in numbers)
        widget.get_by_role("button", name="Check", exact=True).click()
        verdict = ".q-verdict.wrong" if len(numbers) == 1 else ".q-verdict.right"
        widget.locator(verdict).wait_for()

    return act


def check_the_order(widget):
    widget.get_by_role("button", name="Check", exact=True).click()
    widget.locator(".q-verdict").wait_for()


def match_all(widget):
    for number in range(3):
        widget.locator(f'[data-key="card-{number}"]').click()
        widget.locator(f'[data-key="row-{number}"]').click()
    widget.get_by_role("button", name="Check", exact=True).click()
    widget.locator(".q-verdict").wait_for()


def write_an_answer(widget):
    widget.locator("textarea").fill("The server could hand out its own key instead.")
    widget.get_by_role("button", name="Save, and open").click()
    widget.locator("[data-point] input").first.check()
    widget.locator(".z-points").wait_for()


def judge(verdict, run, outcome):
    def act(widget):
        widget.locator(f'.q-option input[value="{verdict}"]').check()
        widget.locator(f'.q-option input[value="{run}"]').check()
        widget.get_by_role("button", name="Run it").click()
        widget.locator(f".q-verdict.{outcome}").wait_for()

    return act


# Words of the text forms


def of_a_question(text):
    lines = text.split("\n")
    return [lines[0].split(": ", 1)[1], *(line.split(". ", 1)[1] for line in lines[1:-1])]


def of_a_match(text):
    head, *lines, _ = text.split("\n")
    lefts = [line.rpartition(" → ")[0] for line in lines if line.endswith(" → ?")]
    rights = [line.split(". ", 1)[1] for line in lines if line.strip()[0].isdigit()]
    return [head.split(": ", 1)[1], *lefts, *rights] if lefts and rights else []


def of_the_player(text):
    steps = text.split("\n")[1:]
    first = steps[0].split(": ", 1)[1].split(" [")[0]
    return [f"Step 1 of {len(steps)}", *first.split("; ")]


def of_an_experiment(text):
    return [line.split(": ")[0].strip(" ✓✗·") for line in text.split("\n")[1:]]


def choose_a_store(widget):
    widget.get_by_label("Who gives").select_option("every region by itself")
    widget.locator('[aria-disabled="true"]').wait_for()


def run_a_design(widget):
    widget.get_by_label("Before you run").select_option("rotation")
    widget.locator('[aria-disabled="false"]').click()
    widget.locator(".d-whole").wait_for()


def of_the_inspector(text):
    # Fields inside the payload stand further right; they are shown when it is expanded.
    return re.findall(
        r"^[ \d]{6} \+\d+ +(.+?) \((?:public|secret|\d+ of \d+ bytes secret)\)", text, flags=re.M
    )


def of_the_lineage(text):
    head, leaked, *values = text.split("\n")
    return [head.rpartition(": ")[2].rstrip("."), leaked, *(v.split(" [")[0] for v in values[:9])]


def of_the_matrix(text):
    lines = [line.strip().removeprefix("stolen: ") for line in text.split("\n")[1:-1]]
    return [line.split(": It holds")[0].split(": ")[0] for line in lines]


def of_the_theatre(text):
    return re.findall(r"(?:DHs|DHr|RK|CKs|CKr)\*? ([0-9a-f]{8})", text)


def of_the_safety_number(text):
    title, *halves, _, status = text.split("\n")
    return [title.split(": ")[1], *(group for half in halves for group in half.split()[:6])]


def of_the_deck(text):
    claims = re.findall(r"\(open\): (.+)$", text, flags=re.M)
    return [re.search(r"\d+ of \d+ count", text)[0], claims[0]]


def of_the_console(text):
    before, mark, after = re.split(r"^([✓✗·]) ", text, maxsplit=1, flags=re.M)
    labels = [line.strip() for line in before.split("\n")[1:-1] if "It begins" not in line]
    return [*labels, after.split("\n")[0], *re.findall("“[^”]+”", after)]


def of_the_board(text):
    return [*re.findall(r"^  (store|rotation): (.+)$", text, flags=re.M)[0], "confidentiality"]


def of_the_workbench(text):
    findings = re.findall(r"^[✓✗] .+?: (.+)$", text, flags=re.M)
    blocks = re.search(r"key material: (.+) \(", text)[1].split(" ‖ ")
    return [*blocks, *findings]


CASES = {
    "player": Case(
        widgets.ProtocolPlayer,
        ".x3dh-player",
        {
            "message": step_with_a_message,
            "zoomed": click("Zoom to this step"),
            "last": lambda w: (click("Zoom to this step")(w), click("Last step")(w)),
        },
        of_the_player,
    ),
    "inspector": Case(
        widgets.ByteInspector,
        ".x3dh-inspector",
        {"refused": refuse_a_byte, "compared": click("Compare")},
        of_the_inspector,
    ),
    "lineage": Case(
        widgets.KeyLineage,
        ".x3dh-lineage",
        {"leaked": leak_a_value, "proof": open_a_proof},
        of_the_lineage,
    ),
    "matrix": Case(widgets.CompromiseMatrix, ".x3dh-matrix", {"revealed": reveal}, of_the_matrix),
    "theatre": Case(
        widgets.RatchetTheatre,
        ".x3dh-theatre",
        {"written": write_a_message, "stolen": steal_a_state},
        of_the_theatre,
    ),
    "kdf": Case(
        widgets.KdfWorkbench, ".x3dh-kdf", {"left out": leave_a_block_out}, of_the_workbench
    ),
    "safety": Case(
        widgets.SafetyNumber,
        ".x3dh-safety",
        {"scanned": scan_the_other_phone, "misread": misread_a_digit},
        of_the_safety_number,
    ),
    "console": Case(
        widgets.AttackConsole,
        ".x3dh-console",
        {"stopped": tell_another_lie, "later": read_later},
        of_the_console,
    ),
    "decisions": Case(
        widgets.DecisionBoard,
        ".x3dh-decisions",
        {"chosen": choose_a_store, "run": run_a_design},
        of_the_board,
    ),
    "experiment": Case(
        widgets.Experiment, ".x3dh-experiment", {"undamaged": undamaged}, of_an_experiment
    ),
    "predict": Case(
        widgets.Predict,
        ".x3dh-question[aria-label^='Prediction']",
        {"locked": lock_a_prediction},
        of_a_question,
    ),
    "quiz": Case(
        widgets.Quiz,
        ".x3dh-question[aria-label^='Question']",
        {"wrong": answer(1), "right": answer(0, 2)},
        of_a_question,
    ),
    "order": Case(
        widgets.Order,
        ".x3dh-question[aria-label^='Order']",
        {"checked": check_the_order},
        of_a_question,
    ),
    "match": Case(
        widgets.Match,
        ".x3dh-question[aria-label^='Match']",
        {"matched": match_all},
        of_a_match,
    ),
    "free": Case(
        widgets.FreeAnswer,
        ".x3dh-question[aria-label^='In your own words']",
        {"written": write_an_answer},
        of_a_question,
    ),
    "claims": Case(
        widgets.ClaimDeck,
        ".x3dh-question[aria-label^='Claims']",
        {"beside": judge("holds", "pool", "wrong"), "counts": judge("holds", "sizes", "right")},
        of_the_deck,
    ),
}
each = pytest.mark.parametrize("name", CASES)
needs_chromium = pytest.mark.skipif(browser.chromium() is None, reason="Chromium is not installed")


def in_the_browser(test):
    return pytest.mark.browser(needs_chromium(test))


def test_every_widget_is_registered_here():
    views = {k for k in vars(widgets).values() if isinstance(k, type) and issubclass(k, View)}
    assert views == {case.kind for case in CASES.values()}


def test_every_registered_widget_has_its_cell_in_the_gallery():
    cells = {cell.id: cell for cell in nbformat.read(GALLERY, as_version=4).cells}
    assert not [name for name in CASES if "text/html" not in str(cells[name].outputs)]


# The page


@pytest.fixture(scope="module", params=["lab", "tree"], ids=["JupyterLab", "Notebook 7"])
def opened(request, tmp_path_factory):
    """The gallery, run once in each application: (page, console problems, addresses asked for)."""
    app = request.param
    root, private = (tmp_path_factory.mktemp(name) for name in ("gallery", "private"))
    notebook = nbformat.read(GALLERY, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if cell.id not in NOT_SHOWN]
    nbformat.write(notebook, root / GALLERY.name)
    asked = []
    with (
        browser.jupyter(root, private, app=app) as address,
        browser.browser() as (page, problems),
    ):
        page.on("request", lambda request: asked.append(request.url))
        browser.open_notebook(page, address, GALLERY.name, app=app)
        if app == "lab":
            browser.hide_sidebars(page)
        browser.run_all(page)
        page.app = app
        yield page, problems, asked


@pytest.fixture
def page(opened):
    page, _, _ = opened
    look(page, "Light", 1200)
    return page


def widget_of(page, name):
    widget = page.locator(CASES[name].root).first
    widget.wait_for(state="attached")
    widget.scroll_into_view_if_needed()
    widget.evaluate(_DRAWN)
    return widget


# JupyterLab draws no cell that is out of sight: wait until this one was drawn.
_DRAWN = """() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"""


def look(page, theme, width, height=900):
    """Change theme and width; both take effect at once."""
    light = str(theme == "Light").lower()
    if page.evaluate("document.body.dataset.jpThemeLight") != light:
        page.evaluate(
            "name => jupyterapp.commands.execute('apputils:change-theme', {theme: name})",
            f"JupyterLab {theme}",
        )
        page.wait_for_function(f"document.body.dataset.jpThemeLight === '{light}'")
    if page.viewport_size != {"width": width, "height": height}:
        page.set_viewport_size({"width": width, "height": height})


@contextmanager
def zoomed(page, width, height, factor):
    """The page at `factor` device pixels for one of its own, as a browser's zoom makes it."""
    devtools = page.context.new_cdp_session(page)
    size = {"width": width, "height": height, "deviceScaleFactor": factor, "mobile": False}
    devtools.send("Emulation.setDeviceMetricsOverride", size)
    try:
        yield
    finally:
        devtools.send("Emulation.clearDeviceMetricsOverride")
        devtools.detach()


_FORM = """name => {
  const cells = [...jupyterapp.shell.currentWidget.content.model.cells];
  const outputs = cells.find(cell => cell.id === name).outputs.toJSON();
  return outputs.map(o => [o.data?.['text/plain'] || ''].flat().join('')).join('');
}"""

_PAGE_WORDS = """root => [root.innerText, ...[...root.querySelectorAll('*')].flatMap(e =>
  [e.tagName === 'text' ? e.textContent : '', e.getAttribute('aria-label') || '', e.value || ''])
].join(' ')"""


def squeezed(words):
    return "".join(words.split()).replace("`", "")


@in_the_browser
@each
def test_the_page_shows_the_words_of_the_text_form(page, name):
    form = page.evaluate(_FORM, name)
    shown = squeezed(widget_of(page, name).evaluate(_PAGE_WORDS))
    words = [word for word in CASES[name].words(form) if word.strip()]
    assert words
    assert [word for word in words if squeezed(word) not in shown] == []


# Walk through a widget with Tab: for each stop, what shows the focus, and the order on the page.
# It starts on a mark of its own in front of the widget: only the Tab key shows the focus.
_START = """root => {
  const mark = document.createElement('button');
  mark.setAttribute('data-lm-suppress-shortcuts', 'true');
  root.before(mark);
  window.walked = {last: null, mark};
  mark.focus({preventScroll: true});
}"""
_STOP = """root => {
  const at = document.activeElement;
  if (!root.contains(at) || at === root) return null;
  const parts = [at, at.closest('label') || at, ...at.querySelectorAll('*')];
  const style = () => parts.map(part => {
    const s = getComputedStyle(part);
    return [s.outlineStyle === 'none' ? '' : s.outline, s.boxShadow, s.stroke, s.strokeWidth,
      s.opacity, s.visibility, s.borderColor].join('|');
  }).join('\\n');
  const focused = style();
  at.blur();
  const plain = style();
  at.focus({preventScroll: true});
  const before = walked.last;
  walked.last = at;
  const tag = at.outerHTML.slice(0, 120);
  return {
    tag,
    seen: focused !== plain,
    ordered: !before || !before.isConnected
      || Boolean(before.compareDocumentPosition(at) & Node.DOCUMENT_POSITION_FOLLOWING),
    text: at.matches('input[type=text], input[type=search], input:not([type]), textarea'),
  };
}"""
_CELLS = "jupyterapp.shell.currentWidget.content.model.cells.length"


@in_the_browser
@each
def test_a_widget_is_a_named_group_and_no_landmark(page, name):
    root = widget_of(page, name)
    assert root.get_attribute("role") == "group" and root.get_attribute("aria-label")
    marks = "header, main, nav, aside, footer, section, form"  # landmarks, if they stand alone
    roles = "[role=banner], [role=region], [role=main], [role=form], [role=search]"
    found = root.locator(f":is({marks})[aria-label], {roles}").evaluate_all("all => all.length")
    assert found == 0


@in_the_browser
@each
def test_tab_goes_through_every_control_in_order_and_shows_where_it_is(page, name):
    widget = widget_of(page, name)
    before = page.evaluate(_CELLS)
    page.evaluate("jupyterapp.commands.execute('notebook:enter-command-mode')")
    widget.evaluate(_START)
    page.keyboard.press("Tab")
    stops = []
    while len(stops) < STOPS and (stop := widget.evaluate(_STOP)):
        stops.append(stop)
        if not stop["text"]:
            page.keyboard.press("a")  # JupyterLab's key for a new cell above
        page.keyboard.press("Tab")
    page.evaluate("walked.mark.remove()")
    assert 0 < len(stops) < STOPS
    assert [stop["tag"] for stop in stops if not stop["seen"]] == []
    assert [stop["tag"] for stop in stops if not stop["ordered"]] == []
    assert page.evaluate(_CELLS) == before


@in_the_browser
@each
def test_at_200_percent_nothing_is_lost_and_no_page_scrolls_sideways(page, name):
    with zoomed(page, 600, 450, 2):
        widget = widget_of(page, name)
        assert page.evaluate("[innerWidth, devicePixelRatio]") == [600, 2]
        assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
        assert widget.evaluate("e => e.scrollWidth <= e.clientWidth")
        left, right = widget.evaluate(
            "e => [e.getBoundingClientRect().left, e.getBoundingClientRect().right]"
        )
        assert 0 <= left < right <= 600


_MOVING = """root => [root, ...root.querySelectorAll('*')].filter(e => {
  const s = getComputedStyle(e);
  return s.animationName !== 'none'
    || s.transitionDuration.split(',').some(time => parseFloat(time) > 0);
}).length"""


@in_the_browser
@each
def test_nothing_moves_for_readers_who_asked_for_less_motion(page, name):
    page.emulate_media(reduced_motion="reduce")
    assert widget_of(page, name).evaluate(_MOVING) == 0


@in_the_browser
@each
def test_axe_finds_nothing_and_nothing_is_cut_off_in_any_state(page, name):
    case, found = CASES[name], []
    # Notebook 7 shows the same widget in another frame: its first stage, in both themes and widths.
    looks, later = (LOOKS, case.stages) if page.app == "lab" else (LOOKS[::2], {})
    for stage, act in {"first": lambda widget: None, **later}.items():
        act(widget_of(page, name))
        for theme, width in looks:
            look(page, theme, width)
            widget = widget_of(page, name)
            found += [(stage, theme, width, line) for line in axe.violations(page, case.root)]
            if not widget.evaluate("e => e.scrollWidth <= e.clientWidth"):
                found.append((stage, theme, width, "a part is cut off"))
            if page.app == "lab":
                browser.screenshot(widget, f"{name} {stage} {theme} {width}")
        looks = LOOKS[::2]  # the other two differ in style only, which the first stage has seen
    assert found == []


@in_the_browser
def test_the_check_of_motion_sees_motion(page):
    widget = widget_of(page, "player")
    step_with_a_message(widget)
    page.emulate_media(reduced_motion="no-preference")
    try:
        assert widget.evaluate(_MOVING) > 0
    finally:
        page.emulate_media(reduced_motion="reduce")


def from_jupyter_alone(problem):
    """True for what Notebook 7 itself writes: known lines, and stacks of its own scripts. The code
    of a widget comes from a `blob:`."""
    if re.match(r"Menu entry for command '|\[yjs#509\] Not same Y\.Doc", problem):
        return True
    return "/static/notebook/notebook_core." in problem and "blob:" not in problem


@in_the_browser
def test_the_console_stays_clean_and_nobody_outside_is_asked(opened):
    _, problems, asked = opened
    problems = [problem for problem in problems if not from_jupyter_alone(problem)]
    outside = [url for url in asked if not re.match(r"(http|ws)://127\.0\.0\.1:|data:|blob:", url)]
    assert asked
    assert outside == []
    assert problems == []


@in_the_browser
def test_an_error_in_the_code_of_a_widget_is_not_taken_for_jupyters(opened):
    page, problems, _ = opened
    before = len(problems)
    page.evaluate(
        """() => new Promise(done => {
          const code = new Blob(["throw new Error('a widget failed')"], {type: 'text/javascript'});
          const script = document.createElement('script');
          script.src = URL.createObjectURL(code);
          window.addEventListener('error', () => setTimeout(done), {once: true});
          document.head.append(script);
        })"""
    )
    (seen,) = problems[before:]
    del problems[before:]
    assert not from_jupyter_alone(seen)


_BAD = """<main><div class="x3dh" id="bad">
  <button></button>
  <p style="color:#bbb;background:#fff">Pale words</p>
  <input type="text">
  <div role="checkbox" tabindex="0">No state</div>
  <svg role="img" width="9" height="9"></svg>
</div></main>"""


@in_the_browser
def test_axe_reports_a_bad_widget(opened):
    page = opened[0].context.browser.new_context().new_page()
    page.set_content(f"<html lang='en'><title>Bad</title>{_BAD}</html>")
    found = {line.split(":")[0] for line in axe.violations(page, "#bad")}
    assert {"button-name", "color-contrast", "label", "aria-required-attr", "svg-img-alt"} <= found
    page.set_content("<html lang='en'><title>Good</title><main id='bad'>Words</main></html>")
    assert axe.violations(page, "#bad") == []
    page.context.close()
