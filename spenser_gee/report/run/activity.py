"""What the trained network does with real images: spikes, membranes, confusions, and firing rates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from spenser_gee.data import OtherData
from spenser_gee.errors import InputError
from spenser_gee.phenotype.plan import Plan
from spenser_gee.phenotype.words.layers import LIF
from spenser_gee.report.drawing import svg
from spenser_gee.report.drawing.section import Figure, Section
from spenser_gee.report.run.traces import (
    Answers,
    Firing,
    Subject,
    answers,
    evenly,
    find_subject,
    fire,
    samples,
)
from spenser_gee.runs.store import RunFolder
from spenser_gee.training.losses import needs_membrane

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH = 3.7  # inches: a phone's column, at the size of print
_SAMPLES = 3
_NEURONS = 60  # of one layer in a raster, at most
_ALL_NEURONS = 240  # of all layers, as far as each keeps a few
_HIDDEN = 4  # hidden neurons whose membranes are drawn
_MANY_CLASSES = 24  # beyond this many, a confusion matrix has no numbers and no names


def activity_sections(run: RunFolder, data_root: str | None) -> list[Section]:
    """Sections on the trained network; none without weights, one that says why without data.

    Raises OtherData where the data are not those of the run.
    """
    try:
        subject = find_subject(run, data_root)
    except OtherData:
        raise
    except InputError as error:
        why = "The trained network could not be shown its data: " + str(error.findings[0])
        return [Section("Activity", "activity", (" ".join(why.split()),))]
    if subject is None:
        return []
    measured = answers(subject)
    return [_samples(subject), _confusion(subject, measured), _rates(subject, measured)]


# --- single images ------------------------------------------------------------------------------------


def _samples(subject: Subject) -> Section:
    places = samples(subject, _SAMPLES)
    firings, guesses = fire(subject, places)
    data, names = subject.images.data, subject.data.classes
    labels = [int(data.labels[place]) for place in places]
    images = [data.inputs[place].sum(0).cpu() for place in places]
    titles = [_title(names, label, int(guess)) for label, guess in zip(labels, guesses, strict=True)]
    told = "; ".join(titles)
    words = (
        f"The first images of {len(places)} classes in {subject.part}: {told}. Time runs over "
        f"{subject.saved.time_steps} steps."
    )
    raster = Figure(
        _raster(subject.saved.network.plan, firings, images, titles),
        f"Spikes. A dash is a spike of one neuron in one time step; of a layer, up to {_NEURONS} neurons are shown, at "
        "equal distances. Layers are numbered from the input; the output is on top.",
        f"Spike rasters of {len(places)} images beside the images: {told}.",
    )
    traces = Figure(
        _membranes(subject.saved.network.plan, firings, labels, titles),
        f"Membranes after reset and input, and the thresholds (dashed). {_shown_membranes(subject)}",
        f"Line charts of membranes over time for {len(places)} images.",
    )
    return Section("Activity", "activity", (words, raster, traces))


def _decision(subject: Subject) -> str:
    if needs_membrane(subject.saved.spec.loss):
        return "The answer is the class whose output membrane is highest on average."
    return "The answer is the class whose output neuron fires most."


def _shown_membranes(subject: Subject) -> str:
    names = layer_names(subject.saved.network.plan)
    hidden = (
        f"Up to {_HIDDEN} neurons of the first layer (lif 1), from the one that fired most for the image to one that "
        "fired rarely."
    )
    output = f"All neurons of the output, that of the image's class thick. {_decision(subject)}"
    return " ".join(
        [*([hidden] if names[0] != "output" else []), *([output] if names[-1] == "output" else [])]
    )


def _title(names: Sequence[str], label: int, guess: int) -> str:
    return f"{names[label]}, {'recognised' if guess == label else f'taken for {names[guess]}'}"


def layer_names(plan: Plan) -> list[str]:
    """The LIF layers: numbered from the input; `output` if it is the network's last layer."""
    indices = [index for index, planned in enumerate(plan.layers) if isinstance(planned.layer, LIF)]
    return [
        "output" if index == len(plan.layers) - 1 else f"lif {number}"
        for number, index in enumerate(indices, start=1)
    ]


