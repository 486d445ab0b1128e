"""Helpers of the browser tests: a JupyterLab of its own, and a page in Chromium that drives it."""

import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import nbformat

SCREENSHOTS = Path(__file__).resolve().parent.parent / "screenshots"
START_LIMIT = 60_000  # milliseconds that a server or a page may take, on a busy machine
_NEWS = '{"fetchNews": "false", "checkForUpdates": false}'
_APP = {"lab": "LabApp", "tree": "JupyterNotebookApp"}


def chromium() -> str | None:
    """The system's Chromium, or None."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    return None


def notebook(path: Path, *cells: str) -> Path:
    """Write a notebook of code cells."""
    made = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell, id=f"cell-{n}") for n, cell in enumerate(cells)],
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
        },
    )
    nbformat.write(made, path)
    return path


@contextmanager
def jupyter(root: Path, private: Path, *options, theme: str = "JupyterLab Light", app: str = "lab"):
    """Run a Jupyter server on `root` with all its own files in `private`. Yields its address.

    `app` is "lab" for JupyterLab, "tree" for Notebook 7; `options` go to its command line.
    """
    port = _free_port()
    command = [
        *(sys.executable, "-m", "jupyterlab" if app == "lab" else "notebook"),
        *("--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"),
        *("--ServerApp.port_retries=0", "--IdentityProvider.token="),
        f"--ServerApp.root_dir={root}",
        f"--{_APP[app]}.expose_app_in_browser=True",
        *options,
    ]
    with (private / "server.log").open("w") as log:
        server = subprocess.Popen(
            command, env=_environment(private, theme), stdout=log, stderr=log, cwd=root
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_until_up(server, f"{address}/api", private / "server.log")
        yield address
    finally:
        server.terminate()
        server.wait(timeout=30)


def _free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _environment(private, theme):
    folders = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    settings = private / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "notification.jupyterlab-settings").write_text(_NEWS)
    (settings / "themes.jupyterlab-settings").write_text(f'{{"theme": "{theme}"}}')
    places = {name: str(private / folder) for name, folder in folders.items()}
    # A token in the environment would override the empty one of the command line.
    kept = {key: value for key, value in os.environ.items() if key != "JUPYTER_TOKEN"}
    return {**kept, **places, "X3DHLAB_PROGRESS": str(private / "progress.jsonl")}


def _wait_until_up(server, address, log):
    for _ in range(START_LIMIT // 250):
        if server.poll() is not None:
            raise RuntimeError(f"the Jupyter server ended:\n{log.read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            # The only wait here: the server has no other sign of life than its port.
            try:
                server.wait(timeout=0.25)
            except subprocess.TimeoutExpired:
                continue
    raise RuntimeError("the Jupyter server did not answer")


@contextmanager
def browser(*, width: int = 1200, height: int = 900, dark: bool = False, calm: bool = True):
    """A Chromium page and the list of its console errors and warnings."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chrome = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        page = chrome.new_page(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce" if calm else "no-preference",
        )
        page.set_default_timeout(START_LIMIT)
        problems = []
        page.on("console", lambda m: m.type in ("error", "warning") and problems.append(m.text))
        page.on("pageerror", lambda problem: problems.append(f"{problem}\n{problem.stack}"))
        try:
            yield page, problems
        finally:
            chrome.close()


def open_notebook(page, address: str, name: str, *, app: str = "lab") -> None:
    """Open a notebook and wait until its kernel is there."""
    page.goto(f"{address}/lab/tree/{name}?reset" if app == "lab" else f"{address}/notebooks/{name}")
    page.wait_for_function("window.jupyterapp && jupyterapp.shell.currentWidget?.sessionContext")
    page.evaluate(
        """async () => {
          const context = jupyterapp.shell.currentWidget.sessionContext;
          await context.ready;
          await context.session.kernel.info;
        }"""
    )


def run_all(page) -> None:
    """Run all cells and wait until none is waiting."""
    page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(
        """() => {
          const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
          const prompts = [...document.querySelectorAll('.jp-Notebook .jp-InputPrompt')];
          return kernel.status === 'idle' && prompts.every(p => !p.textContent.includes('*'))
            && prompts.some(p => /\\d/.test(p.textContent));
        }"""
    )


def hide_sidebars(page) -> None:
    """Give the notebook the whole width."""
    page.evaluate(
        """async () => {
          if (document.querySelector('#jp-left-stack.lm-mod-hidden') === null)
            await jupyterapp.commands.execute('application:toggle-left-area');
        }"""
    )


def screenshot(target, name: str) -> Path:
    """Save a picture of a page or an element into `screenshots/`."""
    SCREENSHOTS.mkdir(exist_ok=True)
    path = SCREENSHOTS / f"{re.sub(r'[^a-z0-9-]+', '-', name.lower())}.png"
    target.screenshot(path=path)
    return path
