"""A bundle is made from an index of tiny wheels, and opens: by itself, offline, and only if whole.

The index, the course and its dependencies are made here; pip and the virtual environments are real.
"""

import base64
import ensurepip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import textwrap
import zipfile
from pathlib import Path

import browser
import pytest

from x3dhlab import cli
from x3dhlab.classroom import bundle, start
from x3dhlab.course import CourseProblem

HERE = start.here()
PLATFORM, PYTHON = HERE.split("-py")
WINDOWS = bundle.Target("windows-amd64", PYTHON)
ANY = "py3-none-any"
BASIC = "small", "large", 'winonly; sys_platform == "win32"'

BACKEND = """
    import base64, hashlib, zipfile
    from pathlib import Path

    def build_wheel(folder, settings=None, metadata=None):
        name = "{name}-{version}-{tag}.whl"
        files = {files!r}
        with zipfile.ZipFile(Path(folder) / name, "w") as archive:
            for file, text in files.items():
                archive.writestr(file, text)
        return name
"""


def contents(name, version, requires=(), tag=ANY, filler=0, needs_python=">=3.11", **more):
    """File → text of a wheel that holds a package of this name."""
    about = f"{name}-{version}.dist-info"
    lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    lines += [f"Requires-Python: {needs_python}"]
    lines += [f"Requires-Dist: {line}" for line in requires]
    files = {f"{name}/__init__.py": "#" * filler, **more.get("files", {})}
    files |= {
        f"{about}/METADATA": "\n".join(lines) + "\n",
        f"{about}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = "".join(f"{file},{_sum(text)},{len(text)}\n" for file, text in files.items())
    return {**files, f"{about}/RECORD": f"{record}{about}/RECORD,,\n"}


def _sum(text):
    value = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def wheel(folder, name, version, *requires, tag=ANY, **more):
    with zipfile.ZipFile(folder / f"{name}-{version}-{tag}.whl", "w") as archive:
        for file, text in contents(name, version, requires, tag, **more).items():
            archive.writestr(file, text)


def source(folder, name, version, *requires, tag=ANY, **more):
    """A folder that pip can build with no other package."""
    files = contents(name, version, requires, tag, **more)
    folder.mkdir(parents=True)
    code = textwrap.dedent(BACKEND).format(name=name, version=version, tag=tag, files=files)
    (folder / "backend.py").write_text(code)
    system = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    project = f'[project]\nname = "{name}"\nversion = "{version}"\n'
    (folder / "pyproject.toml").write_text(system + project)
    return folder


def sdist(index, place, name, version, **more):
    folder = source(place / f"{name}-{version}", name, version, **more)
    (folder / "PKG-INFO").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    with tarfile.open(index / f"{name}-{version}.tar.gz", "w:gz") as archive:
        archive.add(folder, folder.name)


@pytest.fixture(scope="module")
def installer():
    """The pip wheel that Python brings along."""
    places = [
        sysconfig.get_config_var("WHEEL_PKG_DIR"),
        Path(ensurepip.__file__).parent / "_bundled",
    ]
    found = [path for place in filter(None, places) for path in Path(place).glob("pip-*.whl")]
    return found[0] if found else pytest.skip("this Python brings no wheel of pip along")


@pytest.fixture(scope="module")
def pip(tmp_path_factory):
    return bundle.pip(tmp_path_factory.mktemp("pip"))


@pytest.fixture
def workshop(tmp_path, monkeypatch, pip, installer):
    """An index, a course that needs two packages of it, and nothing else that pip could reach."""
    return Workshop(tmp_path, installer, pip, monkeypatch)


@pytest.fixture(scope="module")
def ready(tmp_path_factory, pip, installer):
    """A bundle for this machine and for Windows, as `.zip` and as `.tar.gz`."""
    with pytest.MonkeyPatch.context() as patch:
        workshop = Workshop(tmp_path_factory.mktemp("ready"), installer, pip, patch, build=True)
        workshop.found = workshop.write(*bundle.targets(), WINDOWS)
        workshop.write(*bundle.targets(), WINDOWS, out=workshop.out.with_name("course.tar.gz"))
    return workshop


@pytest.fixture
def folder(ready, tmp_path):
    """Where a learner unpacked that bundle."""
    return unpacked(ready.out, tmp_path)


def unpacked(out, place):
    with zipfile.ZipFile(out) as archive:
        archive.extractall(place)
        for entry in archive.infolist():
            (place / entry.filename).chmod(entry.external_attr >> 16 & 0o777)
    return next(place.glob("x3dhlab-*"))


class Workshop:
    """Where one test makes its bundles: `asked` is what pip was asked for, as `name==version`."""

    def __init__(self, place, installer, pip, patch, build=False):
        self.index, self.out, self.cache = place / "index", place / "course.zip", place / "cache"
        self.place, self.asked, self.needs = place, [], BASIC
        self.index.mkdir()
        for name in [name for name in os.environ if name.startswith("PIP_")]:
            patch.delenv(name)
        patch.setenv("PIP_CONFIG_FILE", os.devnull)
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(self.index))
        patch.setattr(bundle, "pip", lambda cache: pip)
        if not build:  # the build is tried once; elsewhere it would only take time
            patch.setattr(bundle.Workbench, "own", self.built)
        (self.index / installer.name).write_bytes(installer.read_bytes())
        command = "import os, sys\nprint('open', sys.argv[1:], 'as', os.getpid())\n"
        self.root = source(
            place / "course", "x3dhlab", "7", *BASIC, files={"x3dhlab/cli.py": command}
        )
        wheel(self.index, "small", "1.0")
        wheel(self.index, "small", "2.0")
        wheel(self.index, "large", "3", "small[more]", filler=50_000)
        wheel(self.index, "winonly", "4", tag="cp311-abi3-win_amd64")
        pins = f"pip=={installer.name.split('-')[1]}", "small==1.0", "large==3", "winonly==4"
        self.pin(*pins)
        run = bundle.Workbench._run

        def counted(bench, arguments):
            self.asked += [word for word in arguments if "==" in word]
            return run(bench, arguments)

        patch.setattr(bundle.Workbench, "_run", counted)

    def built(self, root, room):
        wheel(Path(room), "x3dhlab", "7", *self.needs)
        return next(Path(room).glob("*.whl"))

    def pin(self, *lines):
        with (self.root / "constraints.txt").open("a") as stream:
            stream.write("".join(f"{line}\n" for line in lines))

    def write(self, *targets, out=None):
        self.asked.clear()
        wanted = list(targets) or bundle.targets()
        return bundle.write(out or self.out, wanted, root=self.root, cache=self.cache)

    def refusal(self, *targets):
        with pytest.raises(CourseProblem) as problem:
            self.write(*targets)
        return str(problem.value)


