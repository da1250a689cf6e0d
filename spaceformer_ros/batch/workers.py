# SPDX-License-Identifier: Apache-2.0
"""Distribute many files over workers that each process one at a time: local processes, or actors on a Ray cluster.

`make_worker` is a picklable callable without arguments. It is called in the worker and returns an object with
`run(path)`, which must not raise. If a worker dies, only the file that it was processing is lost.
"""

import collections
import concurrent.futures
import multiprocessing
import multiprocessing.connection
import os
import signal
import textwrap
import threading

from .. import SpaceformerError

MAX_LOSSES = 3  # give up when this many workers died before any answered
RAY_STORE = 100_000_000  # bytes, about Ray's minimum: results are passed as files


class WorkerLost(SpaceformerError):
    """A worker ended before it returned a result."""


def distribute(paths, workers):
    """Give every worker one path at a time. Yields (path, result of `run` or a WorkerLost), in order of completion.

    The workers are closed at the end, even if the caller stops early. Raises WorkerLost if no worker can start.
    """
    waiting, running, idle = collections.deque(paths), {}, list(workers)
    lost = []
    try:
        while waiting or running:
            while waiting and idle:
                worker, path = idle.pop(0), waiting.popleft()
                running[worker.submit(path)] = worker, path
            done, _ = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in done:
                worker, path = running.pop(future)
                idle.append(worker)
                answer = _answer(future, worker)
                lost.append(isinstance(answer, WorkerLost))
                if len(lost) == MAX_LOSSES and all(lost):
                    raise WorkerLost(f"no worker can start: {answer}")
                yield path, answer
    finally:
        for worker in workers:
            worker.close()


def _answer(future, worker):
    try:
        return future.result()
    except Exception as error:  # `run` does not raise: an exception here means that the worker died
        worker.restart()
        reason = textwrap.shorten((str(error).strip().splitlines() or [""])[-1], 160)  # Ray puts the cause last
        return WorkerLost(
            f"the worker ended while it processed this file ({type(error).__name__}: {reason}); if memory ran out, use "
            "fewer --jobs"
        )


class ProcessWorker:
    """A separate process, so that running out of memory costs one file and not the batch."""

    def __init__(self, make_worker):
        self._make_worker = make_worker
        self._pool = self._start()

    def submit(self, path):
        """Future of `run(path)`."""
        return self._pool.submit(_run, path)

    def restart(self):
        """Continue with a new process."""
        self.close()
        self._pool = self._start()

    def close(self):
        """End the process after its current file."""
        self._pool.shutdown(cancel_futures=True)

    def _start(self):
        spawn = multiprocessing.get_context("spawn")  # a fork would share the threads of torch and of the caller
        return concurrent.futures.ProcessPoolExecutor(1, spawn, _init_process, (self._make_worker,))


_worker = None  # the object made by `make_worker`, in a process started by ProcessWorker


def _init_process(make_worker):
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # workers exit silently on Ctrl-C; the parent reports
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _worker = make_worker()


def _end_with_parent():
    """End this process if its parent was killed; otherwise it would wait for work forever."""
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def _run(path):
    return _worker.run(path)


class RayWorker:
    """An actor on the cluster that `connect_ray` connected to."""

    def __init__(self, make_worker, num_cpus=1, num_gpus=0.0):
        self._make_worker, self._resources = make_worker, {"num_cpus": num_cpus, "num_gpus": num_gpus}
        self._actor = self._start()

    def submit(self, path):
        """Future of `run(path)`; it waits until the cluster has room for the actor."""
        return self._actor.run.remote(path).future()

    def restart(self):
        """Continue with a new actor, on any machine with room."""
        self.close()
        self._actor = self._start()

    def close(self):
        """End the actor."""
        import ray

        ray.kill(self._actor)

    def _start(self):
        import ray

        return ray.remote(RayActor).options(**self._resources).remote(self._make_worker)


class RayActor:
    """The class that runs on the cluster: creates a worker there and calls it."""

    def __init__(self, make_worker):
        self._worker = make_worker()

    def run(self, path):
        return self._worker.run(path)


def connect_ray(address, num_cpus=1):
    """Connect to a Ray cluster; an existing connection is kept. Raises SpaceformerError.

    address: "auto", "host:port", "ray://host:port", or "local": a cluster in this process, on the loopback interface
    num_cpus: CPUs of a local cluster

    Ray's usage statistics are off unless the user has set RAY_USAGE_STATS_ENABLED.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    local = {}
    if address == "local":
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # makes Ray bind to 127.0.0.1 only
        local = {"num_cpus": num_cpus, "include_dashboard": False, "object_store_memory": RAY_STORE}
    try:
        import ray
    except ImportError as error:
        raise SpaceformerError(
            f"--ray {address} needs Ray ({error}): pip install 'ray>=2.60,<3', or leave --ray out"
        ) from error
    try:
        ray.init(address=address, ignore_reinit_error=True, log_to_driver=False, logging_level="error", **local)
    except Exception as error:  # Ray raises many kinds; all mean that there is no cluster
        raise SpaceformerError(
            f"--ray {address}: no Ray cluster answers ({type(error).__name__}: {error}); start one with "
            '`ray start --head`, or use "local"'
        ) from error
