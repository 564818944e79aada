"""The engines that run evaluations, by the name that a configuration gives (`search.engine`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from spenser_gee.execution.jobs import Executor, WorkerStart, import_evaluate
from spenser_gee.execution.processes import ProcessExecutor
from spenser_gee.execution.serial import SerialExecutor
from spenser_gee.settings import Chosen


class LocalSettings(Chosen):
    """This process (`search.workers: 0`), or worker processes on this machine."""

    kind: str = "local"


@dataclass(frozen=True)
class Engine:
    """settings: its own keys. open(how workers begin, settings, workers, timeout_s, recycle_after): the executor; raises
    WorkerStartError where it cannot start."""

    settings: type[Chosen]
    open: Callable[[WorkerStart, Chosen, int, float | None, int], Executor]


def _local(
    start: WorkerStart, settings: Chosen, workers: int, timeout_s: float | None, recycle_after: int
) -> Executor:
    if workers == 0:
        return SerialExecutor(import_evaluate(start), timeout_s)
    return ProcessExecutor(start, workers, timeout_s, recycle_after)


ENGINES: dict[str, Engine] = {"local": Engine(LocalSettings, _local)}


def open_executor(
    start: WorkerStart,
    workers: int,
    timeout_s: float | None = None,
    recycle_after: int = 50,
    engine: Chosen | None = None,
) -> Executor:
    """The executor of an engine. workers: 0 = in this process. timeout_s: for one evaluation. recycle_after: evaluations
    after which a worker is replaced."""
    settings = engine or LocalSettings()
    return ENGINES[settings.kind].open(start, settings, workers, timeout_s, recycle_after)
