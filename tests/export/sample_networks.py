"""Networks as if they were trained: random weights, biases, statistics, decays and thresholds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from spenser_gee.genotype import sample_genotype
from spenser_gee.network import layers
from spenser_gee.network.build import build_network
from spenser_gee.phenotype.check import open_grammar
from spenser_gee.phenotype.decode import decode
from spenser_gee.phenotype.plan import plan_network
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.layers import Layer
from spenser_gee.phenotype.words.site import Infeasible, Shape
from spenser_gee.phenotype.words.training import CECount, Genes, Input
from spenser_gee.training.saved import SavedNetwork

GRAMMAR = Path(__file__).parents[2] / "grammars" / "spenser_gee.lark"
SHAPE: Shape = (2, 12, 12)


def spec_of(*units: tuple[Layer, ...], coding: str = "direct", **parts: Any) -> NetworkSpec:
    return NetworkSpec(units, Genes(4), **{"loss": CECount(), "input": Input(coding), **parts})


def trained(
    spec: NetworkSpec,
    seed: int = 0,
    shape: Shape = SHAPE,
    classes: int = 5,
    steps: int = 4,
    *,
    same_steps: bool = False,
) -> SavedNetwork:
    """`same_steps`: statistics of single steps are all alike."""
    network = build_network(plan_network(spec, shape, classes), steps, seed).eval()
    draws = torch.Generator().manual_seed(seed)

    def uniform(like: torch.Tensor, low: float, high: float) -> torch.Tensor:
        return torch.rand(like.shape, generator=draws) * (high - low) + low

    with torch.no_grad():
        for layer in network.layers:
            if isinstance(layer, (layers.BatchNorm, layers.StepBatchNorm)):
                layer.weight.copy_(uniform(layer.weight, -0.5, 2.0))
                layer.bias.copy_(uniform(layer.bias, -0.3, 0.6))
                layer.running_mean.copy_(uniform(layer.running_mean, -0.5, 0.5))
                layer.running_var.copy_(uniform(layer.running_var, 0.2, 1.5))
                if same_steps and isinstance(layer, layers.StepBatchNorm):
                    layer.running_mean.copy_(layer.running_mean[:1].expand_as(layer.running_mean).clone())
                    layer.running_var.copy_(layer.running_var[:1].expand_as(layer.running_var).clone())
            elif isinstance(layer, layers.Weighted) and layer.bias is not None:
                layer.bias.copy_(uniform(layer.bias, -0.2, 0.5))
            elif isinstance(layer, layers.LIF):
                layer.threshold.mul_(float(uniform(layer.threshold, 0.5, 1.0)))
    return SavedNetwork(network, spec, "a sentence", shape, classes, steps, {}, {})


def signal_of(saved: SavedNetwork, batch: int = 3, seed: int = 0) -> torch.Tensor:
    """(T, B, C, H, W): graded for direct coding, else spikes."""
    draws = torch.Generator().manual_seed(seed)
    shape = (saved.time_steps, batch, *saved.input_shape)
    if saved.spec.input.coding == "direct":
        return torch.rand(shape[1:], generator=draws).expand(shape)
    return (torch.rand(shape, generator=draws) < 0.4).float()


def drawn(count: int, shape: Shape = SHAPE, classes: int = 5) -> list[NetworkSpec]:
    """Networks from the shipped grammar that can be built and are quick to run."""
    grammar = open_grammar(GRAMMAR)
    found: list[NetworkSpec] = []
    seed = 0
    while len(found) < count:
        seed += 1
        spec = decode(sample_genotype(grammar, np.random.default_rng(seed)), grammar)
        try:
            plan = plan_network(spec, shape, classes)
        except Infeasible:
            continue
        if plan.macs < 5_000_000 and plan.dense_parameters < 1_000_000:
            found.append(spec)
    return found
