"""The benchmark of long trainings runs on a tiny run."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from tiny_runs import tiny_run

from spenser_gee.network.backends import backend


@pytest.mark.parametrize("flushed", [True, False])
def test_it_prints_a_line_for_every_hundred_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], flushed: bool
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    run = tiny_run(tmp_path, "run", "search.generations=1", "final.epochs=0")
    with backend("plain"):
        importlib.import_module("long_training").measure(run, None, 200, 1, flushed)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["  step   100", "  step   200"]
