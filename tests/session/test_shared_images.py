"""The data set is read once: workers map what the driver has in memory, and only the training images."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_runs import GRAMMAR, tiny_config

from spenser_gee.evaluation import Evaluation
from spenser_gee.execution import Job, open_executor
from spenser_gee.genotype import sample_genotype
from spenser_gee.phenotype.check import open_grammar
from spenser_gee.phenotype.decode import decode
from spenser_gee.rng import stream
from spenser_gee.session.setup import Setup, set_up


def write_images(root: Path) -> Path:
    """Two classes of noise, dark and bright."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 40), ("test", 4)):
        for name, low in (("dark", 0), ("bright", 128)):
            (root / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(low, low + 128, (8, 8), dtype=np.uint8)
                Image.fromarray(pixels).save(root / part / name / f"{number}.png")
    return root


def set_up_images(folder: Path, device: str = "cpu") -> Setup:
    root = write_images(folder / "images")
    data = ("data.dataset=image-folder", f"data.root={root}", "data.train_subset=null")
    config = tiny_config(folder, *data, "training.steps=2", f"device={device}")
    setup = set_up(config, open_grammar(GRAMMAR))
    # From here on the data set cannot be read any more.
    shutil.rmtree(root)
    return setup


def evaluations(setup: Setup, workers: int, count: int, folder: Path) -> list[Evaluation]:
    """The same candidate `count` times."""
    spec = decode(sample_genotype(setup.grammar, stream(0, "test"), {"features": (1,)}), setup.grammar)
    payload = {"spec": spec.to_dict(), "sentence": "", "seed": 1, "parent": None, "rival": None}
    jobs = [Job(number, {**payload, "save": str(folder / f"{number}")}) for number in range(count)]
    with open_executor(setup.worker_start, workers) as executor:
        found = [evaluation for _, evaluation in executor.run(jobs)]
    assert [evaluation.status for evaluation in found] == ["complete"] * count, found[0].reason
    return found


def test_workers_do_not_read_the_data_set(tmp_path: Path) -> None:
    setup = set_up_images(tmp_path)
    (here,) = evaluations(setup, 0, 1, tmp_path)
    (there,) = evaluations(setup, 1, 1, tmp_path)
    assert here.objectives == there.objectives


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA GPU")
def test_workers_share_a_gpu(tmp_path: Path) -> None:
    setup = set_up_images(tmp_path, "cuda")
    found = evaluations(setup, 2, 4, tmp_path)
    assert len({evaluation.execution.worker for evaluation in found}) == 2


def test_test_images_are_out_of_a_workers_reach(tmp_path: Path) -> None:
    setup = set_up_images(tmp_path)
    train = setup.data.train
    assert len(train) == 80
    file = os.pread(setup.shared.descriptor, 10**6, 0)
    assert file == train.labels.numpy().tobytes() + train.images.numpy().tobytes()
