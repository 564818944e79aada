"""The executor for a number of workers."""

from __future__ import annotations

from spenser_gee.execution.jobs import Executor, WorkerStart, make_evaluate
from spenser_gee.execution.processes import ProcessExecutor
from spenser_gee.execution.serial import SerialExecutor


def open_executor(
    start: WorkerStart, workers: int, timeout_s: float | None = None, recycle_after: int = 50
) -> Executor:
    """Serial for 0 workers (`WorkerStartError` if it cannot start), else that many processes."""
    if workers == 0:
        return SerialExecutor(make_evaluate(start), timeout_s)
    return ProcessExecutor(start, workers, timeout_s, recycle_after)
