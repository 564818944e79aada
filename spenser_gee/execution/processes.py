"""Evaluations in processes of our own: a crash, a hang or a leak costs one candidate, never the run."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from spenser_gee.errors import Finding, Place
from spenser_gee.evaluation import Evaluation
from spenser_gee.execution.guard import encode, lost
from spenser_gee.execution.jobs import Executor, Job, WorkerStart, WorkerStartError, require_unique_ids

# How often the driver looks for workers which died without closing their socket (a child of theirs holds it).
_TICK_S = 0.5
_START_ATTEMPTS = 3


@dataclass(eq=False)
class _Worker:
    """A worker process as the driver sees it. `since` is monotonic time (of its start, or of its job)."""

    process: subprocess.Popen[bytes]
    connection: Connection
    since: float
    ready: bool = False
    job: Job | None = None
    started: float = 0.0
    served: int = 0
    name: str = field(init=False)

    def __post_init__(self) -> None:
        self.name = f"process {self.process.pid}"


class ProcessExecutor(Executor):
    """At most `workers` processes, each of which makes its evaluate function once and serves job after job.

    timeout_s: limit of a job; the evaluate function gets it as its deadline, and `grace_s` later its worker
        is killed (status timed_out).
    recycle_after: a worker is replaced after so many jobs, so that leaks in it stay bounded.
    start_timeout_s: limit of the factory.

    Workers begin with the first `run`, stay between runs, write to stderr only (their stdout is sent there),
    and end with `close`, or with this process however it ends.
    """

    def __init__(
        self,
        start: WorkerStart,
        workers: int,
        timeout_s: float | None = None,
        recycle_after: int = 50,
        *,
        grace_s: float = 5.0,
        start_timeout_s: float = 600.0,
    ) -> None:
        if workers < 1 or recycle_after < 1:
            raise ValueError(f"workers and recycle_after are at least 1, got {workers} and {recycle_after}")
        self._start = start
        self._limit = workers
        self._timeout_s = timeout_s
        self._recycle_after = recycle_after
        self._grace_s = grace_s
        self._start_timeout_s = start_timeout_s
        self._workers: list[_Worker] = []
        self._deaths_at_start = 0

    def run(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Evaluation]]:
        """See `Executor.run`. `WorkerStartError` where no worker can start."""
        require_unique_ids(jobs)
        waiting = deque(jobs)
        try:
            while waiting or self._busy():
                self._assign(waiting)
                for worker in self._heard():
                    yield from self._receive(worker)
                yield from self._expire()
        finally:
            # Only after an interruption: their results would be taken for those of a later run.
            for worker in self._busy():
                self._kill(worker)

    def close(self) -> None:
        """Kill every worker."""
        for worker in list(self._workers):
            self._kill(worker)

    def _busy(self) -> list[_Worker]:
        return [worker for worker in self._workers if worker.job is not None]

    def _assign(self, waiting: deque[Job]) -> None:
        """Give jobs to idle workers, and start workers for those that are left."""
        for worker in [w for w in self._workers if w.ready and w.job is None]:
            if not waiting:
                return
            self._send(worker, waiting)
        starting = sum(not worker.ready for worker in self._workers)
        for _ in range(min(self._limit - len(self._workers), len(waiting) - starting)):
            self._workers.append(self._spawn())

    def _send(self, worker: _Worker, waiting: deque[Job]) -> None:
        message = encode({"payload": waiting[0].payload, "timeout_s": waiting[0].limit(self._timeout_s)})
        try:
            worker.connection.send_bytes(message)
        except OSError:
            self._kill(worker)  # It died while idle: the job goes to another one.
            return
        worker.job, worker.since, worker.started = waiting.popleft(), time.monotonic(), time.time()

    def _spawn(self) -> _Worker:
        ours, theirs = socket.socketpair()
        with theirs:
            descriptor = theirs.fileno()
            process = subprocess.Popen(
                [sys.executable, "-c", f"from spenser_gee.execution.worker import main; main({descriptor})"],
                stdin=subprocess.DEVNULL,
                stdout=2,
                pass_fds=(descriptor, *self._start.descriptors),
                # Its own process group: Ctrl-C does not reach it, and killing it kills its children too.
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            )
        worker = _Worker(process, Connection(ours.detach()), time.monotonic())
        with contextlib.suppress(OSError):  # If it is dead already, that is seen when it is heard.
            message = {"factory": self._start.factory, "arguments": self._start.arguments}
            worker.connection.send_bytes(encode(message))
        return worker

    def _heard(self) -> list[_Worker]:
        """The workers with a message or an end, after waiting a moment for one."""
        limits = [limit for worker in self._workers if (limit := self._expires(worker)) is not None]
        pause = min([_TICK_S, *(limit - time.monotonic() for limit in limits)])
        ready = wait([worker.connection for worker in self._workers], max(pause, 0.0))
        dead = [w for w in self._workers if w.process.poll() is not None]
        return [w for w in self._workers if w.connection in ready or w in dead]

    def _receive(self, worker: _Worker) -> Iterator[tuple[int, Evaluation]]:
        try:
            # `poll` is false for a dead worker whose socket is held open by a child of it.
            message = json.loads(worker.connection.recv_bytes()) if worker.connection.poll(0) else None
        except (EOFError, OSError):
            message = None
        if message is None:
            yield from self._died(worker)
        elif not worker.ready:
            self._begin(worker, message)
        elif worker.job is not None:
            job, worker.job, worker.served = worker.job, None, worker.served + 1
            evaluation = Evaluation.from_dict(message)
            if worker.served >= self._recycle_after or evaluation.worker_spent:
                self._kill(worker)
            yield job.id, evaluation

    def _begin(self, worker: _Worker, message: dict[str, Any]) -> None:
        if "start_error" in message:
            self.close()
            findings = [Finding(**{**f, "place": Place(**f["place"])}) for f in message["start_error"]]
            raise WorkerStartError(*findings, traceback_text=message["traceback"])
        worker.ready = True
        self._deaths_at_start = 0

    def _died(self, worker: _Worker) -> Iterator[tuple[int, Evaluation]]:
        job, worker.job = worker.job, None
        reason = f"worker died ({self._ended(worker)})"
        if "SIGKILL" in reason:
            reason += ": out of memory?"
        if job is not None:
            yield job.id, lost("failed", reason, worker.started, worker.name)
        elif not worker.ready:
            self._count_death_at_start(reason)

    def _count_death_at_start(self, reason: str) -> None:
        self._deaths_at_start += 1
        if self._deaths_at_start >= _START_ATTEMPTS:
            self.close()
            problem = f"evaluations cannot start: {reason}, {_START_ATTEMPTS} times in a row"
            remedy = "use fewer workers if memory is short; workers: 0 shows the cause"
            raise WorkerStartError(Finding(Place(self._start.factory), problem, remedy))

    def _ended(self, worker: _Worker) -> str:
        """Remove a worker whose socket has ended; how it ended, in words."""
        try:
            code = worker.process.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            code = None
        self._kill(worker)
        if code is None:
            return "it closed its socket"
        try:
            return signal.Signals(-code).name if code < 0 else f"exit code {code}"
        except ValueError:
            return f"signal {-code}"

    def _expires(self, worker: _Worker) -> float | None:
        if not worker.ready:
            return worker.since + self._start_timeout_s
        limit = None if worker.job is None else worker.job.limit(self._timeout_s)
        if limit is None:
            return None
        return worker.since + limit + self._grace_s

    def _expire(self) -> Iterator[tuple[int, Evaluation]]:
        """Kill the workers that are over their limit (unless their result has come meanwhile)."""
        for worker in list(self._workers):
            limit = self._expires(worker)
            if limit is None or time.monotonic() < limit or worker.connection.poll(0):
                continue
            job, worker.job = worker.job, None
            self._kill(worker)
            if job is not None:
                reason = f"no result within {job.limit(self._timeout_s) or 0:g} s: worker killed"
                yield job.id, lost("timed_out", reason, worker.started, worker.name)
            else:
                self._count_death_at_start(f"worker not ready within {self._start_timeout_s:g} s")

    def _kill(self, worker: _Worker) -> None:
        """End a worker and its children, and forget it."""
        if worker in self._workers:
            self._workers.remove(worker)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(worker.process.pid, signal.SIGKILL)
        worker.process.wait()
        worker.connection.close()
