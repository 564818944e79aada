"""A trained network as plain numbers: genes expanded, statistics of batch norm as gain and shift."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from spenser_gee.network import layers
from spenser_gee.network.build import SpikingNetwork

Array = NDArray[np.float64]


@torch.no_grad()
def weight(network: SpikingNetwork, index: int) -> torch.Tensor:
    """Of a conv layer (out, in, k, k), of an fc layer (out, in): its own, or expanded from its genes."""
    planned, layer = network.plan.layers[index], network.layers[index]
    assert isinstance(layer, layers.Weighted)
    if layer.weight is not None:
        return layer.weight.detach()
    assert network.genes is not None
    return network.genes.weights(planned).reshape(layer.shape)


def bias(network: SpikingNetwork, index: int) -> torch.Tensor | None:
    """(out,) of a conv or fc layer, if it has one."""
    layer = network.layers[index]
    assert isinstance(layer, layers.Weighted)
    return None if layer.bias is None else layer.bias.detach()


def projection(network: SpikingNetwork, index: int) -> torch.Tensor | None:
    """(out, in, 1, 1) of a skip, if it has one."""
    layer = network.layers[index]
    assert isinstance(layer, layers.SkipJoin)
    return None if layer.weight is None else layer.weight.detach()


class Cell(NamedTuple):
    """The neurons of a layer: decay in 0..1 and threshold, trained or not, and what a spike does."""

    beta: float
    threshold: float
    reset: str


def cell(network: SpikingNetwork, index: int) -> Cell:
    """Of a layer of neurons. The numbers are float32."""
    layer = network.layers[index]
    assert isinstance(layer, layers.LIF)
    return Cell(float(layer.decay().detach().clamp(0, 1)), float(layer.threshold.detach()), layer.reset)


def normalisation(network: SpikingNetwork, index: int) -> tuple[Array, Array]:
    """(gain, shift) of a batch norm, y = gain x + shift; each (C,), or (T, C) for statistics of each step."""
    layer = network.layers[index]
    assert isinstance(layer, layers.BatchNorm)
    mean, variance = (numbers(layer.get_buffer(name)) for name in ("running_mean", "running_var"))
    gain = numbers(layer.weight) / np.sqrt(variance + layers.EPSILON)
    return gain, numbers(layer.bias) - mean * gain


def numbers(values: torch.Tensor) -> Array:
    """In float64."""
    return values.detach().cpu().numpy().astype(np.float64)
