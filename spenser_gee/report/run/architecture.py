"""The best network as a picture, from its input at the top to its output, and its layers as a table.

The picture is written as SVG here: boxes, arrows, and text in columns are simpler so than as a plot. It is as wide as a
phone's column, so that its text is as large there as the page's small print.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import assert_never

from spenser_gee.phenotype.plan import EncodingKey, Plan, PlannedLayer
from spenser_gee.phenotype.words import layers as words
from spenser_gee.phenotype.words.site import Join, Shape
from spenser_gee.report.drawing import svg
from spenser_gee.report.drawing.section import Figure, Section, Table
from spenser_gee.runs.store import RunFolder
from spenser_gee.training.saved import load_network

# Pixels, where the picture is shown at its own size.
_WIDTH = 330
_SMALLEST, _LARGEST = 305, 430
_ROW = 18
_GAP = 16  # between units
_LEFT = 22  # of the boxes: the units' numbers stand left of them
_SHAPE_END = 50  # the shapes end so far left of the parameters' end
_LANE, _ALL_LANES = 13, 65  # of one skip, right of the boxes, and of all at most: many share it
_TEXT = 12
_CHARACTER = 7.0  # of text of that size in a wide font

_WEIGHTS, _GENES, _NEURONS, _OTHERS, _SKIPS = svg.BLUE, svg.PURPLE, svg.ORANGE, svg.GREY, svg.GREEN


def architecture_section(run: RunFolder) -> Section | None:
    """The best network of the finished generations; None while there is none whose weights are kept.

    Raises InputError where its weights are damaged.
    """
    if not run.best_weights.is_file():
        return None
    plan = load_network(run.best_weights).network.plan
    return Section("Best network", "architecture", (draw_plan(plan), *_words(plan), layer_table(plan)))


def _words(plan: Plan) -> list[str]:
    if not plan.encodings:
        return [f"All weights are direct: {plan.parameters:,} parameters."]
    genes = plan.spec.genes.count
    return [
        f"Gene-encoded layers have weights W = E1 G E2ᵀ: G ({genes} × {genes}) is the whole network's, and each "
        "encoding E belongs to a population of channels. An encoding that two layers read is counted at the first "
        f"of them. The network has {plan.parameters:,} parameters, {plan.gene_parameters:,} of them in G and the "
        f"encodings; with ordinary weights everywhere it would have {plan.dense_parameters:,}."
    ]


# --- words and numbers --------------------------------------------------------------------------------


def describe_layer(layer: words.Layer) -> str:
    """A layer in a few words: `conv 35, 5×5 /2` has 35 filters and a stride of 2."""
    match layer:
        case words.Conv():
            stride = f" /{layer.stride}" if layer.stride > 1 else ""
            return f"conv {layer.filters}, {layer.kernel}×{layer.kernel}{stride}"
        case words.FullyConnected():
            return f"fc {layer.units or 'classes'}"
        case words.MaxPool() | words.AvgPool() | words.AdaptivePool():
            return f"{layer.word} {layer.size}×{layer.size}"
        case words.Dropout():
            return f"dropout {layer.rate:.2g}"
        case words.LIF():
            return f"lif β {layer.beta:.2g}, θ {layer.threshold:.3g}"
        case words.Skip():
            return f"skip {layer.mode}"
        case words.GlobalPool() | words.BatchNorm():
            return layer.word
        case _:
            assert_never(layer)


def _particulars(planned: PlannedLayer) -> str:
    """What `describe_layer` leaves out."""
    layer = planned.layer
    match layer:
        case words.Conv() | words.FullyConnected():
            kind = "gene-encoded" if planned.gene_coded else "direct weights"
            padding = [f"padding {layer.padding}"] if isinstance(layer, words.Conv) else []
            return ", ".join([kind, *padding, *([] if layer.bias else ["no bias"])])
        case words.LIF():
            trained = {"false": [], "true": ["β trained"], "plif": ["β trained as a sigmoid"]}[
                layer.learn_beta
            ]
            thresholds = ["θ trained"] if layer.learn_threshold else []
            return ", ".join([*trained, *thresholds, f"reset {layer.reset}", f"surrogate {layer.surrogate}"])
        case words.BatchNorm():
            return "over time and batch" if layer.over == "time-batch" else "each step apart"
        case words.Dropout():
            return f"one mask a {layer.mask}"
        case words.Skip():
            assert planned.join is not None
            return _joined(planned.join)
        case words.MaxPool() | words.AvgPool() | words.AdaptivePool() | words.GlobalPool():
            return ""
        case _:
            assert_never(layer)


def _changes(join: Join) -> str:
    """How a skip's source is brought to the shape here."""
    resized = [f"resized to {join.resample[0]}×{join.resample[1]}"] if join.resample else []
    return ", ".join([*resized, *(["projected 1×1"] if join.project else [])])