def names(wheels):
    return sorted(path.name.rsplit("-", 3)[0] for path in wheels if path.name[:3] != "pip")


# Making it


def test_the_tested_versions_come_along_each_for_its_system(ready):
    ours, windows = ready.found.values()
    assert names(ours) == ["large-3", "small-1.0", "x3dhlab-7"]
    assert names(windows) == ["large-3", "small-1.0", "winonly-4", "x3dhlab-7"]


def test_the_dependencies_of_an_extra_come_only_with_it(workshop):
    wheel(workshop.index, "small", "1.0", 'deep; extra == "more"', 'never; extra == "other"')
    wheel(workshop.index, "deep", "5")
    workshop.pin("deep==5")
    (wheels,) = workshop.write().values()
    assert names(wheels) == ["deep-5", "large-3", "small-1.0", "x3dhlab-7"]


def test_a_package_without_a_tested_version_is_refused(workshop):
    workshop.needs = "small", "untested"
    wheel(workshop.index, "untested", "1")
    assert "untested has no tested version" in workshop.refusal()


def listing(out):
    if out.suffix == ".zip":
        with zipfile.ZipFile(out) as archive:
            return {
                e.filename: (e.external_attr >> 16, archive.read(e)) for e in archive.infolist()
            }
    with tarfile.open(out) as archive:
        return {e.name: (e.mode, archive.extractfile(e).read()) for e in archive.getmembers()}


