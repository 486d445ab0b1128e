"""Grades many submissions at the same time, through joblib, so that its backends can be chosen.

The default is threads: the work is done by the sandboxed workers, which are processes anyway.
`loky` starts trusted processes, `dask` and `ray` use a cluster. What travels to them is the bytes
of a submission, never a path.
"""

import contextlib
import hashlib
import importlib.util
import itertools
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from x3dhlab.grading import deals, engine
from x3dhlab.grading.collect import Item
from x3dhlab.grading.report import Report
from x3dhlab.grading.runner import IsolationError, Submission

BACKENDS = ("threading", "loky", "dask", "ray")
CLUSTER = "DASK_SCHEDULER_ADDRESS"
RAY_CLUSTER = "RAY_ADDRESS"


class BackendError(Exception):
    """The backend is unknown or not installed. `args[0]` says what to do."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides a verdict, beside the submission itself. `timeout` is in seconds a call.

    `hunts` are rules of `deals.enforced`.
    """

    seed: int
    tasks: tuple[str, ...] = ()
    timeout: float = engine.SECONDS
    rounds: int = 1
    allow_unisolated: bool = False
    hunts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Graded:
    """One submission after its grading: whose it is, a digest of its bytes, and the report."""

    name: str
    learner: str
    digest: str
    report: Report = field(repr=False)


def cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def digest(item: Item) -> str:
    """SHA-256 of a submission, or of why it has no bytes."""
    return hashlib.sha256(item.data or item.problem.encode("utf-8", "replace")).hexdigest()


def grade_item(item: Item, settings: Settings) -> Graded:
    """Grade one submission. Nothing in it stops the others. Raises `IsolationError`."""
    try:
        found = _report(item, settings)
    except IsolationError:
        raise
    except Exception as problem:
        sentence = f"{item.name}: could not be graded ({type(problem).__name__})"
        found = Report((), seed=settings.seed, problems=(sentence,))
    return Graded(item.name, item.learner, digest(item), found)


def _report(item, settings):
    if item.problem:
        return Report((), seed=settings.seed, problems=(f"{item.name}: {item.problem}",))
    return engine.grade_one(
        Submission(item.name, item.data),
        settings.tasks,
        settings.seed,
        settings.timeout,
        settings.allow_unisolated,
        settings.rounds,
        item.beside,
        deals.enforced(settings.hunts, item.learner),
    )


def run(
    items: Iterable[Item], settings: Settings, jobs: int = 1, backend: str = "threading"
) -> Iterator[Graded]:
    """Grade submissions in their order, `jobs` at a time; only those at work are in memory.

    Raises `IsolationError` and `BackendError`.
    """
    items = iter(items)
    first = list(itertools.islice(items, 2))
    items = itertools.chain(first, items)
    if backend == "threading" and (jobs == 1 or len(first) < 2):
        yield from (grade_item(item, settings) for item in items)
        return
    from joblib import delayed

    with _backend(backend, jobs):
        yield from _parallel((delayed(grade_item)(item, settings) for item in items), jobs)


def _parallel(calls, jobs):
    """Results in the order of the calls. Ray's backend gives none before a portion is complete."""
    from joblib.parallel import Parallel, get_active_backend

    if get_active_backend()[0].supports_return_generator:
        yield from Parallel(return_as="generator", pre_dispatch="3*n_jobs", batch_size=1)(calls)
        return
    while portion := list(itertools.islice(calls, 8 * jobs)):
        yield from Parallel(batch_size=1)(portion)


def expect_backend(name: str) -> None:
    """Raises `BackendError` when the backend is unknown, or needs a package that is missing."""
    if name not in BACKENDS:
        raise BackendError(f"The backend is one of {', '.join(BACKENDS)}.")
    package = {"dask": "distributed", "ray": "ray"}.get(name)
    if package and importlib.util.find_spec(package) is None:
        raise BackendError(f"The backend {name} needs a package: pip install {package}")


@contextlib.contextmanager
def _backend(name, jobs):
    import joblib

    expect_backend(name)
    start = {"dask": _dask, "ray": _ray, "loky": _loky}.get(name, contextlib.nullcontext)
    with start(jobs), joblib.parallel_config(backend=name, n_jobs=jobs):
        yield


@contextlib.contextmanager
def _loky(jobs):
    """Its processes would live on, in a folder that is gone."""
    from joblib.externals.loky import get_reusable_executor

    try:
        yield
    finally:
        get_reusable_executor().shutdown(wait=True, kill_workers=True)


@contextlib.contextmanager
def _dask(jobs):
    """The cluster named in the environment, else one on this machine without open pages."""
    from distributed import Client, LocalCluster

    if os.environ.get(CLUSTER):
        with Client(os.environ[CLUSTER]):
            yield
        return
    cluster = LocalCluster(
        n_workers=jobs,
        threads_per_worker=1,
        dashboard_address=None,
        worker_dashboard_address=None,
        local_directory=os.getcwd(),
    )
    with cluster, Client(cluster):
        yield


@contextlib.contextmanager
def _ray(jobs):
    """The cluster named in the environment, else one on this machine; it reports to nobody."""
    import ray
    from ray.util.joblib import register_ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    own = {} if os.environ.get(RAY_CLUSTER) else {"num_cpus": jobs, "include_dashboard": False}
    with ray.init(log_to_driver=False, **own):
        register_ray()
        yield
