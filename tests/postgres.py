"""A PostgreSQL cluster of its own for the tests: in a temporary folder, on a socket, no port.

PostgreSQL refuses to run as root; then its processes belong to the user `postgres`, whom the
system's package has made.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg

OWNER = "postgres"
INSTALLED = "/usr/lib/postgresql"  # where Debian and Ubuntu put programs that are on no PATH


def programs() -> Path | None:
    """The folder with `initdb` and `pg_ctl`, or None without PostgreSQL."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    return next((path.parent for path in sorted(Path(INSTALLED).glob("*/bin/initdb"))), None)


@contextlib.contextmanager
def cluster(*, durable: bool = False) -> Iterator[Path]:
    """Start a cluster; yields the folder of its socket.

    Tests kill processes and never cut the power, so theirs need not wait for the disk.
    """
    with tempfile.TemporaryDirectory(prefix="x3dhlab-pg-", ignore_cleanup_errors=True) as place:
        os.chmod(place, 0o755)
        if os.geteuid() == 0:
            shutil.chown(place, OWNER)
        _run("initdb", "-D", f"{place}/data", "-U", OWNER, "-A", "trust", "-E", "UTF8", "--no-sync")
        options = f"-c listen_addresses='' -c unix_socket_directories='{place}'"
        options += "" if durable else " -c fsync=off"
        log = f"{place}/log"
        _run("pg_ctl", "-D", f"{place}/data", "-l", log, "-o", options, "-w", "start")
        try:
            yield Path(place)
        finally:
            _run("pg_ctl", "-D", f"{place}/data", "-m", "immediate", "-w", "stop")


def new_database(place: Path, name: str) -> str:
    """Make an empty database in the cluster at `place`; its URL for SQLAlchemy."""
    with psycopg.connect(host=str(place), user=OWNER, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return f"postgresql+psycopg://{OWNER}@/{name}?host={place}"


def _run(program, *arguments):
    owner = {"user": OWNER, "group": OWNER, "extra_groups": []} if os.geteuid() == 0 else {}
    command = [str(programs() / program), *arguments]
    # Not captured: the server would keep the pipe open.
    with open(os.devnull, "w") as nothing:
        subprocess.run(command, check=True, stdout=nothing, cwd="/", **owner)
