"""A trained network as a NIR file (https://neuroir.org), for simulators and chips that read it.

nir is an optional package: it is imported when a file is written.
"""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from typing import Any

from spenser_gee.atomic import atomic_path
from spenser_gee.errors import InputError, input_error
from spenser_gee.export.nir_gains import fold_gains
from spenser_gee.export.nir_sketch import Sketch
from spenser_gee.export.nir_translate import Translation
from spenser_gee.export.words import decision_in_words, input_in_words, program_in_words, reason
from spenser_gee.training.saved import SavedNetwork

DT = 1e-4  # seconds per time step, as snnTorch's own NIR export has it


def write_nir(
    saved: SavedNetwork, source: Path, target: Path, dt: float = DT, subtract: str | None = None
) -> list[str]:
    """Writes the network that was read from `source`; nothing is overwritten. dt: seconds per time step.
    subtract: one of SUBTRACT, for neurons that reset by subtraction; None refuses them.

    Returns remarks: what has another form in the file. Raises InputError with everything that NIR cannot say.
    """
    if not (math.isfinite(dt) and 1e-30 <= dt <= 1e30):
        raise input_error(
            f"--dt {dt}", "expected seconds per time step, from 1e-30 to 1e30", "Try --dt 1e-4."
        )
    if target.exists():
        raise input_error(
            str(target), "the file exists, and nothing is overwritten", "Choose another with --out."
        )
    nir = _require_nir()
    sketch = Sketch(nir, str(source))
    translation = Translation(saved.network, sketch, dt, subtract)
    translation.run()
    if sketch.refusals:
        raise InputError(*sketch.refusals)
    fold_gains(sketch)
    notes = _notes(saved, dt, translation.membrane_node)
    graph = nir.NIRGraph(nodes=sketch.nodes, edges=sketch.edges, metadata=notes)
    try:
        with atomic_path(target) as temporary:
            nir.write(temporary, graph)
    except OSError as error:
        raise input_error(
            str(target),
            f"the file cannot be written here: {reason(error)}",
            "Choose another with --out.",
        ) from None
    return [*sketch.remarks, f"input: {notes['input']}", f"output: {notes['decision']}"]


def _notes(saved: SavedNetwork, dt: float, membrane_node: str) -> dict[str, Any]:
    """What a graph cannot say, as its metadata."""
    notes = {
        "program": program_in_words(),
        "sentence": saved.sentence,
        "dt": dt,
        "time_steps": saved.time_steps,
        "classes": saved.classes,
        "input": input_in_words(saved.spec, saved.time_steps),
        "decision": decision_in_words(saved.spec),
    }
    return notes | ({"membrane_node": membrane_node} if membrane_node else {})


def _require_nir() -> Any:
    try:
        return importlib.import_module("nir")
    except ImportError:
        raise input_error(
            "--format nir", "it needs the package nir", 'pip install "spenser-gee[nir]"'
        ) from None
