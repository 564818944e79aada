"""The data set is read once: workers map what the driver has in memory, and only the training images. Where they
cannot (on another host), they read it again and see that it is the same one."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_runs import GRAMMAR, tiny_config

from spenser_gee.data import open_data, reload_handle
from spenser_gee.errors import InputError
from spenser_gee.evaluation import Evaluation
from spenser_gee.execution import Job, WorkerStart, WorkerStartError, open_executor
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


def set_up_images(folder: Path, device: str = "cpu", keep: bool = False) -> Setup:
    root = write_images(folder / "images")
    data = ("data.dataset=image-folder", f"data.root={root}", "data.train_subset=null")
    config = tiny_config(folder, *data, "training.steps=2", f"device={device}")
    setup = set_up(config, open_grammar(GRAMMAR))
    if not keep:
        # From here on the data set cannot be read any more.
        shutil.rmtree(root)
    return setup


def evaluations(
    setup: Setup, workers: int, count: int, folder: Path, start: WorkerStart | None = None
) -> list[Evaluation]:
    """The same candidate `count` times."""
    spec = decode(sample_genotype(setup.grammar, stream(0, "test"), {"features": (1,)}), setup.grammar)
    payload = {
        "spec": spec.to_dict(),
        "sentence": "",
        "seed": 1,
        "parent": None,
        "effort": 1.0,
    }
    jobs = [Job(number, {**payload, "save": str(folder / f"{number}")}) for number in range(count)]
    with open_executor(start or setup.worker_start, workers) as executor:
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


# --- another host -------------------------------------------------------------------------------------


def reloading(setup: Setup) -> WorkerStart:
    """Workers that get no open file: they find the data by their path."""
    handle = reload_handle(setup.config.data, "train", setup.identity)
    start = setup.worker_start
    return dataclasses.replace(start, arguments={**start.arguments, "samples": handle}, descriptors=())


def test_a_worker_can_read_the_data_for_itself(tmp_path: Path) -> None:
    setup = set_up_images(tmp_path, keep=True)
    (here,) = evaluations(setup, 0, 1, tmp_path)
    (there,) = evaluations(setup, 1, 1, tmp_path, reloading(setup))
    assert here.objectives == there.objectives


def test_a_worker_that_reads_other_data_does_not_begin(tmp_path: Path) -> None:
    setup = set_up_images(tmp_path, keep=True)
    shutil.copy(tmp_path / "images/train/dark/1.png", tmp_path / "images/train/dark/0.png")
    with pytest.raises(WorkerStartError, match="other training samples"):
        evaluations(setup, 1, 1, tmp_path, reloading(setup))


def test_a_handle_on_data_by_path_gives_the_wanted_part(tmp_path: Path) -> None:
    setup = set_up_images(tmp_path, keep=True)
    for part, expected in (("train", setup.data.train), ("test", setup.data.test)):
        handle = reload_handle(setup.config.data, part, setup.identity)  # type: ignore[arg-type]
        opened = open_data(json.loads(json.dumps(handle)))
        assert torch.equal(opened.inputs, expected.inputs)
        assert torch.equal(opened.labels, expected.labels)
    (tmp_path / "images/test/dark/0.png").unlink()
    with pytest.raises(InputError, match="8 test samples before, 7 now"):
        open_data(handle)
