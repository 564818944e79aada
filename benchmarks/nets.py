"""The networks of the benchmarks, ours and others' of the same layer sizes and the same starting weights.

A: conv 64 - LIF - pool - conv 96 - LIF - pool - fc 128 - LIF - fc 10 - LIF, T = 25.
B: conv 32 of stride 2 - LIF - fc 64 - LIF - fc 10 - LIF, T = 10.
Input 28 x 28 x 1, rate-coded; batches of 64; atan, reset by subtraction, beta 0.9; loss on spike counts; Adam.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import snntorch as snn
import torch
from snntorch import surrogate as snn_surrogate
from torch import Tensor, nn

from spenser_gee.network.build import Output, SpikingNetwork, build_network
from spenser_gee.network.layers import split_time
from spenser_gee.phenotype.plan import Plan, PlannedLayer, plan_network
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.keys import CLASSES
from spenser_gee.phenotype.words.layers import LIF, BatchNorm, Conv, FullyConnected, Layer, MaxPool
from spenser_gee.training.losses import loss_value
from spenser_gee.training.optimisers import make_optimiser

INPUT = (1, 28, 28)
BATCH = 64
BRIGHTNESS = 0.3  # mean pixel of Fashion-MNIST, about: the rate of the input spikes


@dataclass(frozen=True)
class Net:
    """A network with its time steps and batch size."""

    name: str
    spec: NetworkSpec
    time_steps: int
    batch: int = BATCH

    @property
    def plan(self) -> Plan:
        """Its shapes."""
        return plan_network(self.spec, INPUT, 10)

    def signal(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Random input spikes (T, B, 1, 28, 28) and labels (B,)."""
        generator = torch.Generator().manual_seed(0)
        spikes = torch.rand(self.time_steps, self.batch, *INPUT, generator=generator) < BRIGHTNESS
        labels = torch.randint(10, (self.batch,), generator=generator)
        return spikes.float().to(device), labels.to(device)


