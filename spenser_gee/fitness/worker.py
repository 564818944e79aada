"""The evaluate function of a worker: made once from plain values, then called with one candidate at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from spenser_gee.config import Config
from spenser_gee.data import DataHandle, open_data
from spenser_gee.evaluation import Evaluation
from spenser_gee.fitness.evaluator import Candidacy, make_evaluator
from spenser_gee.fitness.task import make_task
from spenser_gee.network.backends import use_backend
from spenser_gee.network.denormals import start_threads
from spenser_gee.network.device import choose_device
from spenser_gee.network.memory import bound_primitive_cache, reuse_large_blocks
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.training.saved import save_network


def make_evaluate(
    config: Mapping[str, Any],
    samples: DataHandle,
    classes: int,
    device: str,
    backend: str,
    threads: int | None,
) -> Callable[[Mapping[str, Any], float], Evaluation]:
    """Opens the training data (`samples`); returns evaluate(payload, deadline).

    The payload: spec, sentence, save (where the trained weights go), and the fields of `Candidacy`.
    """
    reuse_large_blocks()
    bound_primitive_cache()
    use_backend(backend)
    if threads is not None:
        torch.set_num_threads(threads)
    start_threads()
    settings = Config.from_dict(config, "the worker's configuration")
    place = choose_device(device)
    task = make_task(open_data(samples), classes, settings.data, settings.seed, place)
    evaluator = make_evaluator(settings, task)

    def run(payload: Mapping[str, Any], deadline: float) -> Evaluation:
        spec = NetworkSpec.from_dict(payload["spec"])
        fields = (payload[name] for name in ("seed", "parent", "effort"))
        done = evaluator(Candidacy(spec, *fields), deadline)
        if done.network is not None:
            save_network(Path(payload["save"]), done.network, payload["sentence"], done.tensors, done.notes)
        return done.evaluation

    return run
