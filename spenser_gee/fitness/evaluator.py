"""What evaluates candidates in a worker: the vocabulary of every kind of fitness."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from spenser_gee.config import FITNESS_KINDS, Config
from spenser_gee.evaluation import Evaluation
from spenser_gee.network.build import SpikingNetwork
from spenser_gee.objective import FITNESS, Objective
from spenser_gee.phenotype.plan import Plan
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.site import Shape
from spenser_gee.training.source import Source


@dataclass(frozen=True, eq=False)
class Task:
    """What networks are evaluated on. Test is not here: nothing in a search can see it."""

    evo_train: Source
    fitness: Source
    input_shape: Shape
    classes: int


@dataclass(frozen=True, eq=False)
class Candidacy:
    """One network to evaluate.

    seed: of all draws; all candidates of a generation have the same. parent: the file of the weights that it may
    inherit, or None. effort: how many times the budget it may spend.
    """

    spec: NetworkSpec
    seed: int
    parent: str | None = None
    effort: float = 1.0


@dataclass(frozen=True, eq=False)
class Evaluated:
    """An evaluation with the trained network, where there is one and it is complete; tensors and notes are saved
    beside its weights."""

    evaluation: Evaluation
    network: SpikingNetwork | None = None
    tensors: Mapping[str, torch.Tensor] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)


class Evaluator(Protocol):
    """Evaluates a candidate. deadline: of `time.monotonic()`. What it raises becomes a failed evaluation."""

    def __call__(self, candidacy: Candidacy, deadline: float) -> Evaluated: ...


def make_evaluator(config: Config, task: Task) -> Evaluator:
    """The evaluator of a configuration's kind of fitness: its factory is called with (config, task)."""
    module, _, name = FITNESS_KINDS[config.fitness.kind].evaluator.partition(":")
    evaluator: Evaluator = getattr(importlib.import_module(module), name)(config, task)
    return evaluator


def plan_cost(plan: Plan) -> dict[str, float]:
    """What every evaluation costs, known from the plan."""
    return {
        "parameters": float(plan.parameters),
        "dense_parameters": float(plan.dense_parameters),
        "macs": float(plan.macs),
    }


def complete(
    figures: Mapping[str, float],
    errors: Mapping[str, float],
    objectives: Sequence[Objective] = (FITNESS,),
    **rest: Any,
) -> Evaluation:
    """A complete evaluation: the declared objectives by these figures and the costs, and the other figures as measures.

    Failed where an objective is not finite. rest: other fields of the evaluation.
    """
    everything = {**rest.get("cost", {}), **figures}
    declared = {objective.name: objective.value(everything) for objective in objectives}
    measures = {name: value for name, value in figures.items() if name not in declared}
    try:
        return Evaluation("complete", declared, errors=dict(errors), measures=measures, **rest)
    except ValueError:
        found = ", ".join(f"{name} {value}" for name, value in declared.items())
        return Evaluation("failed", reason=f"an objective is not finite: {found}", measures=measures, **rest)
