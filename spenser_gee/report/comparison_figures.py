"""A comparison's results as tables and figures. All of them show what is there so far: an unfinished comparison has
contenders without figures, and figures without intervals."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spenser_gee.report import svg
from spenser_gee.report.section import Figure, Section, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Plot

_WIDTH = 3.7  # inches: a phone's column, at the size of print

_KINDS = {
    "evolved": ("evolved", svg.BLUE, "o"),
    "first-generation": ("first generation", svg.OCHRE, "s"),
    "random": ("random search", svg.GREEN, "^"),
    "backbone": ("hand-designed", svg.ORANGE, "D"),
}
_ARMS = {"own": "each with its own recipe", "common": "all with the common recipe"}
_ENERGY = "energy_with_memory_nj"
_LINES = ("-", "--", ":")


def comparison_sections(results: Mapping[str, Any]) -> list[Section]:
    """Sections on `results` (results.json of a comparison): table, accuracy against size and energy, robustness, and
    firing rates. A section that would be empty is left out."""
    contenders = [_Contender(number, values) for number, values in enumerate(results["contenders"], start=1)]
    arms = [str(arm) for arm in results["arms"]]
    sections = [
        _table_section(results, contenders, arms),
        _trade_off(
            "Accuracy and size",
            "accuracy-size",
            contenders,
            arms,
            _Axis("parameters", lambda contender, arm: contender.values.get("parameters")),
        ),
        _trade_off(
            "Accuracy and energy",
            "accuracy-energy",
            contenders,
            arms,
            _Axis(
                "energy per image with memory, nJ",
                lambda contender, arm: (contender.arm(arm).get(_ENERGY) or {}).get("mean"),
            ),
        ),
        _robustness(contenders, arms),
        _rates(contenders, arms),
    ]
    return [section for section in sections if section is not None]


@dataclass(frozen=True)
class _Contender:
    """One contender; its number stands for its name in figures."""

    number: int
    values: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.values["name"])

    @property
    def colour(self) -> str:
        return _KINDS.get(self.values["kind"], ("", svg.GREY, "o"))[1]

    @property
    def marker(self) -> str:
        return _KINDS.get(self.values["kind"], ("", svg.GREY, "o"))[2]

    def arm(self, arm: str) -> Mapping[str, Any]:
        """What is known of it in an arm, or nothing."""
        return (self.values.get("arms") or {}).get(arm) or {}


def _numbered(contenders: Sequence[_Contender]) -> str:
    return ", ".join(f"{contender.number} {contender.name}" for contender in contenders)


# --- the table ----------------------------------------------------------------------------------------


def _table_section(
    results: Mapping[str, Any], contenders: Sequence[_Contender], arms: Sequence[str]
) -> Section:
    parts: list[str | Table] = [_introduction(results)]
    able = [contender for contender in contenders if not contender.values.get("problem")]
    reference = results.get("reference")
    parts.append(_sizes(able))
    for arm in arms:
        parts += [_accuracies(able, arm, reference), _costs(able, arm)]
    unable = [contender for contender in contenders if contender.values.get("problem")]
    if unable:
        rows = tuple((str(c.number), c.name, str(c.values["problem"])) for c in unable)
        parts.append(Table(("no.", "contender", "why"), rows, "Not in the comparison.", frozenset((0,))))
    failed = _failed(able, arms)
    if failed:
        columns = ("contender", "arm", "seed", "outcome", "reason")
        parts.append(Table(columns, failed, "Trials without a result.", frozenset((2,))))
    return Section("Comparison", "comparison", tuple(parts))


def _introduction(results: Mapping[str, Any]) -> str:
    data, budget = results.get("data") or {}, results.get("budget") or {}
    amount = "a budget"
    if budget.get("amount") is not None:
        kind = str(budget["kind"])
        amount = f"{budget['amount']:g} {kind.removesuffix('s') if budget['amount'] == 1 else kind}"
    seeds = len(results.get("seeds") or ())
    words = (
        f"Contenders on {data.get('dataset', 'the data')}, each trained for {amount} with {_plural(seeds, 'seed')} and "
        f"measured on Test. Differences are to {results.get('reference')}, paired by seed."
    )
    if results.get("common_recipe"):
        words += f" The common recipe: {results['common_recipe']}."
    return (
        words
        if results.get("finished")
        else f"{words} The comparison is not finished: figures are preliminary."
    )


def _plural(count: int, one: str) -> str:
    return f"{count} {one}" if count == 1 else f"{count} {one}s"


def _sizes(contenders: Sequence[_Contender]) -> Table:
    columns = ("no.", "contender", "kind", "parameters", "dense", "ratio", "MACs a step", "neurons")
    rows = []
    for contender in contenders:
        values = contender.values
        kind = _KINDS.get(values["kind"], (str(values["kind"]),))[0]
        rows.append(
            (
                str(contender.number),
                contender.name,
                f"{kind}, twin with direct weights" if values.get("twin") else kind,
                _whole(values.get("parameters")),
                _whole(values.get("dense_parameters")),
                _number(values.get("ratio"), ".3f"),
                _whole(values.get("dense_macs")),
                _whole(values.get("neurons")),
            )
        )
    caption = "Dense: the parameters of the same layers with ordinary weights; ratio: parameters to these."
    return Table(columns, tuple(rows), caption, frozenset((0, 3, 4, 5, 6, 7)))


def _accuracies(contenders: Sequence[_Contender], arm: str, reference: Any) -> Table:
    columns = ("no.", "contender", "accuracy", "trials", "difference", "p", "p (Holm)")
    rows = []
    for contender in contenders:
        values = contender.arm(arm)
        against = values.get("against_reference") or {}
        trials = values.get("trials") or ()
        complete = sum(trial["status"] == "complete" for trial in trials)
        difference = "reference" if contender.name == reference else _difference(against)
        numbers = (_number(against.get("p"), ".3f"), _number(against.get("p_holm"), ".3f"))
        accuracy = _spread(values.get("accuracy"), ".4f")
        rows.append(
            (
                str(contender.number),
                contender.name,
                accuracy,
                f"{complete} of {len(trials)}",
                difference,
                *numbers,
            )
        )
    caption = f"Accuracy on Test, {_ARMS.get(arm, arm)}: mean over seeds [95 % interval]."
    return Table(columns, tuple(rows), caption, frozenset((0, 2, 3, 4, 5, 6)))


def _difference(against: Mapping[str, Any]) -> str:
    return _spread({**against, "mean": against.get("difference")}, "+.4f") if against else "–"


def _costs(contenders: Sequence[_Contender], arm: str) -> Table:
    columns = (
        "no.",
        "contender",
        "SOPs",
        "nJ, Eq. 17",
        "nJ, counted",
        "nJ, with memory",
        "firing rate",
        "latency, ms",
        "images/s",
    )
    rows = []
    for contender in contenders:
        values, latency = contender.arm(arm), contender.values.get("latency") or {}
        energies = ("energy_gee_eq17_nj", "energy_operations_nj", _ENERGY)
        rows.append(
            (
                str(contender.number),
                contender.name,
                _mean(values.get("sops"), ",.0f"),
                *(_energy(values.get(name)) for name in energies),
                _mean(values.get("firing_rate"), ".4f"),
                _number(latency.get("single_ms"), ".3g"),
                _number(latency.get("throughput"), ",.0f"),
            )
        )
    caption = (
        f"Cost of one image, {_ARMS.get(arm, arm)}: means over seeds. SOPs: synaptic operations. Energies (nJ): theory "
        "for 45 nm, no measurements of a chip; after GEE's Eq. 17, of the operations counted, and with their memory "
        "accesses. Latency: of one image; images/s: in batches."
    )
    return Table(columns, tuple(rows), caption, frozenset((0, *range(2, len(columns)))))


def _failed(contenders: Sequence[_Contender], arms: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (contender.name, arm, str(trial["seed"]), str(trial["status"]), str(trial.get("reason") or ""))
        for contender in contenders
        for arm in arms
        for trial in contender.arm(arm).get("trials") or ()
        if trial["status"] != "complete"
    )


def _whole(value: Any) -> str:
    return _number(value, ",.0f")


def _number(value: Any, form: str) -> str:
    return "–" if value is None else format(value, form)


def _mean(values: Mapping[str, Any] | None, form: str) -> str:
    return _number((values or {}).get("mean"), form)


def _energy(values: Mapping[str, Any] | None) -> str:
    """`73.3`, `1,234`: no exponents."""
    mean = (values or {}).get("mean")
    return _number(mean, ".3g" if mean is not None and mean < 999.5 else ",.0f")


def _spread(values: Mapping[str, Any] | None, form: str) -> str:
    """`0.9012 [0.8990, 0.9034]`; without an interval where there is none."""
    mean = _mean(values, form)
    if not values or values.get("low") is None or values.get("high") is None:
        return mean
    return f"{mean} [{values['low']:{form}}, {values['high']:{form}}]"


# --- accuracy against cost ----------------------------------------------------------------------------


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
class _Axis:
    """The cost on the x axis: of a contender in an arm."""

    label: str
    of: Callable[[_Contender, str], Any]


def _trade_off(
    title: str, anchor: str, contenders: Sequence[_Contender], arms: Sequence[str], axis: _Axis
) -> Section | None:
    figures = []
    for arm in arms:
        shown = [c for c in contenders if (axis.of(c, arm) or 0) > 0 and c.arm(arm).get("accuracy")]
        if shown:
            figures.append(_trade_off_figure(shown, arm, axis))
    return Section(title, anchor, tuple(figures)) if figures else None


def _trade_off_figure(shown: Sequence[_Contender], arm: str, axis: _Axis) -> Figure:
    points = [(float(axis.of(c, arm)), float(c.arm(arm)["accuracy"]["mean"])) for c in shown]
    front = pareto_front(points)
    best = ", ".join(shown[place].name for place in front)
    with svg.figure(_WIDTH, 3.5) as fig:
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
        f"{_ARMS.get(arm, arm).capitalize()}. Large: means over seeds with 95 % intervals; small: single seeds; hollow: "
        f"twins with direct weights; line: the Pareto front of the means. {_numbered(shown)}."
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


def _point(axes: Axes, contender: _Contender, arm: str, x: float) -> None:
    accuracy = contender.arm(arm)["accuracy"]
    trials = contender.arm(arm).get("trials") or ()
    single = [trial["accuracy"] for trial in trials if trial.get("accuracy") is not None]
    axes.plot(
        [x] * len(single), single, "o", color=contender.colour, markersize=2.2, alpha=0.55, markeredgewidth=0
    )
    below, above = _errors(accuracy)
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


def _errors(spread: Mapping[str, Any]) -> tuple[float, float]:
    """How far an interval reaches below and above its mean; 0 where it is not known."""
    if spread.get("low") is None or spread.get("high") is None:
        return 0.0, 0.0
    return spread["mean"] - spread["low"], spread["high"] - spread["mean"]


def _legend(fig: Plot, shown: Sequence[_Contender]) -> None:
    from matplotlib.lines import Line2D

    present = [kind for kind in _KINDS if any(c.values["kind"] == kind for c in shown)]
    handles = [
        Line2D([], [], marker=_KINDS[kind][2], color=_KINDS[kind][1], linestyle="", label=_KINDS[kind][0])
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


def label_offsets(places: Sequence[Sequence[float]], gap: float = 9.0) -> list[tuple[float, float]]:
    """Where labels go, relative to their points, all in one unit: the first of rings of directions where a label is at
    least `gap` from every point and from all labels before it; else the place that is farthest from them."""
    # First above to the left: from a point on the front, its line goes right and down.
    turns = [math.tau * (k / 12 + 3 / 8) for k in range(12)]
    rings = [
        (gap * reach * math.cos(turn), gap * reach * math.sin(turn))
        for reach in (1.0, 1.5, 2.1)
        for turn in turns
    ]
    taken = [(place[0], place[1]) for place in places]
    offsets = []
    for place in places:
        spots = [(place[0] + x, place[1] + y) for x, y in rings]
        room = [min(math.dist(spot, other) for other in taken) for spot in spots]
        # A hair less than the gap: the nearest ring is just that far from its own point.
        free = next((k for k, distance in enumerate(room) if distance > 0.98 * gap), None)
        chosen = max(range(len(rings)), key=room.__getitem__) if free is None else free
        taken.append(spots[chosen])
        offsets.append(rings[chosen])
    return offsets


# --- curves -------------------------------------------------------------------------------------------


def _robustness(contenders: Sequence[_Contender], arms: Sequence[str]) -> Section | None:
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


def _curves_figure(shown: Sequence[_Contender], arm: str, kind: str, label: str) -> Figure:
    images = shown[0].arm(arm)["robustness"].get("images")
    with svg.figure(_WIDTH, 3.2) as fig:
        axes = fig.add_subplot()
        ends = []
        for contender in shown:
            curve = [(x, spread) for x, spread in contender.arm(arm)["robustness"][kind] if spread]
            if not curve:
                continue
            xs, means = [x for x, _ in curve], [spread["mean"] for _, spread in curve]
            errors = [_errors(spread) for _, spread in curve]
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
        f"{_ARMS.get(arm, arm).capitalize()}: means over seeds, and their 95 % intervals; {images or 'some'} images of "
        f"Test. {_numbered(shown)}."
    )
    return Figure(
        picture, caption, f"Line chart of accuracy against {label}, {_ends_in_words(shown, arm, kind)}."
    )


def _ends_in_words(shown: Sequence[_Contender], arm: str, kind: str) -> str:
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


def spread_out(values: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Ascending values moved apart to `gap` from each other, within low..high: the least sum of squared moves where
    the range allows it. A range too small for all makes the gap smaller.

    Neighbours that would be too near are moved as one block (the pool-adjacent-violators algorithm).
    """
    count = len(values)
    gap = min(gap, (high - low) / max(count - 1, 1))
    blocks: list[
        tuple[float, int]
    ] = []  # mean of what the values are without their gaps, and how many they are
    for place, value in enumerate(values):
        mean, size = value - place * gap, 1
        while blocks and blocks[-1][0] > mean:
            before, many = blocks.pop()
            mean, size = (mean * size + before * many) / (size + many), size + many
        blocks.append((mean, size))
    level = [min(max(mean, low), high - (count - 1) * gap) for mean, size in blocks for _ in range(size)]
    return [mean + place * gap for place, mean in enumerate(level)]


def _rates(contenders: Sequence[_Contender], arms: Sequence[str]) -> Section | None:
    figures = []
    for arm in arms:
        shown = [c for c in contenders if c.arm(arm).get("layer_rates")]
        if shown:
            figures.append(_rates_figure(shown, arm))
    return Section("Firing rates of layers", "layer-rates", tuple(figures)) if figures else None


def _rates_figure(shown: Sequence[_Contender], arm: str) -> Figure:
    with svg.figure(_WIDTH, 3.2) as fig:
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
    caption = f"{_ARMS.get(arm, arm).capitalize()}: each dot is a layer of neurons. {_numbered(shown)}."
    told = "; ".join(
        f"{c.name} {', '.join(f'{rate:.3f}' for rate in c.arm(arm)['layer_rates'])}" for c in shown
    )
    return Figure(picture, caption, f"Line chart of firing rates by layer: {told}.")
