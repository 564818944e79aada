"""What readers ask of a run: all their SQL, as functions of an open run that give typed values.

Each takes what it reads for what was written, and raises InputError where it is not: a damaged database is found here,
so nothing that is done with the values can be mistaken for one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from spenser_gee.errors import input_error
from spenser_gee.evaluation import Status
from spenser_gee.runs.store import EventKind, RunFolder
from spenser_gee.runs.typed import from_json
from spenser_gee.search.record import GenerationSummary
from spenser_gee.search.strategy import Standing

# A training's points: step and loss, and the accuracy, which an early version did not record.
Curve = tuple[tuple[int, float] | tuple[int, float, float], ...]


@dataclass(frozen=True)
class Event:
    """What happened to a run, and when."""

    time: float
    kind: EventKind


@dataclass(frozen=True)
class RecordedGeneration(GenerationSummary):
    """A finished generation, and when it was finished. What is said of the best is of the first of the front; values
    are of the first declared objective, and None while there is none."""

    recorded: float

    @property
    def best_id(self) -> int | None:
        """The best candidate."""
        return self.front[0].id if self.front else None

    @property
    def best_value(self) -> float | None:
        """Its latest value."""
        return _first(self.front[0].latest) if self.front else None

    @property
    def best_mean(self) -> float | None:
        """The mean over its evaluations."""
        return _first(self.front[0].means) if self.front else None

    @property
    def best_standard_error(self) -> float | None:
        """Of that mean; None for a single evaluation."""
        return _first(self.front[0].errors) if self.front else None

    @property
    def mean_value(self) -> float | None:
        """The mean over the complete evaluations of the generation."""
        return _first(self.means)


def _first(values: Mapping[str, float]) -> float | None:
    return next(iter(values.values()), None)


@dataclass(frozen=True)
class RecordedCandidate:
    """A candidate without its genotype. generation: of its birth. origin: what made it of its parents."""

    id: int
    generation: int
    parents: tuple[int, ...]
    origin: tuple[str, ...]
    sentence: str
    phenotype_key: str


@dataclass(frozen=True)
class RecordedEvaluation:
    """An evaluation without its details. evaluated: not taken over from an equal network."""

    candidate_id: int
    generation: int
    status: Status
    objectives: Mapping[str, float]
    errors: Mapping[str, float]
    measures: Mapping[str, float]
    cost: Mapping[str, float]
    reason: str
    evaluated: bool
    started: float | None = None
    finished: float | None = None
    worker: str | None = None

    @property
    def times(self) -> tuple[float, float] | None:
        """Begin and end, where it came from a worker."""
        return None if self.started is None or self.finished is None else (self.started, self.finished)

    @property
    def value(self) -> float | None:
        """Of the first objective, where it is complete."""
        return _first(self.objectives)

    @property
    def effort(self) -> float:
        """How many times the budget it might spend."""
        return self.cost.get("effort", 1.0)

    @property
    def own_value(self) -> float | None:
        """The value, where it was measured on this very network."""
        return self.value if self.evaluated else None

    @property
    def error(self) -> float | None:
        """The standard error of the value, where it has one."""
        return self.errors.get(next(iter(self.objectives), ""))


@dataclass(frozen=True)
class StartFound:
    """How the start of a training was found. cost: in training steps. guard: losses of the starts it was chosen from."""

    chosen: str = "unknown"
    cost: float = 0.0
    guard: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Details:
    """Of an evaluation, as far as they are shown."""

    start: StartFound = StartFound()


@dataclass(frozen=True)
class DetailedEvaluation:
    """The details of one evaluation of a candidate."""

    generation: int
    evaluated: bool
    curve: Curve
    details: Details
    recorded: float


@dataclass(frozen=True)
class InnerStep:
    """One generation of CMA-ES: of its best start f, its terms, and where the search stood; means over its living
    starts; and how many were dead. NaN where there is no value."""

    f: float = math.nan
    loss: float = math.nan
    r1: float = math.nan
    r2: float = math.nan
    sigma: float = math.nan
    beta1: float = math.nan
    beta2: float = math.nan
    loss_mean: float = math.nan
    r1_mean: float = math.nan
    r2_mean: float = math.nan
    dead: float = 0.0


@dataclass(frozen=True)
class Final:
    """The final training and test. id, generation: of the network. tests: how many networks of the run were tested.
    recorded: when."""

    test_accuracy: float
    test_standard_error: float
    test_images: int
    epochs: int
    parameters: int
    dense_parameters: int
    recorded: float
    test_loss: float | None = None
    firing_rates: tuple[float, ...] = ()
    training_seconds: float = 0.0
    test_seconds: float = 0.0
    curve: Curve = ()
    id: int | None = None
    generation: int | None = None
    tests: int = 1


def events(run: RunFolder) -> list[Event]:
    """In their order."""
    return _read(run, Event, "SELECT time, kind FROM events ORDER BY id")


def generations(run: RunFolder) -> list[RecordedGeneration]:
    """The finished ones, in order."""
    return _read(run, RecordedGeneration, "SELECT * FROM generations ORDER BY generation")


def best_standing(run: RunFolder) -> Standing | None:
    """The first of the last generation's front, or None."""
    finished = generations(run)
    return finished[-1].front[0] if finished and finished[-1].front else None


