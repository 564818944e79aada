"""How often is a training given up that should not have been? The rule replayed over recorded learning curves.

    python -m spenser_gee run CONFIG --out runs/NAME --set training.abandon=false        (several, of several seeds)
    python experiments/abandonment.py --group NAME runs/... --group NAME runs/... --out docs/results/abandonment.json

A candidate that would have been given up although its fitness reached the parent's on the same draw, so that it would
have replaced the parent, is a false kill. Each generation is taken as it was recorded: what a search would have found
after a false kill is not known, and every batch is taken for a full one. Bounds are one-sided, of 95 % (Clopper and
Pearson 1934). Prints a table in Markdown for each group of runs: those on which the margin was chosen and fresh ones
belong apart.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from scipy.stats import beta

from spenser_gee.atomic import write_json
from spenser_gee.errors import input_error
from spenser_gee.evaluation import Evaluation
from spenser_gee.runs import queries
from spenser_gee.runs.queries import RecordedGeneration
from spenser_gee.runs.store import RunFolder
from spenser_gee.training.meter import Entry
from spenser_gee.training.rival import ERRORS, FIRST_LOOK, MARGIN, Rival

MARGINS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4)
FIRST_LOOKS = (0.1, 0.3, 0.5, 0.7)


@dataclass(frozen=True)
class Recorded:
    """A newcomer of a generation that had a parent. wins: the generation's best was this one."""

    rival: Rival
    entries: tuple[Entry, ...]
    steps: int
    reaches: bool
    wins: bool

    def steps_saved(self, margin: float, first_look: float) -> int | None:
        """Of its training, if it is given up; else None."""
        rival = replace(self.rival, margin=margin, first_look=first_look)
        stops = (entry.step for entry in self.entries if rival.reason_to_give_up(entry))
        step = next(stops, None)
        return None if step is None else self.steps - step


@dataclass(frozen=True)
class Run:
    """What a run folder says. steps: of all trainings in its search."""

    name: str
    steps: int
    generations: int
    newcomers: tuple[Recorded, ...]


def read_run(path: Path) -> Run:
    """Raises InputError for a run whose own trainings were given up."""
    with RunFolder.open(path) as folder:
        config = folder.config()
        if config["training"]["abandon"]:
            raise input_error(
                str(path), "in this run trainings were given up", "Record with training.abandon=false."
            )
        generations = queries.generations(folder)
        steps = sum(int(one.cost.get("training_steps", 0)) for one in queries.evaluations(folder))
        batch_size = config["data"]["batch_size"]
        newcomers = [
            recorded
            for before, now in pairwise(generations)
            for recorded in _generation(folder, before, now, batch_size)
        ]
        name = f"{config['name']}, seed {config['seed']}"
        return Run(name, steps, len(generations) - 1, tuple(newcomers))


def _generation(
    folder: RunFolder, before: RecordedGeneration, now: RecordedGeneration, batch_size: int
) -> Iterator[Recorded]:
    if not before.front:
        return
    best = before.front[0]
    rival = Rival.of_curve(dict(folder.evaluations(best.id))[best.trained].curve, batch_size)
    done = {
        candidate: evaluation
        for candidate, (_, evaluation) in folder.recorded(now.generation).items()
        if evaluation.status == "complete" and evaluation.evaluated
    }
    # As the search does where the parent's evaluation failed: its mean over the earlier generations.
    target = done[best.id].objectives["fitness"] if best.id in done else best.means["fitness"]
    for candidate, evaluation in done.items():
        if candidate != best.id:
            yield Recorded(
                rival,
                _entries(evaluation, batch_size),
                int(evaluation.cost["training_steps"]),
                evaluation.objectives["fitness"] >= target,
                candidate == now.best_id,
            )


def _entries(evaluation: Evaluation, batch_size: int) -> tuple[Entry, ...]:
    curve = evaluation.curve
    total = evaluation.cost["training_steps"]
    ends = [0, *(entry[0] for entry in curve)]
    return tuple(
        Entry(step, step / total, loss, accuracy, (step - begin) * batch_size, True)
        for begin, (step, loss, accuracy) in zip(ends, curve, strict=False)
    )


def replay(runs: Sequence[Run], margin: float, first_look: float) -> dict[str, Any]:
    """What the rule would have done."""
    newcomers = [one for run in runs for one in run.newcomers]
    given_up = [
        (one, saved) for one in newcomers if (saved := one.steps_saved(margin, first_look)) is not None
    ]
    false = sum(one.reaches for one, _ in given_up)
    reaching = sum(one.reaches for one in newcomers)
    return {
        "first_look": first_look,
        "margin": margin,
        "candidates": len(newcomers),
        "abandoned": len(given_up),
        "steps_saved": sum(saved for _, saved in given_up) / sum(run.steps for run in runs),
        "false_kills": false,
        "false_kills_bound": upper_bound(false, len(given_up)),
        "reaching_the_parent": reaching,
        "of_those_bound": upper_bound(false, reaching),
        "other_winners": sum(one.wins for one, _ in given_up),
        "generations": sum(run.generations for run in runs),
    }


def upper_bound(hits: int, count: int) -> float:
    """Of the probability, at 95 %."""
    return 1.0 if hits >= count else float(beta.ppf(0.95, hits + 1, count - hits))


def table(rows: Sequence[dict[str, Any]]) -> str:
    """In Markdown."""
    text = [
        "| first look | margin | abandoned | steps saved | false kills, of those that reach the parent | other winners |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        chosen = "**" if (row["margin"], row["first_look"]) == (MARGIN, FIRST_LOOK) else ""
        text.append(
            f"| {row['first_look']:.0%} | {chosen}{row['margin']:.2f}{chosen} "
            f"| {row['abandoned']} of {row['candidates']} | {row['steps_saved']:.1%} "
            f"| {row['false_kills']} of {row['reaching_the_parent']} (at most {row['of_those_bound']:.1%}) "
            f"| {row['other_winners']} of {row['generations']} generations |"
        )
    return "\n".join(text)


def main() -> None:
    """Reads the runs, prints the tables and writes the numbers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--group", nargs="+", action="append", required=True, metavar="NAME RUN")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    results: dict[str, Any] = {"errors": ERRORS, "groups": {}}
    for name, *paths in options.group:
        runs = [read_run(Path(path)) for path in paths]
        rows = [replay(runs, margin, first_look) for first_look in FIRST_LOOKS for margin in MARGINS]
        print(f"{name}: {len(runs)} runs\n\n{table(rows)}\n")
        named = [{"run": run.name, "candidates": len(run.newcomers), "steps": run.steps} for run in runs]
        results["groups"][name] = {"runs": named, "rows": rows}
    if options.out is not None:
        write_json(options.out, results)


if __name__ == "__main__":
    main()