def _joined(join: Join) -> str:
    """Where a skip comes from, and what is done to it."""
    changes = _changes(join)
    return f"from {_unit_name(join.source)}" + (f", {changes}" if changes else "")


def _unit_name(unit: int) -> str:
    return "the input" if unit < 0 else f"unit {unit + 1}"


def layer_parameters(plan: Plan) -> list[int]:
    """The parameters of each layer: its direct ones, and the encodings that no layer before it has. All together and
    the g² of G are `plan.parameters`."""
    seen: set[EncodingKey] = set()
    numbers = []
    for planned in plan.layers:
        own = {*planned.gene_in, *([planned.gene_out] if planned.gene_out else [])} - seen
        seen |= own
        numbers.append(planned.parameters + sum(key.parameters(plan.spec.genes.count) for key in own))
    return numbers


def layer_table(plan: Plan) -> Table:
    """All layers with shapes, parameters, multiply-accumulates and neurons; sums in the last row."""
    rows = []
    for planned, parameters in zip(plan.layers, layer_parameters(plan), strict=True):
        neurons = math.prod(planned.output) if planned.layer.spiking else 0
        numbers = (_count(parameters), _count(planned.macs), _count(neurons))
        rows.append(
            (
                str(planned.unit + 1),
                describe_layer(planned.layer),
                _shape(planned.output),
                *numbers,
                _particulars(planned),
            )
        )
    genes = plan.spec.genes.count
    if plan.encodings:
        rows.append(
            ("", f"G, {genes}×{genes}", "", _count(genes**2), "", "", "shared by gene-encoded layers")
        )
    rows.append(("", "all", "", f"{plan.parameters:,}", f"{plan.macs:,}", f"{plan.neurons:,}", ""))
    columns = ("unit", "layer", "output", "parameters", "MACs a step", "neurons", "particulars")
    caption = (
        "Output: channels × height × width. MACs: dense multiply-accumulates of one time step and image."
    )
    return Table(columns, tuple(rows), caption, frozenset((0, 2, 3, 4, 5)))


def _shape(shape: Shape) -> str:
    return str(shape[0]) if shape[1:] == (1, 1) else "×".join(map(str, shape))


def _count(number: int) -> str:
    return f"{number:,}" if number else ""


def _short(number: int) -> str:
    """`512`, `13.5k`, `2.36M`; nothing for 0."""
    if number < 10_000:
        return str(number) if number else ""
    return f"{number / 1e3:.3g}k" if number < 999_500 else f"{number / 1e6:.3g}M"


# --- the picture --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Row:
    """One line in a unit's box. source: the unit that a skip comes from."""

    words: str
    colour: str
    shape: str = ""
    parameters: str = ""
    source: int | None = None


@dataclass(frozen=True)
class _Arc:
    """A skip: from the lower part of a box to a row further down, in a lane at the boxes' right."""

    begin: float
    end: float
    lane: int