def _raster(plan: Plan, firings: Sequence[Firing], images: Sequence[Tensor], titles: Sequence[str]) -> str:
    most = min(_NEURONS, max(12, _ALL_NEURONS // len(firings)))
    rows = sum(min(firing.spikes.shape[2], most) for firing in firings)
    height = 0.6 + min(2.2, max(1.1, rows * 0.016))
    with svg.figure(_WIDTH, height * len(images)) as fig:
        grid = fig.subplots(len(images), 2, squeeze=False, width_ratios=(1, 3.2))
        for sample, (image, title) in enumerate(zip(images, titles, strict=True)):
            _show_image(grid[sample][0], image)
            axes = grid[sample][1]
            _spikes(axes, plan, firings, sample, most)
            axes.set_title(title, loc="left")
        grid[-1][1].set_xlabel("time step")
        return svg.to_svg(fig)


def _show_image(axes: Axes, image: Tensor) -> None:
    pixels = image.permute(1, 2, 0) if image.shape[0] == 3 else image.float().mean(0)
    axes.imshow(pixels.numpy(), cmap="gray", interpolation="none")
    axes.set_axis_off()


def _spikes(axes: Axes, plan: Plan, firings: Sequence[Firing], sample: int, most: int) -> None:
    """One path a layer: each spike is a dash as long as its step."""
    begin, middles = 0, []
    for number, firing in enumerate(firings):
        chosen = evenly(firing.spikes.shape[2], most)
        steps, rows = firing.spikes[:, sample, chosen].nonzero(as_tuple=True)
        x = torch.stack([steps + 0.6, steps + 1.4, torch.full(steps.shape, math.nan)], 1).flatten()
        y = torch.stack([rows + begin] * 3, 1).flatten()
        colour = svg.PALETTE[number % (len(svg.PALETTE) - 1)]
        axes.plot(x.numpy(), y.numpy(), color=colour, linewidth=1.1, solid_capstyle="butt")
        middles.append(begin + (len(chosen) - 1) / 2)
        begin += len(chosen) + 2
        if number < len(firings) - 1:
            axes.axhline(begin - 1.5, color=svg.GREY, linewidth=0.5)
    axes.set_yticks(middles, layer_names(plan))
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(-1.5, begin - 1)
    _time_axis(axes, firings[0].spikes.shape[0])


def _time_axis(axes: Axes, steps: int) -> None:
    axes.set_xlim(0.5, steps + 0.5)
    svg.count_along(axes)


def _membranes(plan: Plan, firings: Sequence[Firing], labels: Sequence[int], titles: Sequence[str]) -> str:
    hidden = [firing for firing in firings if firing.index < len(plan.layers) - 1][:1]
    output = [firing for firing in firings if firing.index == len(plan.layers) - 1]
    columns = [*((firing, False) for firing in hidden), *((firing, True) for firing in output)]
    with svg.figure(_WIDTH, 1.55 * len(labels)) as fig:
        grid = fig.subplots(len(labels), len(columns), squeeze=False, sharex=True)
        for sample, (label, title) in enumerate(zip(labels, titles, strict=True)):
            for axes, (firing, is_output) in zip(grid[sample], columns, strict=True):
                thick = label if is_output else None
                chosen = range(firing.spikes.shape[2]) if is_output else _typical(firing, sample)
                _membrane(axes, firing, sample, chosen, thick)
            grid[sample][0].set_title(title, loc="left")
        for axes, (_, is_output) in zip(grid[-1], columns, strict=True):
            axes.set_xlabel(f"time step ({'output' if is_output else 'lif 1'})")
        return svg.to_svg(fig)


def _typical(firing: Firing, sample: int) -> list[int]:
    """From the neuron with the most spikes to one with the fewest, silent ones left out as far as others are there."""
    spikes = firing.spikes[:, sample].sum(0)
    peaks = firing.membrane[:, sample].amax(0)
    order = sorted(range(len(spikes)), key=lambda n: (-float(spikes[n]), -float(peaks[n]), n))
    firing_ones = int((spikes > 0).sum())
    shown = order[: max(firing_ones, _HIDDEN)]
    return [shown[place] for place in evenly(len(shown), _HIDDEN)]


def _membrane(axes: Axes, firing: Firing, sample: int, chosen: Sequence[int], thick: int | None) -> None:
    steps = range(1, firing.membrane.shape[0] + 1)
    for number, neuron in enumerate(chosen):
        if thick is None:
            style: dict[str, Any] = {"color": svg.PALETTE[number % len(svg.PALETTE)], "linewidth": 1.2}
        elif neuron == thick:
            style = {"color": svg.BLUE, "linewidth": 2.2, "zorder": 3}
        else:
            style = {"color": svg.GREY, "linewidth": 0.8}
        axes.plot(steps, firing.membrane[:, sample, neuron].numpy(), marker=".", markersize=3, **style)
    axes.axhline(firing.threshold, color=svg.ORANGE, linestyle="--", linewidth=1)
    _time_axis(axes, len(steps))


# --- all images ---------------------------------------------------------------------------------------


def _confusion(subject: Subject, measured: Answers) -> Section:
    names = subject.data.classes
    parts: list[str | Figure] = [_accuracy_words(subject, measured)]
    most = _most_confused(measured.confusion, names)
    if most:
        parts.append(most)
    parts.append(
        Figure(
            _matrix(measured.confusion, names),
            "Rows: the true class; columns: the class that the network answers. Numbers: images; colour: share of the "
            "row.",
            f"Confusion matrix of {len(names)} classes. {most}",
        )
    )
    return Section(f"Confusions on {subject.part}", "confusions", tuple(parts))


def _accuracy_words(subject: Subject, measured: Answers) -> str:
    count = int(measured.confusion.sum())
    words = f"Accuracy on {subject.part}: {measured.accuracy:.4f} of {count:,} images"
    if subject.part != "Test":
        words += " (the run has not tested this network, so Test is not looked at)"
    if subject.recorded is None:
        return words + "."
    if abs(measured.accuracy - subject.recorded) < 0.5 / count:
        return words + ", equal to what the run recorded."
    return (
        f"{words}. The run recorded {subject.recorded:.4f}: another device, or another version of torch, can change "
        "the spikes of a few images."
    )


def _most_confused(confusion: Tensor, names: Sequence[str]) -> str:
    """The three largest numbers off the diagonal, in words."""
    wrong = confusion.clone().fill_diagonal_(0)
    values, places = wrong.flatten().topk(min(3, wrong.numel()))
    classes, totals = len(names), confusion.sum(1)
    told = [
        f"{names[place // classes]} taken for {names[place % classes]} "
        f"({value} of {int(totals[place // classes])})"
        for value, place in zip(values.tolist(), places.tolist(), strict=True)
        if value
    ]
    return f"Most frequent: {', '.join(told)}." if told else ""


def _matrix(confusion: Tensor, names: Sequence[str]) -> str:
    from matplotlib.colors import ListedColormap, to_rgb

    shares = confusion / confusion.sum(1, keepdim=True).clamp(min=1)
    # From nothing to blue, so that it stands on any page, and text on it.
    blues = ListedColormap([(*to_rgb(svg.BLUE), 0.75 * k / 255) for k in range(256)])
    many = len(names) > _MANY_CLASSES
    with svg.figure(_WIDTH, _WIDTH) as fig:
        axes = fig.add_subplot()
        axes.pcolormesh(shares.numpy(), cmap=blues, vmin=0, vmax=1, rasterized=many)
        axes.set_aspect("equal")
        axes.invert_yaxis()
        if many:
            axes.set(xlabel="answer", ylabel="class")
        else:
            _name_cells(axes, confusion, names)
        return svg.to_svg(fig)


def _name_cells(axes: Axes, confusion: Tensor, names: Sequence[str]) -> None:
    middles = [k + 0.5 for k in range(len(names))]
    axes.set_xticks(middles, names, rotation=90)
    axes.set_yticks(middles, names)
    axes.tick_params(length=0)
    for row, column in confusion.nonzero().tolist():
        axes.text(
            column + 0.5,
            row + 0.5,
            str(int(confusion[row, column])),
            ha="center",
            va="center",
            fontsize=min(7.5, 80 / len(names)),
        )


def _rates(subject: Subject, measured: Answers) -> Section:
    plan = subject.saved.network.plan
    neurons = [math.prod(p.output) for p in plan.layers if isinstance(p.layer, LIF)]
    names = [f"{name} ({count:,})" for name, count in zip(layer_names(plan), neurons, strict=True)]
    told = ", ".join(
        f"{name} {rate:.4f}" for name, rate in zip(layer_names(plan), measured.rates, strict=True)
    )
    picture = Figure(
        _bars(names, measured.rates),
        "Mean spikes per neuron and time step of each layer, the input's side on top; neurons in brackets.",
        f"Bar chart of firing rates: {told}.",
    )
    words = f"Over all images of {subject.part}."
    return Section("Firing rates", "firing-rates", (words, picture))


def _bars(names: Sequence[str], rates: Sequence[float]) -> str:
    with svg.figure(_WIDTH, 0.6 + 0.24 * len(names)) as fig:
        axes = fig.add_subplot()
        bars = axes.barh(range(len(rates)), rates, height=0.65, color=svg.BLUE)
        axes.bar_label(bars, [f"{rate:.3f}" for rate in rates], padding=3, fontsize=8)
        axes.set_yticks(range(len(rates)), names)
        axes.invert_yaxis()
        axes.margins(x=0.18)
        axes.set_xlabel("spikes per neuron and step")
        return svg.to_svg(fig)
