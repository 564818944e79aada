"""From a plan to a spiking network in torch."""

from __future__ import annotations

from collections.abc import Mapping, Set
from itertools import pairwise
from typing import NamedTuple, assert_never

import torch
from torch import Tensor, nn

from spenser_gee.network import layers
from spenser_gee.network.backends import fuses_pooling
from spenser_gee.network.gene import (
    encoding_name,
    encoding_shape,
    expand,
    population_scales,
    preserving_start,
    sample_encoding,
)
from spenser_gee.network.memory_layout import channels_last
from spenser_gee.network.neurons import Pooling
from spenser_gee.phenotype.plan import EncodingKey, Plan, PlannedLayer
from spenser_gee.phenotype.words import layers as words
from spenser_gee.rng import derive_seed


class Output(NamedTuple):
    """What a network gives for a batch.

    spikes: (T, B, classes). membrane: (T, B, classes) of the last neurons if wanted, else None. Both are the
    last layer's values if the network does not end with LIF neurons. rates: (number of LIF layers,) mean spikes a
    neuron and time step if wanted, else None.
    """

    spikes: Tensor
    membrane: Tensor | None
    rates: Tensor | None


class Genes(nn.Module):
    """The gene-interaction matrix G (g, g), and the encodings E (channels * spread, positions, g) by name."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        count = plan.spec.genes.count
        self.G = nn.Parameter(torch.zeros(count, count))
        self.E = nn.ParameterDict(
            {
                encoding_name(key): nn.Parameter(torch.zeros(encoding_shape(key, count)))
                for key in plan.encodings
            }
        )

    def weights(self, planned: PlannedLayer) -> Tensor:
        """(out, in, positions) of a gene-coded layer; sources that are concatenated lie side by side."""
        assert planned.gene_out is not None
        sources = [self.E[encoding_name(key)] for key in planned.gene_in]
        source = sources[0] if len(sources) == 1 else torch.cat(sources)
        return expand(source, self.G, self.E[encoding_name(planned.gene_out)])


class SpikingNetwork(nn.Module):
    """A network that runs all time steps at once: (T, B, C, H, W) -> (T, B, classes).

    Direct weights start from N(0, 2 / fan_in), biases from 0, genes from the variance-preserving start.
    """

    def __init__(self, plan: Plan, time_steps: int, seed: int) -> None:
        super().__init__()
        if time_steps < 1:
            raise ValueError(f"time_steps is {time_steps}, expected at least 1")
        self.plan, self.time_steps = plan, time_steps
        self.layers = nn.ModuleList(
            _module(planned, time_steps, derive_seed(seed, "weights", index))
            for index, planned in enumerate(plan.layers)
        )
        self.genes = Genes(plan) if plan.encodings else None
        self._sources = plan.skip_sources
        self._fused = fused_poolings(plan, set(self._sources.values()))
        self.channels_last = prefers_channels_last(plan)  # where the backend fuses pooling
        if self.genes is not None:
            beta1, beta2, sigma = preserving_start(plan)
            generator = torch.Generator().manual_seed(derive_seed(seed, "genes"))
            interactions = torch.randn(self.genes.G.shape, generator=generator).mul_(sigma)
            self.set_genes(interactions, seed, beta1, beta2, population_scales(plan))

    def set_genes(
        self,
        interactions: Tensor,
        seed: int,
        beta1: float,
        beta2: float,
        scales: Mapping[EncodingKey, float],
    ) -> None:
        """Sets G (g, g) and draws every E anew: scale * clip(N(0, beta1^2), -beta2, beta2) (GEE Eq. 9).

        Each E depends on the seed and its own name only, not on which others there are. scales: factor of
        each encoding (1 for all is the paper's scheme). Without gene-coded layers nothing happens.
        """
        if self.genes is None:
            return
        with torch.no_grad():
            self.genes.G.copy_(interactions)
            for key in self.plan.encodings:
                name = encoding_name(key)
                generator = torch.Generator().manual_seed(derive_seed(seed, "encoding", name))
                parameter = self.genes.E[name]
                parameter.copy_(sample_encoding(parameter.shape, beta1, beta2, generator, scales[key]))

    def inherit(self, tensors: Mapping[str, Tensor]) -> tuple[str, ...]:
        """Takes over every tensor that has the name and the shape of one of its own parameters or buffers; the
        rest stays. Returns the names taken over."""
        own = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        taken = tuple(name for name in own if name in tensors and tensors[name].shape == own[name].shape)
        with torch.no_grad():
            for name in taken:
                own[name].copy_(tensors[name])
        return taken

    def use_generator(self, generator: torch.Generator | None) -> None:
        """Draws dropout masks from `generator` (on the network's device) instead of torch's default one."""
        for layer in self.layers:
            if isinstance(layer, layers.Dropout):
                layer.generator = generator

    def forward(self, x: Tensor, membrane: bool = False, rates: bool = False) -> Output:
        """Runs all time steps.

        Args:
            x: (T, B, C, H, W), or (1, B, C, H, W) for an input that is the same at every step: it is computed
                once up to where time matters.
            membrane, rates: whether these outputs are wanted.

        Returns:
            Spikes (T, B, classes), membranes of the same shape or None, firing rates of each layer of neurons or None.

        Raises:
            ValueError: another number of steps, or another shape than planned.
        """
        if x.dim() != 5 or x.shape[0] not in (1, self.time_steps) or x.shape[2:] != self.plan.input_shape:
            expected = f"({self.time_steps} or 1, batch, {', '.join(map(str, self.plan.input_shape))})"
            raise ValueError(f"the input has shape {tuple(x.shape)}, expected {expected}")
        run = _Run(self.time_steps, x.shape[1], membrane, rates)
        signal = x.flatten(0, 1)
        if self.channels_last and fuses_pooling(x):
            signal = channels_last(signal)
        # Firing rates are those of the neurons, not of what a pooling leaves of them.
        fused = {} if rates else self._fused
        outputs = {-1: signal}  # by layer; those that a skip reads
        last = len(self.plan.layers) - 1
        for index, (planned, layer) in enumerate(zip(self.plan.layers, self.layers, strict=True)):
            if isinstance(layer, layers.Weighted):
                genetic = (
                    self.genes.weights(planned) if self.genes is not None and planned.gene_coded else None
                )
                signal = layer(signal, genetic)
            elif isinstance(layer, layers.LIF):
                signal = run.fire(layer, signal, index == last, fused.get(index))
            elif isinstance(layer, layers.SkipJoin):
                assert planned.join is not None
                signal = layer(*run.alike(signal, outputs[self._sources[planned.join.source]]))
            elif index in fused:
                continue  # done by the neurons beside it
            else:
                signal = run.expand(signal) if layer.needs_time else signal
                signal = layer(signal, run.steps(signal))
            if index in self._sources.values():
                outputs[index] = signal
        return run.output(signal)


class _Run:
    """One forward pass: what is static and what is not, and what is recorded on the way."""

    def __init__(self, time_steps: int, batch: int, membrane: bool, rates: bool) -> None:
        self.time_steps, self.batch, self.rates = time_steps, batch, rates
        self.want_membrane = membrane
        self.membrane: Tensor | None = None
        self.spike_rates: list[Tensor] = []

    def steps(self, signal: Tensor) -> int:
        """T, or 1 for a static signal."""
        return signal.shape[0] // self.batch if self.batch else self.time_steps

    def expand(self, signal: Tensor) -> Tensor:
        """The signal with T time steps."""
        if self.steps(signal) == self.time_steps:
            return signal
        return signal.unsqueeze(0).expand(self.time_steps, *signal.shape).flatten(0, 1)

    def alike(self, here: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        """Both with T steps unless both are static."""
        if self.steps(here) == self.steps(there):
            return here, there
        return self.expand(here), self.expand(there)

    def fire(self, layer: layers.LIF, signal: Tensor, is_last: bool, pooling: Pooling | None) -> Tensor:
        """Spikes of a layer of neurons, with the pooling that it does too. A static current stays so."""
        currents = layers.split_time(signal, self.steps(signal))
        spikes: Tensor
        spikes, membrane = layer(currents, self.time_steps, is_last and self.want_membrane, pooling)
        if is_last:
            self.membrane = membrane
        if self.rates:
            self.spike_rates.append(spikes.detach().mean())
        return spikes.flatten(0, 1)

    def output(self, signal: Tensor) -> Output:
        spikes = layers.split_time(self.expand(signal), self.time_steps).flatten(2)
        membrane = self.membrane
        if membrane is not None:
            membrane = membrane.flatten(2)
        elif self.want_membrane:
            membrane = spikes
        return Output(spikes, membrane, torch.stack(self.spike_rates) if self.rates else None)


def build_network(plan: Plan, time_steps: int, seed: int) -> SpikingNetwork:
    """The network of a plan.

    Args:
        plan: from `plan_network`.
        time_steps: T of its input (T, B, C, H, W).
        seed: of the weights.

    Returns:
        A module on the CPU, in float32; its output holds spikes (T, B, classes) and, where asked for, membranes.
    """
    return SpikingNetwork(plan, time_steps, seed)


def fused_poolings(plan: Plan, read: Set[int]) -> dict[int, Pooling]:
    """What neurons and poolings can do in one pass: pairs of neighbours, both by their indices in the plan.

    read: layers whose output a skip reads, so that it has to exist.
    """
    fused: dict[int, Pooling] = {}
    for first, (one, two) in enumerate(pairwise(plan.layers)):
        second = first + 1
        if first in fused or first in read:
            continue
        match one.layer, two.layer:
            case (words.LIF(), words.MaxPool() | words.AvgPool() as pool) | (
                words.MaxPool() | words.AvgPool() as pool,
                words.LIF(),
            ):
                kind = "max" if isinstance(pool, words.MaxPool) else "avg"
                fused[first] = fused[second] = Pooling(kind, pool.size, first=pool is one.layer)
    return fused


def prefers_channels_last(plan: Plan) -> bool:
    """Whether channels last in memory is faster: for convolutions and the pooling beside neurons (docs/performance.md)."""
    return any(isinstance(planned.layer, words.Conv) for planned in plan.layers)


def _module(planned: PlannedLayer, time_steps: int, seed: int) -> nn.Module:
    """The module of a planned layer."""
    channels = planned.input[0]
    match planned.layer:
        case words.Conv() as conv:
            shape = (planned.output[0], channels, conv.kernel, conv.kernel)
            return layers.Weighted(
                shape, planned.fan_in, conv.bias, planned.gene_coded, seed, conv.stride, conv.padding
            )
        case words.FullyConnected(bias=bias):
            inputs = planned.fan_in
            return layers.Weighted((planned.output[0], inputs), inputs, bias, planned.gene_coded, seed)
        case words.MaxPool(size=size):
            return layers.Pool("max", size)
        case words.AvgPool(size=size):
            return layers.Pool("avg", size)
        case words.AdaptivePool(size=size):
            return layers.Pool("adaptive", size)
        case words.GlobalPool():
            return layers.Pool("global")
        case words.BatchNorm(over="step"):
            return layers.StepBatchNorm(channels, time_steps)
        case words.BatchNorm():
            return layers.BatchNorm(channels)
        case words.Dropout(rate=rate, mask="step"):
            return layers.StepDropout(rate)
        case words.Dropout(rate=rate):
            return layers.Dropout(rate)
        case words.LIF() as neurons:
            return layers.LIF(neurons)
        case words.Skip(mode=mode):
            assert planned.join is not None
            return layers.SkipJoin(planned.join, mode, planned.input, seed)
        case _:
            assert_never(planned.layer)