def net(name: str, quick: bool = False) -> Net:
    """A, B, or A with its pools before the neurons ("A-pool-first"), gene-encoded ("A-gene") or with batch norm
    ("A-norm"). quick: the same shape with few channels, steps and images."""
    letter, _, variant = name.partition("-")
    wide = 8 if quick else 1
    neuron, weights = LIF(), "gene" if variant == "gene" else "direct"
    head: tuple[Layer, ...] = (FullyConnected(CLASSES), neuron)
    if letter == "B":
        units = ((Conv(32 // wide, stride=2), neuron), (FullyConnected(64 // wide), neuron), head)
        return Net(name, NetworkSpec(units), 2 if quick else 10, 4 if quick else BATCH)
    stages = []
    for filters in (64 // wide, 96 // wide):
        first, last = (MaxPool(2), neuron) if variant == "pool-first" else (neuron, MaxPool(2))
        norm = (BatchNorm(),) if variant == "norm" else ()
        stages.append((Conv(filters, weights=weights), *norm, first, last))
    hidden = (FullyConnected(128 // wide, weights=weights), neuron)
    return Net(name, NetworkSpec((*stages, hidden, head)), 3 if quick else 25, 4 if quick else BATCH)


Step = Callable[[], object]


def training_step(
    network: nn.Module,
    forward: Callable[[Tensor], Tensor],
    optimiser: torch.optim.Optimizer,
    chosen: Net,
    device: torch.device,
) -> Step:
    """A training step on one batch that stays the same: forward, loss, backward, optimiser."""
    signal, labels = chosen.signal(device)
    network.train()

    def step() -> None:
        loss = loss_value(chosen.spec.loss, Output(forward(signal), None, None), labels)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    return step


def our_network(chosen: Net, device: torch.device) -> SpikingNetwork:
    """The package's network."""
    return build_network(chosen.plan, chosen.time_steps, seed=0).to(device)


def our_step(chosen: Net, device: torch.device) -> Step:
    """A training step of the package."""
    network = our_network(chosen, device)
    optimiser = make_optimiser(chosen.spec.optimiser, network.parameters())
    return training_step(network, lambda x: network(x).spikes, optimiser, chosen, device)


def loop_step(chosen: Net, device: torch.device) -> Step:
    """A training step as SPENSER has it: snn.Leaky modules stepped in Python, torch's default Adam."""
    network = Loop(chosen).to(device)
    return training_step(network, network, torch.optim.Adam(network.parameters()), chosen, device)


def floor_step(chosen: Net, device: torch.device, channels_last: bool) -> Step:
    """The same layers on the same T * B images with ReLU for neurons: what torch itself needs."""
    network = Folded(chosen, lambda _: nn.ReLU()).to(device)
    if channels_last:
        for layer in network.layers:
            if isinstance(layer, nn.Conv2d):
                layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last)
    return training_step(network, network, _fused_adam(network), chosen, device)


def spikingjelly_step(chosen: Net, device: torch.device) -> Step | None:
    """A training step of SpikingJelly in multi-step mode, or None where it is not installed.

    Its torch backend on a CPU, its Triton one on a GPU. It fires at >=, and resets before the decay: it does the
    same work, but is not the same neuron.
    """
    try:
        neuron = importlib.import_module("spikingjelly.activation_based.neuron")
        surrogate = importlib.import_module("spikingjelly.activation_based.surrogate")
        functional = importlib.import_module("spikingjelly.activation_based.functional")
    except ImportError:
        return None

    def make(spec: LIF) -> nn.Module:
        node: Any = neuron.LIFNode(
            tau=1.0 / (1.0 - spec.beta),
            decay_input=False,
            v_threshold=spec.threshold,
            v_reset=None,
            surrogate_function=surrogate.ATan(),
            detach_reset=True,
            step_mode="m",
        )
        node.backend = "triton" if device.type == "cuda" else "torch"
        module: nn.Module = node
        return module

    network = Folded(chosen, make).to(device)

    def forward(x: Tensor) -> Tensor:
        functional.reset_net(network)
        spikes: Tensor = network(x)
        return spikes

    return training_step(network, forward, _fused_adam(network), chosen, device)


def _fused_adam(network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(network.parameters(), fused=True)


class Loop(nn.Module):
    """(T, B, C, H, W) -> spikes (T, B, classes), all layers step after step; semantics as ours."""

    def __init__(self, chosen: Net) -> None:
        super().__init__()
        self.layers = _reference_layers(chosen, _leaky)
        # snnTorch keeps every neuron of a process in a list for its resets, which are not used here.
        snn.SpikingNeuron.instances.clear()

    def forward(self, x: Tensor) -> Tensor:
        """x: (T, B, C, H, W)."""
        membranes = {
            index: layer.reset_mem()
            for index, layer in enumerate(self.layers)
            if isinstance(layer, snn.Leaky)
        }
        recorded = []
        for signal in x:
            for index, layer in enumerate(self.layers):
                if index in membranes:
                    signal, membranes[index] = layer(signal, membranes[index])
                else:
                    signal = layer(signal)
            recorded.append(signal)
        return torch.stack(recorded)


class Folded(nn.Module):
    """(T, B, C, H, W) -> (T, B, classes): neurons see all steps at once, other layers T * B images."""

    def __init__(self, chosen: Net, neuron: Callable[[LIF], nn.Module]) -> None:
        super().__init__()
        self.layers = _reference_layers(chosen, neuron)
        self.neurons = [isinstance(planned.layer, LIF) for planned in chosen.plan.layers]

    def forward(self, x: Tensor) -> Tensor:
        """x: (T, B, C, H, W)."""
        steps, signal = x.shape[0], x.flatten(0, 1)
        for layer, fires in zip(self.layers, self.neurons, strict=True):
            signal = layer(split_time(signal, steps)).flatten(0, 1) if fires else layer(signal)
        return split_time(signal, steps)


def _leaky(spec: LIF) -> nn.Module:
    neuron: nn.Module = snn.Leaky(
        spec.beta,
        threshold=spec.threshold,
        spike_grad=snn_surrogate.atan(),
        reset_mechanism=spec.reset,
    )
    return neuron


def _reference_layers(chosen: Net, neuron: Callable[[LIF], nn.Module]) -> nn.ModuleList:
    """torch modules of the planned layers, with the weights that our network starts from (where both have them)."""
    ours = build_network(chosen.plan, chosen.time_steps, seed=0)
    modules = []
    for planned, own in zip(chosen.plan.layers, ours.layers, strict=True):
        module = _reference_layer(planned, neuron)
        weighted: Any = module[1] if isinstance(module, nn.Sequential) else module
        with torch.no_grad():
            if isinstance(planned.layer, (Conv, FullyConnected)) and isinstance(own.weight, Tensor):
                weighted.weight.copy_(own.weight)
                weighted.bias.copy_(own.bias)
        modules.append(module)
    return nn.ModuleList(modules)


def _reference_layer(planned: PlannedLayer, neuron: Callable[[LIF], nn.Module]) -> nn.Module:
    spec, channels, outputs = planned.layer, planned.input[0], planned.output[0]
    if isinstance(spec, Conv):
        # Symmetric padding: the size of ours; at stride 2 ours pads the end only, as TensorFlow does.
        return nn.Conv2d(channels, outputs, spec.kernel, spec.stride, padding=spec.kernel // 2)
    if isinstance(spec, FullyConnected):
        return nn.Sequential(nn.Flatten(), nn.Linear(planned.fan_in, outputs))
    if isinstance(spec, MaxPool):
        return nn.MaxPool2d(spec.size)
    if isinstance(spec, BatchNorm):
        return nn.BatchNorm2d(channels)
    assert isinstance(spec, LIF)
    return neuron(spec)
