"""Every widget and every figure where no kernel answers: opened and not run, its kernel dead,
opened again after it was saved. There is always a picture and a sentence."""

import browser
import nbformat
import pytest
from test_accessibility import CASES, GALLERY, NOT_SHOWN

from x3dhlab import course
from x3dhlab.widgets.base import STILL

FIGURES = [
    cell.id
    for cell in nbformat.read(GALLERY, as_version=4).cells
    if "data:image/png" in str(cell.get("outputs")) and cell.id not in NOT_SHOWN
]
SILENT = "The kernel does not answer. Restart it and run the cell again."

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(browser.chromium() is None, reason="Chromium is not installed"),
]


# What a learner does that needs an answer


def press(*names):
    def act(widget):
        for name in names:
            widget.get_by_role("button", name=name, exact=True).first.click()

    return act


def flip_a_bit(widget):
    widget.locator('[data-at="71"]').first.click()
    widget.get_by_label("bit 1 is 0").click()


def write_a_message(widget):
    widget.get_by_label("Text that Bob writes").fill("Good morning.")
    widget.get_by_label("Send as Bob").click()


def leave_a_block_out(widget):
    widget.locator('[data-block="info/application"]').click()
    widget.get_by_role("button", name="Leave out").click()


def predict_a_matrix(widget):
    widget.locator("tbody [role=gridcell]").first.click()
    press("Set the open cells to “holds”", "Lock and reveal")(widget)


def tell_a_lie(widget):
    widget.locator("input[type=checkbox]").first.click()


def judge_a_claim(widget):
    for options in widget.locator("fieldset").all():
        options.locator("input[type=radio]").first.check()
    press("Run it")(widget)


def predict(widget):
    widget.locator(".q-option input").first.check()
    widget.locator(".q-level input").first.check()
    press("Lock my prediction")(widget)


def choose(widget):
    widget.locator(".q-option input").first.check()
    press("Check")(widget)


def match(widget):
    for number in range(3):
        widget.locator(f'[data-key="card-{number}"]').click()
        widget.locator(f'[data-key="row-{number}"]').click()
    press("Check")(widget)


def write_an_answer(widget):
    widget.locator("textarea").fill("The server could hand out its own key instead.")
    widget.get_by_role("button", name="Save, and open").click()


# The player needs no kernel: it goes on playing.
ACTS = {
    "player": (press("Step forward"), "Step 2 of "),
    "inspector": (flip_a_bit, SILENT),
    "lineage": (lambda widget: widget.locator('.l-node[aria-label^="SK,"]').click(), SILENT),
    "matrix": (predict_a_matrix, SILENT),
    "theatre": (write_a_message, SILENT),
    "kdf": (leave_a_block_out, SILENT),
    "safety": (press("Scan Bob's code"), SILENT),
    "console": (tell_a_lie, SILENT),
    "decisions": (lambda w: w.get_by_label("Who gives").select_option(index=1), SILENT),
    "experiment": (lambda widget: widget.get_by_label("Flip one bit").uncheck(), SILENT),
    "predict": (predict, SILENT),
    "quiz": (choose, SILENT),
    "order": (press("Check"), SILENT),
    "match": (match, SILENT),
    "free": (write_an_answer, SILENT),
    "claims": (judge_a_claim, SILENT),
}
each = pytest.mark.parametrize("name", CASES)
each_cell = pytest.mark.parametrize("name", [*CASES, *FIGURES])


