"""One search of one arm on one ground: ours, or Optuna's."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import TrialState

from quality.arms import Arm
from quality.grounds import EFFORT, Cache, Ground, Meter, spent
from spenser_gee.evaluation import Evaluation
from spenser_gee.rng import derive_seed
from spenser_gee.search import (
    STRATEGIES,
    Described,
    Frame,
    MemoryRecord,
    Proposal,
    Stops,
    make_strategy,
    run_search,
)
from spenser_gee.search.proposals import TRIES
from spenser_gee.settings import ByName

optuna.logging.set_verbosity(optuna.logging.ERROR)

Chosen = tuple[Described, float] | None
"""The network that a search ends with, and its fitness during the search."""


def search(ground: Ground, arm: Arm, seed: int, evaluations: int, cache: Cache) -> dict[str, Any]:
    """The record of one search of `evaluations` plain budgets, finalists included, with its endpoint.

    Our searches are made of whole generations: they end with the one that brings them nearest to the budget.
    strategy_seconds: all that is not evaluating, of the search. No network at all counts as chance.
    """
    finalists = arm.finalists if ground.finalists else 0
    meter, begun = Meter(ground, seed, cache), time.monotonic()
    run = _optuna_search if arm.optuna else _own_search
    chosen = run(meter, arm, evaluations - EFFORT * finalists, finalists)
    own = time.monotonic() - begun - meter.waited
    row: dict[str, Any] = {"seed": seed, "finalists": finalists, **spent(meter), "strategy_seconds": own}
    if chosen is None:
        return {**row, "sentence": None, "fitness": None, "endpoints": [ground.chance], "about": {}}
    network, fitness = chosen
    return {
        **row,
        "sentence": network.sentence,
        "fitness": fitness,
        "endpoints": ground.endpoints(network.payload, seed),
        "about": ground.about(network.payload),
    }


def _own_search(meter: Meter, arm: Arm, evaluations: int, finalists: int) -> Chosen:
    def evaluate(proposals: Sequence[Proposal[Any]], generation: int) -> Iterator[tuple[int, Evaluation]]:
        for proposal in proposals:
            one = proposal.candidate
            network = Described(one.sentence, one.phenotype_key, None, one.payload)
            yield one.id, meter.evaluate(network, proposal.draw, proposal.effort)

    frame = Frame(
        meter.ground.space(arm), meter.seed, arm.offspring, finalists=finalists, effort=float(EFFORT)
    )
    strategy, record = make_strategy(ByName(STRATEGIES)(arm.strategy), frame), MemoryRecord()
    stops = Stops(evaluations=evaluations - arm.offspring // 2)
    front = strategy.progress(run_search(strategy, evaluate, record, stops=stops)).front
    if not front:
        return None
    candidates = {key[1]: candidate for key, (candidate, _) in record.evaluations.items()}
    best = candidates[front[0].id]
    return Described(best.sentence, best.phenotype_key, None, best.payload), front[0].means["fitness"]


def _optuna_search(meter: Meter, arm: Arm, evaluations: int, finalists: int) -> Chosen:
    """As a careful user of Optuna's ask and tell has it.

    Everything is evaluated once, on draw 0. A network that cannot be built is told as failed, which samplers pass over,
    and one that was evaluated before is told its known value: both cost nothing, as in our searches, and at most TRIES
    trials are made for each evaluation. A training without a result is told as pruned, which TPE takes for worse than
    any value. The best value is chosen; with finalists, the best among them after the longer training, on draw 1.
    """
    space = meter.ground.space(arm)
    study = optuna.create_study(direction="maximize", sampler=_sampler(arm.strategy, meter.seed))
    known: dict[str, tuple[Described, float | None]] = {}
    for _ in range(TRIES * evaluations):
        if len(known) >= evaluations:
            break
        trial = study.ask()
        network = space.describe(meter.ground.suggest(trial))
        if network.infeasible_reason is not None:
            study.tell(trial, state=TrialState.FAIL)
            continue
        if network.phenotype_key not in known:
            value = meter.evaluate(network, 0, 1.0).objectives.get("fitness")
            known[network.phenotype_key] = network, value
        value = known[network.phenotype_key][1]
        if value is None:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, value)
    ranked = sorted(
        ((network, value) for network, value in known.values() if value is not None),
        key=lambda pair: -pair[1],
    )
    longer = [
        (network, evaluation.objectives["fitness"])
        for network, _ in ranked[:finalists]
        if (evaluation := meter.evaluate(network, 1, float(EFFORT))).status == "complete"
    ]
    return max(longer or ranked, key=lambda pair: pair[1], default=None)


def _sampler(name: str, seed: int) -> BaseSampler:
    own = derive_seed(seed, name) % 2**32
    if name == "optuna-random":
        return RandomSampler(own)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return TPESampler(multivariate=True, group=True, seed=own)
