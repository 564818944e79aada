"""Turns whatever an evaluate function does into an `Evaluation`, in plain JSON values."""

from __future__ import annotations

import json
import math
import time
import traceback
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Literal

from spenser_gee.evaluation import Evaluation, Execution
from spenser_gee.execution.jobs import Evaluate


def encode(value: Any) -> bytes:
    """JSON; numpy and torch scalars and arrays become plain numbers and lists. TypeError for other types."""
    return json.dumps(value, default=_plain).encode()


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON-able")


def guarded(
    evaluate: Evaluate, payload: Mapping[str, Any], timeout_s: float | None, worker: str
) -> dict[str, Any]:
    """Evaluate; an exception becomes a failed evaluation. KeyboardInterrupt passes. Returns `to_dict`."""
    started = time.time()
    deadline = math.inf if timeout_s is None else time.monotonic() + timeout_s
    try:
        evaluation = evaluate(payload, deadline)
        if not isinstance(evaluation, Evaluation):
            raise TypeError(f"evaluate returned {type(evaluation).__name__}, not an Evaluation")
        values = json.loads(encode(evaluation.to_dict()))
    except (Exception, SystemExit) as error:
        values = _failure(error).to_dict()
    values["execution"] = asdict(Execution(started, time.time(), worker))
    return dict(values)


def _failure(error: BaseException) -> Evaluation:
    # torch's class is known by its name: this package does not import torch.
    no_memory = isinstance(error, MemoryError) or any(
        kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__
    )
    first_line = (str(error).strip() or "no message").splitlines()[0]
    reason = f"{'out of memory: ' if no_memory else ''}{type(error).__name__}: {first_line}"
    trace = "".join(traceback.format_exception(error))
    # After these a CUDA context may hold memory for ever or fail every later call: the worker is replaced.
    spent = no_memory or "CUDA" in str(error)
    return Evaluation(status="failed", reason=reason, details={"traceback": trace}, worker_spent=spent)


def lost(status: Literal["failed", "timed_out"], reason: str, started: float, worker: str) -> Evaluation:
    """The evaluation of a job whose worker is gone."""
    return Evaluation(status, reason=reason, execution=Execution(started, time.time(), worker))
