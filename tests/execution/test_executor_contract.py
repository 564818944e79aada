"""Every engine of the registry keeps the contract: in this process where it can, and with workers."""

from __future__ import annotations

import pytest

from spenser_gee.execution import Executor, WorkerStart, open_executor
from spenser_gee.execution.registry import ENGINES
from spenser_gee.testing.executor import ExecutorContract, Open


@pytest.mark.parametrize("workers", [0, 1, 2], ids=["serial", "one process", "two processes"])
@pytest.mark.parametrize("kind", ENGINES)
class TestEngines(ExecutorContract):
    @pytest.fixture
    def open(self, kind: str, workers: int) -> Open:
        def open_it(start: WorkerStart, timeout_s: float | None) -> Executor:
            return open_executor(start, workers, timeout_s, engine=ENGINES[kind].settings())

        return open_it