def test_every_widget_and_figure_of_the_gallery_is_tried():
    assert set(ACTS) == set(CASES)
    assert len(FIGURES) >= 7


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The gallery in a JupyterLab that saves as the course's own does: (address, page, problems).

    The three fixtures below take the one page from state to state, in the order of the tests.
    """
    root, private = (tmp_path_factory.mktemp(name) for name in ("gallery", "private"))
    notebook = nbformat.read(GALLERY, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if cell.id not in NOT_SHOWN]
    nbformat.write(notebook, root / GALLERY.name)
    saving = [a for a in course._arguments(root, False, None) if "pre_save_hook" in a]
    with (
        browser.jupyter(root, private, *saving) as address,
        browser.browser() as (page, problems),
    ):
        yield address, page, problems


@pytest.fixture(scope="module")
def unrun(server):
    """The notebook as it was delivered; nobody has run a cell."""
    address, page, _ = server
    browser.open_notebook(page, address, GALLERY.name)
    return page


@pytest.fixture(scope="module")
def dead(server):
    """The notebook, run and saved, each widget seen; then its kernel ended."""
    address, page, problems = server
    browser.open_notebook(page, address, GALLERY.name)
    browser.hide_sidebars(page)
    browser.run_all(page)
    for name in CASES:
        cell_of(page, name).locator(CASES[name].root).wait_for()
    page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_function("!jupyterapp.shell.currentWidget.content.model.dirty")
    page.evaluate("jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    return page, problems


@pytest.fixture(scope="module")
def reopened(server, dead):
    """The saved notebook on another day, with another kernel."""
    address, page, problems = server
    del problems[:]
    browser.open_notebook(page, address, GALLERY.name)
    return page, problems


def cell_of(page, name):
    """The cell on the page, scrolled to: JupyterLab draws no cell that is out of sight."""
    number = page.evaluate(
        """async name => {
          const notebook = jupyterapp.shell.currentWidget.content;
          const number = notebook.widgets.findIndex(cell => cell.model.id === name);
          await notebook.scrollToItem(number, 'start');
          return number;
        }""",
        name,
    )
    cell = page.locator(f'.jp-Notebook .jp-Cell[data-windowed-list-index="{number}"]')
    cell.wait_for()
    return cell


def accessible_images(page):
    """The names of all images in Chromium's own accessibility tree."""
    devtools = page.context.new_cdp_session(page)
    tree = devtools.send("Accessibility.getFullAXTree")["nodes"]
    devtools.detach()
    images = [node for node in tree if node.get("role", {}).get("value") in ("image", "img")]
    return [node.get("name", {}).get("value", "") for node in images]


_FORM = """name => {
  const cells = [...jupyterapp.shell.currentWidget.content.model.cells];
  const outputs = cells.find(cell => cell.id === name).outputs.toJSON();
  return outputs.map(o => [o.data?.['text/plain'] || ''].flat().join('')).join('');
}"""


def shows_a_picture_in_words(page, name):
    output = cell_of(page, name).locator(".jp-OutputArea-output").last
    image = output.locator("img")
    image.wait_for()
    assert image.evaluate("async e => (await e.decode(), e.naturalWidth)") > 100
    alt = image.get_attribute("alt")
    assert len(alt) > 10
    assert page.evaluate(_FORM, name).startswith(alt[:20])
    assert alt in accessible_images(page)
    if name in CASES:
        assert STILL in output.inner_text()


@each_cell
def test_opened_and_not_run_there_is_a_picture_with_its_words(unrun, name):
    shows_a_picture_in_words(unrun, name)


@each
def test_without_its_kernel_a_widget_goes_on_or_says_so(dead, name):
    page, problems = dead
    before = len(problems)
    widget = cell_of(page, name).locator(CASES[name].root)
    act, sentence = ACTS[name]
    act(widget)
    widget.get_by_text(sentence).first.wait_for()
    assert widget.bounding_box()["height"] > 60
    # The widget manager writes this one; no code of a widget may stop.
    left = [p for p in problems[before:] if not p.startswith("Could not send widget sync")]
    assert left == []


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_that_was_run_has_its_alternative_text_in_the_accessibility_tree(dead, name):
    shows_a_picture_in_words(dead[0], name)


@each_cell
def test_saved_and_opened_again_there_is_a_picture_with_its_words(reopened, name):
    page, problems = reopened
    shows_a_picture_in_words(page, name)
    assert problems == []
