"""Data: reading (datasets), knowing again (identity), dividing (splits), sharing between processes (shared, handles),
feeding (batches) and varying (augment) labelled samples."""

from spenser_gee.data.augment import crop, cutout, flip, shift
from spenser_gee.data.batches import Batch, Batches
from spenser_gee.data.datasets import DATASET_NAMES, canonical_name, load_data, load_dataset, resolve_data
from spenser_gee.data.handles import DataHandle, open_data, reload_handle
from spenser_gee.data.identity import Identity, OtherData, chooses_data, require_same
from spenser_gee.data.samples import Dataset, Samples
from spenser_gee.data.shared import SharedSamples
from spenser_gee.data.splits import Split, split
from spenser_gee.data.torchvision_import import import_torchvision

__all__ = [
    "DATASET_NAMES",
    "Batch",
    "Batches",
    "DataHandle",
    "Dataset",
    "Identity",
    "OtherData",
    "Samples",
    "SharedSamples",
    "Split",
    "canonical_name",
    "chooses_data",
    "crop",
    "cutout",
    "flip",
    "import_torchvision",
    "load_data",
    "load_dataset",
    "open_data",
    "reload_handle",
    "require_same",
    "resolve_data",
    "shift",
    "split",
]