def best_candidate(run: RunFolder) -> int | None:
    """The best of the finished generations, or None."""
    best = best_standing(run)
    return None if best is None else best.id


_CANDIDATES = "SELECT id, generation, parents_json, origin_json, sentence, phenotype_key FROM candidates"


def candidates(run: RunFolder) -> list[RecordedCandidate]:
    """All, by id."""
    return _read(run, RecordedCandidate, f"{_CANDIDATES} ORDER BY id")


def candidate(run: RunFolder, number: int) -> RecordedCandidate:
    """One of them. Raises InputError for an unknown id."""
    last = run.rows("SELECT max(id) AS id FROM candidates")[0]["id"]
    # SQLite refuses larger integers than its own.
    known = last is not None and number <= last
    found = _read(run, RecordedCandidate, f"{_CANDIDATES} WHERE id = ?", number) if known else []
    if not found:
        known = "there is none yet" if last is None else f"ids go from 0 to {last}"
        raise input_error(str(run.path), f"no candidate {number}: {known}")
    return found[0]


def evaluations(run: RunFolder) -> list[RecordedEvaluation]:
    """All, those of the generation that goes on too, by generation and candidate."""
    return _read(
        run,
        RecordedEvaluation,
        "SELECT candidate_id, generation, status, objectives_json, errors_json, measures_json, cost_json, reason,"
        " evaluated, started, finished, worker FROM evaluations ORDER BY generation, candidate_id",
    )


def detailed_evaluations(run: RunFolder, candidate_id: int) -> list[DetailedEvaluation]:
    """Of a candidate, by generation."""
    return _read(
        run,
        DetailedEvaluation,
        "SELECT generation, evaluated, curve_json, details_json, recorded FROM evaluations WHERE candidate_id = ?"
        " ORDER BY generation",
        candidate_id,
    )


def inner_searched(run: RunFolder) -> dict[int, int]:
    """Candidate -> the generation of its first inner search."""
    rows = run.rows("SELECT candidate_id, min(generation) AS first FROM inner GROUP BY candidate_id")
    return {row["candidate_id"]: row["first"] for row in rows}


def inner_search(run: RunFolder, candidate_id: int, generation: int) -> list[InnerStep]:
    """The inner search of one evaluation; empty where there was none."""
    rows = run.rows(
        "SELECT values_json FROM inner WHERE candidate_id = ? AND generation = ? ORDER BY cma_generation",
        candidate_id,
        generation,
    )
    with run.trusting():
        # Without a living start a generation has no values; some were written as null.
        values = [{key: v for key, v in row["values"].items() if v is not None} for row in rows]
    return _typed(run, InnerStep, values)


def final_result(run: RunFolder) -> Final | None:
    """Of the final training and test, once they were made."""
    rows = run.rows("SELECT result_json, recorded FROM final")
    with run.trusting():
        values = [{**row["result"], "recorded": row["recorded"]} for row in rows]
    return next(iter(_typed(run, Final, values)), None)


_Row = TypeVar("_Row")


def _read(run: RunFolder, kind: type[_Row], query: str, *parameters: Any) -> list[_Row]:
    return _typed(run, kind, run.rows(query, *parameters))


def _typed(run: RunFolder, kind: type[_Row], rows: Sequence[Mapping[str, Any]]) -> list[_Row]:
    with run.trusting():
        return from_json(list[kind], rows)  # type: ignore[valid-type]
