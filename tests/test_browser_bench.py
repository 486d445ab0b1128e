"""The byte inspector and the KDF workbench in JupyterLab, by mouse and by keyboard alone."""

import axe
import browser
import pytest

INSPECT = """from x3dhlab import primitives, scenes, trace
from x3dhlab.party import LocalTransport, Party
from x3dhlab.service.store import PreKeyStore
with primitives.deterministic(1), trace.record() as run:
    service = LocalTransport(PreKeyStore())
    alice, bob = Party("Alice", service), Party("Bob", service)
    alice.publish(); bob.publish(); alice.send("Bob", b"Meet me at noon."); bob.receive()
inspector = scenes.inspect_message(run, "initial message", "Alice's first message")
inspector"""
BENCH = """with primitives.deterministic(5):
    bench = scenes.kdf_workbench()
bench"""
CLICKS = 50

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(browser.chromium() is None, reason="Chromium is not installed"),
]

_FRAME = """() => new Promise(done => requestAnimationFrame(() => {
  const channel = new MessageChannel();
  channel.port1.onmessage = done;
  channel.port2.postMessage(0);
}))"""

# Click one after the other, and wait for the frame that shows the result.
_MEASURE = f"""async ([selector, clicks]) => {{
  const frame = {_FRAME};
  const times = [];
  for (let n = 0; n < clicks; n++) {{
    const all = document.querySelectorAll(selector);
    const start = performance.now();
    all[n % all.length].click();
    await frame();
    times.push(performance.now() - start);
  }}
  return times.sort((a, b) => a - b);
}}"""

# Run the cell with this widget again: milliseconds until its first picture is there.
_FIRST = """async ([number, selector]) => {
  const notebook = jupyterapp.shell.currentWidget.content;
  notebook.activeCellIndex = number;
  notebook.deselectAll();
  const old = document.querySelector(selector);
  const start = performance.now();
  const shown = new Promise(done => {
    const watch = new MutationObserver(() => {
      const now = document.querySelector(selector);
      if (now && now !== old) { watch.disconnect(); done(performance.now() - start); }
    });
    watch.observe(document.body, {childList: true, subtree: true});
  });
  jupyterapp.commands.execute('notebook:run-cell');
  return await shown;
}"""

_TEXT = """start => {
  for (const cell of jupyterapp.shell.currentWidget.content.model.cells)
    for (const output of cell.outputs?.toJSON?.() || []) {
      const text = [output.data?.['text/plain'] || ''].flat().join('');
      if (text.startsWith(start)) return text;
    }
}"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Both widgets in a light page of 1200 pixels: (page, console problems)."""
    root, private = (tmp_path_factory.mktemp(name) for name in ("course", "private"))
    browser.notebook(root / "bench.ipynb", INSPECT, BENCH)
    # Without windowing the notebook does not move cells while a widget changes its height.
    settings = private / "settings" / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)
    (settings / "tracker.jupyterlab-settings").write_text('{"windowingMode": "none"}')
    with (
        browser.jupyter(root, private) as address,
        browser.browser(width=1200, height=1500) as (page, problems),
    ):
        browser.open_notebook(page, address, "bench.ipynb")
        browser.hide_sidebars(page)
        browser.run_all(page)
        page.wait_for_selector(".x3dh-inspector .b-grid")
        page.wait_for_selector(".x3dh-kdf .k-row")
        yield page, problems


@pytest.fixture
def themed(lab):
    """A callable that gives the page a theme and a width; afterwards both are as before."""
    page, _ = lab

    def give(theme, width):
        page.set_viewport_size({"width": width, "height": 1500 if width > 800 else 3600})
        page.emulate_media(color_scheme=theme.lower())
        page.evaluate(
            "theme => jupyterapp.commands.execute('apputils:change-theme', {theme})",
            f"JupyterLab {theme}",
        )
        page.wait_for_selector(f'body[data-jp-theme-name="JupyterLab {theme}"]', state="attached")

    yield give
    give("Light", 1200)


@pytest.fixture
def inspector(lab):
    widget = lab[0].locator(".x3dh-inspector")
    reset(widget, "Reset all")
    widget.locator(".e-outcome.note").wait_for()
    return widget


@pytest.fixture
def bench(lab):
    widget = lab[0].locator(".x3dh-kdf")
    reset(widget, "Start again")
    widget.locator(".k-key.holds").wait_for()
    return widget


def reset(widget, name):
    # Playwright does not click what is aria-disabled, as the button is when all is as it was.
    widget.get_by_role("button", name=name).evaluate("button => button.click()")


def block(bench, name):
    return bench.locator(f'[data-block="{name}"]')


def byte(inspector, offset):
    return inspector.locator(f'[data-at="{offset}"]').first


# The byte inspector


