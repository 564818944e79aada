"""The words that the network builder knows, and the network that they describe.

A sentence says what a network is with layer keywords and their `key=value` pairs. Each dataclass below is
one or more keywords; its fields are the keys with their ranges, defaults and meanings. This is the only
place where they are declared: the check of a grammar, docs/grammar.md and the specs all come from here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, ClassVar

# What the words below mean. A change of meaning raises it: weights and runs remember which one made them.
BUILDER_VERSION = 1

CLASSES = 0  # `units=classes`: as many units as the data set has classes


@dataclass(frozen=True)
class Key:
    """One key of a keyword: its type, range (inclusive) or choices, and meaning."""

    kind: str  # "whole", "real" or "choice"
    meaning: str
    low: float = 0.0
    high: float = 0.0
    choices: tuple[str, ...] = ()

    def describe(self) -> str:
        """The permitted values in words."""
        if self.kind == "choice":
            return " | ".join(self.choices)
        if self.kind == "whole":
            extra = " | classes" if self.choices else ""
            return f"whole number {int(self.low)} to {int(self.high)}{extra}"
        return f"number {self.low:g} to {self.high:g}"


def whole(default: int, low: int, high: int, meaning: str, *choices: str) -> Any:
    """A field that holds a whole number."""
    return field(default=default, metadata={"key": Key("whole", meaning, low, high, choices)})


def real(default: float, low: float, high: float, meaning: str) -> Any:
    """A field that holds a real number."""
    return field(default=default, metadata={"key": Key("real", meaning, low, high)})


def choice(default: str, choices: tuple[str, ...], meaning: str) -> Any:
    """A field that holds one of a few words."""
    return field(default=default, metadata={"key": Key("choice", meaning, choices=choices)})


def flag(default: bool, meaning: str) -> Any:
    """A field that holds `true` or `false`."""
    return field(default=default, metadata={"key": Key("choice", meaning, choices=("true", "false"))})


# --- layers -------------------------------------------------------------------------------------------


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

# --- macro parts --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Genes:
    """Size of the shared gene-interaction matrix G (g x g)."""

    word: ClassVar[str] = "genes"
    count: int = whole(16, 1, 512, "g, the number of genes")


@dataclass(frozen=True)
class Input:
    """How an image becomes a signal over T time steps."""

    word: ClassVar[str] = "input"
    coding: str = choice(
        "rate",
        ("rate", "latency", "direct"),
        "rate: Bernoulli spikes; latency: one spike, bright first; direct: the image at every step",
    )


@dataclass(frozen=True)
class MSECount:
    """Mean square error of the spike counts (snnTorch's mse_count_loss; SPENSER Eq. 6)."""

    word: ClassVar[str] = "mse-count"
    correct: float = real(1.0, 0.0, 1.0, "target firing rate of the correct class")
    incorrect: float = real(0.0, 0.0, 1.0, "target firing rate of the other classes")


@dataclass(frozen=True)
class CERate:
    """Cross entropy of the outputs at every time step, mean over time (snnTorch's ce_rate_loss)."""

    word: ClassVar[str] = "ce-rate"


@dataclass(frozen=True)
class CECount:
    """Cross entropy of the outputs summed over time (snnTorch's ce_count_loss)."""

    word: ClassVar[str] = "ce-count"


@dataclass(frozen=True)
class CEMembrane:
    """Cross entropy of the output membrane's mean over time."""

    word: ClassVar[str] = "ce-membrane"


@dataclass(frozen=True)
class TET:
    """Temporal efficient training (Deng et al. 2022, Eq. 9-11): cross entropy of the output membrane at
    every time step, plus a pull of the membrane towards a target."""

    word: ClassVar[str] = "tet"
    weight: float = real(0.05, 0.0, 1.0, "share of the mean-square pull (lambda)")
    target: float = real(1.0, 0.0, 100.0, "target of the pull (phi)")


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent with momentum."""

    word: ClassVar[str] = "sgd"
    lr: float = real(0.01, 1e-8, 10.0, "learning rate")
    momentum: float = real(0.9, 0.0, 0.999, "momentum")
    decay: float = real(0.0, 0.0, 1.0, "weight decay (L2)")
    nesterov: bool = flag(False, "Nesterov momentum (needs momentum > 0)")


@dataclass(frozen=True)
class RMSProp:
    """RMSProp."""

    word: ClassVar[str] = "rmsprop"
    lr: float = real(0.001, 1e-8, 10.0, "learning rate")
    rho: float = real(0.99, 0.0, 1.0, "decay of the mean of squares")
    decay: float = real(0.0, 0.0, 1.0, "weight decay (L2)")


@dataclass(frozen=True)
class Adam:
    """Adam with L2 weight decay."""

    word: ClassVar[str] = "adam"
    lr: float = real(0.001, 1e-8, 10.0, "learning rate")
    beta1: float = real(0.9, 0.0, 0.9999, "decay of the first moment")
    beta2: float = real(0.999, 0.0, 0.999999, "decay of the second moment")
    decay: float = real(0.0, 0.0, 1.0, "weight decay (L2)")
    amsgrad: bool = flag(False, "AMSGrad")


@dataclass(frozen=True)
class AdamW:
    """Adam with decoupled weight decay."""

    word: ClassVar[str] = "adamw"
    lr: float = real(0.001, 1e-8, 10.0, "learning rate")
    beta1: float = real(0.9, 0.0, 0.9999, "decay of the first moment")
    beta2: float = real(0.999, 0.0, 0.999999, "decay of the second moment")
    decay: float = real(0.01, 0.0, 1.0, "decoupled weight decay")
    amsgrad: bool = flag(False, "AMSGrad")


@dataclass(frozen=True)
class ConstantRate:
    """The learning rate stays as it is."""

    word: ClassVar[str] = "lr-constant"


@dataclass(frozen=True)
class CosineRate:
    """The learning rate falls to 0 along half a cosine over the whole training, after a linear rise."""

    word: ClassVar[str] = "lr-cosine"
    warmup: float = real(0.0, 0.0, 0.5, "share of the training in which the rate rises from 0")


@dataclass(frozen=True)
class StepRate:
    """The learning rate is multiplied by a factor at equal distances."""

    word: ClassVar[str] = "lr-step"
    drops: int = whole(2, 1, 10, "number of drops, at equal distances over the training")
    factor: float = real(0.3, 0.01, 1.0, "multiplier of each drop")


@dataclass(frozen=True)
class Clip:
    """Gradients whose norm over all parameters is larger are scaled down to it."""

    word: ClassVar[str] = "clip"
    norm: float = real(1.0, 1e-3, 1000.0, "largest norm")


@dataclass(frozen=True)
class Shift:
    """Each image moves by a random whole number of pixels; what comes in is 0."""

    word: ClassVar[str] = "shift"
    pixels: int = whole(2, 1, 16, "largest move in each direction")


@dataclass(frozen=True)
class Flip:
    """Each image is mirrored left to right with a probability."""

    word: ClassVar[str] = "flip"
    probability: float = real(0.5, 0.0, 1.0, "probability")


@dataclass(frozen=True)
class Crop:
    """Each image is padded with 0 and cut back to its size at a random place."""

    word: ClassVar[str] = "crop"
    padding: int = whole(2, 1, 16, "padding on each side")


@dataclass(frozen=True)
class Cutout:
    """A random square of each image is set to 0."""

    word: ClassVar[str] = "cutout"
    size: int = whole(4, 1, 32, "side of the square")


@dataclass(frozen=True)
class Nothing:
    """Says nothing: lets a grammar name the absence of something."""

    word: ClassVar[str] = "none"


Loss = MSECount | CERate | CECount | CEMembrane | TET
Optimiser = SGD | RMSProp | Adam | AdamW
Schedule = ConstantRate | CosineRate | StepRate
Augmentation = Shift | Flip | Crop | Cutout
Macro = Genes | Input | Loss | Optimiser | Schedule | Clip | Augmentation

LAYERS = (Conv, FullyConnected, MaxPool, AvgPool, AdaptivePool, GlobalPool, BatchNorm, Dropout, LIF, Skip)
LOSSES = (MSECount, CERate, CECount, CEMembrane, TET)
OPTIMISERS = (SGD, RMSProp, Adam, AdamW)
SCHEDULES = (ConstantRate, CosineRate, StepRate)
AUGMENTATIONS = (Shift, Flip, Crop, Cutout)
# Words that a grammar may use to name an absence; they take no keys.
ABSENCES = ("no-pool", "no-norm", "no-skip", "no-clip", "no-augment", "none")

KEYWORDS: Mapping[str, type[Any]] = {
    **{
        kind.word: kind
        for kind in (*LAYERS, Genes, Input, *LOSSES, *OPTIMISERS, *SCHEDULES, Clip, *AUGMENTATIONS)
    },
    **dict.fromkeys(ABSENCES, Nothing),
}


def keys_of(kind: type[Any]) -> dict[str, tuple[Key, Any]]:
    """The keys of a keyword's class, in order: name -> (key, default)."""
    return {f.name: (f.metadata["key"], _default(f)) for f in fields(kind)}


def _default(f: Field[Any]) -> Any:
    return None if f.default is MISSING else f.default


# --- the network --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NetworkSpec:
    """A network and how it is trained. `units` are the layers, grouped as the genotype groups them: a skip
    counts units. Parts that a sentence does not name have the defaults below."""

    units: tuple[tuple[Layer, ...], ...]
    genes: Genes = Genes()
    input: Input = Input()
    loss: Loss = MSECount()
    optimiser: Optimiser = Adam()
    schedule: Schedule = ConstantRate()
    clip: Clip | None = None
    augmentation: tuple[Augmentation, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able values: every layer and part as [word, {key: value}]."""
        return {
            "units": [[_pair(layer) for layer in unit] for unit in self.units],
            "genes": _pair(self.genes),
            "input": _pair(self.input),
            "loss": _pair(self.loss),
            "optimiser": _pair(self.optimiser),
            "schedule": _pair(self.schedule),
            "clip": _pair(self.clip) if self.clip else None,
            "augmentation": [_pair(a) for a in self.augmentation],
        }

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> NetworkSpec:
        """The inverse of `to_dict`."""
        return NetworkSpec(
            units=tuple(tuple(_layer(pair) for pair in unit) for unit in values["units"]),
            genes=_layer(values["genes"]),
            input=_layer(values["input"]),
            loss=_layer(values["loss"]),
            optimiser=_layer(values["optimiser"]),
            schedule=_layer(values["schedule"]),
            clip=_layer(values["clip"]) if values["clip"] else None,
            augmentation=tuple(_layer(pair) for pair in values["augmentation"]),
        )

    def key(self) -> str:
        """SHA-256 of what the network is: equal keys are equal phenotypes."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()


def _pair(part: Any) -> list[Any]:
    return [part.word, {f.name: getattr(part, f.name) for f in fields(part)}]


def _layer(pair: Any) -> Any:
    word, settings = pair
    return KEYWORDS[word](**settings)