def draw_plan(plan: Plan) -> Figure:
    """The network of a plan as boxes of units, one below the other, with its skips as arrows at their right."""
    units = [[_input_row(plan)], *(_unit_rows(plan, unit) for unit in range(len(plan.spec.units)))]
    # The lanes depend on what the skips cross alone, and the boxes' width on the lanes.
    lanes = max((arc.lane + 1 for arc in _arcs(units, _tops(units))), default=0)
    room = min(lanes * _LANE, _ALL_LANES)
    right = _WIDTH - 6 - room - (6 if lanes else 0)
    boxes = [[line for row in rows for line in _fitted(row, right)] for rows in units]
    tops = _tops(boxes)
    arcs = _arcs(boxes, tops)
    parts = [_headings(right)]
    for number, (rows, top) in enumerate(zip(boxes, tops, strict=True)):
        parts += _box(rows, top, right, str(number) if number else "")
        if number:
            parts.append(_arrow(tops[number - 1] + len(boxes[number - 1]) * _ROW, top, right))
    parts += [_arc(arc, right, room / max(lanes, 1)) for arc in arcs]
    height = tops[-1] + len(boxes[-1]) * _ROW + 4
    return Figure(_svg(parts, height), _caption(plan), _description(plan))


def _svg(parts: Iterable[str], height: float) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {_WIDTH} {height:g}" fill="currentColor" '
        f'font-size="{_TEXT}" style="width: 100%; min-width: {_SMALLEST}px; max-width: {_LARGEST}px; height: auto">'
        + "".join(parts)
        + "</svg>"
    )


def _input_row(plan: Plan) -> _Row:
    return _Row(f"input, {plan.spec.input.coding} coding", _OTHERS, _shape(plan.input_shape))


def _unit_rows(plan: Plan, unit: int) -> list[_Row]:
    numbers = layer_parameters(plan)
    rows: list[_Row] = []
    for planned, parameters in zip(plan.layers, numbers, strict=True):
        if planned.unit == unit:
            rows += _layer_rows(planned, _short(parameters))
    return rows or [_Row("no layer", _OTHERS)]


def _layer_rows(planned: PlannedLayer, parameters: str) -> list[_Row]:
    said = describe_layer(planned.layer)
    shape = _shape(planned.output)
    if planned.join is None:
        return [_Row(said + (", gene" if planned.gene_coded else ""), _colour(planned), shape, parameters)]
    source = _unit_name(planned.join.source)
    rows = [_Row(f"{said} {source}", _SKIPS, shape, parameters, planned.join.source)]
    # What is done to it stands in a line that has the whole width.
    changes = _changes(planned.join)
    return [*rows, _Row(changes, _SKIPS)] if changes else rows


def _fitted(row: _Row, right: float) -> list[_Row]:
    """In two lines where the words would run into the shape."""
    room = right - _SHAPE_END - len(row.shape) * _CHARACTER - 4 - (_LEFT + 9)
    if not row.shape or len(row.words) * _CHARACTER <= room:
        return [row]
    return [replace(row, shape="", parameters=""), _Row("", row.colour, row.shape, row.parameters)]


def _colour(planned: PlannedLayer) -> str:
    if planned.layer.weighted:
        return _GENES if planned.gene_coded else _WEIGHTS
    return _NEURONS if planned.layer.spiking else _OTHERS


def _tops(boxes: Sequence[Sequence[_Row]]) -> list[float]:
    tops = [float(_ROW)]
    for rows in boxes[:-1]:
        tops.append(tops[-1] + len(rows) * _ROW + _GAP)
    return tops


def _arcs(boxes: Sequence[Sequence[_Row]], tops: Sequence[float]) -> list[_Arc]:
    """Every skip in the innermost lane that is free where it runs."""
    ends = [
        (tops[row.source + 1] + len(boxes[row.source + 1]) * _ROW - 6, top + (place + 0.5) * _ROW)
        for rows, top in zip(boxes, tops, strict=True)
        for place, row in enumerate(rows)
        if row.source is not None
    ]
    arcs: list[_Arc] = []
    # The short ones first: they lie inside.
    for begin, end in sorted(ends, key=lambda pair: (pair[1] - pair[0], pair)):
        taken = {arc.lane for arc in arcs if arc.begin < end and begin < arc.end}
        lane = next(lane for lane in range(len(arcs) + 1) if lane not in taken)
        arcs.append(_Arc(begin, end, lane))
    return arcs


