"""The handwritten digits that ship with scikit-learn: real data that need no download."""

from __future__ import annotations

import numpy as np
import torch

from spenser_gee.data.image_data import Dataset, ImageData
from spenser_gee.data.stratify import apportion

TEST_SHARE = 0.2


def load_digits() -> Dataset:
    """1,797 images of 8 x 8 pixels in 10 classes; values 0..16 are rescaled to 0..255.

    The set has no test part of its own, so one is fixed here: 20 % (359 images), stratified, evenly spaced
    in the file's order within each class. No seed enters it: it is the same images in every run.

    Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI repository, 1998.
    """
    from sklearn import datasets  # slow to import, and only this data set needs it

    bunch = datasets.load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[:, None]
    labels = bunch.target.astype(np.int64)
    test = np.zeros(len(labels), dtype=bool)
    test[_evenly_spaced(labels)] = True
    return Dataset(
        name="digits",
        train=_part(images[~test], labels[~test]),
        test=_part(images[test], labels[test]),
        classes=tuple(str(name) for name in bunch.target_names),
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


def _part(images: np.ndarray, labels: np.ndarray) -> ImageData:
    return ImageData(torch.from_numpy(images), torch.from_numpy(labels))
