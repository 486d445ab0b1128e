"""`x3dhlab lab --path 90min` under Chromium: the list is there at once, and its first part runs."""

import os
import subprocess
import sys

import browser
import pytest

from x3dhlab import course

PATIENCE = 60  # seconds; a limit for a broken run, not a measurement
WAY = course.path("90min")
FIRST, SECOND = WAY.sections[:2]
# Tests drive the page through JupyterLab's own object.
EXPOSED = "c.LabApp.expose_app_in_browser = True\n"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(browser.chromium() is None, reason="Chromium is not installed"),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The real command with an empty home folder; the address that it names."""
    place = tmp_path_factory.mktemp("path")
    settings = place / "mine" / ".x3dhlab" / "jupyter" / "config"
    settings.mkdir(parents=True)
    (settings / "jupyter_lab_config.py").write_text(EXPOSED)
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "XDG", "IPYTHON"))}
    keep.pop("X3DHLAB_PROGRESS", None)
    command = [sys.executable, "-m", "x3dhlab.cli", "lab", "mine", "--path", WAY.name]
    process = subprocess.Popen(
        [*command, "--no-browser"],
        env=keep | {"HOME": str(place)},
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    told = []
    for line in process.stdout:
        told.append(line)
        if "?token=" in line:
            break
    else:
        pytest.fail(f"the server stopped before it named its address:\n{''.join(told)}")
    yield line.strip()
    process.terminate()
    process.communicate(timeout=PATIENCE)


@pytest.fixture(scope="module")
def page(address):
    with browser.browser() as (page, _):
        page.goto(address)
        page.wait_for_selector(".jp-Notebook table caption")
        yield page


def notebook(page, file):
    """Wait until this notebook is the open one, and return its visible part."""
    page.wait_for_function(
        "file => jupyterapp.shell.currentWidget?.context?.path.endsWith(file)", arg=file
    )
    return page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook")


def test_the_list_opens_with_the_next_part_on_top_and_no_cell_has_run(page):
    shown = notebook(page, f"paths/{WAY.name}/start.ipynb")
    assert shown.locator("caption").inner_text().startswith(f"Next: {FIRST.number} · {FIRST.title}")
    assert shown.locator("th[scope=row]").count() == len(WAY.sections)
    rows = shown.locator(".jp-MarkdownOutput tbody tr")
    rows.nth(len(WAY.sections) - 1).wait_for()
    assert rows.count() == len(WAY.sections)
    browser.screenshot(page, "path-list")


def test_the_first_part_runs_from_top_to_bottom_and_leads_to_the_second(page):
    notebook(page, "start.ipynb").locator("caption a").click()
    shown = notebook(page, FIRST.file)
    page.evaluate("jupyterapp.shell.currentWidget.sessionContext.ready")
    browser.run_all(page)
    shown.locator("caption", has_text=f"Next: {SECOND.number} · {SECOND.title}").wait_for()
    for kind in ("stderr", "error"):
        assert shown.locator(f'.jp-OutputArea-output[data-mime-type*="{kind}"]').count() == 0
    assert shown.locator(".x3dh-player").count() == 1
    browser.screenshot(page, "path-first-part")


def test_the_next_part_starts_alone_with_its_code_folded(page):
    notebook(page, FIRST.file).locator("caption a").last.click()
    shown = notebook(page, SECOND.file)
    page.evaluate("jupyterapp.shell.currentWidget.sessionContext.ready")
    browser.run_all(page)
    shown.locator("caption", has_text="Next: 3").wait_for()
    assert shown.locator('.jp-OutputArea-output[data-mime-type*="error"]').count() == 0
    code = shown.locator(".jp-CodeCell").first
    assert code.locator(".jp-InputArea-editor:visible").count() == 0
