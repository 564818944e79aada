"""Does the budget of a candidate rank networks as a longer training does?

    python experiments/fidelity.py configs/fmnist_small.yaml --data-root DATA --budget 40 1000 --workers 2

Random networks of the configuration's space, feasible and all different, are each trained from birth with the budget of
its candidates and with four times of it, on other draws; --budget adds budgets in steps, which are compared with the
same long training. Spearman's rho with a bootstrap interval of 95 %: over the networks that both trainings gave a
fitness, and over all, where those without one rank below all others, as equals. What --out has already is not trained
again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from quality.training import CPU, evaluate, start_process
from quality.workers import Work, spread
from scipy import stats

from spenser_gee.atomic import write_json
from spenser_gee.config import Config, load_config
from spenser_gee.data import load_data, resolve_data
from spenser_gee.errors import input_error, run_script
from spenser_gee.fitness.evaluator import Candidacy
from spenser_gee.fitness.task import make_task
from spenser_gee.fitness.trained import resolve_budget
from spenser_gee.grammar.load import load_grammar
from spenser_gee.rng import derive_seed, stream
from spenser_gee.search.proposals import Proposer
from spenser_gee.session.setup import make_space

LONGER = 4  # times the candidates' budget
RESAMPLES = 2000
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    """budgets: of steps, beside the configuration's own. terms: of the inner search, or None for the configured."""

    path: Path
    data_root: str | None
    networks: int
    budgets: tuple[int, ...]
    terms: str | None

    def config(self) -> Config:
        """With the data's root and the terms. Raises InputError."""
        terms = [] if self.terms is None else [f"initialisation.terms={self.terms}"]
        config = load_config(self.path, terms)
        return config.model_copy(update={"data": resolve_data(config.data, self.data_root)})

    @property
    def label(self) -> str:
        """Of its rows."""
        config = self.config()
        return f"{config.name}, seed {config.seed}, inner search {config.initialisation.terms}"


@dataclass(frozen=True)
class Job:
    """One network: the steps to train it for, as far as they are missing."""

    number: int
    spec: Any
    budgets: tuple[int, ...]


def plan_jobs(request: Request, done: Sequence[Row]) -> tuple[list[Job], tuple[int, int]]:
    """What is missing, and the configuration's own budget and the long one, in steps. Raises InputError."""
    config = request.config()
    grammar, data = load_grammar(config.grammar), load_data(config.data)
    task = make_task(data.train, data.class_count, config.data, config.seed, CPU)
    own = resolve_budget(config.training, task.evo_train.steps_per_epoch).steps
    if own is None:
        raise input_error(str(request.path), "its budget is in seconds", "Give it steps or epochs.")
    proposer = Proposer(make_space(config, grammar, data), {}, 0, config.search.redraws)
    known = {(row["network"], row["steps"]) for row in done}
    jobs = []
    for number in range(request.networks):
        proposal = proposer.fresh(stream(config.seed, "fidelity", number))
        if not proposal.is_new:
            raise input_error(
                str(request.path),
                f"only {number} different networks were found",
                "Ask for fewer: --networks.",
            )
        budgets = sorted({own, LONGER * own, *request.budgets})
        missing = tuple(steps for steps in budgets if (number, steps) not in known)
        if missing:
            jobs.append(Job(number, proposal.candidate.payload.spec, missing))
    return jobs, (own, LONGER * own)


def make_trainings(request: Request) -> Work:
    """For a process."""
    start_process()
    config, label = request.config(), request.label
    data = load_data(config.data)
    task = make_task(data.train, data.class_count, config.data, config.seed, CPU)

    def work(job: Job) -> Iterator[dict[str, Any]]:
        for steps in job.budgets:
            budget = {"steps": steps, "epochs": None, "seconds": None}
            training = config.training.model_copy(update=budget)
            candidacy = Candidacy(job.spec, derive_seed(config.seed, "fidelity", steps))
            begun = time.monotonic()
            found = evaluate(config.model_copy(update={"training": training}), task, candidacy)
            yield {
                "configuration": label,
                "network": job.number,
                "steps": steps,
                "fitness": found.objectives.get("fitness"),
                "status": found.status,
                "reason": found.reason,
                "seconds": time.monotonic() - begun,
            }

    return work


