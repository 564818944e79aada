"""Real trainings as a ground: short ones on a part of a data set give the fitness, longer ones the endpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from optuna import Trial

from quality.arms import Arm
from quality.grammar_trial import suggest_genotype
from quality.training import CPU, evaluate, start_process
from spenser_gee.config import Config
from spenser_gee.data import Dataset, Samples, load_dataset
from spenser_gee.errors import input_error
from spenser_gee.evaluation import Evaluation
from spenser_gee.fitness.evaluator import Candidacy, Task
from spenser_gee.fitness.task import make_task
from spenser_gee.genotype import Genotype
from spenser_gee.grammar.load import load_grammar
from spenser_gee.phenotype.words.layers import Conv
from spenser_gee.rng import derive_seed
from spenser_gee.search import Space
from spenser_gee.session.setup import Phenotype, make_space
from spenser_gee.training.source import source_of

GRAMMAR = Path(__file__).parents[2] / "grammars" / "spenser_gee.lark"
SIZES: Mapping[str, Sequence[int]] = {"features": [1, 2, 3, 4, 5], "classification": [0, 1]}
TIME_STEPS, FINAL_TRAININGS = 4, 2


@dataclass(frozen=True)
class RealRequest:
    """images: of the training part, for candidates: 70 % train them, 30 % are Fitness. steps: of a candidate, of
    `batch_size` images each. final_steps: of the chosen network, on all training images. pool: side of the squares of
    pixels whose mean is one pixel of the images that the networks see."""

    dataset: str
    data_root: Path | None
    pool: int
    images: int
    steps: int
    batch_size: int
    final_steps: int
    parameters: int
    macs: int
    activations: int | None

    @property
    def label(self) -> str:
        """See `Request`."""
        return (
            f"{self.dataset}, pooled {self.pool} x {self.pool}, {self.images:,} images, "
            f"{self.steps} steps of {self.batch_size}, final {self.final_steps}, "
            f"{self.parameters:,} parameters, {self.macs:,} MACs"
        ) + ("" if self.activations is None else f", {self.activations:,} activations")

    @property
    def per_evaluation(self) -> float:
        """See `Request`."""
        return float(self.steps)

    def ground(self) -> RealGround:
        """Raises InputError where the data are not there. One thread from here on."""
        start_process()
        data = load_dataset(self.dataset, self.data_root)
        side = min(data.input_shape[1:])
        if not 1 <= self.pool <= side:
            raise input_error(
                "--pool", f"{self.pool} is not in 1..{side}", "Give the side of a square of pixels."
            )
        return RealGround(self, pooled(data, self.pool))

    def config(self, steps: int, mutation: Mapping[str, Any] | None = None) -> Config:
        """A training of so many steps in full, from birth, without an inner search."""
        return Config.from_dict(
            {
                "name": "search_quality",
                "grammar": str(GRAMMAR),
                "data": {
                    "dataset": self.dataset,
                    "time_steps": TIME_STEPS,
                    "batch_size": self.batch_size,
                    "train_subset": self.images,
                },
                "search": {
                    "sizes": SIZES,
                    "mutation": dict(mutation or {}),
                    "limits": {
                        "parameters": self.parameters,
                        "macs": self.macs,
                        "activations": self.activations,
                    },
                },
                "initialisation": {"terms": "off", "inherit": "none"},
                "training": {"steps": steps},
            }
        )


class RealGround:
    """See `Ground`. Evaluations of one seed share the split of the images; those of one draw share all seeds."""

    finalists = True

    def __init__(self, request: RealRequest, data: Dataset) -> None:
        self.request, self.data = request, data
        self.chance = 1 / data.class_count
        self.grammar = load_grammar(GRAMMAR)
        self.candidates, self.final = request.config(request.steps), request.config(request.final_steps)
        self.final_task = Task(
            source_of(data.train, self.final.data, CPU),
            source_of(data.test, self.final.data, CPU),
            data.input_shape,
            data.class_count,
        )
        self._task = lru_cache(maxsize=1)(
            lambda seed: make_task(data.train, data.class_count, self.candidates.data, seed, CPU)
        )

    def space(self, arm: Arm) -> Space[Genotype]:
        """See `Ground`."""
        return make_space(self.request.config(self.request.steps, arm.mutation), self.grammar, self.data)

    def suggest(self, trial: Trial) -> Genotype:
        """See `Ground`."""
        return suggest_genotype(trial, self.grammar, SIZES)

    def evaluate(self, payload: Phenotype, seed: int, draw: int, effort: float) -> Evaluation:
        """See `Ground`."""
        candidacy = Candidacy(payload.spec, derive_seed(seed, "draw", draw), effort=effort)
        return evaluate(self.candidates, self._task(seed), candidacy)

    def endpoints(self, payload: Phenotype, seed: int) -> list[float]:
        """See `Ground`. A training that ends without a working network counts as chance."""
        candidacies = (
            Candidacy(payload.spec, derive_seed(seed, "final", number)) for number in range(FINAL_TRAININGS)
        )
        found = (evaluate(self.final, self.final_task, candidacy) for candidacy in candidacies)
        return [evaluation.objectives.get("fitness", self.chance) for evaluation in found]

    def about(self, payload: Phenotype) -> dict[str, float]:
        """See `Ground`. depth: layers with weights."""
        layers = payload.plan.layers
        depth = sum(planned.layer.weighted for planned in layers)
        return {
            "parameters": float(payload.plan.parameters),
            "depth": float(depth),
            "conv": float(any(isinstance(planned.layer, Conv) for planned in layers)),
            "linear": float(depth == 1),
            "gene-encoded layers": float(sum(planned.gene_coded for planned in layers)),
        }


def pooled(data: Dataset, side: int) -> Dataset:
    """Images of the means of `side` x `side` pixels."""
    return replace(data, train=_pooled(data.train, side), test=_pooled(data.test, side))


def _pooled(samples: Samples, side: int) -> Samples:
    means = torch.nn.functional.avg_pool2d(samples.images.float(), side)
    return Samples.of_images(means.round().to(torch.uint8), samples.labels)