@pytest.mark.parametrize("name", ["course.zip", "course.tar.gz"])
def test_the_archive_has_wheels_lists_scripts_and_a_readme_in_one_folder(ready, name):
    inside = listing(ready.out.with_name(name))
    wheels = {f"wheels/{path.name}" for paths in ready.found.values() for path in paths}
    lists = {f"wheels/{HERE}.txt", f"wheels/{WINDOWS}.txt"}
    scripts = {"start.sh", "start.command", "start.bat", "start.py", "README.txt"}
    assert inside.keys() == {f"x3dhlab-7/{file}" for file in wheels | lists | scripts}
    executable = {file for file, (mode, _) in inside.items() if mode & 0o111}
    assert executable == {"x3dhlab-7/start.sh", "x3dhlab-7/start.command"}
    listed = inside[f"x3dhlab-7/wheels/{WINDOWS}.txt"][1].decode()
    for path in ready.found[WINDOWS]:
        digest = hashlib.sha256(inside[f"x3dhlab-7/wheels/{path.name}"][1]).hexdigest()
        assert f" --hash=sha256:{digest}\n" in listed


def test_the_readme_says_which_systems_nobody_tried():
    linux, windows = bundle.Target("linux-x86_64", "3.12"), bundle.Target("windows-amd64", "3.12")
    text = bundle.readme("7", [linux, windows])
    (linux,) = re.findall(r".*linux-x86_64.*", text)
    (windows,) = re.findall(r".*windows-amd64.*", text)
    assert linux.endswith(" tested") and "NOT TESTED" not in linux
    assert "NOT TESTED" in windows


def test_no_address_is_in_what_goes_along(ready):
    for name, (_, content) in listing(ready.out).items():
        if not name.endswith(".whl"):
            assert not re.search(rb"https?:|file:|/home/|/tmp/", content), name


def test_help_says_of_every_system_whether_it_was_tested(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["x3dhlab", "bundle", "--help"])
    monkeypatch.setenv("COLUMNS", "300")
    with pytest.raises(SystemExit):
        cli.main()
    told = " ".join(capsys.readouterr().out.split()).replace("- ", "-")
    tested, untested = re.search(r"Tested: ([^.]*)\. Not tested: ([^.]*)\.", told).groups()
    kinds = bundle.PLATFORMS.items()
    assert tested.split(", ") == [name for name, kind in kinds if kind.tested]
    assert untested.split(", ") == [name for name, kind in kinds if not kind.tested]


def test_the_command_says_the_size_and_the_systems(workshop, capsys, monkeypatch):
    monkeypatch.setattr("x3dhlab.course.root", lambda: workshop.root)
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: workshop.cache)
    monkeypatch.setattr("sys.argv", ["x3dhlab", "bundle", str(workshop.out)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    told = capsys.readouterr().out
    assert not stop.value.code
    assert bundle.size(workshop.out.stat().st_size) in told and PLATFORM in told
    assert "4 wheels" in told


@pytest.mark.parametrize(
    ("platform", "python"),
    [("amiga", "3.12"), (PLATFORM, "3.10"), (PLATFORM, "2.7"), (PLATFORM, "")],
)
def test_a_target_that_cannot_be_is_refused(platform, python):
    with pytest.raises(CourseProblem):
        bundle.Target(platform, python)


@pytest.mark.parametrize("name", ["course", "course.rar", ".zip"])
def test_an_archive_of_another_kind_is_refused(workshop, name):
    with pytest.raises(CourseProblem, match="no archive"):
        workshop.write(out=workshop.place / name)


def test_a_course_without_its_source_makes_no_bundle(workshop):
    (workshop.root / "constraints.txt").unlink()
    assert "clone" in workshop.refusal()


# Going on after an interruption


def test_what_is_complete_is_not_asked_for_again(workshop):
    workshop.write()
    assert len(workshop.asked) == 3
    for path in workshop.index.iterdir():
        path.unlink()
    workshop.write()
    assert workshop.asked == []


def test_what_came_before_the_interruption_is_kept(workshop):
    (workshop.index / f"large-3-{ANY}.whl").unlink()
    assert "large 3" in workshop.refusal() and not workshop.out.exists()
    wheel(workshop.index, "large", "3", "small")
    workshop.write()
    assert workshop.asked == ["large==3"]


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: b"x" + data[1:]])
def test_a_broken_wheel_is_noticed_and_fetched_again(workshop, damage):
    workshop.write()
    stored = workshop.cache / "wheels" / f"large-3-{ANY}.whl"
    whole = stored.read_bytes()
    stored.write_bytes(damage(whole))
    workshop.write()
    assert workshop.asked == ["large==3"] and stored.read_bytes() == whole