def rank_agreement(short: Sequence[float | None], long: Sequence[float | None]) -> dict[str, Any]:
    """Spearman's rho of both kinds, each with its interval, and the shares without a fitness."""
    pairs = list(zip(short, long, strict=True))
    alive = [(a, b) for a, b in pairs if a is not None and b is not None]
    every = [(-1.0 if a is None else a, -1.0 if b is None else b) for a, b in pairs]
    return {
        "networks": len(pairs),
        "dead_short": sum(a is None for a, _ in pairs) / len(pairs),
        "dead_long": sum(b is None for _, b in pairs) / len(pairs),
        "alive": _rho(np.array(alive)),
        "all": _rho(np.array(every)),
    }


def _rho(pairs: np.ndarray) -> list[float] | None:
    """rho, and the bounds of its percentile interval over resampled networks; None where it is not defined."""
    if len(pairs) < 3 or not np.ptp(pairs, axis=0).all():
        return None
    rng = stream(0, "bootstrap")
    chosen = rng.integers(len(pairs), size=(RESAMPLES, len(pairs)))
    ranks = stats.rankdata(pairs[chosen], axis=1)
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    norms = np.sqrt((centred**2).sum(axis=1).prod(axis=1))
    rhos = (centred.prod(axis=2).sum(axis=1) / np.where(norms > 0, norms, np.nan))[norms > 0]
    return [float(stats.spearmanr(*pairs.T).statistic), *map(float, np.quantile(rhos, (0.025, 0.975)))]


def analyse(rows: Sequence[Row], own: int, longest: int) -> list[dict[str, Any]]:
    """One entry for each budget but the longest: over the networks trained for both."""
    by_steps: dict[int, dict[int, Row]] = {}
    for row in rows:
        by_steps.setdefault(row["steps"], {})[row["network"]] = row
    long, found = by_steps.get(longest, {}), []
    for steps, short in sorted(by_steps.items()):
        if shared := sorted(short.keys() & long.keys() if steps != longest else ()):
            fitnesses = [[one[number]["fitness"] for number in shared] for one in (short, long)]
            seconds = float(np.mean([short[number]["seconds"] for number in shared]))
            entry = {"steps": steps, "own": steps == own, "longest": longest, "seconds": seconds}
            found.append({**entry, **rank_agreement(*fitnesses)})
    return found


def table(label: str, found: Sequence[Row]) -> str:
    """In Markdown; the configuration's own budget in bold."""
    lines = [
        "| configuration | steps | compared with | networks | dead, of both | rho, alive in both | rho, all | s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in found:
        steps = f"**{row['steps']}**" if row["own"] else str(row["steps"])
        cells = [
            "-" if row[kind] is None else "{:.2f} ({:.2f} to {:.2f})".format(*row[kind])
            for kind in ("alive", "all")
        ]
        dead = f"{row['dead_short']:.0%}, {row['dead_long']:.0%}"
        lines.append(
            f"| {label} | {steps} | {row['longest']} | {row['networks']} | {dead} "
            f"| {cells[0]} | {cells[1]} | {row['seconds']:.1f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Trains what the output file does not have yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path)
    parser.add_argument("--data-root")
    parser.add_argument("--networks", type=int, default=60)
    parser.add_argument("--budget", type=int, nargs="*", default=[], metavar="STEPS", help="further ones")
    parser.add_argument("--terms", help="of the inner search, instead of the configured: off")
    parser.add_argument("--workers", type=int, default=0, help="processes; 0: this one")
    parser.add_argument("--out", type=Path, default=Path("docs/results/fidelity.json"))
    options = parser.parse_args()
    request = Request(
        options.config, options.data_root, options.networks, tuple(options.budget), options.terms
    )
    results = json.loads(options.out.read_text()) if options.out.exists() else {"rows": [], "analysis": {}}
    label = request.label
    mine = [row for row in results["rows"] if row["configuration"] == label]
    jobs, (own, longest) = plan_jobs(request, mine)
    count, begun = sum(len(job.budgets) for job in jobs), time.monotonic()
    for number, row in enumerate(spread(make_trainings, request, jobs, options.workers), 1):
        results["rows"].append(row)
        mine.append(row)
        write_json(options.out, results)
        left = (time.monotonic() - begun) / number * (count - number)
        print(f"{number}/{count} trainings, about {left / 60:.0f} min left", flush=True)
    results["analysis"][label] = analyse(mine, own, longest)
    write_json(options.out, results)
    print(table(label, results["analysis"][label]))


if __name__ == "__main__":
    run_script(main)
