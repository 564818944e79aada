"""Evaluate functions for the executors' tests. Imports nothing heavy: every worker imports it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spenser_gee.errors import Place, input_error
from spenser_gee.evaluation import Evaluation
from spenser_gee.execution import Evaluate


class OutOfMemoryError(RuntimeError):
    """Named like torch's."""


def complete(fitness: float, **details: Any) -> Evaluation:
    return Evaluation("complete", {"fitness": fitness}, {"seconds": 0.5}, details=details)


def make(offset: float = 0.0) -> Evaluate:
    """An evaluate function that does what the payload says."""
    calls = 0

    def evaluate(payload: Mapping[str, Any], deadline: float) -> Evaluation:
        nonlocal calls
        calls += 1
        action = payload.get("do", "value")
        if action == "raise":
            raise ValueError("line one\nline two")
        if action == "memory":
            raise MemoryError
        if action == "gpu-memory":
            raise OutOfMemoryError("CUDA out of memory")
        if action == "exit":
            sys.exit(3)
        if action == "nonsense":
            return "not an evaluation"  # type: ignore[return-value]
        if action == "not-json":
            return complete(1.0, thing=object())
        if action == "die":
            os._exit(7)
        if action == "signal":
            os.kill(os.getpid(), getattr(signal, payload["signal"]))
        if action == "print":
            print("worker says hello")
            sys.stdout.flush()
        if action == "sleep":
            time.sleep(payload["seconds"])
        if action == "spawn-and-sleep":
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
            with open(payload["file"], "w") as file:
                file.write(str(child.pid))
            time.sleep(60)
        if action == "until-deadline":
            while time.monotonic() < deadline:
                time.sleep(0.01)
            return Evaluation("timed_out", reason="stopped of its own accord")
        return complete(offset + payload.get("value", 0.0), pid=os.getpid(), calls=calls, pair=(1, 2))

    return evaluate


def make_reader(descriptor: int) -> Evaluate:
    """An evaluate function that gives the number in the file of the driver's `descriptor`."""

    def evaluate(payload: Mapping[str, Any], deadline: float) -> Evaluation:
        files = [str(path.resolve()) for path in Path("/proc/self/fd").iterdir()]
        return complete(float(os.pread(descriptor, 100, 0)), pid=os.getpid(), files=files)

    return evaluate


def refuse() -> Evaluate:
    raise FileNotFoundError("no data set here")


def refuse_input() -> Evaluate:
    raise input_error(Place("my.yaml", 3, 5, "  x: 1"), "x is not known", "remove it")


def die_at_start() -> Evaluate:
    os._exit(9)


def hang() -> Evaluate:
    time.sleep(60)
    raise AssertionError("the worker was not killed")
