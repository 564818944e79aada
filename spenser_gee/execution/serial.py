"""Evaluations in this process, one after the other (`workers: 0`)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from spenser_gee.evaluation import Evaluation
from spenser_gee.execution.guard import encode, guarded
from spenser_gee.execution.jobs import Evaluate, Executor, Job, require_unique_ids


class SerialExecutor(Executor):
    """Calls `evaluate(payload, deadline)` here: simple to debug, but nothing protects this process.

    A crash (segmentation fault, the system's out-of-memory killer) ends the run, and the time limit is
    cooperative: the evaluate function receives its deadline and has to look at the clock itself, because
    Python cannot stop a call from outside. `ProcessExecutor` gives both protections.
    """

    def __init__(self, evaluate: Evaluate, timeout_s: float | None = None) -> None:
        self._evaluate = evaluate
        self._timeout_s = timeout_s

    def run(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Evaluation]]:
        """See `Executor.run`; results come in the order of the jobs."""
        require_unique_ids(jobs)
        for job in jobs:
            # The same trip through JSON as to a worker process: what works here works there.
            payload = json.loads(encode(job.payload))
            yield (
                job.id,
                Evaluation.from_dict(guarded(self._evaluate, payload, job.limit(self._timeout_s), "serial")),
            )

    def close(self) -> None:
        """Nothing to stop."""
