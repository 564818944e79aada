"""How many operations a network really needs for given signals, counted on its own layers while it runs.

Counted are the layers with weights (convolutions, fully connected layers, the 1x1 projections of skips) and the
neurons. Not counted, because they cost nothing or next to nothing beside these at inference:

- batch norm and biases: constants that are folded into the weights and into the neurons' update;
- pooling and means over positions, and additions where a skip joins without projection (fan-out 1, no weight);
- the expansion of gene-coded weights, W = E1 G E2^T: it is done once, before inference (see docs/energy.md).

A layer's work is event-driven: a value of 0 costs nothing, any other one reaches as many weights as it has real
fan-out. At the border, and with a stride, that is fewer than kernel^2 x filters.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, assert_never

import torch
from torch import Tensor, nn

from spenser_gee.errors import input_error
from spenser_gee.network import layers
from spenser_gee.network.build import SpikingNetwork
from spenser_gee.phenotype.plan import PlannedLayer
from spenser_gee.phenotype.words import layers as words
from spenser_gee.phenotype.words.site import Shape
from spenser_gee.training.mode import evaluating

# Kinds of signals, from the cheapest to the dearest.
SPIKES = "spikes"  # every value is 0 or 1
COUNTS = "counts"  # whole numbers from 0 on: sums of spikes, which cost as many accumulates as spikes
GRADED = (
    "graded"  # anything else: an image, the mean of a pool, currents that no neuron has turned into spikes
)
_KINDS = (SPIKES, COUNTS, GRADED)


@dataclass(frozen=True)
class LayerOperations:
    """One layer with weights. Figures are means per sample, over all the steps that it is computed for.

    index: in the plan. word: conv, fc, or skip for its projection.
    input: the shape of what the weights multiply (of a projection: after the resampling). output: (C, H, W).
    weights: their number, expanded where they are gene-coded.
    dense_macs: multiply-accumulates per time step if nothing is skipped. Products with the padding count, as in
        torch.utils.flop_counter, which counts 2 operations for each.
    static: the signal is the same at every step and the layer is computed once, not T times.
    signal: "spikes", "counts" or "graded", found from the values of all samples: one graded value makes it graded.
    rate: events per value of the input and step: a spike is one, a count n is n, another value but 0 is one.
    sops: synaptic operations, sum of spikes (or counts) x real fan-out: one accumulate each. 0 if graded.
    macs: values that are not 0 x real fan-out: one multiply-accumulate each. 0 if not graded.
    """

    index: int
    word: str
    input: Shape
    output: Shape
    weights: int
    dense_macs: int
    static: bool
    signal: str
    rate: float
    sops: float
    macs: float

    @property
    def weight_reads(self) -> float:
        """One for each accumulate, with or without product: nothing is kept between two events."""
        return self.sops + self.macs

    @property
    def state_accesses(self) -> float:
        """Each accumulate reads the sum that it adds to (a membrane, or what a pool reads), and writes it."""
        return 2 * (self.sops + self.macs)


@dataclass(frozen=True)
class NeuronOperations:
    """One layer of neurons. updates: neurons x T, done whether there is input or not. spikes: mean per sample."""

    index: int
    neurons: int
    updates: int
    spikes: float

    @property
    def rate(self) -> float:
        """Spikes per neuron and step."""
        return self.spikes / self.updates

    @property
    def state_accesses(self) -> int:
        """Each update reads the membrane and writes it."""
        return 2 * self.updates


@dataclass(frozen=True)
class Operations:
    """Everything counted; the totals are per sample over all T steps."""

    samples: int
    time_steps: int
    layers: tuple[LayerOperations, ...]
    neurons: tuple[NeuronOperations, ...]

    @property
    def dense_macs(self) -> int:
        """Of one time step."""
        return sum(layer.dense_macs for layer in self.layers)

    @property
    def sops(self) -> float:
        """Synaptic operations: accumulates that spikes cause."""
        return sum(layer.sops for layer in self.layers)

    @property
    def macs(self) -> float:
        """Event-driven multiply-accumulates of layers that read graded signals; once where they are static."""
        return sum(layer.macs for layer in self.layers)

    @property
    def neuron_updates(self) -> int:
        """Updates of a membrane."""
        return sum(layer.updates for layer in self.neurons)

    @property
    def spikes(self) -> float:
        """Spikes of all neurons; those of a coded input are not among them."""
        return sum(layer.spikes for layer in self.neurons)

    def every_step(self) -> Operations:
        """The same on a device that computes layers with a static signal anew at each of the T steps."""
        return replace(self, layers=tuple(_repeated(layer, self.time_steps) for layer in self.layers))


def _repeated(layer: LayerOperations, time_steps: int) -> LayerOperations:
    if not layer.static:
        return layer
    return replace(layer, static=False, sops=layer.sops * time_steps, macs=layer.macs * time_steps)


def count_operations(network: SpikingNetwork, signals: Iterable[Tensor]) -> Operations:
    """Runs `network` over all `signals`, in evaluation mode, and counts.

    signals: (T, B, C, H, W), or (1, B, C, H, W) for an input that is the same at every step, as `Stimulus` gives
        them, on the network's device. A signal that the network computes once is counted once (`static`): a device
        that is given an analogue image can do that too. See `Operations.every_step` for the other figure.

    The network is left as it was. Raises InputError where there is no sample, or the signals differ in their steps.
    """
    readings = {i: _Reading() for i, p in enumerate(network.plan.layers) if p.macs}
    firings = {i: _Firing() for i, layer in enumerate(network.layers) if isinstance(layer, layers.LIF)}
    samples, steps = 0, set()
    with evaluating(network), ExitStack() as hooks:
        for index, reading in readings.items():
            hooks.enter_context(network.layers[index].register_forward_pre_hook(reading))
        for index, firing in firings.items():
            hooks.enter_context(network.layers[index].register_forward_hook(firing))
        for signal in signals:
            # With `rates` the neurons' spikes come out before any pooling.
            network(signal, rates=True)
            samples += signal.shape[1]
            steps.add(signal.shape[0])
    if not samples:
        raise input_error("signals", "expected at least one sample to count operations on, found none")
    if len(steps) > 1:
        raise input_error(
            "signals", f"expected all with the same number of time steps, found {sorted(steps)}"
        )
    return Operations(
        samples,
        network.time_steps,
        tuple(_layer_operations(network, i, reading, samples) for i, reading in readings.items()),
        tuple(_neuron_operations(network, i, firing, samples) for i, firing in firings.items()),
    )


class _Reading:
    """What one layer with weights reads, summed by position over samples, steps and channels: a hook before it."""

    def __init__(self) -> None:
        self.kind = 0
        self.values: Tensor | float = 0.0  # (H, W)
        self.events: Tensor | float = 0.0  # (H, W)
        self.maps = 0  # steps x samples
        self.shape: Shape = (0, 0, 0)

    def __call__(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        signal = inputs[0]
        if isinstance(module, layers.SkipJoin):
            signal = inputs[1] if module.resample is None else layers.resample(inputs[1], module.resample)
        self.kind = max(self.kind, _kind(signal))
        # In double precision: float32 loses whole numbers beyond 2^24.
        self.values = self.values + signal.sum((0, 1), dtype=torch.float64).cpu()
        self.events = self.events + (signal != 0).sum((0, 1)).double().cpu()
        self.maps += signal.shape[0]
        channels, height, width = signal.shape[1:]
        self.shape = (channels, height, width)


class _Firing:
    """The spikes of one layer of neurons: a hook behind it."""

    def __init__(self) -> None:
        self.spikes = 0.0

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...], output: tuple[Tensor, Any]) -> None:
        self.spikes += float(output[0].sum(dtype=torch.float64))


def _kind(signal: Tensor) -> int:
    """The position in `_KINDS` of what these values are."""
    if bool(((signal == 0) | (signal == 1)).all()):
        return _KINDS.index(SPIKES)
    whole = (signal >= 0) & (signal == signal.floor())
    return _KINDS.index(COUNTS if bool(whole.all()) else GRADED)


def _layer_operations(
    network: SpikingNetwork, index: int, reading: _Reading, samples: int
) -> LayerOperations:
    planned = network.plan.layers[index]
    kind = _KINDS[reading.kind]
    events = torch.as_tensor(reading.events if kind == GRADED else reading.values)
    accumulates = float((events * _fan_out(planned, reading.shape)).sum()) / samples
    return LayerOperations(
        index=index,
        word=planned.layer.word,
        input=reading.shape,
        output=planned.output,
        weights=planned.weight_count,
        dense_macs=planned.macs,
        static=reading.maps < samples * network.time_steps,
        signal=kind,
        rate=float(events.sum()) / (reading.maps * math.prod(reading.shape)),
        sops=0.0 if kind == GRADED else accumulates,
        macs=accumulates if kind == GRADED else 0.0,
    )


def _fan_out(planned: PlannedLayer, shape: Shape) -> Tensor:
    """(H, W): how many weights a value at each position meets, all output channels together."""
    layer, out = planned.layer, planned.output[0]
    match layer:
        case words.Conv():
            return _readers(layer, shape) * out
        case words.FullyConnected() | words.Skip():  # a full connection, or a projection 1x1
            return torch.full(shape[1:], float(out), dtype=torch.float64)
        case (
            words.MaxPool()
            | words.AvgPool()
            | words.AdaptivePool()
            | words.GlobalPool()
            | words.BatchNorm()
            | words.Dropout()
            | words.LIF()
        ):
            raise ValueError(f"{layer.word} has no weights that a value could meet")
        case _:
            assert_never(layer)


@torch.enable_grad()
def _readers(layer: words.Conv, shape: Shape) -> Tensor:
    """(H, W): how many outputs of one channel read each position."""
    # An output of a convolution with ones is the sum of what it reads, so the derivative of all outputs by a value is
    # the number of outputs that read it.
    values = torch.zeros((1, 1, *shape[1:]), dtype=torch.float64, requires_grad=True)
    kernel = values.new_ones((1, 1, layer.kernel, layer.kernel))
    total = layers.convolve(values, kernel, None, layer.stride, layer.padding).sum()
    (readers,) = torch.autograd.grad(total, values)
    return readers[0, 0]


def _neuron_operations(
    network: SpikingNetwork, index: int, firing: _Firing, samples: int
) -> NeuronOperations:
    neurons = math.prod(network.plan.layers[index].output)
    return NeuronOperations(index, neurons, neurons * network.time_steps, firing.spikes / samples)
