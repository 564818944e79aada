"""The kinds of fitness, by the name that a configuration gives (`fitness`)."""

from __future__ import annotations

from dataclasses import dataclass

from spenser_gee.settings import Chosen


@dataclass(frozen=True)
class FitnessKind:
    """How candidates are evaluated.

    settings: the kind's own keys. evaluator: "package.module:function" of what makes the evaluator in a worker, see
    `fitness.evaluator`; a name, since whoever reads a configuration need not import torch. figures: what its
    evaluations can hold, beside the costs of `COSTS`: what objectives can need. trains: whether candidates come
    out trained: then the final training goes on from their weights, else it starts at the network's birth.
    """

    settings: type[Chosen]
    evaluator: str
    figures: tuple[str, ...]
    trains: bool


COSTS = ("parameters", "dense_parameters", "macs")
"""Of every evaluation: known from the plan of the network."""


class TrainingFitness(Chosen):
    """Accuracy on Fitness after a training on EvoTrain (`training`, `initialisation`)."""

    kind: str = "training"


FITNESS_KINDS: dict[str, FitnessKind] = {
    "training": FitnessKind(
        TrainingFitness,
        "spenser_gee.fitness.trained:make_evaluator",
        (
            *("fitness", "loss", "firing_rate"),
            # Measured where an objective needs them: `fitness/figures.py`.
            *("sops", "energy", "energy_with_memory", "robustness", "latency"),
        ),
        trains=True,
    ),
}
