"""One evaluation: from a network's description to its fitness, or to the reason why it has none."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from spenser_gee.evaluation import Evaluation, Status
from spenser_gee.initialisation.evolve import InnerRecord, InnerSettings, ParentGenes, evolve_start
from spenser_gee.network.build import SpikingNetwork, build_network
from spenser_gee.phenotype.plan import Plan, plan_network
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.layers import LIF
from spenser_gee.phenotype.words.site import Infeasible, Shape
from spenser_gee.rng import derive_seed
from spenser_gee.training.losses import needs_membrane
from spenser_gee.training.measure import Measurement, measure
from spenser_gee.training.mode import PLAIN, Mode
from spenser_gee.training.pace import expected_steps
from spenser_gee.training.rival import Rival
from spenser_gee.training.source import Source
from spenser_gee.training.train import Budget, TrainingRecord, train

# Dead networks are looked for after this share of the training: late enough that a slow start is not taken
# for death, early enough that little is spent on them.
CHECK_ALIVE_AT = 0.2


@dataclass(frozen=True, eq=False)
class Task:
    """What networks are evaluated on. Test is not here: nothing in a search can see it."""

    evo_train: Source
    fitness: Source
    input_shape: Shape
    classes: int


@dataclass(frozen=True, eq=False)
class Evaluated:
    """An evaluation with the trained network (None unless complete) and the start it grew from."""

    evaluation: Evaluation
    network: SpikingNetwork | None = None
    inner: InnerRecord | None = None


def evaluate(
    spec: NetworkSpec,
    task: Task,
    budget: Budget,
    inner: InnerSettings,
    seed: int,
    *,
    parent: ParentGenes | None = None,
    rival: Rival | None = None,
    mode: Mode = PLAIN,
    deadline: float = math.inf,
    on_step: Callable[[int, float], None] | None = None,
) -> Evaluated:
    """Evolves the start of `spec`, trains it on EvoTrain and measures its accuracy on Fitness.

    Everything that is random follows from `seed`; equal arguments give equal results, and networks that are
    given the same seed see the same batches and the same spike noise. The training is given up if it stays too far
    behind `rival`.
    """
    try:
        plan = plan_network(spec, task.input_shape, task.classes)
    except Infeasible as error:
        return Evaluated(Evaluation("infeasible", reason=str(error)))
    begin = time.monotonic()
    source = task.evo_train
    network = build_network(plan, source.time_steps, derive_seed(seed, "weights"))
    network.to(source.device)
    steps = expected_steps(network, spec, source, budget, derive_seed(seed, "pace"), mode)
    start = evolve_start(
        network, plan, source, inner, steps, derive_seed(seed, "start"), parent, mode=mode, deadline=deadline
    )
    # After the inner search, which draws masks of its own.
    network.use_generator(torch.Generator(source.device).manual_seed(derive_seed(seed, "dropout")))
    evolved = time.monotonic()
    record = train(
        network,
        spec,
        source.training(seed),
        source.stimulus(spec, derive_seed(seed, "training"), augment=True),
        budget,
        deadline=deadline,
        check_alive_after=int(steps * CHECK_ALIVE_AT),
        rival=rival,
        mode=mode,
        on_step=on_step,
    )
    cost = {
        "start_seconds": evolved - begin,
        "training_seconds": record.seconds,
        "training_steps": float(record.steps),
        "start_steps": start.cost,
        "parameters": float(plan.parameters),
        "dense_parameters": float(plan.dense_parameters),
        "macs": float(plan.macs),
    }
    details = {**start.to_dict(), "curve": [list(point) for point in record.curve]}
    if record.outcome != "complete":
        return Evaluated(_incomplete(record, cost, details), inner=start)
    measured = time.monotonic()
    result = measure(
        network,
        spec,
        task.fitness.once(),
        task.fitness.stimulus(spec, derive_seed(seed, "fitness"), augment=False),
        mode,
    )
    cost["measuring_seconds"] = time.monotonic() - measured
    details["firing_rates"] = list(result.firing_rates)
    evaluation = _measured(result, plan, cost, details)
    return Evaluated(evaluation, network if evaluation.status == "complete" else None, start)


# What becomes of a candidate whose training did not end complete.
_STATUS: dict[str, Status] = {
    "dead": "infeasible",
    "abandoned": "abandoned",
    "timed_out": "timed_out",
    "not_finite": "failed",
}


def _incomplete(record: TrainingRecord, cost: dict[str, float], details: dict[str, object]) -> Evaluation:
    return Evaluation(_STATUS[record.outcome], cost=cost, reason=record.reason, details=details)


def _measured(
    result: Measurement, plan: Plan, cost: dict[str, float], details: dict[str, object]
) -> Evaluation:
    if not math.isfinite(result.loss):
        return Evaluation(
            "failed", cost=cost, reason=f"the loss on Fitness is {result.loss}", details=details
        )
    spiking = isinstance(plan.layers[-1].layer, LIF) and not needs_membrane(plan.spec.loss)
    if spiking and (last := result.firing_rates[-1]) in (0.0, 1.0):
        word = (
            "silent: the output neurons never fire"
            if last == 0.0
            else "saturated: the output neurons always fire"
        )
        return Evaluation("infeasible", cost=cost, reason=word, details=details)
    objectives = {
        "fitness": result.accuracy,
        "standard_error": result.standard_error,
        "loss": result.loss,
        "firing_rate": sum(result.firing_rates) / len(result.firing_rates),
    }
    return Evaluation("complete", objectives, cost, details=details)
