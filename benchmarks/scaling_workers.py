"""Do workers pay? The same candidates evaluated in one process and in several.

    python benchmarks/scaling_workers.py --out docs/results/performance/scaling_workers.json [--data-root DATA]

Candidates are drawn from grammars/digits.lark with a fixed seed and trained as configs/digits.yaml says; with
--data-root, larger ones from grammars/spenser_gee.lark on Fashion-MNIST too (configs/fmnist_small.yaml, a
fixed number of training steps). The arms: this process with --threads; this process with all cores as threads;
and 1, 2, 4, ... workers up to the number of cores, two at least, with --threads each.

Every round opens each arm anew, in turn, and evaluates all candidates twice. "first" contains the start of the
workers (Python, torch); "again" does not, if there are enough candidates for all workers in the first pass. This
process has imported everything before the first round, so "first" is unkind to workers. Results have to be equal
wherever the number of threads is, else the benchmark stops.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from measure import Samples, arguments, ratios, save, summary, table

from spenser_gee.config import load_config
from spenser_gee.errors import run_script
from spenser_gee.evaluation import Evaluation
from spenser_gee.execution import Job, open_executor
from spenser_gee.genotype import sample_genotype, sentence_of
from spenser_gee.phenotype.check import open_grammar
from spenser_gee.phenotype.decode import decode
from spenser_gee.rng import stream
from spenser_gee.session.setup import Setup, make_space, set_up

CONFIGS = Path(__file__).parents[1] / "configs"
SEED = 7
PASSES = ("first", "again")


@dataclass(frozen=True)
class Arm:
    """A way to evaluate; workers 0: in this process."""

    workers: int
    threads: int

    @property
    def name(self) -> str:
        """For people."""
        processes = "this process" if self.workers == 0 else f"{self.workers} worker(s)"
        return f"{processes}, {self.threads} thread(s)"


@dataclass(frozen=True)
class Material:
    """Candidates, as the payloads of jobs, and what they are trained on."""

    name: str
    setup: Setup
    candidates: list[dict[str, Any]]


def arms(cores: int, threads: int, device: str) -> list[Arm]:
    """The first one is what the others are compared with."""
    counts = sorted({1, 2, cores, *(2**power for power in range(2, 10) if 2**power < cores)})
    in_process = {threads, cores} if device == "cpu" else {threads}
    return [*(Arm(0, count) for count in sorted(in_process)), *(Arm(n, threads) for n in counts)]


def material(config_name: str, overrides: Sequence[str], data_root: str | None, count: int) -> Material:
    """The first `count` candidates of the grammar's sampling that can be built."""
    config = load_config(CONFIGS / config_name, overrides)
    setup = set_up(config, open_grammar(config.grammar), data_root)
    space = make_space(config, setup.grammar, setup.data)
    candidates: list[dict[str, Any]] = []
    draw = 0
    while len(candidates) < count:
        genotype = sample_genotype(setup.grammar, stream(SEED, "candidate", draw), dict(config.search.sizes))
        draw += 1
        if space.describe(genotype).infeasible_reason is None:
            spec = decode(genotype, setup.grammar).to_dict()
            candidates.append(
                {"spec": spec, "sentence": sentence_of(genotype, setup.grammar), "seed": SEED}
                | {"parent": None, "effort": 1.0}
            )
    return Material(config.name, setup, candidates)


def run_arm(arm: Arm, on: Material) -> tuple[dict[str, float], list[Any]]:
    """Seconds of each pass, and what came out of it."""
    start = on.setup.worker_start
    start = replace(start, arguments={**start.arguments, "threads": arm.threads})
    seconds: dict[str, float] = {}
    outcomes = []
    with tempfile.TemporaryDirectory() as folder:
        jobs = [Job(i, {**each, "save": f"{folder}/{i}"}) for i, each in enumerate(on.candidates)]
        begun = time.perf_counter()
        with open_executor(start, arm.workers, recycle_after=2 * len(jobs) + 1) as executor:
            for name in PASSES:
                evaluations = dict(executor.run(jobs))
                seconds[name] = time.perf_counter() - begun
                outcomes.append([outcome(evaluations[job.id]) for job in jobs])
                begun = time.perf_counter()
    return seconds, outcomes


