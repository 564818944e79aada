"""What came out of the searches: each arm, and arms against each other, paired by seed."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

from quality.study import endpoint

Row = Mapping[str, Any]


def analyse(rows: Sequence[Row], grounds: Sequence[str], reference: str) -> dict[str, Any]:
    """For each ground: `arms` by name, and `pairs`, those with the reference first."""
    found = {}
    for ground in grounds:
        by_arm = _by_arm(rows, ground)
        names = sorted(by_arm, key=lambda name: name != reference)
        found[ground] = {
            "arms": {name: _arm(list(own.values())) for name, own in by_arm.items()},
            "pairs": [
                {"arm": b, "against": a, **paired(*_shared(by_arm[b], by_arm[a]))}
                for a, b in itertools.combinations(names, 2)
            ],
        }
    return found


def _by_arm(rows: Sequence[Row], ground: str) -> dict[str, dict[int, Row]]:
    """Arm -> seed -> its row."""
    found: dict[str, dict[int, Row]] = {}
    for row in rows:
        if row["ground"] == ground:
            found.setdefault(row["arm"], {})[row["seed"]] = row
    return found


def _shared(one: Mapping[int, Row], other: Mapping[int, Row]) -> tuple[list[float], list[float]]:
    """Endpoints of the seeds that both have."""
    seeds = sorted(one.keys() & other.keys())
    return [endpoint(one[seed]) for seed in seeds], [endpoint(other[seed]) for seed in seeds]


def _arm(rows: Sequence[Row]) -> dict[str, Any]:
    """Means over the searches; `about`: over those that found a network."""
    values = [endpoint(row) for row in rows]
    abouts = [row["about"] for row in rows if row["about"]]
    n = len(rows)
    return {
        "searches": n,
        "mean": float(np.mean(values)),
        "standard_error": float(np.std(values, ddof=1)) / math.sqrt(n) if n > 1 else None,
        "units": float(np.mean([row["units"] for row in rows])),
        "evaluation_seconds": float(
            np.mean([row["evaluation_seconds"] / row["evaluations"] for row in rows])
        ),
        "strategy_seconds": float(np.mean([row["strategy_seconds"] / row["evaluations"] for row in rows])),
        "about": {key: float(np.mean([about[key] for about in abouts])) for key in (abouts or [{}])[0]},
    }


def paired(values: Sequence[float], reference: Sequence[float]) -> dict[str, Any]:
    """The mean of `values - reference`, the two-sided p of Wilcoxon's signed-rank test, and the rank-biserial
    correlation: (W+ - W-) / (W+ + W-), 1 where every difference is positive.

    Pairs without a difference are left out of test and effect size; both are None where no pair is left.
    """
    # Rounded: equal differences of proportions must tie.
    differences = np.round(np.asarray(values, float) - np.asarray(reference, float), 9)
    moved = differences[differences != 0]
    found = {
        "n": len(differences),
        "difference": float(np.mean(differences)) if len(differences) else None,
        "p": None,
        "effect": None,
    }
    if len(moved):
        ranks = stats.rankdata(np.abs(moved))
        found["p"] = float(stats.wilcoxon(moved).pvalue)
        found["effect"] = float((ranks * np.sign(moved)).sum() / ranks.sum())
    return found


def tables(analysis: Mapping[str, Any]) -> str:
    """In Markdown; endpoints in per cent, their differences in points; p as it is, for one comparison."""
    parts = []
    for ground, found in analysis.items():
        arms = found["arms"]
        about = list(dict.fromkeys(key for arm in arms.values() for key in arm["about"]))
        heads = ["arm", "searches", "endpoint", *about, "budgets", "s per evaluation", "of the strategy"]
        lines = [f"### {ground}", "", _line(heads), "|---" * len(heads) + "|"]
        for name, arm in sorted(arms.items(), key=lambda pair: -pair[1]["mean"]):
            error = arm["standard_error"]
            spread = "" if error is None else f" ± {100 * error:.2f}"
            cells = [name, str(arm["searches"]), f"{100 * arm['mean']:.2f}{spread}"]
            cells += [f"{arm['about'][key]:.3g}" if key in arm["about"] else "-" for key in about]
            costs = (arm["evaluation_seconds"], arm["strategy_seconds"])
            lines.append(_line([*cells, f"{arm['units']:.1f}", *(f"{cost:.2g}" for cost in costs)]))
        lines += [
            "",
            "| arm | against | pairs | difference | p | rank-biserial |",
            "|---|---|---|---|---|---|",
        ]
        for pair in found["pairs"]:
            difference = "-" if pair["difference"] is None else f"{100 * pair['difference']:+.2f}"
            p, effect = ("-" if pair[key] is None else f"{pair[key]:.2g}" for key in ("p", "effect"))
            lines.append(_line([pair["arm"], pair["against"], str(pair["n"]), difference, p, effect]))
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def draw(rows: Sequence[Row], analysis: Mapping[str, Any], path: Path) -> None:
    """One panel for each ground: the endpoint of every search, those of one seed joined, and mean ± standard error."""
    widest = max(len(found["arms"]) for found in analysis.values())
    figure = Figure(figsize=(1.5 + 1.1 * widest, 4.5 * len(analysis)), layout="constrained")
    for axes, (ground, found) in zip(
        figure.subplots(len(analysis), squeeze=False)[:, 0], analysis.items(), strict=True
    ):
        names, by_arm = list(found["arms"]), _by_arm(rows, ground)
        for seed in sorted({seed for own in by_arm.values() for seed in own}):
            places = [place for place, name in enumerate(names) if seed in by_arm[name]]
            values = [100 * endpoint(by_arm[names[place]][seed]) for place in places]
            axes.plot(places, values, color="tab:blue", alpha=0.25, linewidth=0.7, marker="o", markersize=3)
        means = [100 * found["arms"][name]["mean"] for name in names]
        errors = [100 * (found["arms"][name]["standard_error"] or 0.0) for name in names]
        axes.errorbar(range(len(names)), means, errors, color="black", fmt="D", capsize=4, zorder=3)
        axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
        axes.set_ylabel("endpoint, per cent")
        axes.set_title(textwrap.fill(ground, 14 * (1 + widest)), fontsize=8)
    figure.savefig(path, dpi=150)
