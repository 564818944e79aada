"""Runs on real Fashion-MNIST (where it is there), on colour images of a shape that is not square, and on recorded
sequences."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from moving_dots import STEPS, moving_dots
from PIL import Image
from tiny_runs import tiny_config

from spenser_gee.data import Dataset
from spenser_gee.data import datasets as module
from spenser_gee.session import start_run
from spenser_gee.training.saved import load_network


def fashion_root() -> str:
    beside = Path(__file__).parents[3] / "shared" / "data"
    for root in (os.environ.get("SPENSER_GEE_DATA"), str(beside)):
        if root and (Path(root) / "FashionMNIST" / "raw").is_dir():
            return root
    pytest.skip("no FashionMNIST/ in $SPENSER_GEE_DATA or in shared/data beside the repository")


def test_a_run_on_fashion_mnist_learns(tmp_path: Path) -> None:
    config = tiny_config(
        tmp_path,
        "data.dataset=fashion-mnist",
        "data.train_subset=1500",
        "training.steps=40",
        "search.limits.macs=1500000",
        "final.epochs=0",
    )
    summary = start_run(config, tmp_path / "run", fashion_root())
    assert summary["status"] == "finished"
    assert summary["final"]["test_images"] == 10_000
    # Ten classes: chance is 0.1, and its standard error here 0.003.
    assert summary["best"]["test_accuracy"] > 0.3
    assert json.dumps(summary)


def test_colour_images_that_are_not_square(tmp_path: Path) -> None:
    """Three classes of noise around three colours, 3 x 10 x 14: easily told apart."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 30), ("test", 10)):
        for number, name in enumerate(("red", "green", "blue")):
            folder = tmp_path / "images" / part / name
            folder.mkdir(parents=True)
            for index in range(count):
                pixels = rng.integers(0, 60, (10, 14, 3), dtype=np.uint8)
                pixels[:, :, number] += 180
                Image.fromarray(pixels).save(folder / f"{index}.png")
    config = tiny_config(tmp_path, "data.dataset=image-folder", "data.train_subset=90", "training.steps=40")
    summary = start_run(config, tmp_path / "run", str(tmp_path / "images"))
    assert summary["best"]["test_accuracy"] > 0.6
    assert summary["final"]["test_images"] == 30


def test_a_whole_run_takes_its_time_from_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dots = Dataset("dots", moving_dots(200), moving_dots(40, seed=1), ("left", "right"))
    monkeypatch.setattr(module, "load_dataset", lambda *arguments, **options: dots)
    summary = start_run(tiny_config(tmp_path), tmp_path / "run")
    assert summary["status"] == "finished"
    assert load_network(tmp_path / "run" / "final.safetensors").time_steps == STEPS
