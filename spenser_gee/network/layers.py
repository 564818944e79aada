"""The layers of a network over signals whose time steps are folded into the batch.

A signal is (L * B, C, H, W): L = T time steps, or L = 1 while it is the same at every step ("static"; direct
input coding before the first neuron). Layers whose result depends on time say so with `needs_time` and get
L = T always. Fully connected layers and pools give (L * B, C, 1, 1).
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spenser_gee.network.lif import lif, pool
from spenser_gee.network.neurons import POOLINGS, Pooling
from spenser_gee.phenotype.words.layers import LIF as LIFSpec
from spenser_gee.phenotype.words.site import Join, Shape

MOMENTUM = 0.1  # of the running statistics of batch norm
EPSILON = 1e-5


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """(before, after) so that the output has ceil(size / stride) values; an odd one goes to the end."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: str) -> Tensor:
    """2-d convolution of x (N, C, H, W) with `same` or `valid` padding at any stride."""
    if padding == "valid":
        return F.conv2d(x, weight, bias, stride)
    top, bottom = same_padding(x.shape[2], weight.shape[2], stride)
    left, right = same_padding(x.shape[3], weight.shape[3], stride)
    if (top, left) == (bottom, right):
        return F.conv2d(x, weight, bias, stride, (top, left))
    return F.conv2d(F.pad(x, (left, right, top, bottom)), weight, bias, stride)


def connect(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Fully connected: (N, out) of x (N, C, H, W), whose values are in the order (C, H, W) to the weight (out, C H W).

    Where channels are last in memory the weight is brought to that order: it is smaller than the signal.
    """
    if x.is_contiguous():
        return F.linear(x.flatten(1), weight, bias)
    last = x.permute(0, 2, 3, 1)
    if not last.is_contiguous():
        return F.linear(x.flatten(1), weight, bias)
    ordered = weight.view(weight.shape[0], *x.shape[1:]).permute(0, 2, 3, 1)
    return F.linear(last.flatten(1), ordered.flatten(1), bias)


def kaiming(shape: tuple[int, ...], fan_in: int, seed: int) -> nn.Parameter:
    """Weights drawn from N(0, 2 / fan_in) (He et al. 2015, Eq. 10)."""
    generator = torch.Generator().manual_seed(seed)
    return nn.Parameter(torch.randn(shape, generator=generator).mul_(math.sqrt(2.0 / fan_in)))


def split_time(x: Tensor, steps: int) -> Tensor:
    """(steps, B, C, H, W) of a folded signal (steps * B, C, H, W), without a copy."""
    return x.view(steps, x.shape[0] // steps, *x.shape[1:])


def spatial_mean(x: Tensor) -> Tensor:
    """(N, C, 1, 1): the mean over the positions of x (N, C, H, W)."""
    last = x.permute(0, 2, 3, 1)
    if not x.is_contiguous() and last.is_contiguous():
        # torch's mean over two dimensions that are not the last ones takes half as long again.
        return last.flatten(1, 2).mean(1)[:, :, None, None]
    return x.mean((2, 3), keepdim=True)


class Layer(nn.Module):
    """A layer without weights from genes. `needs_time`: a static signal must be expanded before it."""

    needs_time: ClassVar[bool] = False

    def forward(self, x: Tensor, steps: int) -> Tensor:
        """x: (steps * B, C, H, W)."""
        raise NotImplementedError


class Weighted(nn.Module):
    """Convolution or fully connected layer. Its weights are its own, or come from genes with every call.

    shape: of the weights, (out, in, k, k) or (out, in). fan_in: inputs of one output.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        fan_in: int,
        bias: bool,
        gene_coded: bool,
        seed: int,
        stride: int = 1,
        padding: str = "valid",
    ) -> None:
        super().__init__()
        self.shape, self.stride, self.padding = shape, stride, padding
        self.weight = None if gene_coded else kaiming(shape, fan_in, seed)
        self.bias = nn.Parameter(torch.zeros(shape[0])) if bias else None

    def forward(self, x: Tensor, genetic: Tensor | None) -> Tensor:
        """x: (N, C, H, W). genetic: weights expanded from genes, any shape with the right count."""
        weight = self.weight if genetic is None else genetic.reshape(self.shape)
        assert weight is not None
        if len(self.shape) == 4:
            return convolve(x, weight, self.bias, self.stride, self.padding)
        return connect(x, weight, self.bias)[:, :, None, None]


class Pool(Layer):
    """Pooling. kind: max, avg (windows of `size`), adaptive (to `size` x `size` outputs) or global."""

    def __init__(self, kind: str, size: int = 1) -> None:
        super().__init__()
        self.kind, self.size = kind, size

    def forward(self, x: Tensor, steps: int) -> Tensor:
        if self.kind in POOLINGS:
            return pool(x, self.kind, self.size)
        if self.kind == "global":
            return spatial_mean(x)
        size = (min(x.shape[2], self.size), min(x.shape[3], self.size))
        return x if size == tuple(x.shape[2:]) else F.adaptive_avg_pool2d(x, size)


