"""Each lesson in JupyterLab, from top to bottom: no error, no blank output, screenshots to see.

Lessons start as learners get them, without outputs and with no progress.
"""

import re
from pathlib import Path

import axe
import browser
import nbformat
import pytest
from test_accessibility import click, look, reveal, run_a_design, steal_a_state

from x3dhlab import course

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
LESSONS = sorted(path.name for path in NOTEBOOKS.glob("[0-9]*.ipynb"))
TALL = 4000  # pixels of one screenshot
LINE = 8  # no line of text is lower

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(browser.chromium() is None, reason="Chromium is not installed"),
]

# Each code cell as it stands after the run: id, execution count, kinds of its outputs.
_CELLS = """() => [...jupyterapp.shell.currentWidget.content.model.cells]
  .filter(cell => cell.type === 'code')
  .map(cell => [cell.id, cell.executionCount, cell.outputs.toJSON().map(o => o.output_type)])"""

# Go through the notebook in steps: (id of a cell, height and text of its output), page by page.
_SCROLL = """top => {
  const outer = jupyterapp.shell.currentWidget.node.querySelector('.jp-WindowedPanel-outer');
  outer.scrollTop = top;
  return outer.scrollHeight;
}"""
_SHOWN = """() => {
  const content = jupyterapp.shell.currentWidget.content;
  return content.widgets.filter(cell => cell.model.type === 'code' && cell.isAttached)
    .map(cell => [cell.model.id, cell.node.querySelector('.jp-OutputArea-output')])
    .filter(([id, output]) => output)
    .map(([id, output]) => [id, output.getBoundingClientRect().height,
      output.querySelector('img, svg, button, input') !== null || output.innerText.trim() !== '']);
}"""
_FRAMES = """() => new Promise(done =>
  requestAnimationFrame(() => requestAnimationFrame(() => done())))"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab on the lessons as a workspace holds them: (address, folder of its settings)."""
    root, private = (tmp_path_factory.mktemp(name) for name in ("lessons", "private"))
    for name, content in course.course_files().items():
        if name.startswith("notebooks/"):
            (root / Path(name).name).write_bytes(content)
    with browser.jupyter(root, private) as address:
        yield address


@pytest.fixture(scope="module")
def ran(lab, request):
    """A lesson after all its cells have run: (its name, page, console problems)."""
    with browser.browser(width=1200, height=TALL) as (page, problems):
        browser.open_notebook(page, lab, request.param)
        browser.hide_sidebars(page)
        browser.run_all(page)
        yield request.param, page, problems


def looked_through(page, name):
    """The cells whose output is seen on the way down: id → whether it shows anything."""
    found, top, number = {}, 0, 0
    while top < page.evaluate(_SCROLL, top):
        page.evaluate(_FRAMES)
        browser.screenshot(page, f"lesson {name.removesuffix('.ipynb')} {number}")
        # A cell that is far away has no height; it counts where it stands on the screen.
        for id, height, filled in page.evaluate(_SHOWN):
            found[id] = found.get(id, False) or (height >= LINE and filled)
        top, number = top + TALL - 400, number + 1
    return found


@pytest.mark.parametrize("ran", LESSONS, indirect=True)
def test_a_lesson_runs_from_top_to_bottom(ran):
    name, page, problems = ran
    saved = nbformat.read(NOTEBOOKS / name, as_version=4)
    expected = {cell.id for cell in saved.cells if cell.cell_type == "code" and cell.outputs}
    cells = page.evaluate(_CELLS)
    assert all(count for _, count, _ in cells)
    assert [id for id, _, kinds in cells if "error" in kinds] == []
    assert {id for id, _, kinds in cells if kinds} >= expected
    shown = looked_through(page, name)
    assert [id for id in expected if not shown.get(id)] == []
    assert problems == []


# Accessibility of a lesson: all outputs as they come, and after each widget was used.


