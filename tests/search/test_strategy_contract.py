"""Every strategy of the registry keeps the contract; the one that takes a first parent with such a parent too."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from spenser_gee.search import STRATEGIES, Frame, make_strategy
from spenser_gee.testing.strategy import Make, StrategyContract


@pytest.mark.parametrize("kind", STRATEGIES)
class TestStrategies(StrategyContract):
    @pytest.fixture
    def make(self, kind: str) -> Make:
        return lambda frame: make_strategy(STRATEGIES[kind].settings(), frame)


class TestOnePlusLambdaFromAStart(StrategyContract):
    @pytest.fixture
    def make(self) -> Make:
        def make(frame: Frame[Any]) -> Any:
            settings = STRATEGIES["one-plus-lambda"].settings()
            return make_strategy(settings, replace(frame, start=(0,) * 24))

        return make
