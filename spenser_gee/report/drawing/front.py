"""A front of two figures of merit: who is on it, and its line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from spenser_gee.report.drawing import svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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


def draw_front(
    axes: Axes, points: Sequence[tuple[float, float]], signs: tuple[float, float] = (-1.0, 1.0)
) -> list[int]:
    """Draws the front of the points (x, y) through what it reaches, and returns it as `pareto_front` does. signs: 1
    where larger is better, -1 where smaller is. Limits of the x axis stay what they are."""
    front = pareto_front([(-signs[0] * x, signs[1] * y) for x, y in points])
    xs, ys = [points[place][0] for place in front], [points[place][1] for place in front]
    limits = axes.get_xlim()
    # To the edge: more cost gives no less.
    edge = limits[1] if signs[0] < 0 else limits[0]
    axes.step([*xs, edge], [*ys, ys[-1]], where="post", color=svg.GREY, linewidth=1, zorder=0)
    axes.set_xlim(limits)
    return front


def log_ticks(axes: Axes) -> None:
    """A logarithmic x axis with few and short labels: 10k, 20k, 50k."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

    axes.set_xscale("log")
    low, high = axes.get_xlim()
    narrow = high / low < 100
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if narrow else (1,)))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    if narrow:
        axes.xaxis.set_minor_locator(NullLocator())
