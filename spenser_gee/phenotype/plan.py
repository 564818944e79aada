"""From a network's words to the shapes, populations and parameters of every layer, without torch.

The builder follows the plan; sampling and mutation use it to reject networks that cannot be built.
Gene encoding after GEE (arXiv 2411.06792, Eq. 1-3): every population of channels has one encoding for each
kind of connection that it takes part in, as output of its own layer and as input of the next.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.keys import CLASSES
from spenser_gee.phenotype.words.layers import (
    LIF,
    AdaptivePool,
    AvgPool,
    BatchNorm,
    Conv,
    FullyConnected,
    GlobalPool,
    Layer,
    MaxPool,
    Skip,
)
from spenser_gee.phenotype.words.site import Infeasible, Join, Shape

INPUT = -1  # the population of the network's own input: it has no encoding


@dataclass(frozen=True, order=True)
class EncodingKey:
    """One encoding E of shape (channels * spread, positions, g).

    population: the layer (its index in the plan) whose output channels are encoded.
    positions: kernel height x width; 1 for a fully connected layer.
    spread: height x width of the map that a fully connected layer flattens; 1 otherwise.
    """

    population: int
    channels: int
    positions: int
    spread: int

    def parameters(self, genes: int) -> int:
        """Numbers in E for `genes` = g."""
        return self.channels * self.spread * self.positions * genes


@dataclass(frozen=True)
class PlannedLayer:
    """One layer with everything that is known before there are weights."""

    layer: Layer
    unit: int
    input: Shape
    output: Shape
    parameters: int  # direct ones; encodings and G are counted in the plan
    macs: int  # multiply-accumulates per time step and sample, dense
    fan_in: int = 0
    gene_in: tuple[EncodingKey, ...] = ()
    gene_out: EncodingKey | None = None
    join: Join | None = None

    @property
    def gene_coded(self) -> bool:
        """Whether its weights are W = E1 G E2^T."""
        return self.gene_out is not None


@dataclass(frozen=True)
class Plan:
    """All layers in order, and what they share."""

    spec: NetworkSpec
    input_shape: Shape
    classes: int
    layers: tuple[PlannedLayer, ...]
    encodings: tuple[EncodingKey, ...]

    @property
    def gene_parameters(self) -> int:
        """Numbers in all E and G."""
        genes = self.spec.genes.count
        return sum(e.parameters(genes) for e in self.encodings) + (genes**2 if self.encodings else 0)

    @property
    def parameters(self) -> int:
        """All trained numbers. For plain gene-coded 3x3 nets: 9 g sum(C) + g^2 + 27 C_1 + 2 sum(C) + skips + head."""
        return self.gene_parameters + sum(planned.parameters for planned in self.layers)

    @property
    def dense_parameters(self) -> int:
        """What the same topology has with ordinary weights everywhere."""
        dense = sum(p.parameters for p in self.layers)
        return dense + sum(_weight_count(p) for p in self.layers if p.gene_coded)

    @property
    def skip_sources(self) -> dict[int, int]:
        """The units that skips read, with the layer whose output is that of the unit; -1 is the network's input. Of a
        unit without layers it is the one before it."""
        units = {p.join.source for p in self.layers if p.join is not None}
        return {
            unit: max((i for i, p in enumerate(self.layers) if p.unit <= unit), default=-1) for unit in units
        }

    @property
    def neurons(self) -> int:
        """Number of LIF neurons."""
        return sum(math.prod(p.output) for p in self.layers if isinstance(p.layer, LIF))

    @property
    def macs(self) -> int:
        """Dense multiply-accumulates per time step and sample."""
        return sum(p.macs for p in self.layers)

    @property
    def activations(self) -> int:
        """Values that all layers put out per time step and sample: the scale of training memory."""
        return sum(math.prod(p.output) for p in self.layers)


def _weight_count(planned: PlannedLayer) -> int:
    return planned.fan_in * planned.output[0]


@dataclass(frozen=True)
class _Signal:
    """What flows between layers: its shape and the populations whose channels it carries, in order."""

    shape: Shape
    populations: tuple[tuple[int, int], ...]  # (population, channels)


def plan_network(spec: NetworkSpec, input_shape: Shape, classes: int) -> Plan:
    """Shapes of all layers for an input of (channels, height, width).

    Raises Infeasible with the reason.
    """
    signal = _Signal(input_shape, ((INPUT, input_shape[0]),))
    outputs: dict[int, _Signal] = {-1: signal}
    planned: list[PlannedLayer] = []
    for unit, layers in enumerate(spec.units):
        for layer in layers:
            step, signal = _plan_layer(layer, unit, len(planned), signal, outputs, classes)
            planned.append(step)
        outputs[unit] = signal
    _check_whole(planned, classes)
    encodings = sorted({e for p in planned if p.gene_out for e in (*p.gene_in, p.gene_out)})
    return Plan(spec, input_shape, classes, tuple(planned), tuple(encodings))


def _check_whole(planned: list[PlannedLayer], classes: int) -> None:
    if not any(isinstance(p.layer, LIF) for p in planned):
        raise Infeasible("the network has no lif layer")
    weighted = [p for p in planned if isinstance(p.layer, (Conv, FullyConnected))]
    if not weighted:
        raise Infeasible("the network has no conv or fc layer")
    if planned[-1].output != (classes, 1, 1):
        c, h, w = planned[-1].output
        raise Infeasible(
            f"the network ends with {c} x {h} x {w} outputs, expected {classes} (the data has {classes} classes): "
            "end it with fc units=classes"
        )


def _plan_layer(
    layer: Layer, unit: int, index: int, signal: _Signal, outputs: dict[int, _Signal], classes: int
) -> tuple[PlannedLayer, _Signal]:
    if isinstance(layer, (Conv, FullyConnected)):
        return _plan_weights(layer, unit, index, signal, classes)
    if isinstance(layer, Skip):
        return _plan_skip(layer, unit, signal, outputs)
    channels, height, width = signal.shape
    parameters = 0
    if isinstance(layer, (MaxPool, AvgPool)):
        height, width = height // layer.size, width // layer.size
        _check_size(layer.word, signal.shape, height, width, f"size={layer.size}")
    elif isinstance(layer, AdaptivePool):
        height, width = min(height, layer.size), min(width, layer.size)
    elif isinstance(layer, GlobalPool):
        height = width = 1
    elif isinstance(layer, BatchNorm):
        parameters = 2 * channels
    elif isinstance(layer, LIF):
        parameters = int(layer.learn_beta != "false") + int(layer.learn_threshold)
    shape = (channels, height, width)
    return PlannedLayer(layer, unit, signal.shape, shape, parameters, 0), _Signal(shape, signal.populations)


def _check_size(word: str, shape: Shape, height: int, width: int, setting: str) -> None:
    if height < 1 or width < 1:
        raise Infeasible(f"{word} {setting} leaves nothing of {shape[0]} x {shape[1]} x {shape[2]}")


def _plan_weights(
    layer: Conv | FullyConnected, unit: int, index: int, signal: _Signal, classes: int
) -> tuple[PlannedLayer, _Signal]:
    channels, height, width = signal.shape
    if isinstance(layer, Conv):
        if layer.padding == "same":
            out_h, out_w = -(-height // layer.stride), -(-width // layer.stride)
        else:
            out_h = (height - layer.kernel) // layer.stride + 1 if height >= layer.kernel else 0
            out_w = (width - layer.kernel) // layer.stride + 1 if width >= layer.kernel else 0
            _check_size(layer.word, signal.shape, out_h, out_w, f"kernel={layer.kernel} padding=valid")
        out, positions, spread = layer.filters, layer.kernel**2, 1
        fan_in = channels * positions
        macs = out * fan_in * out_h * out_w
    else:
        out, positions, spread = (classes if layer.units == CLASSES else layer.units), 1, height * width
        out_h = out_w = 1
        fan_in = channels * height * width
        macs = out * fan_in
    gene_coded = layer.weights == "gene" and all(p != INPUT for p, _ in signal.populations)
    planned = PlannedLayer(
        layer,
        unit,
        signal.shape,
        (out, out_h, out_w),
        parameters=(0 if gene_coded else out * fan_in) + (out if layer.bias else 0),
        macs=macs,
        fan_in=fan_in,
        gene_in=tuple(EncodingKey(p, c, positions, spread) for p, c in signal.populations)
        if gene_coded
        else (),
        gene_out=EncodingKey(index, out, positions, 1) if gene_coded else None,
    )
    return planned, _Signal(planned.output, ((index, out),))


def _plan_skip(
    layer: Skip, unit: int, signal: _Signal, outputs: dict[int, _Signal]
) -> tuple[PlannedLayer, _Signal]:
    source = unit - layer.back
    if layer.back == 0 or source < -1:
        raise Infeasible(f"skip back={layer.back} in unit {unit + 1} reaches no earlier unit")
    there, here = outputs[source].shape, signal.shape
    resample = None if there[1:] == here[1:] else here[1:]
    project = layer.mode == "add" and there != here
    join = Join(source, there, resample, project)
    parameters = there[0] * here[0] if project else 0
    macs = parameters * here[1] * here[2]
    if layer.mode == "add":
        populations, shape = signal.populations, here
    else:
        populations = (*signal.populations, *outputs[source].populations)
        shape = (here[0] + there[0], here[1], here[2])
    planned = PlannedLayer(
        layer, unit, here, shape, parameters, macs, fan_in=there[0] if project else 0, join=join
    )
    return planned, _Signal(shape, populations)
