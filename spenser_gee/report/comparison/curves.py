"""Curves of a comparison: accuracy under disturbance, and firing rates along the layers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from spenser_gee.report.comparison.contender import ARMS, WIDTH, ShownContender, numbered, reach
from spenser_gee.report.drawing import svg
from spenser_gee.report.drawing.label_places import spread_out
from spenser_gee.report.drawing.section import Figure, Section

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LINES = ("-", "--", ":")


def robustness_section(contenders: Sequence[ShownContender], arms: Sequence[str]) -> Section | None:
    figures = []
    for arm, (kind, label) in itertools.product(arms, _DISTURBANCES.items()):
        shown = [c for c in contenders if (c.arm(arm).get("robustness") or {}).get(kind)]
        if shown:
            figures.append(_curves_figure(shown, arm, kind, label))
    return Section("Robustness", "robustness", tuple(figures)) if figures else None


_DISTURBANCES = {
    "noise": "noise on the image (relative L2 norm)",
    "spike_drop": "share of spikes that are lost",
}


def _curves_figure(shown: Sequence[ShownContender], arm: str, kind: str, label: str) -> Figure:
    images = shown[0].arm(arm)["robustness"].get("images")
    with svg.figure(WIDTH, 3.2) as fig:
        axes = fig.add_subplot()
        ends = []
        for contender in shown:
            curve = [(x, spread) for x, spread in contender.arm(arm)["robustness"][kind] if spread]
            if not curve:
                continue
            xs, means = [x for x, _ in curve], [spread["mean"] for _, spread in curve]
            errors = [reach(spread) for _, spread in curve]
            colour, style = _line_of(contender.number - 1)
            axes.plot(xs, means, style, color=colour, marker=".", linewidth=1.2)
            low = [mean - below for mean, (below, _) in zip(means, errors, strict=True)]
            high = [mean + above for mean, (_, above) in zip(means, errors, strict=True)]
            axes.fill_between(xs, low, high, color=colour, alpha=0.12, linewidth=0)
            ends.append((xs[-1], means[-1], colour, contender.number))
        axes.set_xlabel(label)
        axes.set_ylabel("accuracy")
        axes.locator_params(axis="x", nbins=6)
        axes.grid(axis="y")
        _number_ends(axes, ends)
        picture = svg.to_svg(fig)
    caption = (
        f"{ARMS.get(arm, arm).capitalize()}: means over seeds, and their 95 % intervals; {images or 'some'} images of "
        f"Test. {numbered(shown)}."
    )
    return Figure(
        picture, caption, f"Line chart of accuracy against {label}, {_ends_in_words(shown, arm, kind)}."
    )


def _ends_in_words(shown: Sequence[ShownContender], arm: str, kind: str) -> str:
    found = []
    for contender in shown:
        curve = [(x, spread) for x, spread in contender.arm(arm)["robustness"][kind] if spread]
        if curve:
            (first, one), (last, other) = curve[0], curve[-1]
            found.append(f"{contender.name} {one['mean']:.3f} at {first:g}, {other['mean']:.3f} at {last:g}")
    return "; ".join(found)


def _line_of(place: int) -> tuple[str, str]:
    """Colour and dashes of the line at this place: all differ up to 18 lines."""
    return svg.PALETTE[place % len(svg.PALETTE)], _LINES[place // len(svg.PALETTE) % len(_LINES)]


def _number_ends(axes: Axes, ends: Sequence[tuple[float, float, str, int]]) -> None:
    """The contenders' numbers behind the ends of their lines (x, y, colour, number), moved apart."""
    if not ends:
        return
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


def rates_section(contenders: Sequence[ShownContender], arms: Sequence[str]) -> Section | None:
    figures = []
    for arm in arms:
        shown = [c for c in contenders if c.arm(arm).get("layer_rates")]
        if shown:
            figures.append(_rates_figure(shown, arm))
    return Section("Firing rates of layers", "layer-rates", tuple(figures)) if figures else None


def _rates_figure(shown: Sequence[ShownContender], arm: str) -> Figure:
    with svg.figure(WIDTH, 3.2) as fig:
        axes = fig.add_subplot()
        ends = []
        for contender in shown:
            rates = contender.arm(arm)["layer_rates"]
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
    caption = f"{ARMS.get(arm, arm).capitalize()}: each dot is a layer of neurons. {numbered(shown)}."
    told = "; ".join(
        f"{c.name} {', '.join(f'{rate:.3f}' for rate in c.arm(arm)['layer_rates'])}" for c in shown
    )
    return Figure(picture, caption, f"Line chart of firing rates by layer: {told}.")
