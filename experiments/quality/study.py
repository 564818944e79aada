"""All searches of a study: what is missing is made, and saved as it is made."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quality.arms import Arm, as_json
from quality.grounds import Cache, Request
from quality.searches import search
from quality.workers import Work, spread
from spenser_gee.atomic import write_json
from spenser_gee.errors import input_error


@dataclass(frozen=True)
class Study:
    """evaluations: plain budgets of each search."""

    request: Request
    arms: Mapping[str, Arm]
    seeds: range
    evaluations: int

    @property
    def label(self) -> str:
        """Of its rows: searches of other lengths are not compared."""
        return f"{self.request.label}; {self.evaluations} evaluations"


def make_searches(study: Study) -> Work:
    """For a process: does jobs (seed, names of arms). The arms of one seed share what they have trained."""
    ground = study.request.ground()

    def work(job: tuple[int, tuple[str, ...]]) -> Iterator[dict[str, Any]]:
        (seed, names), cache = job, Cache()
        for name in names:
            row = search(ground, study.arms[name], seed, study.evaluations, cache)
            steps = row["units"] * study.request.per_evaluation
            yield {"ground": study.label, "arm": name, **row, "steps": steps}

    return work


def run_study(study: Study, out: Path, workers: int) -> dict[str, Any]:
    """The results in the file, with all rows of the study. Raises InputError where it has another arm of a name."""
    results = read_results(out)
    for name, arm in study.arms.items():
        if results["arms"].setdefault(name, as_json(arm)) != as_json(arm):
            raise input_error(str(out), f'its arm "{name}" is another one', "Give this one another name.")
    done = {(row["ground"], row["arm"], row["seed"]) for row in results["rows"]}
    missing = [
        (seed, tuple(name for name in study.arms if (study.label, name, seed) not in done))
        for seed in study.seeds
    ]
    count = sum(len(names) for _, names in missing)
    rows = spread(make_searches, study, [job for job in missing if job[1]], workers)
    begun = saved = time.monotonic()
    writing = 0.0
    try:
        for number, row in enumerate(rows, 1):
            results["rows"].append(row)
            # The file grows: where searches take milliseconds, it is not written for each of them.
            if (now := time.monotonic()) - saved >= 10 * writing:
                write_json(out, results)
                saved = time.monotonic()
                writing = saved - now
                _say(row, number, count, now - begun)
    finally:
        write_json(out, results)
    return results


def read_results(out: Path) -> dict[str, Any]:
    """What was made before, or nothing."""
    found: dict[str, Any] = json.loads(out.read_text()) if out.exists() else {"arms": {}, "rows": []}
    return found


def endpoint(row: Mapping[str, Any]) -> float:
    """The mean of the trainings of the chosen network."""
    return float(sum(row["endpoints"]) / len(row["endpoints"]))


def _say(row: Mapping[str, Any], number: int, count: int, seconds: float) -> None:
    left = seconds / number * (count - number)
    name = f"{row['arm']}, seed {row['seed']}: {100 * endpoint(row):.2f} %"
    print(f"{number}/{count} searches, {left / 60:.0f} min left; {name}", flush=True)