def _headings(right: float) -> str:
    names = (("unit", 0, "start"), ("output", right - _SHAPE_END, "end"), ("params", right, "end"))
    return "".join(_text(name, x, 11, anchor, faint=True) for name, x, anchor in names)


def _box(rows: Sequence[_Row], top: float, right: float, number: str) -> list[str]:
    parts = [_text(number, _LEFT - 6, top + 13, "end", faint=True)]
    for place, row in enumerate(rows):
        y = top + place * _ROW
        parts.append(
            f'<rect x="{_LEFT}" y="{y:g}" width="{right - _LEFT:g}" height="{_ROW}" fill="{row.colour}" '
            f'fill-opacity=".14"/><rect x="{_LEFT}" y="{y:g}" width="4" height="{_ROW}" fill="{row.colour}"/>'
        )
        parts += _row_texts(row, y + 13, right)
    parts.append(
        f'<rect x="{_LEFT}" y="{top:g}" width="{right - _LEFT:g}" height="{len(rows) * _ROW}" fill="none" '
        'stroke="currentColor" stroke-opacity=".45"/>'
    )
    return parts


def _row_texts(row: _Row, y: float, right: float) -> list[str]:
    return [
        _text(row.words, _LEFT + 9, y),
        _text(row.shape, right - _SHAPE_END, y, "end"),
        _text(row.parameters, right - 5, y, "end"),
    ]


def _text(words: str, x: float, y: float, anchor: str = "start", *, faint: bool = False) -> str:
    opacity = ' fill-opacity=".7"' if faint else ""
    where = f'x="{x:g}" y="{y:g}"' + (f' text-anchor="{anchor}"' if anchor != "start" else "")
    return f"<text {where}{opacity}>{escape(words)}</text>" if words else ""


def _arrow(begin: float, end: float, right: float) -> str:
    middle = (_LEFT + right) / 2
    return (
        f'<path d="M{middle:g} {begin:g}V{end - 4:g}" fill="none" stroke="currentColor" stroke-opacity=".7"/>'
        + _head(middle, end, 0, 1, "currentColor")
    )


def _arc(arc: _Arc, right: float, lane_width: float) -> str:
    x = right + 6 + (arc.lane + 0.6) * lane_width
    bend = min(10.0, (arc.end - arc.begin) / 2)
    path = (
        f"M{right:g} {arc.begin:g}Q{x:g} {arc.begin:g} {x:g} {arc.begin + bend:g}"
        f"V{arc.end - bend:g}Q{x:g} {arc.end:g} {right + 5:g} {arc.end:g}"
    )
    return f'<path d="{path}" fill="none" stroke="{_SKIPS}" stroke-width="1.6"/>' + _head(
        right, arc.end, -1, 0, _SKIPS
    )


def _head(x: float, y: float, across: int, down: int, colour: str) -> str:
    """The tip of an arrow at (x, y) that points to where (across, down) does."""
    back_x, back_y = x - 6 * across, y - 6 * down
    side_x, side_y = 3.5 * down, 3.5 * across
    return (
        f'<path d="M{x:g} {y:g}L{back_x + side_x:g} {back_y + side_y:g}L{back_x - side_x:g} {back_y - side_y:g}Z" '
        f'fill="{colour}"/>'
    )


def _caption(plan: Plan) -> str:
    genes = any(planned.gene_coded for planned in plan.layers)
    direct = any(planned.layer.weighted and not planned.gene_coded for planned in plan.layers)
    colours = [
        *(["blue: direct weights"] if direct else []),
        *(["pink: gene-encoded weights"] if genes else []),
        "orange: neurons",
        *(["green: skips"] if any(planned.join for planned in plan.layers) else []),
        "grey: the rest",
    ]
    return (
        f"Units from the input to the output; {'; '.join(colours)}. Of neurons, β is the decay and θ the threshold, "
        "before training; /2 is a stride of 2."
    )


def _description(plan: Plan) -> str:
    layers = "; ".join(
        f"{describe_layer(planned.layer)}{f' {_joined(planned.join)}' if planned.join else ''}"
        for planned in plan.layers
    )
    return f"Diagram of a network of {len(plan.spec.units)} units: {layers}."
