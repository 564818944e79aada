"""A run in one object, and its evaluations as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from spenser_gee.errors import printable
from spenser_gee.evaluation import STATUSES
from spenser_gee.objective import Objective
from spenser_gee.runs import queries
from spenser_gee.runs.origin import config_of
from spenser_gee.runs.queries import Final, RecordedEvaluation, RecordedGeneration
from spenser_gee.runs.store import RunFolder
from spenser_gee.search.strategy import Standing


@dataclass(frozen=True)
class Best:
    """The best candidate. Its fitness is the mean over its evaluations, its objectives are those of the last one."""

    id: int
    sentence: str
    fitness: float | None
    fitness_standard_error: float | None
    evaluations: int
    objectives: Mapping[str, float]
    parameters: float | None
    test_accuracy: float | None


@dataclass(frozen=True)
class Member:
    """One of the front: for each objective the mean over its evaluations, and its standard error where it has one."""

    id: int
    sentence: str
    means: Mapping[str, float]
    errors: Mapping[str, float]
    parameters: float | None


@dataclass(frozen=True)
class Summary:
    """Facts on a run, of finished generations and of the one going on.

    status: running | interrupted | finished | failed. generation: how many are finished. evaluations: made
    (not those taken over from an equal network). failed: of status failed. statuses: candidates' evaluations
    of each status. redrawn: infeasible and duplicate draws. seconds: of all sessions. front: of the last generation, the
    best first. objectives: where there are several.
    """

    status: str
    generation: int
    evaluations: int
    failed: int
    statuses: Mapping[str, int]
    redrawn: Mapping[str, int]
    duplicates: int
    seconds: float
    history: tuple[RecordedGeneration, ...]
    best: Best | None
    front: tuple[Member, ...]
    objectives: tuple[Objective, ...]
    final: Final | None

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values. The final training's curve is left out: it has thousands of points."""
        values = asdict(self)
        del values["objectives"]
        values["history"] = [
            {
                "generation": row.generation,
                "best": row.best_value,
                "mean": row.mean_value,
                "finals": row.finals,
            }
            for row in self.history
        ]
        if self.final is not None:
            values["final"] = {
                key: value
                for key, value in values["final"].items()
                if key not in ("curve", "recorded") and value is not None
            }
        return values


def summarise(run: RunFolder) -> Summary:
    """The summary of a run as it stands.

    Args:
        run: open, also while its search goes on.

    Returns:
        Status, counts, history, the front, the best network and its test; `to_dict` is what `show --json` prints.

    Raises:
        InputError: the run's database is damaged.
    """
    # First the lock: a run that finishes between the looks is then not taken for an interrupted one.
    running = run.is_running()
    happened = queries.events(run)
    finished = queries.generations(run)
    made = queries.evaluations(run)
    final = queries.final_result(run)
    statuses: dict[str, int] = {status: sum(each.status == status for each in made) for status in STATUSES}
    last = happened[-1].kind if happened else "start"
    best = finished[-1].best_id if finished else None
    front = finished[-1].front if finished else ()
    several = any(len(standing.means) > 1 for standing in front)
    return Summary(
        status=last if last in ("finished", "failed") else "running" if running else "interrupted",
        generation=len(finished),
        evaluations=sum(each.evaluated for each in made),
        failed=statuses["failed"],
        statuses=statuses,
        redrawn={
            "infeasible": _total(finished, "redrawn_infeasible"),
            "duplicate": _total(finished, "redrawn_duplicate"),
        },
        duplicates=_total(finished, "duplicate"),
        seconds=round(run.seconds_spent(), 3),
        history=tuple(finished),
        best=None if best is None else _best(run, best, finished[-1], made, final),
        front=tuple(_member(run, standing, made) for standing in front),
        objectives=config_of(run).strives_for if several else (),
        final=final,
    )


def _total(finished: Sequence[RecordedGeneration], count: str) -> int:
    return sum(row.counts.get(count, 0) for row in finished)


def _best(
    run: RunFolder,
    best: int,
    last: RecordedGeneration,
    made: Sequence[RecordedEvaluation],
    final: Final | None,
) -> Best:
    complete = _complete(made, best)
    return Best(
        id=best,
        sentence=queries.candidate(run, best).sentence,
        fitness=last.best_mean,
        fitness_standard_error=last.best_standard_error,
        evaluations=len(complete),
        objectives=_figures(complete[-1]) if complete else {},
        parameters=_parameters(complete),
        test_accuracy=final.test_accuracy if final else None,
    )


def _member(run: RunFolder, standing: Standing, made: Sequence[RecordedEvaluation]) -> Member:
    number = standing.id
    sentence = queries.candidate(run, number).sentence
    return Member(number, sentence, standing.means, standing.errors, _parameters(_complete(made, number)))


def _complete(made: Sequence[RecordedEvaluation], number: int) -> list[RecordedEvaluation]:
    return [each for each in made if each.candidate_id == number and each.status == "complete"]


def _parameters(complete: Sequence[RecordedEvaluation]) -> float | None:
    return complete[-1].cost.get("parameters") if complete else None


def _figures(each: RecordedEvaluation) -> dict[str, float]:
    """Objectives, the standard error of the first, and measures, as they have always been shown."""
    error = {} if each.error is None else {"standard_error": each.error}
    return {**each.objectives, **error, **each.measures}


def evaluations_csv(run: RunFolder) -> str:
    """One line an evaluation, ordered by generation and candidate; a column for each objective and cost."""
    made = queries.evaluations(run)
    known = {candidate.id: candidate for candidate in queries.candidates(run)}
    figures = sorted({key for each in made for key in _figures(each)} - {"fitness"})
    costs = sorted({key for each in made for key in each.cost})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    header = ["candidate", "generation", "born", "parents", "status", "fitness", *figures]
    about = ["reason", "started", "finished", "worker", "origin", "sentence"]
    writer.writerow([*header, *(f"cost_{key}" for key in costs), *about])
    for each in made:
        who = known.get(each.candidate_id)
        if who is None:
            continue
        writer.writerow(
            [
                *(each.candidate_id, each.generation, who.generation, " ".join(map(str, who.parents))),
                *(each.status, each.objectives.get("fitness"), *(_figures(each).get(key) for key in figures)),
                *(each.cost.get(key) for key in costs),
                # A bare carriage return would end the line for some readers.
                *(printable(each.reason), each.started, each.finished, each.worker),
                *(printable("; ".join(who.origin)), who.sentence),
            ]
        )
    return text.getvalue()
