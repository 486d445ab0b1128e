"""The command `x3dhlab`. Exit codes: 0 good, 1 a task failed, 2 the command could not do its job.

Commands import what they need when they run, so that `x3dhlab --help` answers at once.
"""

import contextlib
import os
import sys

if sys.version_info < (3, 11):  # noqa: UP036  (said before anything newer is imported)
    sys.stderr.write(f"x3dhlab needs Python 3.11 or newer; this is {sys.version.split()[0]}.\n")
    sys.exit(2)

from pathlib import Path
from typing import Annotated

import typer

from x3dhlab import __version__

PASSED, FAILED, UNABLE = 0, 1, 2

app = typer.Typer(
    help="Build, break and run Signal's X3DH, PQXDH and Double Ratchet, in JupyterLab.",
    epilog="Begin with: x3dhlab lab",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Workspace = Annotated[
    Path | None,
    typer.Argument(metavar="DIR", show_default=False, help="The workspace (x3dh-course)."),
]


def main() -> None:
    """The entry point: problems of a person become one sentence, never a traceback."""
    from x3dhlab.errors import Refused

    try:
        app()
    except Refused as problem:
        _stop(str(problem))
    except OSError as problem:
        _stop(f"{problem.strerror or problem}: {problem.filename or 'no file named'}")
    except KeyboardInterrupt:
        _stop("Stopped.")


def _stop(sentence):
    print(sentence, file=sys.stderr)
    sys.exit(UNABLE)


@app.callback(invoke_without_command=True)
def _about(
    version: Annotated[bool, typer.Option("--version", help="Show the version and stop.")] = False,
):
    if version:
        print(f"x3dhlab {__version__}")
        raise typer.Exit(PASSED)


@app.command()
def lab(
    folder: Workspace = None,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
    port: Annotated[int | None, typer.Option(min=1, max=65535, show_default=False)] = None,
    path: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", show_default=False, help="A short way: 90min, half-day, two-days."
        ),
    ] = None,
    room: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            show_default=False,
            help="Tell a workshop's page where you are, what passed, which mistakes have names"
            " and what you predicted. Never what you wrote.",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NICK", help="Your nickname there.", show_default=False)
    ] = None,
    code: Annotated[
        str | None, typer.Option(help="The room's join code.", show_default=False)
    ] = None,
):
    """Prepare the workspace and open the course in JupyterLab."""
    from x3dhlab import course

    place = _place(folder)
    ready = None if path is None else _path(path)
    with _room(place, room, name, code):
        course.lab(place, browser=browser, port=port, ready=ready)


def _path(name):
    from x3dhlab.classroom import walk

    return walk.ready(name)


def _room(place, url, name, code):
    if url is None:
        return contextlib.nullcontext()
    from x3dhlab.classroom import reporter

    name, code = _asked("Nickname", "--name", name), _asked("Join code", "--code", code)
    return reporter.reporting(place, url, name, code)


def _asked(what, option, given):
    if given is None and not sys.stdin.isatty():
        _stop(f"The room wants {option}.")
    return typer.prompt(what) if given is None else given


