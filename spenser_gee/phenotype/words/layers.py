"""The words for layers, and what each answers about itself before there are weights."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from spenser_gee.phenotype.words.keys import CLASSES, choice, flag, real, whole
from spenser_gee.phenotype.words.site import Infeasible, Join, Shape, Site


class Answers(ABC):
    """What every layer answers, for the site where it stands.

    weighted: whether it is weights between populations of channels, which genes may encode.
    spiking: whether its output are spikes of neurons, which differ from step to step even where its input does not.
    divisible: whether the gradient of a batch is the sum of the gradients of its parts.
    """

    word: ClassVar[str]
    weighted: ClassVar[bool] = False
    spiking: ClassVar[bool] = False
    divisible: ClassVar[bool] = True

    @abstractmethod
    def output(self, site: Site) -> Shape:
        """The shape that it puts out. Raises Infeasible where it cannot stand there."""

    @abstractmethod
    def fan_in(self, site: Site) -> int:
        """How many values, each with a weight, go into one of its outputs; 0: it has no such weights."""

    @abstractmethod
    def parameters(self, site: Site) -> int:
        """Trained numbers of its own, genes aside."""

    def kept(self, site: Site) -> int:
        """Float32 numbers that the backward pass needs of each sample and time step: what comes in, unless said
        otherwise."""
        return math.prod(site.input)

    def macs(self, site: Site) -> int:
        """Dense multiply-accumulates per time step and sample."""
        return self.fan_in(site) * math.prod(self.output(site))


class _Weights(Answers):
    weighted = True
    bias: bool

    def parameters(self, site: Site) -> int:
        channels = self.output(site)[0]
        return (0 if site.gene_coded else channels * self.fan_in(site)) + (channels if self.bias else 0)


class _Weightless(Answers):
    """Of the shape that comes in, without anything to train."""

    def output(self, site: Site) -> Shape:
        return site.input

    def fan_in(self, site: Site) -> int:
        return 0

    def parameters(self, site: Site) -> int:
        return 0


class _Windows(_Weightless):
    """Pooling over size x size windows that do not overlap."""

    size: int

    def output(self, site: Site) -> Shape:
        channels, height, width = site.input
        return _whole(
            self.word, f"size={self.size}", site.input, (channels, height // self.size, width // self.size)
        )


def _whole(word: str, setting: str, before: Shape, after: Shape) -> Shape:
    """The shape behind a layer. Raises Infeasible where it is empty."""
    if min(after) < 1:
        raise Infeasible(f"{word} {setting} leaves nothing of {before[0]} x {before[1]} x {before[2]}")
    return after


@dataclass(frozen=True)
class Conv(_Weights):
    """2-d convolution, applied to every time step with the same weights."""

    word: ClassVar[str] = "conv"
    filters: int = whole(32, 1, 4096, "output channels")
    kernel: int = whole(3, 1, 15, "height and width of the kernel")
    stride: int = whole(1, 1, 8, "stride in both directions")
    padding: str = choice("same", ("same", "valid"), "same: output size is ceil(input / stride)")
    bias: bool = flag(True, "a bias for each channel")
    weights: str = choice("direct", ("direct", "gene"), "gene: W = E1 G E2^T with the network's shared G")

    def output(self, site: Site) -> Shape:
        _, *sizes = site.input
        if self.padding == "same":
            height, width = (-(-size // self.stride) for size in sizes)
        else:
            height, width = ((size - self.kernel) // self.stride + 1 for size in sizes)
        setting = f"kernel={self.kernel} padding={self.padding}"
        return _whole(self.word, setting, site.input, (self.filters, height, width))

    def fan_in(self, site: Site) -> int:
        return site.input[0] * self.kernel**2


@dataclass(frozen=True)
class FullyConnected(_Weights):
    """Fully connected layer; it flattens its input (not time)."""

    word: ClassVar[str] = "fc"
    units: int = whole(128, 1, 65536, "output units; `classes`: as many as the data has", "classes")
    bias: bool = flag(True, "a bias for each unit")
    weights: str = choice("direct", ("direct", "gene"), "gene: W = E1 G E2^T with the network's shared G")

    def output(self, site: Site) -> Shape:
        return (site.classes if self.units == CLASSES else self.units, 1, 1)

    def fan_in(self, site: Site) -> int:
        return math.prod(site.input)


@dataclass(frozen=True)
class MaxPool(_Windows):
    """Maximum over size x size windows that do not overlap."""

    word: ClassVar[str] = "pool-max"
    size: int = whole(2, 1, 16, "window and stride")

    def kept(self, site: Site) -> int:
        # And where the largest were, in 8 bytes each.
        return math.prod(site.input) + 2 * math.prod(self.output(site))


@dataclass(frozen=True)
class AvgPool(_Windows):
    """Mean over size x size windows that do not overlap."""

    word: ClassVar[str] = "pool-avg"
    size: int = whole(2, 1, 16, "window and stride")


@dataclass(frozen=True)
class AdaptivePool(_Weightless):
    """Mean over as many windows as give size x size outputs; an input smaller than that stays as it is."""

    word: ClassVar[str] = "pool-adaptive"
    size: int = whole(1, 1, 64, "output height and width")

    def output(self, site: Site) -> Shape:
        channels, height, width = site.input
        return (channels, min(height, self.size), min(width, self.size))


@dataclass(frozen=True)
class GlobalPool(_Weightless):
    """Mean over all positions of a channel."""

    word: ClassVar[str] = "pool-global"

    def output(self, site: Site) -> Shape:
        return (site.input[0], 1, 1)

    def kept(self, site: Site) -> int:
        return 0


@dataclass(frozen=True)
class BatchNorm(_Weightless):
    """Batch normalisation of each channel, with trained gain and shift."""

    word: ClassVar[str] = "batch-norm"
    divisible = False
    over: str = choice(
        "time-batch",
        ("time-batch", "step"),
        "time-batch: statistics over all time steps together; step: statistics of each time step apart",
    )

    def parameters(self, site: Site) -> int:
        return 2 * site.input[0]


@dataclass(frozen=True)
class Dropout(_Weightless):
    """Dropout with one mask a sample, or one a time step."""

    word: ClassVar[str] = "dropout"
    divisible = False
    rate: float = real(0.25, 0.0, 0.95, "probability that a value is set to 0")
    mask: str = choice("sample", ("sample", "step"), "sample: one mask for all time steps; step: redrawn")


@dataclass(frozen=True)
class LIF(_Weightless):
    """Leaky integrate-and-fire neurons with the semantics of snntorch.Leaky."""

    word: ClassVar[str] = "lif"
    spiking = True
    beta: float = real(0.9, 0.0, 1.0, "membrane decay per time step")
    learn_beta: str = choice(
        "false",
        ("true", "false", "plif"),
        "true: beta is trained, clamped to 0..1; plif: trained as sigmoid(a) (Fang et al. 2021)",
    )
    threshold: float = real(1.0, 0.001, 100.0, "firing threshold")
    learn_threshold: bool = flag(False, "the threshold is trained")
    surrogate: str = choice(
        "atan", ("atan", "fast_sigmoid", "sigmoid", "triangular"), "surrogate gradient, snnTorch's defaults"
    )
    reset: str = choice("subtract", ("subtract", "zero", "none"), "what a spike does to the membrane")

    def parameters(self, site: Site) -> int:
        return int(self.learn_beta != "false") + int(self.learn_threshold)


@dataclass(frozen=True)
class Skip(Answers):
    """Joins the output of an earlier unit here. Shapes are made equal: see docs/grammar.md."""

    word: ClassVar[str] = "skip"
    back: int = whole(
        0,
        0,
        64,
        "how many units back the source is: 1 = this unit's own input; 0, or beyond the input, = none",
    )
    mode: str = choice("add", ("add", "concat"), "add, or concatenate channels")

    def join(self, source: int, there: Shape, here: Shape) -> Join:
        """How the output `there` of the unit `source` is brought to the shape `here`."""
        resample = None if there[1:] == here[1:] else here[1:]
        return Join(source, there, resample, project=self.mode == "add" and there != here)

    def output(self, site: Site) -> Shape:
        channels, height, width = site.input
        more = _joint(site).source_shape[0] if self.mode == "concat" else 0
        return (channels + more, height, width)

    def fan_in(self, site: Site) -> int:
        join = _joint(site)
        return join.source_shape[0] if join.project else 0

    def parameters(self, site: Site) -> int:
        return self.fan_in(site) * site.input[0]

    def kept(self, site: Site) -> int:
        return self.fan_in(site) * math.prod(site.input[1:])


def _joint(site: Site) -> Join:
    assert site.join is not None, "a skip stands at a joint"
    return site.join


Layer = (
    Conv | FullyConnected | MaxPool | AvgPool | AdaptivePool | GlobalPool | BatchNorm | Dropout | LIF | Skip
)

LAYERS = (Conv, FullyConnected, MaxPool, AvgPool, AdaptivePool, GlobalPool, BatchNorm, Dropout, LIF, Skip)
