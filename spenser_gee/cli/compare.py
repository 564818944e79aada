"""`compare`: arguments, progress, and the table."""

from __future__ import annotations

import math
import re
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.progress import Progress, TaskID
from rich.table import Table

from spenser_gee.cli.console import WIDTH, duration, output, print_json, say
from spenser_gee.cli.progress import ProgressReporter, outcome, started_bar
from spenser_gee.comparison.compare import compare
from spenser_gee.comparison.contenders import Contender
from spenser_gee.comparison.ground import Ground
from spenser_gee.comparison.recipes import Arm
from spenser_gee.comparison.request import Allowance, BudgetKind, Evolved, Request
from spenser_gee.comparison.results import Against, ArmResults, ContenderResults, Results
from spenser_gee.comparison.schedule import Key
from spenser_gee.comparison.statistics import Interval
from spenser_gee.errors import input_error
from spenser_gee.evaluation import Evaluation
from spenser_gee.streams import keep_going


def compare_command(request: Request, overrides: Sequence[str], data_root: str | None, as_json: bool) -> int:
    """See `app.compare`. The exit code: 1 where no training was complete."""
    keep_going()
    try:
        with _Progress() as progress:
            results = compare(request, overrides, data_root, progress)
    except KeyboardInterrupt:
        if (request.out / "comparison.json").is_file():
            say("\nInterrupted; every finished training is saved. Go on with the same command:")
            say(f"  python -m spenser_gee {shlex.join(sys.argv[1:])}")
        raise
    if as_json:
        print_json(results.to_dict())
    else:
        print_results(results, request.out)
    complete = any(arm.accuracy for row in results.contenders for arm in row.arms.values())
    return 0 if complete else 1


# The folder of a run, and a candidate of it.
_CANDIDATE = re.compile(r"(?P<run>.+):(?P<candidate>[0-9]+)", re.DOTALL)


def sorted_paths(paths: Sequence[Path]) -> tuple[list[Evolved], list[Path]]:
    """(networks of runs, sentences). A shell expands `--backbones *.net` into many words, of which the option takes the
    first: what is a file is a backbone wherever it stands. A pattern that no shell has expanded is expanded here."""
    found = [match for path in paths for match in _expanded(path)]
    runs = [path for path in found if path.suffix != ".net"]
    if not runs:
        raise input_error("compare", "no run folder among its arguments", "Name one: compare runs/NAME.")
    return [_evolved(path) for path in runs], [path for path in found if path.suffix == ".net"]


def _evolved(path: Path) -> Evolved:
    """A run folder, or RUN:ID, unless there is a folder of that very name."""
    named = None if path.exists() else _CANDIDATE.fullmatch(str(path))
    return Evolved(Path(named["run"]), int(named["candidate"])) if named else Evolved(path)


def _expanded(path: Path) -> list[Path]:
    if path.exists() or not any(mark in str(path) for mark in "*?["):
        return [path]
    root = Path(path.anchor) if path.is_absolute() else Path()
    pattern = str(path.relative_to(path.anchor)) if path.is_absolute() else str(path)
    try:
        matches = sorted(root.glob(pattern))
    except ValueError as error:
        raise input_error(str(path), f"not a pattern: {error}") from None
    if not matches:
        raise input_error(str(path), "no file matches this pattern")
    return matches


def budget_of(epochs: float | None, seconds: float | None, samples: int | None) -> Allowance | None:
    """The one that is given. Raises InputError for two."""
    given: dict[BudgetKind, float | None] = {"epochs": epochs, "seconds": seconds, "samples": samples}
    chosen = [Allowance(kind, float(amount)) for kind, amount in given.items() if amount is not None]
    if len(chosen) > 1:
        raise input_error(
            " ".join(f"--{budget.kind}" for budget in chosen),
            "a comparison has one budget",
            "Give one of them.",
        )
    if chosen and not math.isfinite(chosen[0].amount):
        given_budget = f"--{chosen[0].kind} {chosen[0].amount:g}"
        raise input_error(given_budget, "a budget has an end", "Give a number.")
    return chosen[0] if chosen else None


