"""`show`: a run as text, JSON or CSV."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.table import Table

from spenser_gee.cli.console import WIDTH, duration, output, print_json
from spenser_gee.errors import input_error, printable
from spenser_gee.objective import figure
from spenser_gee.runs.store import RunFolder
from spenser_gee.runs.summary import Member, Summary, evaluations_csv, summarise
from spenser_gee.search.strategy import best_rule

# Of a front: more cannot be read at a glance.
MOST_ROWS = 20


def show_command(path: Path, as_json: bool, as_csv: bool) -> None:
    """See `app.show`."""
    if as_json and as_csv:
        raise input_error("show", "give --json or --csv, not both")
    with RunFolder.open(path) as folder:
        if as_csv:
            sys.stdout.write(evaluations_csv(folder))
        elif as_json:
            print_json(summarise(folder).to_dict())
        else:
            print_summary(summarise(folder), path)


def print_summary(summary: Summary, folder: Path) -> None:
    """A run's summary for a person."""
    statuses = ", ".join(f"{count} {name}" for name, count in summary.statuses.items() if count)
    _line(
        f"{folder}: {summary.status}, {summary.generation} generations, "
        f"{summary.evaluations} evaluations ({statuses}), {duration(summary.seconds)}"
    )
    if summary.history:
        table = Table(box=None, pad_edge=False)
        for column in ("generation", "best", "mean"):
            table.add_column(column, justify="right")
        for row in summary.history:
            finals = ["finals"] if row.finals else []
            table.add_row(str(row.generation), _number(row.best_value), _number(row.mean_value), *finals)
        output.print(table)
    best, final = summary.best, summary.final
    if best is None:
        _line("No candidate was complete: show --csv lists the reasons.")
        return
    if summary.objectives:
        _print_front(summary)
    error = best.fitness_standard_error
    spread = f" +- {figure(error)}" if error is not None else ""
    name = next(iter(best.objectives), "fitness")
    _line(f"best: candidate {best.id}, {name} {_number(best.fitness)}{spread}")
    _line(f"  {best.sentence}")
    if final is not None:
        _line(
            f"test accuracy {final.test_accuracy:.4f} +- {final.test_standard_error:.4f} on "
            f"{final.test_images:,} images, {final.parameters:,} parameters "
            f"({final.dense_parameters:,} with ordinary weights)"
        )


def _print_front(summary: Summary) -> None:
    names = [objective.name for objective in summary.objectives]
    # Where their number is an objective, it has its column already.
    sizes = [] if "parameters" in names else ["parameters"]
    directions = [f"{objective.name} ({objective.direction})" for objective in summary.objectives]
    table = Table(box=None, pad_edge=False)
    for column in ("front", *directions, *sizes):
        table.add_column(column, justify="right", no_wrap=True)
    for member in summary.front[:MOST_ROWS]:
        cells = [str(member.id), *(_spread(member, name) for name in names)]
        cells += [_number(member.parameters) for _ in sizes]
        table.add_row(*cells, *(["best"] if member is summary.front[0] else []))
    output.width = max(output.width, WIDTH)
    output.print(table)
    left = len(summary.front) - MOST_ROWS
    if left > 0:
        _line(f"and {left} more: --json")
    _line(best_rule(summary.objectives))


def _spread(member: Member, name: str) -> str:
    error = member.errors.get(name)
    spread = f" +- {figure(error)}" if error is not None else ""
    return f"{_number(member.means.get(name))}{spread}"


def _line(text: str) -> None:
    output.print(printable(text))


def _number(value: float | None) -> str:
    return "-" if value is None else figure(value)
