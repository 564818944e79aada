"""The device that networks run on."""

from __future__ import annotations

import torch

from spenser_gee.errors import input_error


def choose_device(wanted: str) -> torch.device:
    """The device of "auto", "cpu" or "cuda". Raises InputError for a GPU that is not there."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise input_error("device", "this torch sees no CUDA GPU", "Use --device cpu (or auto).")
    return torch.device(wanted)
