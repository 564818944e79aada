"""The evaluate function of a worker: made once from plain values, then called with one candidate at a time."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from spenser_gee.config import Data
from spenser_gee.data import DataHandle, open_data
from spenser_gee.evaluation import Evaluation
from spenser_gee.fitness.evaluate import evaluate
from spenser_gee.fitness.task import make_task
from spenser_gee.initialisation.evolve import InnerSettings, ParentGenes
from spenser_gee.initialisation.parent import parent_genes, start_to_save
from spenser_gee.network.backends import use_backend
from spenser_gee.network.device import choose_device
from spenser_gee.network.memory import bound_primitive_cache, reuse_large_blocks
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.training.mode import Mode
from spenser_gee.training.rival import Rival
from spenser_gee.training.saved import load_network, save_network
from spenser_gee.training.train import Budget


def make_evaluate(
    data: Mapping[str, Any],
    samples: DataHandle,
    classes: int,
    initialisation: Mapping[str, Any],
    training: Mapping[str, Any],
    seed: int,
    device: str,
    backend: str,
    threads: int | None,
) -> Callable[[Mapping[str, Any], float], Evaluation]:
    """Opens the training data (`samples`); returns evaluate(payload, deadline).

    The payload: spec, sentence, seed (of the draws), save (where the trained weights go), parent (weights
    whose genes may be inherited, or None), rival (the curve of a training that it has to keep up with, or None).
    """
    reuse_large_blocks()
    bound_primitive_cache()
    use_backend(backend)
    if threads is not None:
        torch.set_num_threads(threads)
    place = choose_device(device)
    settings = Data(**data)
    task = make_task(open_data(samples), classes, settings, seed, place)
    budget = resolve_budget(training, task.evo_train.steps_per_epoch)
    inner = InnerSettings(**initialisation)
    mode = Mode.of_settings(training)

    # All offspring of a generation have the same parent.
    @functools.lru_cache(maxsize=1)
    def parent_of(path: str) -> ParentGenes:
        return parent_genes(load_network(path, place))

    def run(payload: Mapping[str, Any], deadline: float) -> Evaluation:
        path = payload["parent"]
        parent = parent_of(path) if path and inner.inherit != "none" else None
        spec = NetworkSpec.from_dict(payload["spec"])
        rival = payload["rival"] and Rival.of_curve(payload["rival"], settings.batch_size)
        done = evaluate(
            spec,
            task,
            budget,
            inner,
            payload["seed"],
            parent=parent,
            rival=rival,
            mode=mode,
            deadline=deadline,
        )
        if done.network is not None and done.inner is not None:
            tensors, notes = start_to_save(done.inner.start)
            save_network(Path(payload["save"]), done.network, payload["sentence"], tensors, notes)
        return done.evaluation

    return run


def resolve_budget(training: Mapping[str, Any], steps_per_epoch: int) -> Budget:
    """Epochs become steps; steps and seconds stay."""
    if training.get("epochs") is not None:
        return Budget(steps=training["epochs"] * steps_per_epoch)
    return Budget(steps=training.get("steps"), seconds=training.get("seconds"))
