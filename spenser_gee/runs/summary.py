"""A run in one object, and its evaluations as a table."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING, Any

from spenser_gee.evaluation import STATUSES

if TYPE_CHECKING:  # the run folder offers these functions as methods
    from spenser_gee.runs.store import RunFolder


def summarise(run: RunFolder) -> dict[str, Any]:
    """JSON-able facts on a run, of finished generations and of the one going on.

    status: running | interrupted | finished | failed. generation: how many are finished. evaluations: made
    (not those taken over from an equal network). failed: of status failed. statuses: candidates' evaluations
    of each status. history: [{generation, best, mean}]. redrawn: infeasible and duplicate draws. seconds: of
    all sessions.
    best: {id, sentence, fitness, ...} or None; its fitness is the mean over its evaluations.
    """
    generations = run.rows("SELECT * FROM generations ORDER BY generation")
    statuses = dict.fromkeys(STATUSES, 0)
    made = 0
    for row in run.rows(
        "SELECT status, count(*) AS n, total(evaluated) AS made FROM evaluations GROUP BY status"
    ):
        statuses[row["status"]] = row["n"]
        made += int(row["made"])
    totals = {
        key: sum(row["counts"].get(key, 0) for row in generations)
        for key in ("redrawn_infeasible", "redrawn_duplicate", "duplicate")
    }
    history = [
        {"generation": row["generation"], "best": row["best_fitness"], "mean": row["mean_fitness"]}
        for row in generations
    ]
    return {
        "status": _status(run),
        "generation": len(generations),
        "evaluations": made,
        "failed": statuses["failed"],
        "statuses": statuses,
        "redrawn": {"infeasible": totals["redrawn_infeasible"], "duplicate": totals["redrawn_duplicate"]},
        "duplicates": totals["duplicate"],
        "seconds": round(seconds_spent(run), 3),
        "history": history,
        "best": _best(run, generations[-1])
        if generations and generations[-1]["best_id"] is not None
        else None,
        "final": _without_curve(run.final()),
    }


def _without_curve(final: dict[str, Any] | None) -> dict[str, Any] | None:
    """The final result in short: its training curve has thousands of points."""
    return final and {key: value for key, value in final.items() if key != "curve"}


def _status(run: RunFolder) -> str:
    # First the lock: a run that finishes between the two looks is then not taken for an interrupted one.
    running = run.is_running()
    events = run.rows("SELECT kind FROM events ORDER BY id DESC LIMIT 1")
    last = events[0]["kind"] if events else "start"
    if last in ("finished", "failed"):
        return str(last)
    return "running" if running else "interrupted"


def _best(run: RunFolder, last: dict[str, Any]) -> dict[str, Any]:
    candidate = run.candidate(last["best_id"])
    complete = [e for _, e in run.evaluations(last["best_id"]) if e.status == "complete"]
    final = run.final() or {}
    return {
        "id": candidate["id"],
        "sentence": candidate["sentence"],
        "fitness": last["best_mean"],
        "fitness_standard_error": last["best_standard_error"],
        "evaluations": len(complete),
        "objectives": dict(complete[-1].objectives) if complete else {},
        "parameters": complete[-1].cost.get("parameters") if complete else None,
        "test_accuracy": final.get("test_accuracy"),
    }


def seconds_spent(run: RunFolder) -> float:
    """Wall-clock seconds of all sessions: each from its start or resume to the last thing that it wrote.

    So the time of a killed session counts, and the time between sessions does not.
    """
    starts = [
        row["time"]
        for row in run.rows("SELECT time FROM events WHERE kind IN ('start', 'resume') ORDER BY id")
    ]
    total = 0.0
    for index, begin in enumerate(starts):
        end = starts[index + 1] if index + 1 < len(starts) else math.inf
        last = run.rows(
            "SELECT max(time) AS last FROM (SELECT recorded AS time FROM evaluations UNION ALL"
            " SELECT recorded FROM generations UNION ALL SELECT recorded FROM final UNION ALL"
            " SELECT time FROM events) WHERE time >= ? AND time < ?",
            begin,
            end,
        )[0]["last"]
        total += max(last - begin, 0.0) if last is not None else 0.0
    return total


def evaluations_csv(run: RunFolder) -> str:
    """One line an evaluation, ordered by generation and candidate; a column for each objective and cost."""
    rows = run.rows(
        "SELECT evaluations.*, candidates.generation AS born, parents_json, origin_json, sentence"
        " FROM evaluations JOIN candidates ON id = candidate_id ORDER BY evaluations.generation, candidate_id"
    )
    objectives = sorted({key for row in rows for key in row["objectives"]} - {"fitness"})
    costs = sorted({key for row in rows for key in row["cost"]})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    about = ("reason", "started", "finished", "worker")
    header = ["candidate", "generation", "born", "parents", "status", "fitness"]
    writer.writerow([*header, *objectives, *(f"cost_{key}" for key in costs), *about, "origin", "sentence"])
    for row in rows:
        who = [row["candidate_id"], row["generation"], row["born"], " ".join(map(str, row["parents"]))]
        values = [row["status"], row["fitness"], *(row["objectives"].get(key) for key in objectives)]
        spent = [row["cost"].get(key) for key in costs]
        made = ["; ".join(row["origin"]), row["sentence"]]
        writer.writerow([*who, *values, *spent, *(row[key] for key in about), *made])
    return text.getvalue()
