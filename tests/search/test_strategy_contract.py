"""Every strategy of the registry keeps the contract; the one that takes a first parent with such a parent too."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from spenser_gee.search import STRATEGIES, Frame, make_strategy
from spenser_gee.testing.strategy import Make, StrategyContract

VARIANTS: dict[str, dict[str, Any]] = {
    **{kind: {"kind": kind} for kind in STRATEGIES},
    "merit": {"kind": "evolution", "survival": "merit", "population": 10, "crossover": 0.5, "immigrants": 1},
    "duel": {"kind": "evolution", "population": 6, "tournament": 3, "duel": True},
    "trees": {"kind": "evolution", "population": 8, "screen": 6},
}


@pytest.mark.parametrize("variant", VARIANTS)
class TestStrategies(StrategyContract):
    @pytest.fixture
    def make(self, variant: str) -> Make:
        values = VARIANTS[variant]
        return lambda frame: make_strategy(STRATEGIES[values["kind"]].settings(**values), frame)


class TestOnePlusLambdaFromAStart(StrategyContract):
    @pytest.fixture
    def make(self) -> Make:
        def make(frame: Frame[Any]) -> Any:
            settings = STRATEGIES["one-plus-lambda"].settings()
            return make_strategy(settings, replace(frame, start=(0,) * 24))

        return make