class _Progress:
    """A `ComparisonReporter`: a bar where there is a terminal, plain lines where there is none."""

    def __init__(self) -> None:
        # Of the random searches: plain lines, since there may be several.
        self.search = ProgressReporter()
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._due = self._done = 0
        self._begun = 0.0

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def announce(self, ground: Ground, contenders: Sequence[Contender], due: int) -> None:
        """See `ComparisonReporter.announce`."""
        budget = ground.budget
        say(
            f"data       {ground.data.name}: {len(ground.data.train):,} training and {len(ground.data.test):,} "
            f"test images, {ground.time_steps} time steps"
        )
        say(
            f"contenders {len(contenders)}: {', '.join(c.name for c in contenders if not c.problem) or 'none'}"
        )
        for contender in contenders:
            if contender.problem:
                say(f"left out   {contender.name}: {contender.problem}", style="yellow")
        say(
            f"trainings  {due} to do, {budget.amount:g} {budget.kind} each, {ground.config.search.workers} workers"
        )
        self._due, self._begun = due, time.monotonic()
        self._bar = started_bar() if due else None
        if self._bar is not None:
            self._task = self._bar.add_task("trainings", total=due)

    def training(self, keys: Sequence[Key], evaluation: Evaluation) -> None:
        """See `ComparisonReporter.training`."""
        self._done += 1
        name, _, seed = keys[0]
        arms = " = ".join(dict.fromkeys(arm for _, arm, _ in keys))
        line = f"{name}, {arms} recipe, seed {seed}: {outcome(evaluation, 'test accuracy')}"
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._done)
            say(line)
        else:
            left = (time.monotonic() - self._begun) / self._done * (self._due - self._done)
            say(f"{line}  ({self._done} of {self._due}, about {duration(left)} left)")


def print_results(results: Results, folder: Path) -> None:
    """The comparison for a person: a table for each recipe."""
    output.width = max(output.width, WIDTH)
    for arm in results.arms:
        recipe = "each with its own recipe" if arm == "own" else f"all with {results.common_recipe}"
        output.print(f"{recipe}:")
        output.print(_table(results, arm))
        output.print()
    for row in results.contenders:
        if row.search is not None:
            spent = f"{row.search.evaluations} evaluations, {row.search.steps:,.0f} training steps"
            output.print(f"search of {row.name}: {spent}")
        for problem in _problems(row):
            output.print(problem)
    output.print(
        f"{folder}: {'finished' if results.finished else 'unfinished'}, {duration(results.seconds)}, "
        f"{_seeds(len(results.seeds))}; difference: to {results.reference}, paired by seed; energy: in nJ a sample, "
        "Eq. 17 of GEE, and counted with memory accesses; ms: one sample. docs/compare.md explains the figures.",
    )


def _seeds(count: int) -> str:
    return "1 seed" if count == 1 else f"{count} seeds"


def _table(results: Results, arm: Arm) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("contender", no_wrap=True)
    for column in (
        "parameters",
        "of dense",
        "accuracy %",
        "± (95 %)",
        "difference",
        "p (Holm)",
        "SOPs",
        "energy nJ",
        "with memory",
        "ms",
    ):
        table.add_column(column, justify="right", no_wrap=True)
    for row in results.contenders:
        if arm in row.arms:
            table.add_row(row.name, *_cells(row, row.arms[arm]))
    return table


def _problems(row: ContenderResults) -> list[str]:
    if row.problem:
        return [f"left out: {row.name}: {row.problem}"]
    return [
        f"not complete: {row.name}, {arm} recipe, seed {trial.seed}: {trial.reason}"
        for arm, values in row.arms.items()
        for trial in values.trials
        if trial.status != "complete"
    ]


def _cells(row: ContenderResults, arm: ArmResults) -> list[str]:
    against = arm.against_reference
    return [
        _number(row.parameters, ",.0f"),
        _number(row.ratio, ".2f"),
        _number(100 * arm.accuracy.mean if arm.accuracy else None, ".2f"),
        _half_width(arm.accuracy),
        f"{100 * against.difference:+.2f}" if against else "",
        _p(against),
        _mean(arm.sops, ",.0f"),
        _mean(arm.energy_gee_eq17_nj, ",.1f"),
        _mean(arm.energy_with_memory_nj, ",.1f"),
        _number(row.latency.single_ms if row.latency else None, ".2f"),
    ]


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _mean(spread: Interval | None, form: str) -> str:
    return _number(spread.mean if spread else None, form)


def _half_width(spread: Interval | None) -> str:
    if spread is None or spread.low is None or spread.high is None:
        return "-"
    return f"{50 * (spread.high - spread.low):.2f}"


def _p(against: Against | None) -> str:
    return "" if against is None else _number(against.p_holm, ".3f")
