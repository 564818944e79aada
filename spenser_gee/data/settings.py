"""The configuration's section on data: finding where they lie, and reading them."""

from __future__ import annotations

from pathlib import Path

from spenser_gee.config import Data
from spenser_gee.data.datasets import load_dataset, resolve_root
from spenser_gee.data.samples import Dataset


def resolve_data(data: Data, root: str | None = None) -> Data:
    """With its root resolved: `root`, else its own, else the environment's. So it may go to another process."""
    found = resolve_root(root, data.root)
    return data.model_copy(update={"root": None if found is None else str(found.resolve())})


def load_data(data: Data) -> Dataset:
    """The data set of a resolved section, on the CPU. Raises InputError."""
    root = None if data.root is None else Path(data.root)
    return load_dataset(data.dataset, root, data.download, image_size=data.image_size, channels=data.channels)
