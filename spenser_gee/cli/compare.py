"""`compare`: arguments, progress, and the table."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from spenser_gee.cli.console import duration, errors, output, print_json, say
from spenser_gee.cli.progress import ProgressReporter
from spenser_gee.comparison.compare import compare
from spenser_gee.comparison.contenders import Contender
from spenser_gee.comparison.ground import Ground
from spenser_gee.comparison.request import BudgetKind, Request
from spenser_gee.comparison.trials import Key
from spenser_gee.errors import input_error
from spenser_gee.evaluation import Evaluation

# Of the table where there is no terminal, or a narrow one: a wrapped table cannot be read.
WIDTH = 140


def compare_command(request: Request, overrides: Sequence[str], data_root: str | None, as_json: bool) -> int:
    """See `app.compare`. The exit code: 1 where no training was complete."""
    try:
        with _Progress() as progress:
            results = compare(request, overrides, data_root, progress)
    except KeyboardInterrupt:
        if (request.out / "comparison.json").is_file():
            say("\nInterrupted; every finished training is saved. Go on with the same command:")
            say(f"  python -m spenser_gee {shlex.join(sys.argv[1:])}")
        raise
    if as_json:
        print_json(results)
    else:
        print_results(results, request.out)
    accuracies = [arm["accuracy"] for row in results["contenders"] for arm in row["arms"].values()]
    return 0 if any(accuracies) else 1


def sorted_paths(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """(run folders, sentences). A shell expands `--backbones *.net` into many words, of which the option takes the
    first: what is a file is a backbone wherever it stands. A pattern that no shell has expanded is expanded here."""
    found = [match for path in paths for match in _expanded(path)]
    runs = [path for path in found if path.suffix != ".net"]
    if not runs:
        raise input_error("compare", "no run folder among its arguments", "Name one: compare runs/NAME.")
    return runs, [path for path in found if path.suffix == ".net"]


def _expanded(path: Path) -> list[Path]:
    if not any(mark in str(path) for mark in "*?["):
        return [path]
    root = Path(path.anchor) if path.is_absolute() else Path()
    pattern = str(path.relative_to(path.anchor)) if path.is_absolute() else str(path)
    matches = sorted(root.glob(pattern))
    if not matches:
        raise input_error(str(path), "no file matches this pattern")
    return matches


def budget_of(
    epochs: float | None, seconds: float | None, samples: int | None
) -> tuple[BudgetKind, float] | None:
    """The one that is given. Raises InputError for two."""
    given: list[tuple[BudgetKind, float | None]] = [
        ("epochs", epochs),
        ("seconds", seconds),
        ("samples", samples),
    ]
    chosen = [(kind, float(amount)) for kind, amount in given if amount is not None]
    if len(chosen) > 1:
        raise input_error(
            " ".join(f"--{kind}" for kind, _ in chosen), "a comparison has one budget", "Give one of them."
        )
    return chosen[0] if chosen else None


class _Progress:
    """A `ComparisonReporter`: a bar where there is a terminal, plain lines where there is none."""

    def __init__(self) -> None:
        self._search = ProgressReporter()
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._due = self._done = 0
        self._begun = 0.0

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        self._search.__exit__()
        if self._bar is not None:
            self._bar.stop()

    @property
    def search(self) -> ProgressReporter:
        """Of the random searches: plain lines, since there may be several."""
        return self._search

    def announce(self, ground: Ground, contenders: Sequence[Contender], due: int) -> None:
        """See `ComparisonReporter.announce`."""
        kind, amount = ground.budget
        say(
            f"data       {ground.data.name}: {len(ground.data.train):,} training and {len(ground.data.test):,} "
            f"test images, {ground.settings.time_steps} time steps"
        )
        say(
            f"contenders {len(contenders)}: {', '.join(c.name for c in contenders if not c.problem) or 'none'}"
        )
        for contender in contenders:
            if contender.problem:
                say(f"left out   {contender.name}: {contender.problem}", style="yellow")
        say(f"trainings  {due} to do, {amount:g} {kind} each, {ground.config.search.workers} workers")
        self._due, self._begun = due, time.monotonic()
        if errors.is_terminal and due:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.completed:.0f}/{task.total:.0f}"),
                TimeRemainingColumn(),
                console=errors,
            )
            self._bar.start()
            self._task = self._bar.add_task("trainings", total=due)

    def training(self, keys: Sequence[Key], evaluation: Evaluation) -> None:
        """See `ComparisonReporter.training`."""
        self._done += 1
        name, _, seed = keys[0]
        arms = " = ".join(dict.fromkeys(arm for _, arm, _ in keys))
        complete = evaluation.status == "complete"
        shown = (
            f"test accuracy {evaluation.objectives['fitness']:.4f}"
            if complete
            else f"{evaluation.status}: {evaluation.reason}"
        )
        line = f"{name}, {arms} recipe, seed {seed}: {shown}"
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._done)
            say(line)
        else:
            left = (time.monotonic() - self._begun) / self._done * (self._due - self._done)
            say(f"{line}  ({self._done} of {self._due}, about {duration(left)} left)")


def print_results(results: dict[str, Any], folder: Path) -> None:
    """The comparison for a person: a table for each recipe."""
    wide = Console(width=max(output.width, WIDTH), highlight=False)
    for arm in results["arms"]:
        recipe = "each with its own recipe" if arm == "own" else f"all with {results['common_recipe']}"
        output.print(f"{recipe}:", markup=False)
        wide.print(_table(results, arm))
        output.print()
    for row in results["contenders"]:
        if row["search"] is not None:
            spent = (
                f"{row['search']['evaluations']} evaluations, {row['search']['steps']:,.0f} training steps"
            )
            output.print(f"search of {row['name']}: {spent}", markup=False)
        for problem in _problems(row):
            output.print(problem, markup=False)
    output.print(
        f"{folder}: {'finished' if results['finished'] else 'unfinished'}, {duration(results['seconds'])}, "
        f"{len(results['seeds'])} seeds; difference: to {results['reference']}, paired by seed; energy: in nJ a sample, "
        "Eq. 17 of GEE, and counted with memory accesses; ms: one sample. docs/compare.md explains the figures.",
        markup=False,
    )


def _table(results: dict[str, Any], arm: str) -> Table:
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
    for row in results["contenders"]:
        if arm in row["arms"]:
            table.add_row(row["name"], *_cells(row, row["arms"][arm]))
    return table


def _problems(row: dict[str, Any]) -> list[str]:
    if row["problem"]:
        return [f"left out: {row['name']}: {row['problem']}"]
    return [
        f"not complete: {row['name']}, {arm} recipe, seed {trial['seed']}: {trial['reason']}"
        for arm, values in row["arms"].items()
        for trial in values["trials"]
        if trial["status"] != "complete"
    ]


def _cells(row: dict[str, Any], arm: dict[str, Any]) -> list[str]:
    against = arm["against_reference"] or {}
    return [
        f"{row['parameters']:,}",
        f"{row['ratio']:.2f}",
        _number(arm["accuracy"], 100, ".2f"),
        _half_width(arm["accuracy"]),
        f"{100 * against['difference']:+.2f}" if against else "",
        _p(against),
        _number(arm["sops"], 1, ",.0f"),
        _number(arm["energy_gee_eq17_nj"], 1, ",.1f"),
        _number(arm["energy_with_memory_nj"], 1, ",.1f"),
        f"{row['latency']['single_ms']:.2f}" if row["latency"] else "-",
    ]


def _number(spread: dict[str, Any] | None, times: float, form: str) -> str:
    return "-" if spread is None else format(times * spread["mean"], form)


def _half_width(spread: dict[str, Any] | None) -> str:
    if spread is None or spread["low"] is None:
        return "-"
    return f"{50 * (spread['high'] - spread['low']):.2f}"


def _p(against: dict[str, Any]) -> str:
    if not against:
        return ""
    return "-" if against["p_holm"] is None else f"{against['p_holm']:.3f}"
