"""From a lesson to the catalogue of attacks and on: JupyterLab has to open the other one first."""

import shutil
from pathlib import Path

import browser
import pytest

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(browser.chromium() is None, reason="no Chromium is installed"),
]

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
IN_VIEW = """heading => {
  const box = jupyterapp.shell.currentWidget?.content.node.getBoundingClientRect();
  return [...document.querySelectorAll(".jp-Notebook :is(h2, h3)")].some((found) => {
    const { top, bottom } = found.getBoundingClientRect();
    return found.textContent.startsWith(heading) && top >= box.top - 1 && bottom <= box.bottom;
  });
}"""


def follow(page, id, heading):
    """Follow the link to a cell and wait until the heading is in view."""
    page.locator(f"a[href$='#cell-id={id}']").first.dispatch_event("click")
    page.wait_for_function(IN_VIEW, arg=heading)


def test_a_number_leads_to_its_entry_and_the_entry_to_its_lesson(tmp_path):
    root, private = tmp_path / "course", tmp_path / "private"
    shutil.copytree(NOTEBOOKS, root)
    private.mkdir()
    with browser.jupyter(root, private) as address, browser.browser() as (page, _):
        browser.open_notebook(page, address, "05_binding_the_context.ipynb")
        follow(page, "a33", "A33 ·")
        follow(page, "the-same-number-twice-for-two-keys-and-n", "A reply that is lost")