def test_a_wheel_that_nobody_finished_is_not_trusted(workshop):
    """A file without its line: the process ended between the two."""
    workshop.write()
    sums = workshop.cache / "wheels/SHA256SUMS"
    lines = [line for line in sums.read_text().splitlines() if "large" not in line]
    sums.write_text("\n".join([*lines, f"{'0' * 64}  no-wheel", "half a li"]))
    workshop.write()
    assert workshop.asked == ["large==3"]
    workshop.write()
    assert workshop.asked == []


def test_no_network_is_one_sentence(workshop, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://localhost:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    (workshop.index / f"large-3-{ANY}.whl").unlink()
    assert "cannot reach its index" in workshop.refusal()


# What has no wheel


def test_pure_python_is_built_here_and_serves_every_system(workshop):
    workshop.needs = ("rare",)
    workshop.pin("rare==6")
    sdist(workshop.index, workshop.place, "rare", "6")
    found = workshop.write(*bundle.targets(), WINDOWS)
    assert names(found[WINDOWS]) == ["rare-6", "x3dhlab-7"]
    workshop.write(WINDOWS)
    assert workshop.asked == []


def test_what_must_be_compiled_elsewhere_is_named(workshop):
    workshop.needs = ("rare",)
    workshop.pin("rare==6")
    tag = f"cp{PYTHON.replace('.', '')}-none-{sysconfig.get_platform().replace('-', '_')}"
    sdist(workshop.index, workshop.place, "rare", "6", tag=tag.replace(".", "_"))
    assert "rare 6 has no wheel and must be built on such a machine" in workshop.refusal(WINDOWS)
    (wheels,) = workshop.write().values()
    assert names(wheels) == ["rare-6", "x3dhlab-7"]


def test_a_wheel_that_some_python_of_the_version_refuses_does_not_come_along(workshop):
    """Debian 12 has Python 3.11.2: what needs 3.11.5 would fail on the day."""
    workshop.needs = ("rare",)
    workshop.pin("rare==6")
    sdist(workshop.index, workshop.place, "rare", "6", needs_python=f">={PYTHON}.1")
    assert "for every Python" in workshop.refusal()


def test_everything_that_cannot_come_along_is_named_at_once(workshop):
    for name in ("large-3", "small-1.0"):
        (workshop.index / f"{name}-{ANY}.whl").unlink()
    told = workshop.refusal()
    assert "large 3" in told and "small 1.0" in told and HERE in told


# The limit


def test_above_the_limit_nothing_is_written_and_the_largest_is_named(workshop, monkeypatch):
    monkeypatch.setattr(bundle, "LIMIT", 1000)
    told = workshop.refusal()
    assert not workshop.out.exists() and list(workshop.place.glob(".*.draft")) == []
    assert re.search(r"large \d+ kB", told) and "fewer systems" in told


def test_a_wheel_that_two_systems_share_counts_once(workshop, monkeypatch):
    workshop.write(*bundle.targets(), WINDOWS)
    wheels = [data for file, (_, data) in listing(workshop.out).items() if file.endswith(".whl")]
    monkeypatch.setattr(bundle, "LIMIT", sum(map(len, wheels)))
    workshop.write(*bundle.targets(), WINDOWS)


def test_an_interrupted_archive_leaves_the_old_one(workshop, monkeypatch):
    workshop.write()
    before = workshop.out.read_bytes()
    monkeypatch.setattr(bundle, "_bytes", lambda content: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        workshop.write()
    assert workshop.out.read_bytes() == before
    assert list(workshop.place.glob(".*.draft")) == []


# Opening it


def opened(folder, *arguments, tools=("sh", "dirname", "python3"), name="start.sh"):
    """What a start script did, with an empty home and no PATH but these tools; `args` is its id."""
    surroundings = {"PATH": str(prepared(folder, tools)), "HOME": str(folder.parent / "home")}
    surroundings["PIP_INDEX_URL"] = "http://localhost:9"
    command = [str(folder / name), *arguments]
    pipe = subprocess.PIPE
    script = subprocess.Popen(command, env=surroundings, stdout=pipe, stderr=pipe, text=True)
    told = script.communicate()
    assert list((folder.parent / "home").iterdir()) == []
    return subprocess.CompletedProcess(script.pid, script.returncode, *told)


def prepared(folder, names=("sh", "dirname", "python3")):
    """Beside an unpacked bundle: a home, a folder for temporary files, and the tools of a PATH."""
    for name in ("home", "temporary", "tools"):
        (folder.parent / name).mkdir(exist_ok=True)
    tools = folder.parent / "tools"
    for name in {*names} - {path.name for path in tools.iterdir()}:
        python = Path(sys._base_executable).resolve()
        (tools / name).symlink_to(python if name == "python3" else f"/bin/{name}")
    return tools


def test_the_first_start_installs_and_opens_and_a_later_one_only_opens(folder):
    """The course runs in the script's own process, so that who stops one stops the other."""
    first = opened(folder, "--no-browser", "--port", "8899")
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("Installing the course into this folder")
    options = "['lab', '--no-browser', '--port', '8899']"
    assert first.stdout.endswith(f"open {options} as {first.args}\n")
    second = opened(folder, name="start.command")
    assert second.stdout == f"open ['lab'] as {second.args}\n"
    with (folder / f"wheels/{HERE}.txt").open("a") as stream:
        stream.write("# a newer bundle in the same folder\n")
    assert opened(folder).stdout.startswith("Installing")


def test_a_damaged_copy_is_not_installed(folder):
    wheel(folder / "wheels", "small", "1.0", filler=1)
    done = opened(folder)
    assert done.returncode == 2 and "open" not in done.stdout
    assert "HASH" in done.stderr.upper()
    assert done.stderr.endswith("The course could not be installed; the lines above say why.\n")
    assert opened(folder).returncode == 2


@pytest.mark.parametrize("missing", ["pip-*.whl", f"{HERE}.txt"])
def test_a_bundle_that_is_not_complete_says_so(folder, missing):
    next((folder / "wheels").glob(missing)).unlink()
    done = opened(folder)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_machine_without_python_gets_one_sentence(folder):
    done = opened(folder, tools=("sh", "dirname"))
    assert done.returncode == 2
    assert done.stderr == (
        "There is no Python 3.11 or newer here. README.txt says which one this bundle needs.\n"
    )


CASES = [
    ({}, [HERE], ""),
    ({}, [], "unpack the whole archive again"),
    ({}, ["windows-amd64-py3.99"], f"for windows-amd64-py3.99; here is {HERE}"),
    ({"sys.version_info": (3, 10, 4)}, [HERE], "needs Python 3.11 or newer"),
    ({"sys.maxsize": 2**31 - 1}, [HERE], "64 bits"),
    ({"sys.implementation.name": "pypy"}, [HERE], "usual Python"),
    ({"sysconfig.get_config_var": lambda name: 1}, [HERE], "free-threaded"),
]


@pytest.mark.parametrize(("changes", "known", "expected"), CASES)
def test_the_start_says_why_a_python_does_not_fit(tmp_path, monkeypatch, changes, known, expected):
    (tmp_path / "wheels").mkdir()
    for name in known:
        (tmp_path / "wheels" / f"{name}.txt").write_text("")
    for name, value in changes.items():
        monkeypatch.setattr(name, value)
    told = start.refusal(tmp_path)
    assert expected in told and bool(told) == bool(expected)


@pytest.mark.parametrize(
    ("system", "machine", "name"),
    [
        ("linux", "x86_64", "linux-x86_64"),
        ("linux", "aarch64", "linux-aarch64"),
        ("darwin", "arm64", "macos-arm64"),
        ("darwin", "x86_64", "macos-x86_64"),
        ("win32", "AMD64", "windows-amd64"),
    ],
)
def test_the_names_of_machines_are_those_of_the_bundles(system, machine, name):
    assert start.kind(system, machine) == name and name in bundle.PLATFORMS
    kind = bundle.PLATFORMS[name]
    assert (kind.sys_platform, kind.platform_machine) == (system, machine)


def test_the_start_loads_nothing_but_the_standard_library():
    code = "import sys; sys.path.insert(0, sys.argv[1]); import start; print(*sys.modules)"
    folder = str(Path(start.__file__).parent)
    told = subprocess.run(
        [sys.executable, "-I", "-c", code, folder], capture_output=True, text=True, check=True
    )
    tops = {name.partition(".")[0] for name in told.stdout.split()}
    assert "start" in tops and not tops & {"x3dhlab", "pip", "packaging"}


def test_the_scripts_name_every_python_that_may_run_the_course():
    for name in ("start.sh", "start.bat"):
        text = (bundle.SCRIPTS / name).read_text()
        assert all(f"3.{minor}" in text for minor in (11, 12, 13, 14))


# The real one


INSIDE = """
    import os, shutil, socket, subprocess, sys, time, urllib.request

    script, port, chromium = sys.argv[1:]
    lesson = "notebooks/00_start_here.ipynb"
    try:
        socket.create_connection(("192.0.2.1", 80), 2)
        sys.exit("there is a network")
    except OSError:
        print("no network")
    print("tools:", *filter(shutil.which, ("make", "gcc", "cc", "cmake", "git", "pip", "uv")))
    begun = time.monotonic()
    server = subprocess.Popen([script, "--no-browser", "--port", port], stdout=2)
    while server.poll() is None:
        try:
            address = f"http://localhost:{port}/api/contents/{lesson}?token=t"
            print("lesson:", b"Start here" in urllib.request.urlopen(address).read())
            break
        except OSError:
            time.sleep(0.1)
    print(f"answered after {time.monotonic() - begun:.0f} s", file=sys.stderr)
    if chromium and server.poll() is None:
        from playwright.sync_api import sync_playwright

        os.environ |= {"PATH": "/usr/bin:/bin", "TMPDIR": "/dev/shm"}  # the browser's, short
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page()
            page.goto(f"http://localhost:{port}/lab/tree/{lesson}?token=t")
            print("title:", page.locator(".jp-Notebook h1").first.inner_text(timeout=120_000))
            browser.close()
        print(f"shown after {time.monotonic() - begun:.0f} s", file=sys.stderr)
    server.terminate()
    server.wait()
"""


def offline(folder, *command):
    """In a namespace without a route, as nobody special, with a PATH that has no tools."""
    room = folder.parent
    return [
        *("bwrap", "--unshare-user", "--uid", "1000", "--unshare-net", "--unshare-pid"),
        *("--die-with-parent", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"),
        *("--bind", str(room), str(room), "--clearenv", "--setenv", "HOME", str(room / "home")),
        *("--setenv", "PATH", str(room / "tools"), "--setenv", "TMPDIR", str(room / "temporary")),
        *("--setenv", "JUPYTER_TOKEN", "t", "--setenv", "LANG", "C.UTF-8", "--", *command),
    ]


@pytest.mark.full
def test_the_real_course_opens_without_a_network(tmp_path):
    """What pip must fetch once is some 120 MB. The times that it took are printed with `-s`."""
    if not shutil.which("bwrap") or subprocess.run(offline(tmp_path / "x", "/bin/true")).returncode:
        pytest.skip("bubblewrap is missing or may not make namespaces")
    out = tmp_path / "course.zip"
    try:
        bundle.write(out, bundle.targets(), cache=tmp_path / "cache")
    except CourseProblem as problem:
        if "cannot reach its index" in str(problem):
            pytest.skip(str(problem))
        raise
    assert out.stat().st_size < bundle.LIMIT
    folder = unpacked(out, tmp_path / "room")
    prepared(folder)
    inside, chromium = textwrap.dedent(INSIDE), browser.chromium() or ""
    command = [sys.executable, "-c", inside, folder / "start.sh", "8899", chromium]
    done = subprocess.run(offline(folder, *map(str, command)), stdout=subprocess.PIPE, text=True)
    assert done.stdout.splitlines()[:3] == ["no network", "tools:", "lesson: True"]
    assert not chromium or re.search("title: .*Start here", done.stdout), done.stdout