class BatchNorm(Layer):
    """Batch normalisation with statistics over time, batch and positions together (Ioffe and Szegedy 2015).

    time_steps: one number, where the statistics are of each step apart (`StepBatchNorm`): then they are (T, C).
    A static signal has the statistics that it has when it is repeated. A batch with one value a channel
    cannot be normalised in training: torch raises ValueError.
    """

    def __init__(self, channels: int, *time_steps: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(*time_steps, channels))
        self.register_buffer("running_var", torch.ones(*time_steps, channels))

    def forward(self, x: Tensor, steps: int) -> Tensor:
        mean, var = self.get_buffer("running_mean"), self.get_buffer("running_var")
        return F.batch_norm(x, mean, var, self.weight, self.bias, self.training, MOMENTUM, EPSILON)


class StepBatchNorm(BatchNorm):
    """Batch normalisation with statistics of each time step apart, (T, C); gain and shift are shared."""

    needs_time: ClassVar[bool] = True

    def forward(self, x: Tensor, steps: int) -> Tensor:
        channels, positions = x.shape[1], x.shape[2:]
        # The channels of all steps side by side: one call for all steps.
        apart = split_time(x, steps).transpose(0, 1).flatten(1, 2)
        mean, var = self.get_buffer("running_mean").view(-1), self.get_buffer("running_var").view(-1)
        gain, shift = self.weight.repeat(steps), self.bias.repeat(steps)
        normal = F.batch_norm(apart, mean, var, gain, shift, self.training, MOMENTUM, EPSILON)
        return normal.view(-1, steps, channels, *positions).transpose(0, 1).flatten(0, 1)


class Dropout(Layer):
    """Dropout (Srivastava et al. 2014), scaled in training, with one mask a sample for all time steps.

    generator: source of the masks, on the signal's device; None is torch's default one.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.generator: torch.Generator | None = None

    def forward(self, x: Tensor, steps: int) -> Tensor:
        if not self.training or self.rate == 0.0:
            return x
        signal = split_time(x, steps)
        masked: Tensor = signal * self.mask(signal[0])
        return masked.flatten(0, 1)

    def mask(self, like: Tensor) -> Tensor:
        """0 with probability rate, else 1 / (1 - rate)."""
        mask = torch.empty_like(like, memory_format=torch.contiguous_format)
        return mask.bernoulli_(1 - self.rate, generator=self.generator).div_(1 - self.rate)


class StepDropout(Dropout):
    """Dropout whose mask is drawn anew at every time step."""

    needs_time: ClassVar[bool] = True

    def forward(self, x: Tensor, steps: int) -> Tensor:
        return x * self.mask(x) if self.training and self.rate else x


class LIF(nn.Module):
    """Neurons of one layer, which share decay, threshold, reset and surrogate: see network/lif.py.

    The decay is a constant, a weight clamped to 0..1 in use, or sigmoid(a) of a weight a (parametric LIF,
    Fang et al. 2021).
    """

    a: Tensor
    beta: Tensor
    threshold: Tensor

    def __init__(self, spec: LIFSpec) -> None:
        super().__init__()
        self.surrogate, self.reset, self.parametric = spec.surrogate, spec.reset, spec.learn_beta == "plif"
        # A decay of exactly 0 or 1 has no finite a.
        inner = min(max(spec.beta, 1e-4), 1 - 1e-4)
        beta = torch.tensor(math.log(inner / (1 - inner)) if self.parametric else spec.beta)
        self._scalar("a" if self.parametric else "beta", beta, spec.learn_beta != "false")
        self._scalar("threshold", torch.tensor(spec.threshold), spec.learn_threshold)

    def _scalar(self, name: str, value: Tensor, trained: bool) -> None:
        if trained:
            self.register_parameter(name, nn.Parameter(value))
        else:
            self.register_buffer(name, value)

    def decay(self) -> Tensor:
        """beta, a scalar tensor; not clamped yet."""
        return torch.sigmoid(self.a) if self.parametric else self.beta

    def forward(
        self,
        currents: Tensor,
        steps: int | None = None,
        membrane: bool = False,
        pooling: Pooling | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Spikes, pooled if asked for, and the membrane if wanted, for currents (T or 1, B, C, H, W): see `lif`."""
        return lif(
            currents,
            self.decay(),
            self.threshold,
            self.surrogate,
            self.reset,
            membrane,
            steps=steps,
            pooling=pooling,
        )


class SkipJoin(nn.Module):
    """Joins an earlier signal: resampled in space; to add, projected 1x1 without bias where shapes differ."""

    def __init__(self, join: Join, mode: str, here: Shape, seed: int) -> None:
        super().__init__()
        self.resample, self.mode = join.resample, mode
        there = join.source_shape[0]
        self.weight = kaiming((here[0], there, 1, 1), there, seed) if join.project else None

    def forward(self, here: Tensor, there: Tensor) -> Tensor:
        """here: (N, C, H, W). there: (N, C', H', W'), of the same number of steps."""
        if self.resample is not None:
            there = resample(there, self.resample)
        if self.weight is not None:
            there = F.conv2d(there, self.weight)
        return here + there if self.mode == "add" else torch.cat((here, there), 1)


def resample(x: Tensor, size: tuple[int, int]) -> Tensor:
    """The nearest subsample, output i reads input floor(i * size_in / size_out); for 1 x 1 the mean."""
    if size == (1, 1):
        return spatial_mean(x)
    for dim, count in ((2, size[0]), (3, size[1])):
        had = x.shape[dim]
        if had % count == 0:
            # A plain stride, whose backward pass is cheaper than that of an index.
            step = had // count
            x = x[:, :, ::step] if dim == 2 else x[:, :, :, ::step]
        else:
            x = x.index_select(dim, torch.arange(count, device=x.device) * had // count)
    return x
