"""A run as TensorBoard event files. What happened when is taken from the run's records."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from spenser_gee.errors import input_error
from spenser_gee.report.run.facts import best_candidate
from spenser_gee.runs.store import RunFolder

# Keys of an inner search's record, as in report/inner_search.py.
_INNER = ("f", "loss", "r1", "r2", "sigma", "beta1", "beta2")


class Scalar(NamedTuple):
    """One value of a curve. time: seconds since the epoch."""

    tag: str
    value: float
    step: int
    time: float


def write_events(run: RunFolder, folder: Path) -> None:
    """Writes everything that `scalars` finds into `folder`.

    Raises InputError where the package tensorboard is not installed, or the folder is not empty: TensorBoard would
    draw two runs there as one.
    """
    if find_spec("tensorboard") is None:
        raise input_error("tensorboard", "it is not installed", 'pip install "spenser-gee[tensorboard]"')
    _require_empty(folder)
    from torch.utils.tensorboard import SummaryWriter

    with run.trusting():
        found = list(scalars(run))
    try:
        with SummaryWriter(str(folder)) as writer:
            for scalar in found:
                writer.add_scalar(*scalar)
    except OSError as error:
        raise _unwritable(folder, error) from error


def _require_empty(folder: Path) -> None:
    try:
        occupied = folder.exists() and any(folder.iterdir())
    except OSError as error:
        raise _unwritable(folder, error) from error
    if occupied:
        raise input_error(str(folder), "the folder is not empty", "name a new one")


def _unwritable(folder: Path, error: OSError) -> Exception:
    return input_error(str(folder), f"events cannot be written here: {error.strerror}", "name another folder")


def scalars(run: RunFolder) -> Iterator[Scalar]:
    """Every value of a run that TensorBoard can draw.

    fitness/*, candidates/*: by generation. best/*: the training of the best network in its last evaluation, by step.
    inner/*: its first inner search, by CMA-ES generation. final/*: the final training, by step, and its test.
    """
    yield from _generations(run)
    best = best_candidate(run)
    if best is not None:
        yield from _training(run, best)
        yield from _inner(run, best)
    yield from _final(run)


def _generations(run: RunFolder) -> Iterator[Scalar]:
    for row in run.rows("SELECT * FROM generations ORDER BY generation"):
        step, time = row["generation"], row["recorded"]
        for tag, value in (("best", row["best_mean"]), ("mean", row["mean_fitness"])):
            if value is not None:
                yield Scalar(f"fitness/{tag}", value, step, time)
        for status, count in row["counts"].items():
            yield Scalar(f"candidates/{status}", count, step, time)


def _training(run: RunFolder, best: int) -> Iterator[Scalar]:
    row = run.rows(
        "SELECT details_json, recorded FROM evaluations WHERE candidate_id = ? AND evaluated"
        " ORDER BY generation DESC LIMIT 1",
        best,
    )[0]
    yield from _curve("best", row["details"], row["recorded"])


def _curve(name: str, details: Mapping[str, Any], time: float) -> Iterator[Scalar]:
    """Loss and accuracy by step; early versions recorded no accuracy."""
    for step, *values in details.get("curve", ()):
        for tag, value in zip(("loss", "accuracy"), values, strict=False):
            yield Scalar(f"{name}/training_{tag}", value, step, time)


def _inner(run: RunFolder, best: int) -> Iterator[Scalar]:
    rows = run.rows(
        "SELECT cma_generation, values_json, recorded FROM inner JOIN evaluations USING (candidate_id, generation)"
        " WHERE candidate_id = ? AND generation = (SELECT min(generation) FROM inner WHERE candidate_id = ?)"
        " ORDER BY cma_generation",
        best,
        best,
    )
    for row in rows:
        for key in _INNER:
            value = row["values"].get(key)
            # A generation without a living start has no values.
            if value is not None and math.isfinite(value):
                yield Scalar(f"inner/{key}", value, row["cma_generation"], row["recorded"])


def _final(run: RunFolder) -> Iterator[Scalar]:
    rows = run.rows("SELECT result_json, recorded FROM final")
    if not rows:
        return
    result, time = rows[0]["result"], rows[0]["recorded"]
    yield from _curve("final", result, time)
    for key in ("test_accuracy", "test_loss"):
        if result.get(key) is not None:
            yield Scalar(f"final/{key}", result[key], result.get("epochs", 0), time)
