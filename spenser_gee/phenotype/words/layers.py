"""The words for layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from spenser_gee.phenotype.words.keys import choice, flag, real, whole


@dataclass(frozen=True)
class Conv:
    """2-d convolution, applied to every time step with the same weights."""

    word: ClassVar[str] = "conv"
    filters: int = whole(32, 1, 4096, "output channels")
    kernel: int = whole(3, 1, 15, "height and width of the kernel")
    stride: int = whole(1, 1, 8, "stride in both directions")
    padding: str = choice("same", ("same", "valid"), "same: output size is ceil(input / stride)")
    bias: bool = flag(True, "a bias for each channel")
    weights: str = choice("direct", ("direct", "gene"), "gene: W = E1 G E2^T with the network's shared G")


@dataclass(frozen=True)
class FullyConnected:
    """Fully connected layer; it flattens its input (not time)."""

    word: ClassVar[str] = "fc"
    units: int = whole(128, 1, 65536, "output units; `classes`: as many as the data has", "classes")
    bias: bool = flag(True, "a bias for each unit")
    weights: str = choice("direct", ("direct", "gene"), "gene: W = E1 G E2^T with the network's shared G")


@dataclass(frozen=True)
class MaxPool:
    """Maximum over size x size windows that do not overlap."""

    word: ClassVar[str] = "pool-max"
    size: int = whole(2, 1, 16, "window and stride")


@dataclass(frozen=True)
class AvgPool:
    """Mean over size x size windows that do not overlap."""

    word: ClassVar[str] = "pool-avg"
    size: int = whole(2, 1, 16, "window and stride")


@dataclass(frozen=True)
class AdaptivePool:
    """Mean over as many windows as give size x size outputs; an input smaller than that stays as it is."""

    word: ClassVar[str] = "pool-adaptive"
    size: int = whole(1, 1, 64, "output height and width")


@dataclass(frozen=True)
class GlobalPool:
    """Mean over all positions of a channel."""

    word: ClassVar[str] = "pool-global"


@dataclass(frozen=True)
class BatchNorm:
    """Batch normalisation of each channel, with trained gain and shift."""

    word: ClassVar[str] = "batch-norm"
    over: str = choice(
        "time-batch",
        ("time-batch", "step"),
        "time-batch: statistics over all time steps together; step: statistics of each time step apart",
    )


@dataclass(frozen=True)
class Dropout:
    """Dropout with one mask a sample, or one a time step."""

    word: ClassVar[str] = "dropout"
    rate: float = real(0.25, 0.0, 0.95, "probability that a value is set to 0")
    mask: str = choice("sample", ("sample", "step"), "sample: one mask for all time steps; step: redrawn")


@dataclass(frozen=True)
class LIF:
    """Leaky integrate-and-fire neurons with the semantics of snntorch.Leaky."""

    word: ClassVar[str] = "lif"
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


@dataclass(frozen=True)
class Skip:
    """Joins the output of an earlier unit here. Shapes are made equal: see docs/grammar.md."""

    word: ClassVar[str] = "skip"
    back: int = whole(
        0,
        0,
        64,
        "how many units back the source is: 1 = this unit's own input; 0, or beyond the input, = none",
    )
    mode: str = choice("add", ("add", "concat"), "add, or concatenate channels")


Layer = (
    Conv | FullyConnected | MaxPool | AvgPool | AdaptivePool | GlobalPool | BatchNorm | Dropout | LIF | Skip
)

LAYERS = (Conv, FullyConnected, MaxPool, AvgPool, AdaptivePool, GlobalPool, BatchNorm, Dropout, LIF, Skip)
