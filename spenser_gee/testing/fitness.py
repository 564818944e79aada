"""What every kind of fitness promises."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch

from spenser_gee.config import FITNESS_KINDS, Config, Data
from spenser_gee.data import load_dataset
from spenser_gee.evaluation import Evaluation
from spenser_gee.fitness.evaluator import Candidacy, Evaluated, Evaluator, Task, make_evaluator
from spenser_gee.fitness.task import make_task
from spenser_gee.objective import OBJECTIVES
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.layers import LIF, Conv, FullyConnected

Evaluate = Callable[[Candidacy], Evaluated]

NETWORK = NetworkSpec(
    ((Conv(filters=4, stride=2), LIF(beta=0.7, threshold=0.5)), (FullyConnected(units=0), LIF()))
)
TOO_DEEP = NetworkSpec(
    ((Conv(filters=4, kernel=15, padding="valid"), LIF()), (FullyConnected(units=0), LIF()))
)
SETTINGS = Data(dataset="digits", time_steps=4, batch_size=16, train_subset=200)


class FitnessContract:
    """Override `config`: of a short evaluation (few steps), with the kind of fitness and its objectives."""

    @pytest.fixture
    def config(self) -> Config:
        raise NotImplementedError

    @pytest.fixture
    def task(self) -> Task:
        """140 digits to learn from, and 60 to measure on."""
        return make_task(load_dataset("digits", None).train, 10, SETTINGS, 0, torch.device("cpu"))

    @pytest.fixture
    def evaluator(self, config: Config, task: Task) -> Evaluator:
        return make_evaluator(config, task)

    @pytest.fixture
    def evaluate(self, evaluator: Evaluator) -> Evaluate:
        return lambda candidacy: evaluator(candidacy, time.monotonic() + 600)

    def test_a_complete_evaluation_has_the_declared_objectives(
        self, config: Config, evaluate: Evaluate
    ) -> None:
        evaluation = evaluate(Candidacy(NETWORK, seed=1)).evaluation
        assert evaluation.status == "complete", evaluation.reason
        assert list(evaluation.objectives) == [objective.name for objective in config.strives_for]
        assert evaluation.cost["parameters"] > 0

    def test_every_figure_of_the_kind_can_be_striven_for(self, config: Config, task: Task) -> None:
        names = tuple(name for name in FITNESS_KINDS[config.fitness.kind].figures if name in OBJECTIVES)
        evaluator = make_evaluator(config.model_copy(update={"objectives": names}), task)
        evaluation = evaluator(Candidacy(NETWORK, seed=1), time.monotonic() + 600).evaluation
        assert tuple(evaluation.objectives) == names, evaluation.reason

    def test_it_leaves_a_network_if_and_only_if_it_trains(self, config: Config, evaluate: Evaluate) -> None:
        done = evaluate(Candidacy(NETWORK, seed=1))
        assert (done.network is not None) == FITNESS_KINDS[config.fitness.kind].trains

    def test_equal_candidates_are_evaluated_equally(self, evaluate: Evaluate) -> None:
        torch.manual_seed(1)
        first = evaluate(Candidacy(NETWORK, seed=1))
        torch.manual_seed(2)
        second = evaluate(Candidacy(NETWORK, seed=1))
        assert timeless(first.evaluation) == timeless(second.evaluation)
        if first.network is not None and second.network is not None:
            one, other = first.network.state_dict(), second.network.state_dict()
            assert all(torch.equal(one[name], other[name]) for name in one)

    def test_the_seed_is_that_of_all_draws(self, evaluate: Evaluate) -> None:
        first, second = (evaluate(Candidacy(NETWORK, seed)).evaluation for seed in (1, 2))
        assert timeless(first) != timeless(second)

    def test_an_earlier_candidate_changes_nothing(
        self, config: Config, task: Task, evaluate: Evaluate
    ) -> None:
        evaluate(Candidacy(dataclasses.replace(NETWORK, units=NETWORK.units[-1:]), seed=5))
        after = evaluate(Candidacy(NETWORK, seed=1)).evaluation
        fresh = make_evaluator(config, task)(Candidacy(NETWORK, seed=1), time.monotonic() + 600).evaluation
        assert timeless(after) == timeless(fresh)

    def test_what_cannot_be_built_is_infeasible(self, evaluate: Evaluate) -> None:
        done = evaluate(Candidacy(TOO_DEEP, seed=1))
        assert done.evaluation.status == "infeasible"
        assert done.evaluation.reason
        assert done.network is None

    def test_after_its_deadline_it_is_soon_over(self, evaluator: Evaluator) -> None:
        begun = time.monotonic()
        done = evaluator(Candidacy(NETWORK, seed=1), begun - 1)
        assert time.monotonic() - begun < 10
        assert done.evaluation.status in ("timed_out", "complete")

    def test_it_travels_as_json(self, evaluate: Evaluate) -> None:
        evaluation = evaluate(Candidacy(NETWORK, seed=1)).evaluation
        assert Evaluation.from_dict(json.loads(json.dumps(evaluation.to_dict()))) == evaluation


def timeless(evaluation: Evaluation) -> dict[str, Any]:
    """Without the seconds, which are no two times the same."""
    values = evaluation.to_dict()
    return {**values, "cost": {name: cost for name, cost in values["cost"].items() if "seconds" not in name}}
