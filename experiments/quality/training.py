"""Evaluations by training, in a process that does nothing else."""

from __future__ import annotations

import torch

from spenser_gee.config import Config
from spenser_gee.evaluation import Evaluation
from spenser_gee.fitness.evaluator import Candidacy, Task, make_evaluator
from spenser_gee.network.backends import resolve_backend, use_backend
from spenser_gee.network.denormals import start_threads
from spenser_gee.network.memory import bound_primitive_cache, reuse_large_blocks

CPU = torch.device("cpu")


def start_process() -> None:
    """As a worker of a search begins, with one thread."""
    reuse_large_blocks()
    bound_primitive_cache()
    use_backend(resolve_backend("auto", CPU))
    torch.set_num_threads(1)
    start_threads()


def evaluate(config: Config, task: Task, candidacy: Candidacy) -> Evaluation:
    """With the configuration's budget. A failure of a candidate is a value."""
    try:
        return make_evaluator(config, task)(candidacy, float("inf")).evaluation
    except Exception as error:
        return Evaluation("failed", reason=f"{type(error).__name__}: {error}")
