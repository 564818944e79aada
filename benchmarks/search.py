"""Where the time of a search goes: the workers' time of a run folder, divided among what was done in it.

    python benchmarks/search.py RUN --out docs/results/performance/search.json

Workers' time is wall-clock time of the generations, times the number of workers. training, inner search and measuring
are the networks' own work (forward, backward, optimiser, and their batches); everything else is overhead. waiting
is that of a worker without a candidate until the last one of its generation is done. Further training after the
search does not count. Reads the run only.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from measure import arguments, save, table

from spenser_gee.errors import input_error, run_script
from spenser_gee.runs.store import RunFolder

NETWORKS = ("training", "inner search", "measuring")
REST = ("building and saving networks", "starting workers", "proposing and recording")
WAITING = "waiting"
COSTS = {"training": "training_seconds", "inner search": "start_seconds", "measuring": "measuring_seconds"}
GOAL_SECONDS = 10.0  # of a candidate, for which the goal is stated

Row = Mapping[str, Any]


def account(run: RunFolder) -> dict[str, Any]:
    """Seconds of workers' time for each purpose. Raises InputError for a run without a whole generation, and for a
    resumed one, where the times of its sessions cannot be told apart."""
    where = str(run.path)
    events = run.rows("SELECT kind, time FROM events ORDER BY id")
    if any(event["kind"] == "resume" for event in events):
        raise input_error(where, "the run was resumed", "Name a run that was made in one session.")
    generations = run.rows("SELECT seconds, recorded FROM generations ORDER BY generation")
    evaluations = run.rows(
        "SELECT started, finished, cost_json FROM evaluations JOIN generations USING (generation)"
        " WHERE started IS NOT NULL ORDER BY started"
    )
    if not generations or not evaluations:
        raise input_error(
            where, "the run has no finished generation with an evaluation", "Let it run longer."
        )
    workers = most_at_once(evaluations)
    busy = sum(row["finished"] - row["started"] for row in evaluations)
    seconds = {
        purpose: sum(row["cost"].get(cost, 0.0) for row in evaluations) for purpose, cost in COSTS.items()
    }
    seconds["building and saving networks"] = busy - sum(seconds.values())
    first = generations[0]["recorded"] - generations[0]["seconds"]
    seconds["starting workers"] = workers * (evaluations[0]["started"] - first)
    seconds[WAITING] = workers * evaluating(generations, evaluations) - busy
    total = workers * sum(row["seconds"] for row in generations)
    seconds["proposing and recording"] = total - sum(seconds.values())
    fixed = sum(seconds[purpose] for purpose in REST)
    each = fixed / len(evaluations)
    return {
        "workers": workers,
        "generations": len(generations),
        "evaluations": len(evaluations),
        "seconds_a_candidate": statistics.mean(row["finished"] - row["started"] for row in evaluations),
        "total_seconds": total,
        "seconds": {purpose: seconds[purpose] for purpose in (*NETWORKS, *REST, WAITING)},
        "overhead": fixed / total,
        "overhead_with_waiting": (fixed + seconds[WAITING]) / total,
        "overhead_at_goal_seconds": each / (each + GOAL_SECONDS),
    }


def most_at_once(evaluations: Sequence[Row]) -> int:
    """How many evaluations ran at the same time at most: the workers that the run used."""
    ends = [(row["started"], 1) for row in evaluations] + [(row["finished"], -1) for row in evaluations]
    running = most = 0
    # An end comes before a start at the same moment.
    for _, change in sorted(ends):
        running += change
        most = max(most, running)
    return most


def evaluating(generations: Sequence[Row], evaluations: Sequence[Row]) -> float:
    """Seconds from the first start to the last end of evaluations, summed over the generations."""
    seconds = 0.0
    for generation in generations:
        begin, end = generation["recorded"] - generation["seconds"], generation["recorded"]
        own = [row for row in evaluations if begin <= row["started"] <= end]
        if own:
            seconds += max(row["finished"] for row in own) - min(row["started"] for row in own)
    return seconds


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Accounts for one run."""
    options = arguments(__doc__, argv, ("run", {"metavar": "RUN", "help": "a run folder"}))
    with RunFolder.open(options.run) as run:
        found, config = account(run), run.config()
    results = save(options, "search", config["data"]["dataset"], [found], run_settings=config["search"])
    print(tables(results))
    return results


def tables(results: dict[str, Any]) -> str:
    """In Markdown."""
    found = results["rows"][0]
    lines = [
        [purpose, f"{seconds:.1f}", f"{seconds / found['total_seconds']:.1%}"]
        for purpose, seconds in found["seconds"].items()
    ]
    lines.append(["all", f"{found['total_seconds']:.1f}", "100.0%"])
    about = (
        f"{found['evaluations']} evaluations of {found['seconds_a_candidate']:.1f} s on average, "
        f"{found['generations']} generations, {found['workers']} workers."
    )
    return table(["workers' time", "seconds", "share"], lines) + f"\n\n{about}"


if __name__ == "__main__":
    run_script(main)
