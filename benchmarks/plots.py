"""The figures of docs/performance.md, as small SVG files that do not change where the numbers do not."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from spenser_gee.atomic import write_text

matplotlib.rcParams.update({"svg.hashsalt": "spenser_gee", "svg.fonttype": "none", "font.size": 9})

Results = Mapping[str, Any]


def plot_steps(results: Results, path: Path) -> None:
    """Median time of a training step, in times of ours; quartiles as lines."""
    rows = [row for row in results["rows"] if row["times_of_ours"]]
    figure = Figure(figsize=(7, 0.5 + 0.24 * sum(len(row["times_of_ours"]) + 1 for row in rows)))
    axes = figure.add_subplot()
    labels, height = [], 0
    for row in rows:
        for variant, ratio in row["times_of_ours"].items():
            low, high = ratio["quartiles"]
            axes.barh(height, ratio["median"], color="tab:blue" if "floor" in variant else "tab:orange")
            axes.plot([low, high], [height, height], color="black", linewidth=1)
            labels.append((height, f"{row['net']}, {row['threads']} thr.: {variant}"))
            height += 1
        height += 1
    axes.axvline(1.0, color="black", linewidth=1)
    axes.set_yticks([place for place, _ in labels], [label for _, label in labels])
    axes.invert_yaxis()
    axes.set_xlabel("time of a step, ours = 1 (longer: ours is faster)")
    _write(figure, path)


def plot_bandwidth(results: Results, path: Path) -> None:
    """The byte floor's share of the measured bandwidth, for each case and backend."""
    rows = results["rows"]
    backends = list(dict.fromkeys(row["backend"] for row in rows))
    cases = list(dict.fromkeys(_case(row) for row in rows))
    figure = Figure(figsize=(7, 0.8 + 0.3 * len(cases)))
    axes = figure.add_subplot()
    for number, backend in enumerate(backends):
        own = {_case(row): row["share_of_bandwidth"]["median"] for row in rows if row["backend"] == backend}
        places = [cases.index(case) + 0.35 * number for case in own]
        axes.barh(places, [100 * share for share in own.values()], 0.35, label=backend)
    axes.set_yticks(range(len(cases)), cases)
    axes.invert_yaxis()
    axes.set_xlabel("20 bytes a neuron-step, in per cent of the bandwidth")
    axes.legend()
    _write(figure, path)


def _case(row: Mapping[str, Any]) -> str:
    return f"T = {row['steps']}, {row['surrogate']}, {row['reset']}, {row['parameters']}"


def plot_scaling(results: Results, path: Path) -> None:
    """Time of a step over each size, both axes logarithmic."""
    figure = Figure(figsize=(7, 3.5))
    axes = figure.add_subplot()
    for row in results["rows"]:
        medians = [1000 * found["median"] for found in row["seconds"]]
        label = f"{row['axis'].replace('_', ' ')}: exponent {row['exponent']:.2f}"
        axes.loglog(row["sizes"], medians, marker="o", label=label)
    axes.set_xlabel("size")
    axes.set_ylabel("ms a training step")
    axes.legend()
    _write(figure, path)


def _write(figure: Figure, path: Path) -> None:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None}, bbox_inches="tight")
    # Lines that end in blanks are what matplotlib writes, and what checks of white space reject.
    write_text(path, "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n")
