"""The recipe for JupyterHub in `.hub`: walls that hold, and two learners in one browser."""

import os
import re
import runpy
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import browser
import pytest
from traitlets.config import Config

from x3dhlab import course, health
from x3dhlab.errors import Refused

ROOT = course.root()
RECIPE = ROOT / ".hub" / "jupyterhub_config.py"
PYTHON = Path(os.environ.get("X3DHLAB_HUB_PYTHON", ROOT / ".venv" / "hub" / "bin" / "python"))
PROXY = PYTHON.parent.parent / "node_modules" / ".bin"
PASSWORD = "a sentence for the room"
SEE = "from x3dhlab import health; print(health._isolation().mark)"
LESSON = "00_start_here.ipynb"


def recipe(monkeypatch, kept, password=PASSWORD):
    """The configuration as JupyterHub reads it: its names, with `c` among them."""
    monkeypatch.setenv("X3DHLAB_HUB", str(kept))
    monkeypatch.setenv("X3DHLAB_HUB_PASSWORD", password)
    config = Config()
    return runpy.run_path(str(RECIPE), {"get_config": lambda: config})


def test_a_hub_without_a_password_does_not_start(monkeypatch, tmp_path):
    with pytest.raises(Refused, match="X3DHLAB_HUB_PASSWORD"):
        recipe(monkeypatch, tmp_path, password="")


def test_a_path_that_there_is_not_stops_the_hub(monkeypatch, tmp_path):
    monkeypatch.setenv("X3DHLAB_HUB_PATH", "91min")
    with pytest.raises(Refused, match="91min"):
        recipe(monkeypatch, tmp_path)


def test_what_the_hub_keeps_is_closed_to_other_accounts(monkeypatch, tmp_path):
    recipe(monkeypatch, tmp_path / "kept")
    folders = [tmp_path / "kept", *(tmp_path / "kept").iterdir()]
    assert len(folders) == 3 and {folder.stat().st_mode & 0o777 for folder in folders} == {0o700}


@pytest.mark.parametrize(
    ("name", "fits"),
    [("ann", True), ("bea-2", True), ("..", False), ("a/b", False), ("", False), ("-x", False)],
)
def test_a_name_is_always_one_folder_below_the_learners(name, fits, monkeypatch, tmp_path):
    pattern = recipe(monkeypatch, tmp_path)["c"].Authenticator.username_pattern
    assert bool(re.fullmatch(pattern, name)) == fits


PROBE = """
import os, pathlib
def tried(path, act):
    try: return act(pathlib.Path(path)) or "done"
    except OSError: return "refused"
print(tried("own", lambda p: p.write_text("mine") and None))
print(tried({package!r}, lambda p: p.write_text("theirs") and None))
print(tried({secret!r}, lambda p: p.read_text()))
print(tried({other!r}, lambda p: p.read_text()))
print(tried("/etc/shadow", lambda p: p.read_text()))
print(len([name for name in os.listdir("/proc") if name.isdecimal()]) < 4)
"""


