"""The handwritten digits that ship with scikit-learn: real data that need no download."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import torch

from spenser_gee.data.samples import Dataset, Samples
from spenser_gee.data.stratify import apportion
from spenser_gee.errors import input_error

TEST_SHARE = 0.2


def load_digits() -> Dataset:
    """1,797 images of 8 x 8 pixels in 10 classes; values 0..16 are rescaled to 0..255.

    The set has no test part of its own, so one is fixed here: 20 % (359 images), stratified, evenly spaced
    in the file's order within each class. No seed enters it: it is the same images in every run.

    Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI repository, 1998.
    """
    rows = _read()
    images = np.rint(rows[:, :-1].reshape(-1, 1, 8, 8) * (255 / 16)).astype(np.uint8)
    labels = rows[:, -1].astype(np.int64)
    test = np.zeros(len(labels), dtype=bool)
    test[_evenly_spaced(labels)] = True
    return Dataset(
        name="digits",
        train=_part(images[~test], labels[~test]),
        test=_part(images[test], labels[test]),
        classes=tuple(str(label) for label in np.unique(labels)),
    )


def _read() -> np.ndarray:
    """(1797, 65): 64 pixels and the label of each image. Read from scikit-learn's own file: importing scikit-learn takes
    longer than a whole training of a small network."""
    package = importlib.util.find_spec("sklearn")
    folders = [] if package is None else list(package.submodule_search_locations or [])
    for folder in folders:
        path = Path(folder, "datasets", "data", "digits.csv.gz")
        if path.is_file():
            return np.loadtxt(path, delimiter=",")
    raise input_error(
        "digits", "scikit-learn, which they ship with, is not installed whole", "pip install scikit-learn"
    )


def _evenly_spaced(labels: np.ndarray) -> np.ndarray:
    members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    sizes = [len(indices) for indices in members]
    counts = apportion(round(TEST_SHARE * len(labels)), sizes, [0] * len(sizes), sizes)
    # The middles of `count` equal stretches of the class.
    picked = [
        indices[(2 * np.arange(count) + 1) * len(indices) // (2 * count)]
        for indices, count in zip(members, counts, strict=True)
    ]
    return np.concatenate(picked)


def _part(images: np.ndarray, labels: np.ndarray) -> Samples:
    return Samples.of_images(torch.from_numpy(images), torch.from_numpy(labels))
