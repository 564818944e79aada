"""`show`: a run as text, JSON or CSV."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from rich.table import Table

from spenser_gee.cli.console import duration, output, print_json
from spenser_gee.errors import input_error
from spenser_gee.runs.store import RunFolder


def show_command(path: Path, as_json: bool, as_csv: bool) -> None:
    """See `app.show`."""
    if as_json and as_csv:
        raise input_error("show", "give --json or --csv, not both")
    with RunFolder.open(path) as folder:
        if as_csv:
            sys.stdout.write(folder.to_csv())
            return
        summary = folder.summary()
        with folder.trusting():
            if as_json:
                print_json(summary)
            else:
                print_summary(summary, path)


def print_summary(summary: dict[str, Any], folder: Path) -> None:
    """A run's summary for a person."""
    statuses = ", ".join(f"{count} {name}" for name, count in summary["statuses"].items() if count)
    output.print(
        f"{folder}: {summary['status']}, {summary['generation']} generations, "
        f"{summary['evaluations']} evaluations ({statuses}), {duration(summary['seconds'])}",
        markup=False,
    )
    if summary["history"]:
        table = Table(box=None, pad_edge=False)
        for column in ("generation", "best", "mean"):
            table.add_column(column, justify="right")
        for row in summary["history"]:
            table.add_row(str(row["generation"]), _number(row["best"]), _number(row["mean"]))
        output.print(table)
    best = summary["best"]
    if best is None:
        output.print("No candidate was complete: show --csv lists the reasons.", markup=False)
        return
    error = best["fitness_standard_error"]
    spread = f" +- {error:.4f}" if error is not None else ""
    output.print(f"best: candidate {best['id']}, fitness {best['fitness']:.4f}{spread}", markup=False)
    output.print(f"  {best['sentence']}", markup=False)
    final = summary["final"]
    if final is not None:
        output.print(
            f"test accuracy {final['test_accuracy']:.4f} +- {final['test_standard_error']:.4f} on "
            f"{final['test_images']:,} images, {final['parameters']:,} parameters "
            f"({final['dense_parameters']:,} with ordinary weights)",
            markup=False,
        )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
