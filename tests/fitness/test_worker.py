"""The worker's evaluate function: from plain values to an evaluation and a weight file."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_networks import SETTINGS, digits, gene_spec, gene_unit

from spenser_gee.config import Config, Training
from spenser_gee.data import SharedSamples
from spenser_gee.errors import InputError
from spenser_gee.fitness.trained import resolve_budget
from spenser_gee.fitness.worker import make_evaluate
from spenser_gee.network.device import choose_device
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.layers import LIF, Conv, MaxPool
from spenser_gee.training.saved import load_network
from spenser_gee.training.train import Budget

INNER = {
    "terms": "L",
    "generations": 1,
    "population": 4,
    "steps": 1,
    "budget_share": None,
    "guard_batches": 0,
}


def worker(inherit: str = "trained", training: dict[str, Any] | None = None) -> Any:
    shared = SharedSamples(digits().train)
    config = {
        "name": "worker",
        "grammar": "none",
        "data": SETTINGS.model_dump(),
        "initialisation": {**INNER, "inherit": inherit},
        "training": {"memory_mb": None, **(training or {"steps": 4})},
    }
    values = {"config": Config.from_dict(config).to_dict(), "samples": shared.handle, "classes": 10}
    # As they travel to a worker process.
    plain = json.loads(json.dumps(values))
    return make_evaluate(**plain, device="cpu", backend="plain", threads=1)


def payload(path: Path, spec: NetworkSpec, parent: Path | None = None, seed: int = 5) -> dict[str, Any]:
    values = {
        "spec": spec.to_dict(),
        "sentence": "a sentence",
        "seed": seed,
        "save": str(path),
        "parent": None if parent is None else str(parent),
        "effort": 1.0,
    }
    return dict(json.loads(json.dumps(values)))


def test_a_candidate_and_its_weights(tmp_path: Path) -> None:
    spec = gene_spec()
    evaluation = worker()(payload(tmp_path / "a", spec), math.inf)
    assert evaluation.status == "complete"
    saved = load_network(tmp_path / "a")
    assert (saved.spec, saved.sentence) == (spec, "a sentence")
    assert set(saved.notes["start"]) == {"beta1", "beta2", "seed"}
    assert saved.extra["start.G"].shape == (4, 4)


def test_workers_agree(tmp_path: Path) -> None:
    one, other = worker(), worker()
    other(payload(tmp_path / "x", gene_spec(gene_unit(3))), math.inf)
    first, second = (w(payload(tmp_path / n, gene_spec()), math.inf) for w, n in ((one, "a"), (other, "b")))
    assert first.objectives == second.objectives
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_only_complete_candidates_leave_weights(tmp_path: Path) -> None:
    evaluate = worker()
    for spec in (
        gene_spec((Conv(), MaxPool(size=16), LIF())),
        gene_spec((Conv(filters=4), LIF(threshold=100.0))),
    ):
        assert evaluate(payload(tmp_path / "a", spec), math.inf).status == "infeasible"
    assert evaluate(payload(tmp_path / "a", gene_spec()), 0.0).status == "timed_out"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("inherit", "chosen"), [("none", "evolved"), ("trained", "evolved")])
def test_a_parent_is_read_where_it_is_inherited_from(tmp_path: Path, inherit: str, chosen: str) -> None:
    evaluate = worker(inherit)
    evaluate(payload(tmp_path / "parent", gene_spec()), math.inf)
    child = gene_spec(gene_unit(7), gene_unit(5, stride=2), gene_unit(6))
    alone = evaluate(payload(tmp_path / "alone", child), math.inf)
    done = evaluate(payload(tmp_path / "child", child, tmp_path / "parent"), math.inf)
    assert done.details["start"]["chosen"] == chosen
    same = (tmp_path / "alone").read_bytes() == (tmp_path / "child").read_bytes()
    assert same == (inherit == "none")
    assert (done.objectives == alone.objectives) or inherit != "none"


def test_a_parent_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read the weights"):
        worker()(payload(tmp_path / "a", gene_spec(), tmp_path / "missing"), math.inf)


@pytest.mark.parametrize(
    ("training", "budget"),
    [
        (Training(epochs=3), Budget(steps=21)),
        (Training(steps=5), Budget(steps=5)),
        (Training(seconds=2.5), Budget(seconds=2.5)),
    ],
)
def test_budgets(training: Training, budget: Budget) -> None:
    assert resolve_budget(training, 7) == budget


def test_epochs_are_passes_over_evo_train(tmp_path: Path) -> None:
    # 200 images, 60 for fitness: 140 in batches of 16 are 9 steps (the last one of 12 images).
    evaluate = worker(training={"epochs": 1, "steps": None, "seconds": None})
    assert evaluate(payload(tmp_path / "a", gene_spec()), math.inf).cost["training_steps"] == 9


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")
    with pytest.raises(InputError, match="no CUDA GPU"):
        choose_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == choose_device("cuda") == torch.device("cuda")
