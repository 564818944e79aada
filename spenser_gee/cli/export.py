"""`export`: a trained network for other programs."""

from __future__ import annotations

from pathlib import Path

from spenser_gee.cli.console import say
from spenser_gee.errors import input_error, nearest
from spenser_gee.export.nir_file import DT, write_nir
from spenser_gee.export.nir_neurons import SUBTRACT
from spenser_gee.export.state_dict import write_state_dict
from spenser_gee.runs.queries import candidate
from spenser_gee.runs.store import RunFolder
from spenser_gee.streams import keep_going
from spenser_gee.training.saved import load_network

FORMATS = ("nir", "state-dict")


def export_command(
    what: Path,
    candidate_id: int | None,
    format_: str,
    out: Path | None,
    dt: float | None,
    subtract: str | None,
) -> None:
    """See `app.export`."""
    keep_going()
    if format_ not in FORMATS:
        problem = f"expected {' or '.join(FORMATS)}{nearest(format_, FORMATS)}"
        raise input_error(f"--format {format_}", problem)
    if subtract is not None and subtract not in SUBTRACT:
        problem = f"expected {' or '.join(SUBTRACT)}{nearest(subtract, SUBTRACT)}"
        raise input_error(f"--subtract {subtract}", problem)
    if format_ != "nir" and (dt is not None or subtract is not None):
        raise input_error(f"--format {format_}", "--dt and --subtract are for --format nir only")
    source = _weights(what) if candidate_id is None else _weights_of(what, candidate_id)
    # Of a candidate, in the run's folder: what lies beside its weights goes with them.
    place = source.parent / source.stem if candidate_id is None else what / f"candidate-{candidate_id}"
    saved = load_network(source)
    if format_ == "nir":
        target = out or place.with_name(f"{place.name}.nir")
        remarks = write_nir(saved, source, target, DT if dt is None else dt, subtract)
    else:
        target = out or place.with_name(f"{place.name}-pytorch")
        remarks = write_state_dict(saved, source, target)
    for remark in remarks:
        say(remark)
    print(target)


def _weights(what: Path) -> Path:
    """The file of a run's network after its final training, else of its best one; or the file itself."""
    if not what.is_dir():
        return what
    with RunFolder.open(what) as folder:
        for path in (folder.final_weights, folder.best_weights):
            if path.is_file():
                return path
    raise input_error(str(what), "the run has no trained network yet", "Wait for its first generation.")


def _weights_of(what: Path, candidate_id: int) -> Path:
    """The file of a candidate's newest training in its search."""
    if not what.is_dir():
        raise input_error(f"--candidate {candidate_id}", f"only a run has candidates, and {what} is none")
    with RunFolder.open(what) as folder:
        candidate(folder, candidate_id)
        found = folder.newest_weights(candidate_id)
    if found is None:
        raise input_error(
            f"{what}: candidate {candidate_id}",
            "its weights are not kept: a run keeps those that its search still needs",
            f"Train it anew: train {what} --candidate {candidate_id}, and export the file that this writes.",
        )
    return found