def test_hovering_and_clicking_a_byte_shows_its_field(inspector):
    byte(inspector, 72).hover()
    assert "1 if a one-time prekey was used." in inspector.locator(".b-about").inner_text()
    byte(inspector, 40).click()
    about = inspector.locator(".b-about").inner_text()
    assert "EK_A: made for this handshake only." in about
    assert "Everybody on the way: Alice, server, Bob." in about
    assert "EK_A = new key pair" in about
    assert inspector.locator(".b-where").inner_text() == "Byte 40 of 193"


def test_a_flipped_bit_is_refused_and_undone_by_mouse(inspector):
    byte(inspector, 71).click()
    inspector.get_by_label("bit 1 is 0").click()
    inspector.locator(".e-outcome.holds").wait_for()
    told = inspector.locator(".b-outcome").inner_text()
    assert "UnknownPreKey" in told or "UsedPreKey" in told
    assert "X3DH §3.4" in told
    assert byte(inspector, 71).get_attribute("data-was") == "01"
    inspector.get_by_role("button", name="Undo").click()
    inspector.locator(".e-outcome.note").wait_for()
    assert byte(inspector, 71).get_attribute("data-was") is None


def test_the_keyboard_moves_edits_compares_and_undoes(lab, inspector):
    page, _ = lab
    byte(inspector, 2).click()
    for key, expected in (
        ("ArrowRight", 3),
        ("End", 34),
        ("ArrowRight", 35),
        ("ArrowDown", 68),
        ("ArrowUp", 35),
        ("ArrowLeft", 34),
        ("Home", 2),
    ):
        page.keyboard.press(key)
        assert inspector.locator(".b-where").inner_text() == f"Byte {expected} of 193"
    page.keyboard.type("04")
    inspector.locator(".e-outcome.holds").wait_for()
    assert "InvalidField" in inspector.locator(".b-outcome").inner_text()
    assert page.evaluate("document.activeElement.dataset.first") == "2"
    page.keyboard.press("Tab")
    for _ in range(20):
        if page.evaluate("document.activeElement.textContent") == "Compare":
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert inspector.locator(".b-before").count() == 1
    page.keyboard.press("Enter")
    byte(inspector, 2).click()
    page.keyboard.press("Control+z")
    inspector.locator(".e-outcome.note").wait_for()


def test_the_payload_opens_by_keyboard_and_says_so(lab, inspector):
    page, _ = lab
    inspector.get_by_label("Expand payload").focus()
    page.keyboard.press("Enter")
    assert inspector.locator(".b-row.inner").count() == 7
    assert "payload is expanded." in inspector.locator(".x3dh-hidden[role=status]").inner_text()
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
    page.keyboard.press("Enter")
    assert inspector.locator(".b-row.inner").count() == 0


def test_bytes_are_announced_by_field_in_groups(lab, inspector):
    page, _ = lab
    byte(inspector, 36).click()
    label = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert label.startswith("ephemeral key, bytes 35 to 38: 05 ")
    page.keyboard.press("ArrowDown")
    live = inspector.locator(".x3dh-hidden[role=status]").inner_text()
    assert live.startswith("signed prekey id, 4 bytes. Which signed prekey")


def test_a_letter_typed_in_the_widgets_adds_no_cell(lab, inspector, bench):
    page, _ = lab
    cells = "jupyterapp.shell.currentWidget.content.model.cells.length"
    before = page.evaluate(cells)
    byte(inspector, 40).click()
    page.keyboard.press("b")
    page.keyboard.press("Escape")
    block(bench, "key material/F").focus()
    page.keyboard.press("b")
    page.keyboard.press("a")
    assert page.evaluate(cells) == before


def test_every_field_of_the_text_form_stands_on_the_page(lab, inspector):
    page, _ = lab
    inspector.get_by_label("Expand payload").click()
    text = page.evaluate(_TEXT, "Alice's first message")
    names = inspector.locator(".b-name b").all_inner_texts()
    assert len(names) == len([line for line in text.split("\n") if " +" in line[:16]])
    for name in names:
        assert name in text
    inspector.get_by_label("Collapse payload").click()


# The workbench


def test_leaving_a_block_out_opens_an_attack_by_mouse(bench):
    block(bench, "info/application").click()
    bench.get_by_role("button", name="Leave out").click()
    bench.locator(".k-finding.falls", has_text="A31").wait_for()
    assert "Meet me at noon." in bench.locator(".k-finding.falls", has_text="A31").inner_text()


def test_blocks_are_dragged_to_another_place(bench):
    block(bench, "key material/DH4").drag_to(block(bench, "key material/DH1"))
    bench.locator(".k-key.falls").wait_for()
    names = bench.locator('[data-block^="key material/"]').evaluate_all(
        "all => all.map(e => e.dataset.block.split('/')[1])"
    )
    assert names == ["F", "DH4", "DH1", "DH2", "DH3", "SS"]


