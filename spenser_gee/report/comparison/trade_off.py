"""Accuracy against a cost: every seed, means with intervals, and the Pareto front."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spenser_gee.comparison.recipes import Arm
from spenser_gee.comparison.results import ArmResults, ContenderResults
from spenser_gee.comparison.statistics import Interval
from spenser_gee.report.comparison.contender import (
    ARMS,
    KINDS,
    WIDTH,
    ShownContender,
    in_arm,
    numbered,
    reach,
)
from spenser_gee.report.drawing import svg
from spenser_gee.report.drawing.front import draw_front, log_ticks
from spenser_gee.report.drawing.label_places import label_points
from spenser_gee.report.drawing.section import Figure, Section

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Plot


@dataclass(frozen=True)
class Axis:
    """The cost on the x axis: of a contender in an arm."""

    label: str
    of: Callable[[ContenderResults, ArmResults], float | None]


SIZE = Axis("parameters", lambda row, _: row.parameters)
ENERGY = Axis(
    "energy per image with memory, nJ",
    lambda _, values: values.energy_with_memory_nj.mean if values.energy_with_memory_nj else None,
)


@dataclass(frozen=True)
class Spot:
    """Where a contender stands."""

    contender: ShownContender
    x: float
    accuracy: Interval
    single: tuple[float, ...]


def spots(contenders: Sequence[ShownContender], arm: Arm, axis: Axis) -> list[Spot]:
    """Of those that have both figures in the arm."""
    return [
        Spot(
            contender, x, values.accuracy, tuple(t.accuracy for t in values.trials if t.accuracy is not None)
        )
        for contender, values in in_arm(contenders, arm)
        if values.accuracy is not None and (x := axis.of(contender.row, values) or 0.0) > 0
    ]


def trade_off_section(
    title: str, anchor: str, contenders: Sequence[ShownContender], arms: Sequence[Arm], axis: Axis
) -> Section | None:
    found = [(spots(contenders, arm, axis), arm) for arm in arms]
    figures = tuple(_trade_off_figure(shown, arm, axis) for shown, arm in found if shown)
    return Section(title, anchor, figures) if figures else None


def _trade_off_figure(shown: Sequence[Spot], arm: Arm, axis: Axis) -> Figure:
    contenders = [spot.contender for spot in shown]
    with svg.figure(WIDTH, 3.5) as fig:
        axes = fig.add_subplot()
        front = draw_trade_off(axes, shown)
        axes.set_xlabel(axis.label)
        axes.set_ylabel("accuracy on Test")
        legend(fig, contenders)
        number_spots(fig, axes, shown)
        picture = svg.to_svg(fig)
    caption = (
        f"{ARMS[arm].capitalize()}. Large: means over seeds with 95 % intervals; small: single seeds; hollow: "
        f"twins with direct weights; line: the Pareto front of the means. {numbered(contenders)}."
    )
    best = ", ".join(spot.contender.name for spot in front)
    return Figure(
        picture, caption, f"Scatter plot of accuracy against {axis.label}. On the Pareto front: {best}."
    )


def draw_trade_off(axes: Axes, shown: Sequence[Spot]) -> list[Spot]:
    """Draws the spots and their front, which it returns."""
    for spot in shown:
        _point(axes, spot)
    log_ticks(axes)
    front = draw_front(axes, [(spot.x, spot.accuracy.mean) for spot in shown])
    axes.grid(axis="y")
    return [shown[place] for place in front]


def _point(axes: Axes, spot: Spot) -> None:
    contender, x, mean = spot.contender, spot.x, spot.accuracy.mean
    axes.plot(
        [x] * len(spot.single),
        spot.single,
        "o",
        color=contender.colour,
        markersize=2.2,
        alpha=0.55,
        markeredgewidth=0,
    )
    below, above = reach(spot.accuracy)
    axes.errorbar(
        [x],
        [mean],
        yerr=[[below], [above]],
        fmt=contender.marker,
        color=contender.colour,
        markersize=6,
        markerfacecolor="none" if contender.row.twin else contender.colour,
        elinewidth=0.9,
    )


def legend(fig: Plot, shown: Sequence[ShownContender]) -> None:
    """The kinds of contenders that are shown, above the axes."""
    from matplotlib.lines import Line2D

    present = {contender.row.kind for contender in shown}
    handles = [
        Line2D([], [], marker=marker, color=colour, linestyle="", label=label)
        for kind, (label, colour, marker) in KINDS.items()
        if kind in present
    ]
    fig.legend(handles=handles, loc="outside upper center", ncols=2, handletextpad=0.1, columnspacing=1)


def number_spots(fig: Plot, axes: Axes, shown: Sequence[Spot]) -> None:
    """Each contender's number beside its spot, where it covers neither a spot nor another number."""
    places = [(spot.x, spot.accuracy.mean) for spot in shown]
    label_points(fig, axes, places, [str(spot.contender.number) for spot in shown])
