"""Doing a sweep's runs: on all cores of this machine, or on a Dask cluster. Both through joblib."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys
import threading
import time
from collections.abc import Collection, Iterator
from typing import Any

from netlab.errors import NetlabError
from netlab.scenarios.sweep import Job, Sweep
from netlab.scenarios.sweep_results import Result
from netlab.scenarios.worlds import run

BACKENDS = ("local", "dask")

PATIENCE_S = 10
"""For a scheduler to answer."""


class CannotSweep(NetlabError):
    """What runs a sweep is not installed, or not there; the message says what to do."""


def do(
    sweep: Sweep, *, done: Collection[tuple[int, int]] = (), processes: int = -1, scheduler: str = ""
) -> Iterator[Result]:
    """Every run that is not done, as they finish.

    Args:
        done: (point, run) of those that are.
        processes: -1 for one a core.
        scheduler: the address of a Dask scheduler whose workers are to do it instead; netlab is installed there too.

    Raises:
        CannotSweep: joblib or Dask is not installed, or no scheduler answers.
    """
    left = [job for job in sweep.jobs() if (job.point, job.run) not in done]
    if not left:
        return
    try:
        import joblib
    except ImportError:
        raise CannotSweep(_missing("a sweep", "joblib")) from None
    with _backend(joblib, processes, scheduler):
        parallel = joblib.Parallel(return_as="generator_unordered")
        finished = parallel(joblib.delayed(work)(job, os.getpid()) for job in left)
        try:
            yield from finished
        finally:
            finished.close()


def work(job: Job, asker: int) -> Result:
    """One run, for the process that asks for it."""
    if os.getpid() != asker and threading.current_thread() is threading.main_thread():  # not a thread of Dask's
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that waits for this one
        _end_with(os.getppid())
    return Result.of(job, run(job.scenario, seed=job.seed))


@functools.cache
def _end_with(parent: int) -> None:
    """Once a process: end soon after the one that began it, however that ends."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _missing(what: str, package: str) -> str:
    return f"{what} needs {package}: {sys.executable} -m pip install '{package}'"


@contextlib.contextmanager
def _backend(joblib: Any, processes: int, scheduler: str) -> Iterator[None]:
    if not scheduler:
        with joblib.parallel_config(backend="loky", n_jobs=processes):
            yield
        return
    try:
        from distributed import Client
    except ImportError:
        raise CannotSweep(_missing("a sweep on Dask", "dask[distributed]")) from None
    try:
        client = Client(scheduler, timeout=PATIENCE_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise CannotSweep(f"no Dask scheduler answers at {scheduler}: {error}") from None
    with client, joblib.parallel_config(backend="dask", client=client, wait_for_workers_timeout=PATIENCE_S):
        yield