def test_blocks_are_swapped_cut_and_left_out_by_keyboard(lab, bench):
    page, _ = lab
    block(bench, "key material/F").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert bench.locator(".k-tool strong").inner_text() == "DH1"
    page.keyboard.press("Alt+ArrowRight")
    bench.locator(".k-key.falls").wait_for()
    assert page.evaluate("document.activeElement.dataset.block") == "key material/DH1"
    page.keyboard.press("Alt+ArrowLeft")
    bench.locator(".k-key.holds").wait_for()
    bench.get_by_role("button", name="Swap with").focus()
    page.keyboard.press("Enter")
    block(bench, "key material/SS").focus()
    page.keyboard.press("Enter")
    bench.locator(".k-key.falls").wait_for()
    assert (
        "DH1 and SS have changed places." in bench.locator(".x3dh-hidden[role=status]").inner_text()
    )
    page.keyboard.press("Delete")
    assert "left out" in block(bench, "key material/DH1").get_attribute("aria-label")
    page.keyboard.press("Delete")
    bench.locator(".k-keep input").focus()
    page.keyboard.press("ArrowLeft")
    assert "first 31 of 32 bytes" in block(bench, "key material/DH1").get_attribute("aria-label")


def test_one_side_alone_understands_nothing(bench):
    block(bench, "key material/DH2").click()
    bench.get_by_label("Later").click()
    bench.get_by_label("Alice only").check()
    bench.locator(".k-finding.falls", has_text="nothing that Alice sends").wait_for()


def test_the_text_form_says_what_the_page_says(lab, bench):
    page, _ = lab
    text = page.evaluate(_TEXT, "Workbench: ")
    findings = bench.locator(".k-finding")
    assert findings.count() == 10
    for number in range(10):
        assert findings.nth(number).locator(".k-says").inner_text() in text
    key = bench.locator(".k-key .k-hex").inner_text()
    assert "".join(key.split()) in text


# Both


@pytest.mark.parametrize("width", [1200, 380])
@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_axe_finds_nothing_in_any_state_and_nothing_is_cut_off(lab, themed, theme, width):
    page, _ = lab
    themed(theme, width)
    inspector, bench = page.locator(".x3dh-inspector"), page.locator(".x3dh-kdf")
    look(page, inspector, f"inspector {theme} {width} first")
    byte(inspector, 40).click()
    inspector.get_by_label("bit 0 is").click()
    inspector.locator(".e-outcome.holds").wait_for()
    inspector.get_by_role("button", name="Compare").click()
    inspector.get_by_label("Expand payload").click()
    look(page, inspector, f"inspector {theme} {width} edited")
    inspector.get_by_label("Collapse payload").click()
    inspector.get_by_role("button", name="Compare").click()
    reset(inspector, "Reset all")
    reset(bench, "Start again")
    bench.locator(".k-key.holds").wait_for()
    look(page, bench, f"kdf {theme} {width} first")
    block(bench, "key material/DH1").click()
    bench.locator(".k-keep input").fill("1")
    bench.locator(".k-finding.falls", has_text="Write as Alice").wait_for()
    bench.get_by_role("button", name="Swap with").click()
    look(page, bench, f"kdf {theme} {width} changed")
    reset(bench, "Start again")


def look(page, widget, name):
    widget.scroll_into_view_if_needed()
    kind = widget.get_attribute("class").split(" ")[-1]
    assert axe.violations(page, f".{kind}") == []
    assert widget.evaluate("e => e.scrollWidth <= e.clientWidth")
    assert browser.screenshot(widget, name).stat().st_size > 10_000


@pytest.mark.parametrize(
    "kind, selector",
    [("inspector", ".x3dh-inspector .b-byte"), ("kdf", ".x3dh-kdf .k-block")],
)
def test_a_click_answers_at_once(lab, inspector, bench, kind, selector, record_property, capsys):
    page, _ = lab
    times = page.evaluate(_MEASURE, [selector, CLICKS])
    p95 = times[int(0.95 * len(times))]
    record_property(f"{kind}_click_p95_ms", round(p95, 1))
    with capsys.disabled():
        print(f"\n{kind}: 95 % of {len(times)} clicks within {p95:.1f} ms")
    assert len(times) == CLICKS


def test_the_first_picture_comes_after_its_cell(lab, record_property, capsys):
    page, _ = lab
    for number, selector in enumerate((".x3dh-inspector .b-grid", ".x3dh-kdf .k-row")):
        took = page.evaluate(_FIRST, [number, selector])
        record_property(f"first_picture_{number}_ms", round(took))
        with capsys.disabled():
            print(f"\n{selector}: first picture after {took:.0f} ms")
        page.wait_for_selector(selector)
        assert page.locator(selector).count() >= 1


def of_the_theme_switch(problem):
    """JupyterLab removes a style sheet twice when its theme changes, also without any widget."""
    places = [line for line in problem.split("\n") if line.strip().startswith("at ")]
    return "removeChild" in problem and places and all("/jlab_core." in line for line in places)


def test_the_console_stays_clean(lab):
    assert [problem for problem in lab[1] if not of_the_theme_switch(problem)] == []
