"""Each lesson in JupyterLab, from top to bottom: no error, no blank output, screenshots to see.

Lessons start as learners get them, without outputs and with no progress.
"""

import json
from pathlib import Path

import browser
import nbformat
import pytest

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
    for path in NOTEBOOKS.glob("*.ipynb"):
        empty = course.without_outputs(json.loads(path.read_text(encoding="utf-8")))
        (root / path.name).write_bytes(course.to_bytes(empty))
    with browser.jupyter(root, private) as address:
        yield address


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


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_runs_from_top_to_bottom(lab, name):
    saved = nbformat.read(NOTEBOOKS / name, as_version=4)
    expected = {cell.id for cell in saved.cells if cell.cell_type == "code" and cell.outputs}
    with browser.browser(width=1200, height=TALL) as (page, problems):
        browser.open_notebook(page, lab, name)
        browser.hide_sidebars(page)
        browser.run_all(page)
        cells = page.evaluate(_CELLS)
        assert all(count for _, count, _ in cells)
        assert [id for id, _, kinds in cells if "error" in kinds] == []
        assert {id for id, _, kinds in cells if kinds} >= expected
        shown = looked_through(page, name)
        assert [id for id in expected if not shown.get(id)] == []
    assert problems == []
