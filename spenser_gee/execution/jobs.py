"""What every executor shares: the job, the contract, and how an evaluate function is made."""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self

from spenser_gee.errors import Finding, InputError, Place
from spenser_gee.evaluation import Evaluation

Evaluate = Callable[[Mapping[str, Any], float], Evaluation]
"""evaluate(payload, deadline): `deadline` is a value of `time.monotonic()` (infinity: no limit) after which a
well-behaved evaluation returns `Evaluation("timed_out", ...)` of its own accord."""


@dataclass(frozen=True)
class Job:
    """One evaluation to run. `payload` holds JSON-able values only: it may travel to another process. effort: how many
    times the time limit it may take."""

    id: int
    payload: Mapping[str, Any]
    effort: float = 1.0

    def limit(self, timeout_s: float | None) -> float | None:
        """Its own time limit, where there is one."""
        return None if timeout_s is None else timeout_s * self.effort


@dataclass(frozen=True)
class WorkerStart:
    """How a worker begins: `factory` ("package.module:function") is imported there and called once with
    `arguments` (JSON-able); it prepares the data, sets thread counts, and returns the `Evaluate` function.

    descriptors: open files of this process. A worker gets them open under the same numbers, which `arguments`
        may therefore contain. They have to stay open until the executor is closed.
    """

    factory: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    descriptors: tuple[int, ...] = ()


class Executor(Protocol):
    """Runs jobs and yields each job's id and evaluation as it finishes, in any order.

    Jobs are begun in the order given. Whatever an evaluation does (raise, crash, take too long), its job
    yields exactly one `Evaluation`; only `WorkerStartError` and KeyboardInterrupt end a run. The wall-clock
    times and the worker are in its `execution`.
    """

    def run(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Evaluation]]:
        """Run `jobs` (unique ids). Abandoning the iterator abandons what is not finished."""
        ...

    def close(self) -> None:
        """Stop everything that still runs. May be called twice."""
        ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class WorkerStartError(InputError):
    """The evaluate function cannot be made. `traceback_text` is for a bug report."""

    def __init__(self, *findings: Finding, traceback_text: str = "") -> None:
        super().__init__(*findings)
        self.traceback_text = traceback_text


def import_evaluate(start: WorkerStart) -> Evaluate:
    """Import the factory and call it. Every failure is a `WorkerStartError`."""
    try:
        module, _, function = start.factory.partition(":")
        factory = getattr(importlib.import_module(module), function)
        evaluate: Evaluate = factory(**start.arguments)
    except InputError as error:
        raise WorkerStartError(*error.findings, traceback_text=traceback.format_exc()) from error
    except (Exception, SystemExit) as error:
        problem = f"evaluations cannot start: {type(error).__name__}: {error}"
        raise WorkerStartError(
            Finding(Place(start.factory), problem, "mend the cause, then start or resume the run"),
            traceback_text=traceback.format_exc(),
        ) from error
    return evaluate


def require_unique_ids(jobs: Sequence[Job]) -> None:
    """Results are told apart by their id only."""
    ids = [job.id for job in jobs]
    if len(set(ids)) != len(ids):
        raise ValueError(f"jobs need unique ids, got {ids}")
