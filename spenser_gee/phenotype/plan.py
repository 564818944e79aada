"""From a network's words to the shapes, populations and parameters of every layer, without torch.

The builder follows the plan; sampling and mutation use it to reject networks that cannot be built.
Gene encoding after GEE (arXiv 2411.06792, Eq. 1-3): every population of channels has one encoding for each
kind of connection that it takes part in, as output of its own layer and as input of the next.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import assert_never

from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words import layers as words
from spenser_gee.phenotype.words.site import Infeasible, Join, Shape, Site

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

    layer: words.Layer
    unit: int
    input: Shape
    output: Shape
    parameters: int  # direct ones; encodings and G are counted in the plan
    macs: int  # multiply-accumulates per time step and sample, dense
    kept: int  # numbers that training keeps per time step and sample for the backward pass
    fan_in: int = 0
    gene_in: tuple[EncodingKey, ...] = ()
    gene_out: EncodingKey | None = None
    join: Join | None = None

    @property
    def gene_coded(self) -> bool:
        """Whether its weights are W = E1 G E2^T."""
        return self.gene_out is not None

    @property
    def weight_count(self) -> int:
        """Its weights, expanded where they are gene-coded; of a skip those of its projection."""
        return self.fan_in * self.output[0]


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
        return dense + sum(p.weight_count for p in self.layers if p.gene_coded)

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
        return sum(math.prod(p.output) for p in self.layers if p.layer.spiking)

    @property
    def macs(self) -> int:
        """Dense multiply-accumulates per time step and sample."""
        return sum(p.macs for p in self.layers)

    @property
    def activations(self) -> int:
        """Values that all layers put out per time step and sample: the scale of training memory."""
        return sum(math.prod(p.output) for p in self.layers)


@dataclass(frozen=True)
class _Signal:
    """What flows between layers: its shape and the populations whose channels it carries, in order."""

    shape: Shape
    populations: tuple[tuple[int, int], ...]  # (population, channels)


def plan_network(spec: NetworkSpec, input_shape: Shape, classes: int) -> Plan:
    """Shapes, populations of channels and parameters of all layers, without torch.

    Args:
        spec: the network.
        input_shape: (channels, height, width) of an image.
        classes: outputs of a layer with `units=classes`.

    Returns:
        What the builder follows.

    Raises:
        Infeasible: the network cannot be built for this input; the message says why.
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
    if not any(p.layer.spiking for p in planned):
        raise Infeasible("the network has no lif layer")
    if not any(p.layer.weighted for p in planned):
        raise Infeasible("the network has no conv or fc layer")
    if planned[-1].output != (classes, 1, 1):
        c, h, w = planned[-1].output
        raise Infeasible(
            f"the network ends with {c} x {h} x {w} outputs, expected {classes} (the data has {classes} classes): "
            "end it with fc units=classes"
        )


def _plan_layer(
    layer: words.Layer, unit: int, index: int, signal: _Signal, outputs: dict[int, _Signal], classes: int
) -> tuple[PlannedLayer, _Signal]:
    match layer:
        case words.Conv():
            return _plan_weights(layer, layer.kernel**2, 1, unit, index, signal, classes)
        case words.FullyConnected():
            return _plan_weights(layer, 1, math.prod(signal.shape[1:]), unit, index, signal, classes)
        case words.Skip():
            return _plan_skip(layer, unit, signal, outputs, classes)
        case (
            words.MaxPool()
            | words.AvgPool()
            | words.AdaptivePool()
            | words.GlobalPool()
            | words.BatchNorm()
            | words.Dropout()
            | words.LIF()
        ):
            planned = _planned(layer, unit, Site(signal.shape, classes))
            return planned, _Signal(planned.output, signal.populations)
        case _:
            assert_never(layer)


def _planned(
    layer: words.Layer,
    unit: int,
    site: Site,
    gene_in: tuple[EncodingKey, ...] = (),
    gene_out: EncodingKey | None = None,
) -> PlannedLayer:
    """What a layer answers about itself at a site."""
    return PlannedLayer(
        layer,
        unit,
        site.input,
        layer.output(site),
        layer.parameters(site),
        layer.macs(site),
        layer.kept(site),
        layer.fan_in(site),
        gene_in,
        gene_out,
        site.join,
    )


def _plan_weights(
    layer: words.Conv | words.FullyConnected,
    positions: int,
    spread: int,
    unit: int,
    index: int,
    signal: _Signal,
    classes: int,
) -> tuple[PlannedLayer, _Signal]:
    """positions, spread: of the encodings, see EncodingKey."""
    gene_coded = layer.weights == "gene" and all(p != INPUT for p, _ in signal.populations)
    site = Site(signal.shape, classes, gene_coded=gene_coded)
    channels = layer.output(site)[0]
    gene_in = tuple(EncodingKey(p, c, positions, spread) for p, c in signal.populations if gene_coded)
    gene_out = EncodingKey(index, channels, positions, 1) if gene_coded else None
    planned = _planned(layer, unit, site, gene_in, gene_out)
    return planned, _Signal(planned.output, ((index, channels),))


def _plan_skip(
    layer: words.Skip, unit: int, signal: _Signal, outputs: dict[int, _Signal], classes: int
) -> tuple[PlannedLayer, _Signal]:
    source = unit - layer.back
    if layer.back == 0 or source < -1:
        raise Infeasible(f"skip back={layer.back} in unit {unit + 1} reaches no earlier unit")
    join = layer.join(source, outputs[source].shape, signal.shape)
    more = outputs[source].populations if layer.mode == "concat" else ()
    planned = _planned(layer, unit, Site(signal.shape, classes, join))
    return planned, _Signal(planned.output, (*signal.populations, *more))
