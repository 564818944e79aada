"""From a trained network to the nodes and edges of a NIR graph, layer by layer.

What NIR has no word for is rewritten where that is exact, and refused otherwise. After a refusal the walk goes on,
so that all of them are found.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import assert_never

import numpy as np

from spenser_gee.export import nir_geometry as geometry
from spenser_gee.export import weights
from spenser_gee.export.nir_neurons import Neurons
from spenser_gee.export.nir_sketch import Block, Signal, Sketch, parts, stand_in, total
from spenser_gee.export.nir_skips import Joint
from spenser_gee.export.weights import Array
from spenser_gee.network.build import SpikingNetwork
from spenser_gee.network.layers import same_padding
from spenser_gee.phenotype.plan import PlannedLayer
from spenser_gee.phenotype.words import layers as words
from spenser_gee.phenotype.words.site import Join

_OTHER_FORMAT = "--format state-dict writes it."


@dataclass
class Translation:
    """Draws `network` into `sketch`. dt: seconds per time step. subtract: how a reset by subtraction is written, see
    Neurons."""

    network: SpikingNetwork
    sketch: Sketch
    dt: float
    subtract: str | None
    membrane_node: str = ""  # the last neurons' membrane, where it is a node of its own
    _averaged: dict[int, int] = field(default_factory=dict)  # adaptive pool -> the fc layer that it goes into

    def __post_init__(self) -> None:
        plan = self.network.plan
        self._read = frozenset(plan.skip_sources.values())
        self._layers = plan.layers
        self._coding = plan.spec.input.coding
        self._outputs: dict[int, Signal] = {}  # by unit; -1 is the input
        targets = {
            i: self._fold_target(i)
            for i, p in enumerate(self._layers)
            if isinstance(p.layer, words.BatchNorm)
        }
        self._folded = {norm: target for norm, target in targets.items() if target is not None}

    def run(self) -> None:
        """Draws the whole graph."""
        shape, nir = self.network.plan.input_shape, self.sketch.nir
        self.sketch.nodes["input"] = nir.Input(input_type={"input": np.array(shape)})
        signal: Signal = (Block(("input",), shape, self._coding != "direct"),)
        self._outputs[-1] = signal
        for index, planned in enumerate(self._layers):
            signal = self._layer(index, planned, signal)
            self._outputs[planned.unit] = signal
        end = self.sketch.merge("merge", signal)
        self.sketch.put("output", nir.Output(output_type={"output": np.array(end.shape)}), end, end.shape)

    def _layer(self, index: int, planned: PlannedLayer, signal: Signal) -> Signal:
        layer = planned.layer
        match layer:
            case words.Conv():
                return (self._conv(index, planned, layer, signal),)
            case words.FullyConnected():
                return (self._fully_connected(index, planned, signal),)
            case words.LIF():
                return self._neurons(index, signal)
            case words.BatchNorm():
                return self._norm(index, planned, layer, signal)
            case words.Dropout():
                return signal
            case words.Skip():
                assert planned.join is not None
                return self._skip(index, planned.join, layer, signal)
            case words.MaxPool() | words.AvgPool() | words.AdaptivePool() | words.GlobalPool():
                return self._pool(index, planned, layer, signal)
            case _:
                assert_never(layer)

    def _name(self, index: int) -> str:
        word = self._layers[index].layer.word.replace("-", "_")
        return f"{word}_{index + 1}"

    def _label(self, index: int) -> str:
        return f"layer {index + 1} ({self._layers[index].layer.word})"

    # Weights.

    def _affine_of(self, index: int) -> tuple[Array, Array | None]:
        """Weight and bias of a layer with the batch norms behind it folded in."""
        weight = weights.numbers(weights.weight(self.network, index))
        own = weights.bias(self.network, index)
        bias = None if own is None else weights.numbers(own)
        for norm, target in self._folded.items():
            if target == index:
                gain, shift = self._gain_and_shift(norm)
                weight = weight * gain.reshape(-1, *[1] * (weight.ndim - 1))
                bias = shift if bias is None else bias * gain + shift
        return weight, bias

    def _fold_target(self, norm: int) -> int | None:
        """The weights that a batch norm can go into: right before it, or with averages between them, which an
        affine map of each channel may pass. Nobody else may read what lies between."""
        for index in range(norm - 1, -1, -1):
            layer = self._layers[index].layer
            if index in self._read:
                return None
            match layer:
                case words.Conv() | words.FullyConnected():
                    return index
                case words.MaxPool() | words.LIF() | words.Skip():
                    return None
                case (
                    words.AvgPool()
                    | words.AdaptivePool()
                    | words.GlobalPool()
                    | words.Dropout()
                    | words.BatchNorm()
                ):
                    continue
                case _:
                    assert_never(layer)
        return None

    def _gain_and_shift(self, norm: int) -> tuple[Array, Array]:
        gain, shift = weights.normalisation(self.network, norm)
        return (gain[0], shift[0]) if gain.ndim == 2 else (gain, shift)

    def _conv(self, index: int, planned: PlannedLayer, layer: words.Conv, signal: Signal) -> Block:
        weight, bias = self._affine_of(index)
        size, out = planned.input[1:], planned.output[1:]
        before = (0, 0)
        if layer.padding == "same":
            (top, _), (left, _) = (same_padding(pixels, layer.kernel, layer.stride) for pixels in size)
            before = (top, left)
        if signal[0].flat:  # of a map of one position only one position of the kernel meets it
            return self._split(index, signal, weight[:, :, before[0], before[1]], bias)
        stride = (layer.stride, layer.stride)
        window = geometry.window(size, out, layer.kernel, stride, before)
        assert window is not None
        name = self._name(index)
        return total(
            [
                self.sketch.convolve(name, block, weight[:, part], None if i else bias, window, stride, out)
                for i, (block, part) in enumerate(parts(signal))
            ]
        )

    def _fully_connected(self, index: int, planned: PlannedLayer, signal: Signal) -> Block:
        weight, bias = self._affine_of(index)
        pool = next((p for p, fc in self._averaged.items() if fc == index), None)
        if pool is not None:
            weight = self._spread(weight, self._layers[pool])
        flat = tuple(self.sketch.flatten(f"flatten_{index + 1}", block) for block in signal)
        return self._split(index, flat, weight, bias)

    def _spread(self, weight: Array, pool: PlannedLayer) -> Array:
        """An fc weight over pooled maps as one over the maps before the adaptive pooling."""
        over = weight.reshape(len(weight), *pool.output)
        rows, columns = (geometry.average_matrix(pool.input[d], pool.output[d]) for d in (1, 2))
        wide: Array = np.einsum("ocij,ih,jw->ochw", over, rows, columns)
        return wide.reshape(len(weight), -1)

    def _split(self, index: int, signal: Signal, weight: Array, bias: Array | None) -> Block:
        """weight (out, in) over flat blocks, each with its own columns."""
        return total(
            [
                self.sketch.affine(self._name(index), block, weight[:, part], None if i else bias)
                for i, (block, part) in enumerate(parts(signal))
            ]
        )

    def _norm(self, index: int, planned: PlannedLayer, layer: words.BatchNorm, signal: Signal) -> Signal:
        if layer.over == "step":
            self._require_same_steps(index)
        target = self._folded.get(index)
        if target is not None:
            self.sketch.remark(self._label(index), f"folded into {self._label(target)}")
            return signal
        self.sketch.remark(self._label(index), "written as a weight of each channel with itself, and a bias")
        gain, shift = self._gain_and_shift(index)
        return tuple(
            self.sketch.mix(self._name(index), block, np.diag(gain[part]), shift[part])
            for block, part in parts(signal)
        )

    def _require_same_steps(self, index: int) -> None:
        gain, shift = weights.normalisation(self.network, index)
        if np.ptp(gain, axis=0).any() or np.ptp(shift, axis=0).any():
            self.sketch.refuse(
                self._label(index),
                f"its statistics differ between the {len(gain)} time steps, and nodes of NIR do not know the step",
                f"Evolve with batch-norm over=time-batch. {_OTHER_FORMAT}",
            )

    def _neurons(self, index: int, signal: Signal) -> Signal:
        neurons = Neurons(
            self.sketch,
            self._name(index),
            self._label(index),
            weights.cell(self.network, index),
            self.dt,
            self.subtract,
        )
        neurons.explain()
        if index == len(self._layers) - 1 and len(signal) == 1 and neurons.own_membrane:
            self.membrane_node = neurons.name
        return tuple(neurons.draw(block) for block in signal)

    # Pooling.

    def _pool(
        self,
        index: int,
        planned: PlannedLayer,
        layer: words.MaxPool | words.AvgPool | words.AdaptivePool | words.GlobalPool,
        signal: Signal,
    ) -> Signal:
        size, out = planned.input[1:], planned.output[1:]
        if size == out:
            return signal
        if isinstance(layer, words.MaxPool):
            return self._max_pool(index, layer.size, out, signal)
        if isinstance(layer, words.AvgPool):
            windows = [(layer.size, layer.size)] * 2
        else:
            found = [geometry.average_windows(size[d], out[d]) for d in (0, 1)]
            windows = [pair for pair in found if pair is not None]
        if len(windows) < 2:
            return self._uneven(index, planned, signal)
        (high, down), (wide, right) = windows
        return tuple(
            self.sketch.pool(self._name(index), block, (high, wide), (down, right), out) for block in signal
        )

    def _max_pool(self, index: int, size: int, out: tuple[int, int], signal: Signal) -> Signal:
        if not all(block.binary for block in signal):
            self.sketch.refuse(
                self._label(index),
                "NIR has no maximum, and only of spikes can it be written as a sum and a threshold; this one pools "
                "other values",
                f"Evolve with the pooling behind the neurons, or with pool-avg. {_OTHER_FORMAT}",
            )
        else:
            self.sketch.remark(
                self._label(index),
                "written as the sum of the window's spikes and a threshold of 0.5, which is exact",
            )
        name, square = self._name(index), (size, size)
        sums = [self.sketch.pool(name, block, square, square, out, mean=False) for block in signal]
        return tuple(self.sketch.threshold(f"{name}_any", block, 0.5) for block in sums)

    def _uneven(self, index: int, planned: PlannedLayer, signal: Signal) -> Signal:
        """An adaptive pooling whose windows differ goes into the weights of the fc layer behind it."""
        following = index + 1
        while following < len(self._layers) and isinstance(self._layers[following].layer, words.Dropout):
            following += 1
        private = self._read.isdisjoint(range(index, following))
        if (
            private
            and following < len(self._layers)
            and isinstance(self._layers[following].layer, words.FullyConnected)
        ):
            self._averaged[index] = following
            self.sketch.remark(self._label(index), f"folded into {self._label(following)}")
            return signal
        (_, high, wide), (_, rows, columns) = planned.input, planned.output
        self.sketch.refuse(
            self._label(index),
            f"its windows differ in size ({high} x {wide} to {rows} x {columns}), NIR's do not",
            f"Evolve with pool-global or pool-avg. {_OTHER_FORMAT}",
        )
        return stand_in(signal, (rows, columns))

    # Skips.

    def _skip(self, index: int, join: Join, layer: words.Skip, signal: Signal) -> Signal:
        source = self._outputs[max(unit for unit in self._outputs if unit <= join.source)]
        projected = weights.projection(self.network, index)
        weight = None if projected is None else weights.numbers(projected)[:, :, 0, 0]
        joint = Joint(self.sketch, self._name(index))
        if join.resample == (1, 1):
            source = joint.averaged(source)
        elif join.resample is not None:
            picked = joint.picked(source, join.resample, weight)
            if picked is None:
                self._refuse_uneven_skip(index, join)
                return signal if layer.mode == "add" else (*signal, *stand_in(source, join.resample))
            source, weight = picked, None
        if signal[0].flat:
            source = joint.flattened(source)
        if layer.mode == "concat":
            return (*signal, *source)
        if weight is not None:
            source = (self.sketch.mix_all(joint.name, source, weight),)
        return joint.added(signal, source)

    def _refuse_uneven_skip(self, index: int, join: Join) -> None:
        _, high, wide = join.source_shape
        assert join.resample is not None
        rows, columns = join.resample
        self.sketch.refuse(
            self._label(index),
            f"it picks {rows} x {columns} of {high} x {wide} positions at uneven distances, which no stride does",
            f"Evolve with padding=same and sizes that divide. {_OTHER_FORMAT}",
        )
