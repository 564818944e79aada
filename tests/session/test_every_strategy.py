"""Every strategy of the registry in whole runs: the number of workers and a kill change nothing."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_kill_and_resume import evaluated
from tiny_runs import TINY, assert_equal_runs, begin, contents

from spenser_gee.config import load_config
from spenser_gee.search import STRATEGIES
from spenser_gee.session import resume_run, start_run

SMALL = {"population": 4, "tournament": 2}
OPTIONS: dict[str, dict[str, Any]] = {
    "evolution": {**SMALL, "crossover": 0.5, "immigrants": 1, "duel": True, "screen": 3},
    "nsga2": SMALL,
}


@pytest.mark.parametrize("kind", STRATEGIES)
def test_the_same_with_0_and_2_workers_and_killed_and_resumed_with_1(kind: str, tmp_path: Path) -> None:
    values = {
        **TINY,
        "objectives": ["fitness", "parameters"] if kind == "nsga2" else ["fitness"],
        "initialisation": {"terms": "off"},
        "search": {
            **TINY["search"],
            "strategy": {"kind": kind, **OPTIONS.get(kind, {})},
            "finalists": 2,
            "generations": 5,
        },
    }
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(values))
    expected = tmp_path / "expected"
    start_run(load_config(path, []), expected)
    killed = tmp_path / "killed"
    with begin(["run", path, "--out", killed, "--workers", "2"]) as process:
        while evaluated(killed) < 9:
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    resume_run(killed, {"search.workers": 1})
    assert_equal_runs(expected, killed)
    found = contents(expected)
    assert [row["counts"]["finals"] for row in found["generations"]][:-1] == [0] * 5
    complete = [row["cost"] for row in found["evaluations"] if row["status"] == "complete"]
    assert {(cost.get("effort", 1.0), cost["training_steps"]) for cost in complete} == {
        (1.0, 6.0),
        (4.0, 24.0),
    }
