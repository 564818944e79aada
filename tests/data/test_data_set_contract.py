"""Data sets keep the contract: the digits, a folder of images, and what is there of the large ones."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spenser_gee.data import load_dataset
from spenser_gee.testing.data_set import DatasetContract, Load


class TestDigits(DatasetContract):
    @pytest.fixture
    def load(self) -> Load:
        return lambda: load_dataset("digits", None)


class TestImageFolder(DatasetContract):
    @pytest.fixture
    def load(self, tmp_path: Path) -> Load:
        rng = np.random.default_rng(1)
        for part, count in (("train", 4), ("test", 2)):
            for name in ("cats", "dogs", "eels"):
                (tmp_path / part / name).mkdir(parents=True)
                for number in range(count):
                    pixels = rng.integers(0, 256, (6, 5, 3), dtype=np.uint8)
                    Image.fromarray(pixels).save(tmp_path / part / name / f"{number}.png")
        return lambda: load_dataset("image-folder", tmp_path)


@pytest.mark.parametrize(("name", "folder"), [("fashion-mnist", "FashionMNIST"), ("mnist", "MNIST")])
class TestLargeOnes(DatasetContract):
    @pytest.fixture
    def load(self, name: str, folder: str) -> Load:
        beside = Path(__file__).resolve().parents[3] / "shared" / "data"
        root = Path(os.environ.get("SPENSER_GEE_DATA") or beside)
        if not (root / folder).is_dir():
            pytest.skip(f"no {folder}/ in $SPENSER_GEE_DATA or in shared/data beside the repository")
        return lambda: load_dataset(name, root)
