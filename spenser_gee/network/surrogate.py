"""Derivatives that stand in for that of the Heaviside spike, as pure functions of u = v - threshold.

Shapes and slopes are snnTorch's defaults, so that networks train as they do there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

ALPHA = 2.0  # width of atan
SLOPE = 25.0  # of fast_sigmoid and sigmoid

Surrogate = Callable[[Tensor], Tensor]


def atan(u: Tensor) -> Tensor:
    """(alpha / 2) / (1 + (pi alpha u / 2)^2), alpha = 2 (Fang et al. 2021, Eq. 24). Any shape."""
    scaled = u * (math.pi / 2 * ALPHA)
    return scaled.mul_(scaled).add_(1.0).reciprocal_().mul_(ALPHA / 2)


def fast_sigmoid(u: Tensor) -> Tensor:
    """1 / (1 + k |u|)^2, k = 25 (Zenke and Ganguli 2018, Section 3.3.2). Any shape."""
    scaled = u.abs().mul_(SLOPE).add_(1.0)
    return scaled.mul_(scaled).reciprocal_()


def sigmoid(u: Tensor) -> Tensor:
    """k e^(-ku) / (1 + e^(-ku))^2 = k s (1 - s), s = sigmoid(k u), k = 25. Any shape.

    Source: snnTorch, after Zenke and Ganguli 2018. Computed with |u| (it is even), so that nothing
    overflows far below the threshold.
    """
    decay = u.abs().mul_(-SLOPE).exp_()
    below = decay + 1.0
    return decay.mul_(SLOPE).div_(below.mul_(below))


def triangular(u: Tensor) -> Tensor:
    """1 below the threshold, -1 at and above it: snnTorch's `triangular()` with its default. Any shape.

    It is kept as snnTorch has it; despite its name it is the slope of a triangle, not a triangle.
    """
    return torch.ge(u, 0.0, out=torch.empty_like(u)).mul_(-2.0).add_(1.0)


SURROGATES: Mapping[str, Surrogate] = {
    "atan": atan,
    "fast_sigmoid": fast_sigmoid,
    "sigmoid": sigmoid,
    "triangular": triangular,
}
