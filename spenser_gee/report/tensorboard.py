"""A run as TensorBoard event files. What happened when is taken from the run's records."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from spenser_gee.errors import input_error
from spenser_gee.report.run.inner_search import CURVES
from spenser_gee.runs.queries import (
    Curve,
    DetailedEvaluation,
    best_candidate,
    detailed_evaluations,
    final_result,
    generations,
    inner_search,
    inner_searched,
)
from spenser_gee.runs.store import RunFolder


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

    fitness/*, finals/*, candidates/*: by generation. best/*: the training of the best network in its last evaluation,
    by step. inner/*: its first inner search, by CMA-ES generation. final/*: the final training, by step, and its test.
    """
    yield from _generations(run)
    best = best_candidate(run)
    if best is not None:
        made = detailed_evaluations(run, best)
        yield from _training(made)
        yield from _inner(run, best, made)
    yield from _final(run)


def _generations(run: RunFolder) -> Iterator[Scalar]:
    for row in generations(run):
        step, time = row.generation, row.recorded
        for tag, value in (("best", row.best_mean), ("mean", row.mean_value)):
            if value is not None:
                # Of another budget: not on the same curve.
                yield Scalar(f"{'finals' if row.finals else 'fitness'}/{tag}", value, step, time)
        for status, count in row.counts.items():
            yield Scalar(f"candidates/{status}", count, step, time)


def _training(made: Sequence[DetailedEvaluation]) -> Iterator[Scalar]:
    last = [each for each in made if each.evaluated][-1]
    yield from _curve("best", last.curve, last.recorded)


def _curve(name: str, curve: Curve, time: float) -> Iterator[Scalar]:
    for step, *values in curve:
        for tag, value in zip(("loss", "accuracy"), values, strict=False):
            yield Scalar(f"{name}/training_{tag}", value, step, time)


def _inner(run: RunFolder, best: int, made: Sequence[DetailedEvaluation]) -> Iterator[Scalar]:
    first = inner_searched(run).get(best)
    if first is None:
        return
    (time,) = (each.recorded for each in made if each.generation == first)
    for number, step in enumerate(inner_search(run, best, first)):
        for key, _, _ in CURVES:
            # A generation without a living start has no values.
            if math.isfinite(value := getattr(step, key)):
                yield Scalar(f"inner/{key}", value, number, time)


def _final(run: RunFolder) -> Iterator[Scalar]:
    result = final_result(run)
    if result is None:
        return
    time = result.recorded
    yield from _curve("final", result.curve, time)
    for tag, value in (("test_accuracy", result.test_accuracy), ("test_loss", result.test_loss)):
        if value is not None:
            yield Scalar(f"final/{tag}", value, result.epochs, time)
