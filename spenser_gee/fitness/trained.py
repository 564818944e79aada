"""Fitness by training: from a network's description to its accuracy, or to the reason why it has none."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from spenser_gee.config import Config, Initialisation, Training
from spenser_gee.evaluation import Evaluation, Status
from spenser_gee.fitness.evaluator import Candidacy, Evaluated, Evaluator, Task, complete, plan_cost
from spenser_gee.fitness.figures import Bench, measure_figures
from spenser_gee.initialisation.evolve import ParentGenes
from spenser_gee.initialisation.from_birth import train_from_birth
from spenser_gee.initialisation.parent import parent_genes, start_to_save
from spenser_gee.objective import FITNESS, Objective
from spenser_gee.phenotype.plan import Plan, plan_network
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.layers import LIF
from spenser_gee.phenotype.words.site import Infeasible
from spenser_gee.rng import derive_seed
from spenser_gee.training.liveness import constant_layer
from spenser_gee.training.losses import needs_membrane
from spenser_gee.training.measure import Measurement, measure
from spenser_gee.training.mode import PLAIN, Mode
from spenser_gee.training.saved import load_network
from spenser_gee.training.train import Budget

# Dead networks are looked for after this share of the training: late enough that a slow start is not taken
# for death, early enough that little is spent on them.
CHECK_ALIVE_AT = 0.2
# Where a run has several objectives, more than this share of a layer's neuron-steps has to be spikes, and as much none.
SPIKE_HEALTH = 1e-4


def make_evaluator(config: Config, task: Task) -> Evaluator:
    """Trains every candidate within the configuration's budget."""
    budget = resolve_budget(config.training, task.evo_train.steps_per_epoch)
    inner, mode = config.initialisation, Mode.of_settings(config.training)

    # All offspring of a generation have the same parent.
    @functools.lru_cache(maxsize=1)
    def parent_of(path: str) -> ParentGenes:
        return parent_genes(load_network(path, task.evo_train.device))

    def run(candidacy: Candidacy, deadline: float) -> Evaluated:
        ancestor = candidacy.parent if inner.inherit != "none" else None
        return evaluate(
            candidacy.spec,
            task,
            budget.times(candidacy.effort),
            inner,
            candidacy.seed,
            parent=parent_of(ancestor) if ancestor else None,
            mode=mode,
            objectives=config.strives_for,
            deadline=deadline,
        )

    return run


def resolve_budget(training: Training, steps_per_epoch: int) -> Budget:
    """Epochs become steps; steps and seconds stay."""
    if training.epochs is not None:
        return Budget(steps=training.epochs * steps_per_epoch)
    return Budget(training.steps, training.seconds)


def evaluate(
    spec: NetworkSpec,
    task: Task,
    budget: Budget,
    inner: Initialisation,
    seed: int,
    *,
    parent: ParentGenes | None = None,
    mode: Mode = PLAIN,
    objectives: Sequence[Objective] = (FITNESS,),
    deadline: float = math.inf,
    on_step: Callable[[int, float], None] | None = None,
) -> Evaluated:
    """Evolves the start of `spec`, trains it on EvoTrain and measures its accuracy on Fitness.

    Everything that is random follows from `seed`; equal arguments give equal results, and networks that are
    given the same seed see the same batches and the same spike noise. Beside accuracy, loss and firing rate only the
    figures that `objectives` need are measured.
    """
    try:
        plan = plan_network(spec, task.input_shape, task.classes)
    except Infeasible as error:
        return Evaluated(Evaluation("infeasible", reason=str(error)))
    grown = train_from_birth(
        plan,
        task.evo_train,
        budget,
        inner,
        seed,
        parent=parent,
        mode=mode,
        deadline=deadline,
        check_alive_at=CHECK_ALIVE_AT,
        on_step=on_step,
    )
    cost = {**grown.cost, **plan_cost(plan)}
    about: dict[str, Any] = {
        "cost": cost,
        "curve": grown.training.curve,
        "inner": grown.start.history,
        "details": {"start": grown.start.remarks()},
    }
    if grown.training.outcome != "complete":
        return Evaluated(Evaluation(_STATUS[grown.training.outcome], reason=grown.training.reason, **about))
    begin = time.monotonic()
    result = measure(
        grown.network,
        spec,
        task.fitness.once(),
        task.fitness.stimulus(spec, derive_seed(seed, "fitness"), augment=False),
        mode,
    )
    about["details"]["firing_rates"] = list(result.firing_rates)
    problem = _problem(result, plan, several=len(objectives) > 1)
    needed = {name for objective in objectives for name in objective.needs} if problem is None else ()
    asked, errors = measure_figures(needed, Bench(grown.network, spec, task.fitness, seed, mode))
    cost["measuring_seconds"] = time.monotonic() - begin
    if problem is not None:
        status, reason = problem
        return Evaluated(Evaluation(status, reason=reason, **about))
    figures = {
        "fitness": result.accuracy,
        "loss": result.loss,
        "firing_rate": sum(result.firing_rates) / len(result.firing_rates),
        **asked,
    }
    evaluation = complete(figures, {"fitness": result.standard_error, **errors}, objectives, **about)
    if evaluation.status != "complete":
        return Evaluated(evaluation)
    return Evaluated(evaluation, grown.network, *start_to_save(grown.start.start))


# What becomes of a candidate whose training did not end complete.
_STATUS: dict[str, Status] = {
    "dead": "infeasible",
    "timed_out": "timed_out",
    "not_finite": "failed",
}


def _problem(result: Measurement, plan: Plan, *, several: bool) -> tuple[Status, str] | None:
    """Status and reason of a network that is not complete after all.

    several: whether the run strives for more than one objective. A silent network costs no energy and would be
    non-dominated; so then every layer of neurons has to be alive, but for an output whose membrane is read.
    """
    if not math.isfinite(result.loss):
        return "failed", f"the loss on Fitness is {result.loss}"
    rates = result.firing_rates
    output_neurons, read = isinstance(plan.layers[-1].layer, LIF), needs_membrane(plan.spec.loss)
    if output_neurons and not read:
        if rates[-1] == 0.0:
            return "infeasible", "silent: the output neurons never fire"
        if rates[-1] == 1.0:
            return "infeasible", "saturated: the output neurons always fire"
    reason = several and constant_layer(
        rates, SPIKE_HEALTH, 1.0 - SPIKE_HEALTH, but_last=output_neurons and read
    )
    return ("infeasible", reason) if reason else None
