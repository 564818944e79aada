"""Curves of a comparison: accuracy under disturbance, and firing rates along the layers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from spenser_gee.comparison.recipes import Arm
from spenser_gee.comparison.results import Curve, RobustnessResults
from spenser_gee.report.comparison.contender import ARMS, WIDTH, ShownContender, in_arm, numbered, reach
from spenser_gee.report.drawing import svg
from spenser_gee.report.drawing.label_places import spread_out
from spenser_gee.report.drawing.section import Figure, Section

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LINES = ("-", "--", ":")


_DISTURBANCES: Mapping[str, Callable[[RobustnessResults], Curve]] = {
    "noise on the image (relative L2 norm)": lambda found: found.noise,
    "share of spikes that are lost": lambda found: found.spike_drop,
}


def robustness_section(contenders: Sequence[ShownContender], arms: Sequence[Arm]) -> Section | None:
    figures = []
    for arm, (label, curve_of) in itertools.product(arms, _DISTURBANCES.items()):
        found = [(c, values.robustness) for c, values in in_arm(contenders, arm) if values.robustness]
        curves = [(contender, curve_of(accuracies)) for contender, accuracies in found]
        shown = [(contender, curve) for contender, curve in curves if curve]
        if shown:
            figures.append(_curves_figure(shown, arm, label, found[0][1].images))
    return Section("Robustness", "robustness", tuple(figures)) if figures else None


def _curves_figure(
    shown: Sequence[tuple[ShownContender, Curve]], arm: Arm, label: str, images: int
) -> Figure:
    with svg.figure(WIDTH, 3.2) as fig:
        axes = fig.add_subplot()
        ends, words = [], []
        for contender, curve in shown:
            xs, means = [x for x, _ in curve], [spread.mean for _, spread in curve]
            errors = [reach(spread) for _, spread in curve]
            colour, style = _line_of(contender.number - 1)
            axes.plot(xs, means, style, color=colour, marker=".", linewidth=1.2)
            low = [mean - below for mean, (below, _) in zip(means, errors, strict=True)]
            high = [mean + above for mean, (_, above) in zip(means, errors, strict=True)]
            axes.fill_between(xs, low, high, color=colour, alpha=0.12, linewidth=0)
            ends.append((xs[-1], means[-1], colour, contender.number))
            words.append(f"{contender.name} {means[0]:.3f} at {xs[0]:g}, {means[-1]:.3f} at {xs[-1]:g}")
        axes.set_xlabel(label)
        axes.set_ylabel("accuracy")
        axes.locator_params(axis="x", nbins=6)
        axes.grid(axis="y")
        _number_ends(axes, ends)
        picture = svg.to_svg(fig)
    caption = (
        f"{ARMS[arm].capitalize()}: means over seeds, and their 95 % intervals; {images} images of Test. "
        f"{numbered([contender for contender, _ in shown])}."
    )
    return Figure(picture, caption, f"Line chart of accuracy against {label}, {'; '.join(words)}.")


def _line_of(place: int) -> tuple[str, str]:
    """Colour and dashes of the line at this place: all differ up to 18 lines."""
    return svg.PALETTE[place % len(svg.PALETTE)], _LINES[place // len(svg.PALETTE) % len(_LINES)]


def _number_ends(axes: Axes, ends: Sequence[tuple[float, float, str, int]]) -> None:
    """The contenders' numbers behind the ends of their lines (x, y, colour, number), moved apart."""
    low, high = axes.get_ylim()
    x = max(end[0] for end in ends)
    order = sorted(ends, key=lambda end: (end[1], end[3]))
    heights = spread_out([end[1] for end in order], 0.05 * (high - low), low, high)
    for (_, y, colour, number), height in zip(order, heights, strict=True):
        axes.annotate(
            str(number),
            (x, y),
            (1.03, (height - low) / (high - low)),
            textcoords="axes fraction",
            color=colour,
            fontsize=8,
            va="center",
        )


def rates_section(contenders: Sequence[ShownContender], arms: Sequence[Arm]) -> Section | None:
    figures = []
    for arm in arms:
        found = [(c, values.layer_rates) for c, values in in_arm(contenders, arm) if values.layer_rates]
        if found:
            figures.append(_rates_figure(found, arm))
    return Section("Firing rates of layers", "layer-rates", tuple(figures)) if figures else None


def _rates_figure(found: Sequence[tuple[ShownContender, Sequence[float]]], arm: Arm) -> Figure:
    with svg.figure(WIDTH, 3.2) as fig:
        axes = fig.add_subplot()
        ends = []
        for contender, rates in found:
            # From the first layer at 0 to the output at 1: networks of all depths beside each other.
            depths = [k / max(len(rates) - 1, 1) for k in range(len(rates))]
            colour, style = _line_of(contender.number - 1)
            axes.plot(depths, rates, style, color=colour, marker="o", markersize=3, linewidth=1.2)
            ends.append((1.0, rates[-1], colour, contender.number))
        axes.set_ylim(bottom=0)
        axes.set_xlabel("depth (0: first neurons, 1: output)")
        axes.set_ylabel("spikes per neuron and step")
        axes.grid(axis="y")
        _number_ends(axes, ends)
        picture = svg.to_svg(fig)
    who = numbered([contender for contender, _ in found])
    caption = f"{ARMS[arm].capitalize()}: each dot is a layer of neurons. {who}."
    told = "; ".join(f"{c.name} {', '.join(f'{rate:.3f}' for rate in rates)}" for c, rates in found)
    return Figure(picture, caption, f"Line chart of firing rates by layer: {told}.")
