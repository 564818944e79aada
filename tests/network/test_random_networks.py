"""Networks drawn from the grammar, on every backend, against the same layers stepped over time around snntorch.Leaky.

Convolutions over all time steps at once round otherwise than step by step, so a membrane that lies on the threshold
to the last digit may fire in one and not in the other; then everything behind it differs. Such networks must be few.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import snntorch
import torch
import torch.nn.functional as F
from torch import Tensor

from spenser_gee.genotype import sample_genotype
from spenser_gee.network import layers
from spenser_gee.network.backends import backend, describe_backends
from spenser_gee.network.build import SpikingNetwork, build_network
from spenser_gee.phenotype.check import open_grammar
from spenser_gee.phenotype.decode import decode
from spenser_gee.phenotype.plan import Plan, plan_network
from spenser_gee.phenotype.words.layers import LIF
from spenser_gee.phenotype.words.site import Infeasible
from spenser_gee.rng import stream

GRAMMAR = Path(__file__).parents[2] / "grammars" / "spenser_gee.lark"
SHAPE, CLASSES, STEPS, BATCH, COUNT = (1, 12, 12), 5, 5, 4, 30


def plans() -> list[Plan]:
    """Networks without the sigmoid surrogate, which in snnTorch gives nan far from the threshold."""
    grammar = open_grammar(GRAMMAR)
    found: list[Plan] = []
    number = 0
    while len(found) < COUNT:
        genotype = sample_genotype(
            grammar, stream(2, "random networks", number), {"features": (1, 2, 3), "classification": (0, 1)}
        )
        number += 1
        try:
            plan = plan_network(decode(genotype, grammar), SHAPE, CLASSES)
        except Infeasible:
            continue
        neurons = [p.layer for p in plan.layers if isinstance(p.layer, LIF)]
        if plan.macs < 2e6 and all(neuron.surrogate != "sigmoid" for neuron in neurons):
            found.append(plan)
    return found


def stepped(network: SpikingNetwork, x: Tensor) -> Tensor:
    """Spikes (T, B, classes), one time step after the other."""
    neurons, memory = {}, {}
    for index, layer in enumerate(network.layers):
        if isinstance(layer, layers.LIF):
            neurons[index] = snntorch.Leaky(
                beta=layer.decay(),
                threshold=layer.threshold,
                spike_grad=getattr(snntorch.surrogate, layer.surrogate)(),
                reset_mechanism=layer.reset,
            )
    spikes = []
    for t in range(STEPS):
        signal = x[t]
        outputs = {-1: signal}
        for index, (planned, layer) in enumerate(zip(network.plan.layers, network.layers, strict=True)):
            if isinstance(layer, layers.Weighted):
                genetic = None
                if planned.gene_coded:
                    assert network.genes is not None
                    genetic = network.genes.weights(planned)
                signal = layer(signal, genetic)
            elif isinstance(layer, layers.LIF):
                before = memory.get(index, torch.zeros_like(signal))
                signal, memory[index] = neurons[index](signal, before)
            elif isinstance(layer, layers.SkipJoin):
                assert planned.join is not None
                signal = layer(signal, outputs[network._sources[planned.join.source]])
            elif isinstance(layer, layers.StepBatchNorm):
                mean, var = layer.running_mean[t], layer.running_var[t]
                signal = F.batch_norm(signal, mean, var, layer.weight, layer.bias, False, 0.0, layers.EPSILON)
            else:
                signal = layer(signal, 1)
            outputs[index] = signal
        spikes.append(signal.flatten(1))
    return torch.stack(spikes)


def gradients(network: SpikingNetwork, spikes: Tensor, slope: Tensor) -> Tensor:
    """Of all parameters, one after the other."""
    network.zero_grad(set_to_none=True)
    (spikes * slope).sum().backward()
    return torch.cat(
        [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in network.parameters()]
    )


@pytest.mark.parametrize("name", ["plain", "native"])
def test_equal_snntorchs(name: str) -> None:
    if (why := describe_backends()[name]).startswith("no"):
        pytest.skip(f"{name} does not work here: {why}")
    torch.set_num_threads(1)
    different = firing = 0
    for number, plan in enumerate(plans()):
        network = build_network(plan, STEPS, seed=number).eval()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(1.5 if parameter.dim() > 1 else 1.0)
        generator = torch.Generator().manual_seed(number)
        x = (torch.rand(STEPS, BATCH, *SHAPE, generator=generator) < 0.4).float()
        slope = torch.randn(STEPS, BATCH, CLASSES, generator=generator)
        with backend(name):
            ours = network(x).spikes
            our_gradients = gradients(network, ours, slope)
        theirs = stepped(network, x)
        their_gradients = gradients(network, theirs, slope)
        snntorch.SpikingNeuron.instances.clear()
        firing += bool(0.02 < theirs.mean() < 0.98)
        distance = (our_gradients - their_gradients).norm() / their_gradients.norm().clamp_min(1e-6)
        different += not torch.equal(ours, theirs) or float(distance) > 2e-4
    assert different <= 2
    assert firing > COUNT / 2, "silent networks make the comparison empty"