def outcome(evaluation: Evaluation) -> tuple[str, float | None]:
    """What has to be equal. A failure (not: an infeasible candidate) stops the benchmark."""
    if evaluation.status in ("failed", "timed_out"):
        sys.exit(f"a candidate {evaluation.status}: {evaluation.reason}")
    return evaluation.status, evaluation.objectives.get("fitness")


def compare(on: Material, compared: Sequence[Arm], rounds: int) -> dict[str, Any]:
    """Seconds of all arms, interleaved; every other round goes backwards."""
    # Imports of this process are no part of the comparison.
    run_arm(compared[0], replace(on, candidates=on.candidates[:1]))
    samples: dict[str, Samples] = {name: {arm.name: [] for arm in compared} for name in PASSES}
    expected: dict[int, list[Any]] = {}
    for number in range(rounds):
        for arm in compared if number % 2 == 0 else reversed(compared):
            seconds, outcomes = run_arm(arm, on)
            print(on.name, number, arm.name, *(f"{s:.2f}" for s in seconds.values()), file=sys.stderr)
            for found in outcomes:
                # On a GPU sums may come in any order.
                if found != expected.setdefault(arm.threads, found) and on.setup.device.type == "cpu":
                    sys.exit(f"{arm.name} gives other results: {found}, not {expected[arm.threads]}")
            for name in PASSES:
                samples[name][arm.name].append(seconds[name])
    return {
        "data": on.name,
        "sentences": [each["sentence"] for each in on.candidates],
        "outcomes": expected[compared[0].threads],
        "arms": [row(arm, compared[0], samples) for arm in compared],
    }


def row(arm: Arm, base: Arm, samples: dict[str, Samples]) -> dict[str, Any]:
    """The figures of an arm. speed: how many times faster than `base`, round by round."""
    figures = {
        name: {
            "seconds": summary(samples[name][arm.name]),
            "speed": summary(ratios(samples[name], base.name, arm.name)),
        }
        for name in PASSES
    }
    return {"name": arm.name, "workers": arm.workers, "threads": arm.threads, **figures}


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Measures the digits, and Fashion-MNIST where it is."""
    options = arguments(
        __doc__,
        argv,
        ("--data-root", {"help": "folder of Fashion-MNIST; without it only the digits are used"}),
        ("--candidates", {"type": int, "default": 12}),
        ("--rounds", {"type": int, "default": 5}),
        ("--steps", {"type": int, "default": 100, "help": "of a training on Fashion-MNIST"}),
    )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    compared = arms(cores, options.threads, options.device.type)
    count, rounds = (2, 1) if options.quick else (options.candidates, options.rounds)
    common = [f"device={options.device.type}"]
    sets = [("digits.yaml", [*common, "training={steps: 5}"] if options.quick else common)]
    if options.data_root is not None:
        steps = 5 if options.quick else options.steps
        sets.append(("fmnist_small.yaml", [*common, f"training={{steps: {steps}}}"]))
    rows = [
        compare(material(name, overrides, options.data_root, count), compared, rounds)
        for name, overrides in sets
    ]
    results = save(options, "scaling_workers", " and ".join(each["data"] for each in rows), rows, cores=cores)
    print(tables(results))
    return results


def tables(results: dict[str, Any]) -> str:
    """In Markdown: medians [lowest, highest]."""
    texts = []
    for each in results["rows"]:
        lines = [
            [arm["name"], *(_spread(arm[name][figure]) for name in PASSES for figure in ("seconds", "speed"))]
            for arm in each["arms"]
        ]
        head = ["", "first, s", "speed", "again, s", "speed"]
        texts.append(f"{each['data']}, {len(each['sentences'])} candidates\n\n{table(head, lines)}")
    return "\n\n".join(texts)


def _spread(found: dict[str, Any]) -> str:
    low, high = found["range"]
    return f"{found['median']:.2f} [{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    run_script(main)
