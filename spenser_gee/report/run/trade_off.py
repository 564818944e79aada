"""Accuracy against a cost: every seed, means with intervals, and the Pareto front."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spenser_gee.report.comparison.contender import ARMS, KINDS, WIDTH, ShownContender, numbered, reach
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
    of: Callable[[ShownContender, str], Any]


def trade_off_section(
    title: str, anchor: str, contenders: Sequence[ShownContender], arms: Sequence[str], axis: Axis
) -> Section | None:
    figures = []
    for arm in arms:
        shown = [c for c in contenders if (axis.of(c, arm) or 0) > 0 and c.arm(arm).get("accuracy")]
        if shown:
            figures.append(_trade_off_figure(shown, arm, axis))
    return Section(title, anchor, tuple(figures)) if figures else None


def _trade_off_figure(shown: Sequence[ShownContender], arm: str, axis: Axis) -> Figure:
    points = [(float(axis.of(c, arm)), float(c.arm(arm)["accuracy"]["mean"])) for c in shown]
    front = pareto_front(points)
    best = ", ".join(shown[place].name for place in front)
    with svg.figure(WIDTH, 3.5) as fig:
        axes = fig.add_subplot()
        for contender, (x, _) in zip(shown, points, strict=True):
            _point(axes, contender, arm, x)
        xs, ys = [points[place][0] for place in front], [points[place][1] for place in front]
        # To the right edge: more cost gives no less.
        _log_ticks(axes)
        right = axes.get_xlim()[1]
        axes.step([*xs, right], [*ys, ys[-1]], where="post", color=svg.GREY, linewidth=1, zorder=0)
        axes.set_xlim(right=right)
        axes.set_xlabel(axis.label)
        axes.set_ylabel("accuracy on Test")
        axes.grid(axis="y")
        _legend(fig, shown)
        _number_points(fig, axes, points, [contender.number for contender in shown])
        picture = svg.to_svg(fig)
    caption = (
        f"{ARMS.get(arm, arm).capitalize()}. Large: means over seeds with 95 % intervals; small: single seeds; hollow: "
        f"twins with direct weights; line: the Pareto front of the means. {numbered(shown)}."
    )
    return Figure(
        picture, caption, f"Scatter plot of accuracy against {axis.label}. On the Pareto front: {best}."
    )


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


def _point(axes: Axes, contender: ShownContender, arm: str, x: float) -> None:
    accuracy = contender.arm(arm)["accuracy"]
    trials = contender.arm(arm).get("trials") or ()
    single = [trial["accuracy"] for trial in trials if trial.get("accuracy") is not None]
    axes.plot(
        [x] * len(single), single, "o", color=contender.colour, markersize=2.2, alpha=0.55, markeredgewidth=0
    )
    below, above = reach(accuracy)
    axes.errorbar(
        [x],
        [accuracy["mean"]],
        yerr=[[below], [above]],
        fmt=contender.marker,
        color=contender.colour,
        markersize=6,
        markerfacecolor="none" if contender.values.get("twin") else contender.colour,
        elinewidth=0.9,
    )


def _legend(fig: Plot, shown: Sequence[ShownContender]) -> None:
    from matplotlib.lines import Line2D

    present = [kind for kind in KINDS if any(c.values["kind"] == kind for c in shown)]
    handles = [
        Line2D([], [], marker=KINDS[kind][2], color=KINDS[kind][1], linestyle="", label=KINDS[kind][0])
        for kind in present
    ]
    if handles:
        fig.legend(handles=handles, loc="outside upper center", ncols=2, handletextpad=0.1, columnspacing=1)


def _number_points(
    fig: Plot, axes: Axes, points: Sequence[tuple[float, float]], numbers: Sequence[int]
) -> None:
    """Each number beside its point, where it covers neither a point nor another number."""
    fig.draw_without_rendering()
    scale = 72 / fig.dpi  # points per pixel
    places = [tuple(value * scale for value in axes.transData.transform(point)) for point in points]
    for number, point, offset in zip(numbers, points, label_offsets(places), strict=True):
        axes.annotate(
            str(number),
            point,
            offset,
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=8,
        )
