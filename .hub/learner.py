"""One learner's server, inside the walls: prepare the workspace, then become JupyterLab."""

import os
import sys
from pathlib import Path

from jupyterhub.singleuser import main

from x3dhlab import course
from x3dhlab.classroom import walk

if __name__ == "__main__":
    folder = Path.home()
    course.prepare(folder)
    course.write_settings(folder)
    os.environ.update(course.environment(folder))
    del os.environ["JUPYTER_TOKEN"]  # the hub says who may come in
    way = os.environ.get("X3DHLAB_HUB_PATH")
    first = walk.ready(way)(folder) if way else f"notebooks/{course.lessons()[0].file}"
    os.environ["JUPYTERHUB_DEFAULT_URL"] = f"/lab/tree/{first}"
    sys.argv += [*course.server_arguments(folder), "--ServerApp.log_level=ERROR"]
    sys.exit(main())