@app.command()
def room(
    host: Annotated[
        str, typer.Option(help="Who reaches it: 0.0.0.0 is everybody in the network.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8765,
    data: Annotated[
        Path, typer.Option(metavar="FILE", help="Where the room is kept until it ends.")
    ] = Path("x3dhlab-room.db"),
    end: Annotated[
        bool, typer.Option("--end", help="End the room and delete all that was kept.")
    ] = False,
):
    """Open the page of a workshop: who is where, who is stuck, what was predicted.

    Without --host only this machine reaches it. The connection is not encrypted. Learners who
    want to be seen type: x3dhlab lab --room URL --name NICK
    """
    from x3dhlab.classroom import server

    if end:
        server.end(data)
    else:
        server.serve(data, host=host, port=port)


@app.command()
def serve(
    database: Annotated[
        str, typer.Option(metavar="URL", help="sqlite:///FILE, or postgresql://…")
    ] = "sqlite:///x3dhlab-service.db",
    host: Annotated[
        str, typer.Option(help="Who reaches it: 0.0.0.0 is everybody in the network.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 is any that is free.")] = 8766,
):
    """Run the prekey service: public keys, bundles and mailboxes over HTTP and WebSocket.

    Without --host only this machine reaches it. The connection is not encrypted. Several may run
    on one database, each on a port of its own.
    """
    from x3dhlab.service import running

    running.serve(database, host=host, port=port)


@app.command()
def guide(
    path: Annotated[str, typer.Argument(metavar="PATH", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A name in .html or .pdf.", show_default=False),
    ] = None,
):
    """Write the instructor's cue sheet for a path: what to say, ask and show, by the clock."""
    from x3dhlab.classroom import guide as sheet

    print(f"The guide is in {sheet.write(path, out)}")


@app.command()
def present(
    number: Annotated[
        str, typer.Argument(metavar="NN", help="A lesson, or a part: 90min/4.", show_default=False)
    ],
    section: Annotated[
        str, typer.Argument(help="A heading of the lesson.", show_default=False)
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to write the page.", show_default=False),
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
):
    """Show a lesson's pictures on the projector; the arrow keys step, F fills the screen."""
    from x3dhlab.classroom import present as deck

    path = deck.present(number, section, out)
    print(f"The pictures are in {path}")
    if browser:
        deck.show(path)


@app.command()
def grade(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", show_default=False)],
    task: Annotated[
        list[str] | None, typer.Option(help="Only this task; may be repeated.", show_default=False)
    ] = None,
    format: Annotated[str, typer.Option(help="text, json, junit, github or gradescope.")] = "text",
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="How many at a time: one a processor.", show_default=False),
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(min=0.1, help="Seconds for one call: 5.", show_default=False)
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="For the same inputs again.", show_default=False)
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="Sets of inputs.")] = 1,
    report: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write a class report there.", show_default=False),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted class report.")
    ] = False,
    backend: Annotated[str, typer.Option(help="threading, loky, dask or ray.")] = "threading",
    hunt: Annotated[
        list[str] | None,
        typer.Option(
            metavar="N", help="Grade hunts as hunt N; NAME=N for one learner.", show_default=False
        ),
    ] = None,
    allow_unisolated: Annotated[
        bool, typer.Option("--allow-unisolated", help="Run answers even without a sandbox.")
    ] = False,
):
    """Check answers in notebooks, .py files, folders or .zip files. Exit code 1 if one failed."""
    from x3dhlab.grading import cli_grade

    limits = {} if timeout is None else {"timeout": timeout}
    code = cli_grade(
        paths,
        task=task,
        format=format,
        seed=seed,
        jobs=jobs,
        rounds=rounds,
        folder=report,
        resume=resume,
        backend=backend,
        allow_unisolated=allow_unisolated,
        hunts=hunt,
        **limits,
    )
    raise typer.Exit(code)


@app.command()
def hunt(
    seed: Annotated[int, typer.Option(min=0, max=10**9, help="Another number, other bugs.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write it.", show_default=False)
    ] = None,
):
    """Write a bug hunt of lesson 15 as a notebook: each learner may get other bugs."""
    from x3dhlab import course

    path = course.write_hunt(seed, out or _hunt_file(seed))
    print(f"Hunt {seed} is in {path}\nTo grade it: x3dhlab grade --hunt {seed} {path}")


def _hunt_file(seed):
    """Among the exercises of the workspace, where its link to the lesson leads; else here."""
    from x3dhlab import course

    name = f"15_hunt_{seed}.ipynb"
    try:
        folder = course.existing(course.default_folder())
    except course.CourseProblem:
        return Path(name)
    return Path(os.path.relpath(folder / "exercises" / name))


