"""The studies run on tiny sizes: what they use of the package is still there."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import tiny_networks


def study(name: str, monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "experiments"))
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    return importlib.import_module(name)


def test_inner_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results.json"
    options = ("--data-root", tmp_path, "--out", out, "--seeds", "1", "--nets", "S1", "--lineages", "S1")
    inner_search = study("inner_search", monkeypatch, *options)
    small = {"generations": 1, "population": 2, "steps": 1}
    monkeypatch.setattr(inner_search, "STEPS", 2)
    monkeypatch.setattr(inner_search, "SEARCH", inner_search.SEARCH.model_copy(update=small))
    arms = {name: settings.model_copy(update=small) for name, settings in inner_search.ARMS.items()}
    monkeypatch.setattr(inner_search, "ARMS", arms)
    monkeypatch.setattr(inner_search, "LINEAGES", inner_search.LINEAGES[-1:])
    monkeypatch.setattr(inner_search, "LINEAGE", inner_search.LINEAGE[:3])
    monkeypatch.setattr(inner_search, "load_dataset", lambda name, root: tiny_networks.digits())
    monkeypatch.setattr(inner_search, "make_task", lambda *rest: tiny_networks.task())
    inner_search.main()
    results = json.loads(out.read_text())
    assert len(results["arms"]) == len(inner_search.ARMS) + 3
    assert [len(row["accuracies"]) for row in results["lineage"]] == [3]
    assert all(0.0 <= row["accuracy"] <= 1.0 for row in results["arms"])
    said = capsys.readouterr().out
    assert all(f"| {row['arm']} |" in said for row in results["arms"])
