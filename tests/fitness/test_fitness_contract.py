"""Every kind of fitness keeps the contract, and so does an objective beside it."""

from __future__ import annotations

import pytest

from spenser_gee.config import FITNESS_KINDS, Config, load_config
from spenser_gee.paths import shipped_folder
from spenser_gee.testing.fitness import FitnessContract


@pytest.mark.parametrize("kind", FITNESS_KINDS)
class TestKinds(FitnessContract):
    @pytest.fixture
    def config(self, kind: str) -> Config:
        figure = FITNESS_KINDS[kind].figures[0]
        overrides = [f"fitness={kind}", f"objectives=[{figure}, parameters]", "training.steps=6"]
        return load_config(shipped_folder("configs") / "digits.yaml", overrides)