def answer(widget):
    for part in (".q-option input", ".q-level input", "input[name$=shown_by]"):
        if widget.locator(part).count():
            widget.locator(part).first.check()
    if widget.locator("textarea").count():
        widget.locator("textarea").fill("Nobody signed this key.")
    widget.get_by_role("button", name=re.compile("^(Check|Lock|Save|Run it)")).click()
    widget.locator(".q-verdict, .q-answers, .z-points").first.wait_for()


def change_a_control(widget):
    """Move the first control, and wait until the kernel has made another outcome."""
    before = widget.locator(".e-verdict").element_handle()
    control = widget.locator(".e-controls").locator("select, input").first
    kind = control.evaluate("e => e.type")
    if kind == "select-one":
        last = control.locator("option").count() - 1
        control.select_option(index=0 if control.evaluate("e => e.selectedIndex") == last else last)
    elif kind == "text":
        control.fill("B")
    else:
        control.press("Space" if kind == "checkbox" else "ArrowRight")
    widget.page.wait_for_function("e => !e.isConnected", arg=before, polling=100)


def tell_a_lie(widget):
    """Turn the first switch of a console over, and wait for another report."""
    before = widget.inner_text()
    widget.locator("input[type=checkbox]").first.click()
    other = "([e, before]) => e.innerText !== before"
    widget.page.wait_for_function(other, arg=[widget.element_handle(), before], polling=100)


ACTS = {
    "x3dh-question": answer,
    "x3dh-experiment": change_a_control,
    "x3dh-player": click("Last step"),
    "x3dh-theatre": steal_a_state,
    "x3dh-matrix": reveal,
    "x3dh-lineage": click("Leak it"),
    "x3dh-safety": click("Scan Bob's code"),
    "x3dh-console": tell_a_lie,
    "x3dh-decisions": run_a_design,
}


WHOLE = 30_000  # pixels: no lesson is higher
_BOTTOM = """() => jupyterapp.shell.currentWidget.node
  .querySelector('.jp-WindowedPanel-viewport').getBoundingClientRect().bottom"""


def axe_says(page, stage, *themes):
    """What axe finds in all outputs. It judges colours of what is on the screen: all of it."""
    found = []
    for theme in themes:
        look(page, theme, 1200, WHOLE)
        page.evaluate(_SCROLL, 0)  # a place further down stays, even where all has room
        page.evaluate(_FRAMES)
        assert 0 < page.evaluate(_BOTTOM) < WHOLE
        found += [(stage, theme, line) for line in axe.violations(page, ".jp-OutputArea-output")]
    look(page, themes[-1], 1200, TALL)  # where widgets are used: a tall page is slow
    return found


@pytest.mark.parametrize("ran", LESSONS[7:], indirect=True)
def test_axe_finds_nothing_before_and_after_each_widget_was_used(ran):
    _, page, problems = ran
    found = axe_says(page, "first", "Light")  # each widget alone: both themes, in the gallery
    widgets = page.locator(".jp-OutputArea-output .x3dh[role=group]").all()
    for widget in widgets:
        ACTS[widget.get_attribute("class").split()[1]](widget)
    found += axe_says(page, "used", "Dark")
    assert widgets
    assert found == []
    assert problems == []


@pytest.mark.parametrize("ran", LESSONS[-1:], indirect=True)
def test_axe_sees_pale_words_in_the_first_output_and_in_the_last(ran):
    _, page, _ = ran
    put = """bad => {
      const all = [...document.querySelectorAll('.jp-OutputArea-output')];
      [all[0], all.at(-1)].forEach(output => output.insertAdjacentHTML('beforeend', bad));
    }"""
    page.evaluate(put, '<p class="pale" style="color:#bbb;background:#fff">Pale words</p>')
    try:
        found = [line for _, _, line in axe_says(page, "pale", "Light")]
    finally:
        page.locator(".pale").evaluate_all("all => all.forEach(e => e.remove())")
    assert [line.split(":")[0] for line in found] == ["color-contrast"] * 2
