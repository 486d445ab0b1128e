"""JupyterHub for one room: every learner has a server and a workspace behind walls of their own.

Run it as an ordinary user of a Linux machine; learners need no accounts there:

    X3DHLAB_HUB_PASSWORD='a sentence for the room' jupyterhub -f .hub/jupyterhub_config.py

`X3DHLAB_HUB` is the folder of everything that is kept (x3dh-hub). Its `learners/NAME` is what
learner NAME can write; the environment is the same for all, and nobody behind a wall can change it.
`X3DHLAB_HUB_PATH` may name a path for a workshop, such as 90min. Whoever knows the room's password
can take any name: for marks, set your identity provider's authenticator instead.
"""

import os
import sys
from pathlib import Path

import x3dhlab
from x3dhlab import course
from x3dhlab.errors import Refused

c = get_config()  # noqa: F821  (JupyterHub gives this name to its configuration)

LEARNER = Path(__file__).resolve().with_name("learner.py")
KEPT = Path(os.environ.get("X3DHLAB_HUB", "x3dh-hub")).absolute()
HOME = "/home/learner"
# What a server reads of the system: programs, names of hosts, certificates, fonts. Not all of /etc.
SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc/alternatives", "/etc/ld.so.cache"),
    *("/etc/hosts", "/etc/nsswitch.conf", "/etc/resolv.conf", "/etc/ssl", "/etc/fonts"),
    *("/etc/localtime", "/etc/passwd", "/etc/group", "/etc/mime.types"),
)


def walls(name: str) -> list[str]:
    """The command before learner `name`'s server: read the environment, write the own folder only.

    The servers share the network, because the proxy has to reach them. Each sees only its own
    processes. The hub's folder is covered last, in case it lies inside one that can be read.
    """
    command = ["bwrap", "--unshare-all", "--share-net", "--die-with-parent", "--new-session"]
    command += ["--uid", "1000", "--gid", "1000", "--dev", "/dev", "--proc", "/proc"]
    command += ["--tmpfs", "/tmp"]
    package = Path(x3dhlab.__file__).resolve().parent.parent
    for path in (*SYSTEM, sys.base_prefix, sys.prefix, package, LEARNER):
        command += ["--ro-bind-try", str(path), str(path)]
    command += ["--tmpfs", str(KEPT), "--bind", str(KEPT / "learners" / name), HOME]
    return [*command, "--chdir", HOME, "--setenv", "HOME", HOME]


def into_walls(spawner) -> None:
    """Before a server starts: nothing of the learner's folder is read or written out here."""
    spawner.cmd = [*walls(spawner.user.name), sys.executable, str(LEARNER)]


if not os.environ.get("X3DHLAB_HUB_PASSWORD"):
    raise Refused("Set X3DHLAB_HUB_PASSWORD to the room's password, of 8 characters or more.")

way = os.environ.get("X3DHLAB_HUB_PATH")
if way:
    course.path(way)  # refuses a name that is none
    c.Spawner.environment = {"X3DHLAB_HUB_PATH": way}

for folder in (KEPT, KEPT / "hub", KEPT / "learners"):
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)

c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = os.environ["X3DHLAB_HUB_PASSWORD"]
c.Authenticator.allow_all = True
# A name is also the name of a folder.
c.Authenticator.username_pattern = r"[a-z0-9][a-z0-9_-]{0,31}"

c.JupyterHub.db_url = f"sqlite:///{KEPT / 'hub' / 'hub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(KEPT / "hub" / "cookie_secret")
c.ConfigurableHTTPProxy.pid_file = str(KEPT / "hub" / "proxy.pid")

# "simple" starts a process of the hub's own user and knows no walls; `into_walls` adds them.
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = f"{KEPT}/learners/{{username}}"
c.Spawner.pre_spawn_hook = into_walls
# Thirty servers that start at once take turns on the processors.
c.JupyterHub.concurrent_spawn_limit = 30
c.Spawner.start_timeout = 180
c.Spawner.http_timeout = 180
