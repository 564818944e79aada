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
from spenser_gee.report.drawing.label_places import label_offsets
from spenser_gee.report.drawing.section import Figure, Section

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Plot


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """The points (cost, gain) that no other one dominates, by their indices, the cheapest first.

    One dominates another if it costs no more, gains no less, and is not equal to it: equal points stay together.
    """
    order = sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1], i))
    front: list[int] = []
    for index in order:
        if not front or points[index][1] > points[front[-1]][1] or points[index] == points[front[-1]]:
            front.append(index)
    return front


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
    front = [shown[place] for place in pareto_front([(spot.x, spot.accuracy.mean) for spot in shown])]
    xs, ys = [spot.x for spot in front], [spot.accuracy.mean for spot in front]
    _log_ticks(axes)
    # To the right edge: more cost gives no less.
    right = axes.get_xlim()[1]
    axes.step([*xs, right], [*ys, ys[-1]], where="post", color=svg.GREY, linewidth=1, zorder=0)
    axes.set_xlim(right=right)
    axes.grid(axis="y")
    return front


def _log_ticks(axes: Axes) -> None:
    """A logarithmic x axis with few and short labels: 10k, 20k, 50k."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

    axes.set_xscale("log")
    low, high = axes.get_xlim()
    narrow = high / low < 100
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if narrow else (1,)))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    if narrow:
        axes.xaxis.set_minor_locator(NullLocator())


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
    fig.draw_without_rendering()
    scale = 72 / fig.dpi  # points per pixel
    middles = [axes.transData.transform((spot.x, spot.accuracy.mean)) for spot in shown]
    offsets = label_offsets([tuple(value * scale for value in middle) for middle in middles])
    for spot, offset in zip(shown, offsets, strict=True):
        axes.annotate(
            str(spot.contender.number),
            (spot.x, spot.accuracy.mean),
            offset,
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=8,
        )
