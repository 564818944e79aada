"""Where evaluations run: in this process or in processes of our own."""

from __future__ import annotations

from spenser_gee.execution.jobs import Evaluate, Executor, Job, WorkerStart, WorkerStartError
from spenser_gee.execution.processes import ProcessExecutor
from spenser_gee.execution.registry import ENGINES, open_executor
from spenser_gee.execution.serial import SerialExecutor

__all__ = [
    "ENGINES",
    "Evaluate",
    "Executor",
    "Job",
    "ProcessExecutor",
    "SerialExecutor",
    "WorkerStart",
    "WorkerStartError",
    "open_executor",
]