@pytest.mark.skipif(not shutil.which("bwrap"), reason="bubblewrap is not installed")
def test_behind_the_walls_a_learner_writes_the_own_folder_and_sees_no_other(monkeypatch, tmp_path):
    # The hub's folder lies in the checkout, which every learner reads.
    package = tmp_path / "checkout" / "x3dhlab"
    package.mkdir(parents=True)
    monkeypatch.setattr("x3dhlab.__file__", str(package / "__init__.py"))
    kept = tmp_path / "checkout" / "x3dh-hub"
    walls = recipe(monkeypatch, kept)["walls"]
    for name in ("ann", "bea"):
        (kept / "learners" / name).mkdir()
    (kept / "learners" / "bea" / "answer").write_text("hers")
    (kept / "hub" / "cookie_secret").write_text("the hub's")
    probe = PROBE.format(
        package=str(package / "not_ours.py"), secret=str(kept / "hub" / "cookie_secret"),
        other=str(kept / "learners" / "bea" / "answer"),
    )  # fmt: skip
    told = subprocess.run(
        [*walls("ann"), sys.executable, "-c", probe], capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == ["done", "refused", "refused", "refused", "refused", "True"]
    assert list(package.iterdir()) == []
    assert (kept / "learners" / "ann" / "own").read_text() == "mine"


@pytest.mark.skipif(not shutil.which("bwrap"), reason="bubblewrap is not installed")
def test_behind_the_walls_the_sandbox_of_the_grader_starts(monkeypatch, tmp_path):
    walls = recipe(monkeypatch, tmp_path)["walls"]
    (tmp_path / "learners" / "ann").mkdir()
    told = subprocess.run(
        [*walls("ann"), sys.executable, "-c", SEE], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == health.GOOD


def test_the_image_has_what_the_recipe_and_the_tests_use():
    image = (ROOT / ".hub" / "Dockerfile").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for pin in ("jupyterhub==", "configurable-http-proxy@"):
        (version,) = set(re.findall(rf"{pin}([\d.]+)", image))
        assert f"{pin}{version}" in makefile
    assert "bubblewrap" in image and "-c constraints.txt" in image
    assert [p for p in re.findall(r"/course/(\S+)\"", image) if not (ROOT / p).is_file()] == []
    left_out = (ROOT / ".hub" / "Dockerfile.dockerignore").read_text(encoding="utf-8").split("\n")
    assert {"x3dh-hub", ".git", ".venv"} <= set(left_out)
    *_, user = re.findall(r"^USER (\w+)", image, flags=re.M)
    assert user != "root"


@contextmanager
def hub(kept):
    """JupyterHub from the recipe on free ports. Yields its address."""
    port, own, api = (browser._free_port() for _ in range(3))
    command = [
        *(PYTHON.parent / "jupyterhub", "-f", RECIPE, "--ip=127.0.0.1", f"--port={port}"),
        f"--JupyterHub.hub_port={own}",
        f"--ConfigurableHTTPProxy.api_url=http://127.0.0.1:{api}",
        "--Spawner.args=--LabApp.expose_app_in_browser=True",
    ]
    environment = os.environ | {
        "PATH": os.pathsep.join([str(PYTHON.parent), str(PROXY), os.environ["PATH"]]),
        "X3DHLAB_HUB": str(kept),
        "X3DHLAB_HUB_PASSWORD": PASSWORD,
        "X3DHLAB_HUB_PATH": "90min",
    }
    log = kept.with_suffix(".log")
    with log.open("w") as lines:
        process = subprocess.Popen(command, env=environment, stdout=lines, stderr=lines)
    address = f"http://127.0.0.1:{port}"
    try:
        browser._wait_until_up(process, f"{address}/hub/api", log)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=60)


def come_in(page, address, name):
    """Log in with the room's password, and wait for the learner's own JupyterLab."""
    page.goto(f"{address}/hub/login")
    page.fill("#username_input", name)
    page.fill("#password_input", PASSWORD)
    page.click("#login_submit")
    page.wait_for_url(f"**/user/{name}/lab/**/paths/90min/*.ipynb")
    browser.open_notebook(page, f"{address}/user/{name}", f"notebooks/{LESSON}")


_OUTPUTS = """() => [...jupyterapp.shell.currentWidget.content.model.cells]
  .filter(cell => cell.type === 'code')
  .map(cell => [cell.executionCount, cell.outputs.toJSON().map(o => o.output_type)])"""


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """A running hub: (address, the folder of what it keeps)."""
    if not (PYTHON.exists() and PROXY.exists()):
        pytest.skip("JupyterHub is not installed beside the course: `make test-full` installs it")
    if browser.chromium() is None or not shutil.which("bwrap"):
        pytest.skip("Chromium or bubblewrap is not installed")
    kept = tmp_path_factory.mktemp("hub") / "kept"
    with hub(kept) as address:
        yield address, kept


@pytest.mark.full
def test_two_learners_open_a_lesson_and_each_has_a_workspace(room):
    address, kept = room
    with browser.browser() as (page, _):
        for name in ("ann", "bea"):
            own = page.context.browser.new_context().new_page()
            own.set_default_timeout(3 * browser.START_LIMIT)
            come_in(own, address, name)
            browser.run_all(own)
            outputs = own.evaluate(_OUTPUTS)
            assert outputs and all(count for count, _ in outputs)
            assert "error" not in {kind for _, kinds in outputs for kind in kinds}
            browser.screenshot(own, f"hub-{name}")
    for name in ("ann", "bea"):
        assert (kept / "learners" / name / "exercises" / LESSON).is_file()
