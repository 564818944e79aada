"""Evaluate functions of workers which misbehave. Imports nothing heavy."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from typing import Any

from spenser_gee.evaluation import Evaluation
from spenser_gee.execution import Evaluate


def make_unreliable(**arguments: Any) -> Evaluate:
    """The real evaluation, but some sentences crash, hang or raise."""
    from spenser_gee.fitness.worker import make_evaluate

    real = make_evaluate(**arguments)

    def evaluate(payload: Mapping[str, Any], deadline: float) -> Evaluation:
        # The candidate's number is in the name of its weights: candidate-000002-00000.safetensors.
        number = int(os.path.basename(payload["save"]).split("-")[1])
        if number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == 2:
            time.sleep(600)
        if number == 3:
            raise ValueError("three is not allowed")
        return real(payload, deadline)

    return evaluate


def make_hopeless(**arguments: Any) -> Evaluate:
    """Every evaluation fails."""

    def evaluate(payload: Mapping[str, Any], deadline: float) -> Evaluation:
        raise RuntimeError("nothing works")

    return evaluate
