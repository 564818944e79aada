"""Data sets by name, and as a configuration asks for them."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from spenser_gee.config import Data
from spenser_gee.data.digits import load_digits
from spenser_gee.data.image_folder import load_image_folder
from spenser_gee.data.samples import Dataset
from spenser_gee.data.sources import SOURCES, Published, missing_data
from spenser_gee.data.torchvision_sets import load_torchvision_set
from spenser_gee.errors import Finding, InputError, Place, input_error, nearest
from spenser_gee.paths import expanded

ROOT_VARIABLE: Final = "SPENSER_GEE_DATA"


@dataclass(frozen=True)
class Wanted:
    """What a reader of a data set is told; see `load_dataset`."""

    root: Path | None
    download: bool = False
    image_size: int | None = None
    channels: int | None = None


def _read_images(wanted: Wanted) -> Dataset:
    if wanted.root is None:
        raise input_error(
            "data root",
            'data set "image-folder": no data root is set',
            f"Set the folder or .tar(.gz) with --data-root, the config's data root, or {ROOT_VARIABLE}.",
        )
    return load_image_folder(wanted.root, wanted.image_size, wanted.channels)


def _read_torchvision(source: Published, wanted: Wanted) -> Dataset:
    if wanted.root is None:
        raise missing_data(source, None)
    return load_torchvision_set(source, wanted.root, wanted.download)


DATASETS: dict[str, Callable[[Wanted], Dataset]] = {
    **{source.name: functools.partial(_read_torchvision, source) for source in SOURCES},
    "digits": lambda wanted: load_digits(),
    "image-folder": _read_images,
}
"""The readers, by the names that a configuration can give (`data.dataset`)."""

DATASET_NAMES: Final = tuple(DATASETS)
# Spellings in use elsewhere, without case and punctuation.
_SPELLINGS = {
    **{name.replace("-", ""): name for name in DATASET_NAMES},
    "fmnist": "fashion-mnist",
    "loaddigits": "digits",
    "sklearndigits": "digits",
    "folder": "image-folder",
    "images": "image-folder",
}


def canonical_name(name: str) -> str:
    """The name in `DATASET_NAMES` that `name` spells (FashionMNIST, fmnist, CIFAR-10, ...).

    Raises:
        InputError: an unknown name.
    """
    if name in DATASETS:
        return name
    known = _SPELLINGS.get("".join(letter for letter in name.lower() if letter.isalnum()))
    if known is None:
        raise input_error(
            "data set",
            f'unknown name "{name}"{nearest(name.lower(), DATASET_NAMES)}',
            f"Known: {', '.join(DATASET_NAMES)}.",
        )
    return known


def resolve_data(data: Data, root: str | None = None) -> Data:
    """The section with its root resolved, so that it may go to another process: `root` (of the command line), else
    its own, else $SPENSER_GEE_DATA, else None."""
    found = root or data.root or os.environ.get(ROOT_VARIABLE)
    return data.model_copy(update={"root": str(expanded(found).resolve()) if found else None})


def load_data(data: Data) -> Dataset:
    """The data set of a resolved section, on the CPU. Raises InputError."""
    root = None if data.root is None else Path(data.root)
    return load_dataset(data.dataset, root, data.download, image_size=data.image_size, channels=data.channels)


def load_dataset(
    name: str,
    root: Path | None,
    download: bool = False,
    *,
    image_size: int | None = None,
    channels: int | None = None,
) -> Dataset:
    """The data set `name`, whole, in memory, as bytes.

    Args:
        name: one of `DATASET_NAMES`, or a usual spelling of it.
        root: the folder that holds the data in torchvision's layout (`root/FashionMNIST/raw/...`); for
            "image-folder" the folder or .tar(.gz) itself; not used by "digits".
        download: fetch missing files with torchvision's downloader.
        image_size, channels: only for "image-folder", see `load_image_folder`.

    Returns:
        Training and test samples: inputs (N, T', C, H, W), uint8 for images, T' = 1; labels (N,), int64; class names.

    Raises:
        InputError: an unknown name, or missing, damaged or foreign files; it names them and the remedy; or images
            that are all of one class, or all the same.
    """
    name = canonical_name(name)
    if name != "image-folder" and (image_size is not None or channels is not None):
        raise input_error("data set", f'image_size and channels are for "image-folder", not for "{name}"')
    data = DATASETS[name](Wanted(root, download, image_size, channels))
    _check_content(data, str(root))
    return data


def _check_content(data: Dataset, root: str) -> None:
    """Refuses data whose accuracy says nothing: images of one class, or the same image again and again."""
    findings = []
    for name, part in (("training", data.train), ("test", data.test)):
        first = part.images[0]
        one_class = bool((part.labels == part.labels[0]).all())
        # Ends at the first image that differs.
        one_image = all(torch.equal(part.images[place], first) for place in range(len(part)))
        if len(part) > 1 and one_class:
            problem = f'all {len(part)} {name} images are of one class, "{data.classes[int(part.labels[0])]}"'
            findings.append(Finding(Place(root), problem, "Give images of two or more classes."))
        if len(part) > 1 and one_image:
            low, high = int(first.min()), int(first.max())
            problem = f"all {len(part)} {name} images are the same, with pixels in {low}..{high}"
            findings.append(Finding(Place(root), problem, "Look at the files: their content may be lost."))
    if findings:
        raise InputError(*findings)