@app.command()
def status(folder: Workspace = None):
    """Show what is done and what is next."""
    from x3dhlab import course
    from x3dhlab.classroom.walk import following
    from x3dhlab.status import status as examine

    print(examine(folder))
    for line in following(course.existing(folder or course.default_folder())):
        print(line)


@app.command()
def catchup(
    place: Annotated[str, typer.Argument(metavar="LESSON", show_default=False)],
    folder: Workspace = None,
):
    """Start at a lesson (05) or a part of a path (90min/4): answer the tasks before it.

    What you have written stays as it is. A prepared answer gives no points.
    """
    from x3dhlab.classroom import catchup as catching

    print(catching.catchup(place, _place(folder)))


@app.command()
def reset(
    task: Annotated[str, typer.Argument(metavar="TASK", show_default=False)],
    folder: Workspace = None,
):
    """Begin a task anew; your old text goes to a backup file."""
    from x3dhlab import course

    name, backup = course.reset(task, _place(folder))
    print(f"{task} is a stub again in {name}.\nYour old text is in {backup}")
    print("If the notebook is open: File > Reload Notebook from Disk.")


@app.command()
def update(
    folder: Workspace = None,
    diff: Annotated[
        bool, typer.Option("--diff", help="Show how a new version differs from yours.")
    ] = False,
):
    """Bring newer lessons; your answers stay as they are."""
    from x3dhlab import course

    place = _place(folder)
    changes = course.update(place)
    _list("New", changes.new)
    _list("Renewed", changes.renewed)
    _list("Yours, kept as it is", changes.kept)
    _list("No longer in the course, kept", changes.retired)
    for name, beside in changes.offered.items():
        print(f"Yours, kept: {name}\n    the new version is beside it: {beside}")
    for name, beside in course.differing(place).items() if diff else ():
        print(course.difference(place, name, beside), end="")
    if not (changes.new or changes.renewed or changes.offered):
        print("Everything is up to date.")


def _list(what, names):
    for name in names:
        print(f"{what}: {name}")


@app.command()
def doctor(
    as_json: Annotated[
        bool, typer.Option("--json", help="Machine-readable: no names of people, no paths.")
    ] = False,
):
    """Say whether this machine is ready for the course, and what to do if not. Exit code 2: no."""
    from x3dhlab import health

    findings = health.examine()
    print(health.as_json(findings) if as_json else health.as_text(findings))
    raise typer.Exit(UNABLE if health.verdict(findings) == health.NOT_READY else PASSED)


@app.command()
def bundle(
    out: Annotated[
        Path, typer.Argument(metavar="OUT", show_default=False, help="NAME.zip or NAME.tar.gz")
    ],
    platform: Annotated[
        list[str] | None,
        typer.Option(
            show_default=False,
            help="For this kind of machine; may be repeated. Tested: linux-x86_64. Not tested: "
            "linux-aarch64, macos-arm64, macos-x86_64, windows-amd64. Default: this machine's.",
        ),
    ] = None,
    python: Annotated[
        list[str] | None,
        typer.Option(
            metavar="3.N",
            show_default=False,
            help="For this version of Python; may be repeated. Default: this one.",
        ),
    ] = None,
):
    """Write one archive from which the course opens with no network, compiler or other rights."""
    from x3dhlab.classroom import bundle as bundles

    wanted = bundles.targets(platform or (), python or ())
    wheels = bundles.write(out, wanted)
    print(f"{out}: {bundles.size(out.stat().st_size)}")
    for target in wanted:
        print(f"  {bundles.line(target)}  {len(wheels[target])} wheels")
    print("Unpack it and run start.sh, start.command or start.bat; README.txt says more.")


@app.command()
def bench(
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
    seconds: Annotated[float, typer.Option(min=0.01, help="Time for all of it.")] = 20.0,
):
    """Measure the protocol steps here, as multiples of the primitives' own cost."""
    from x3dhlab import bench as benchmark

    benchmark.main(json=as_json, seconds=seconds)


def _place(folder):
    from x3dhlab import course

    return folder or course.default_folder()


if __name__ == "__main__":
    main()
