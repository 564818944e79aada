"""A trained network as a folder that needs torch, snntorch, safetensors and numpy, but not this program:
weights.safetensors, and network.py, which builds the network, reads them and runs it."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save

from spenser_gee.atomic import write_bytes, write_text
from spenser_gee.errors import input_error
from spenser_gee.export.script import script_of
from spenser_gee.export.words import reason
from spenser_gee.training.saved import SavedNetwork


def write_state_dict(saved: SavedNetwork, source: Path, target: Path) -> list[str]:
    """Writes the network that was read from `source` into a new folder. Returns remarks."""
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise input_error(
            str(target),
            "there is something already, and nothing is overwritten",
            "Choose another with --out.",
        )
    script = script_of(saved, source)
    try:
        target.mkdir(parents=True, exist_ok=True)
        write_bytes(target / "weights.safetensors", save(script.tensors))
        write_text(target / "network.py", script.text)
    except OSError as error:
        raise input_error(
            str(target),
            f"the folder cannot be written: {reason(error)}",
            "Choose another with --out.",
        ) from None
    how = "run it: python network.py IMAGES.npy, (B, C, H, W), integers in 0..255 or floats in 0..1"
    return [*script.remarks, how]
