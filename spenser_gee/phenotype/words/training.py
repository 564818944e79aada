"""The words for what layers share, for the input, and for how a network is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from spenser_gee.phenotype.words.keys import choice, flag, real, whole


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


Loss = MSECount | CERate | CECount | CEMembrane | TET
Optimiser = SGD | RMSProp | Adam | AdamW
Schedule = ConstantRate | CosineRate | StepRate
Augmentation = Shift | Flip | Crop | Cutout

LOSSES = (MSECount, CERate, CECount, CEMembrane, TET)
OPTIMISERS = (SGD, RMSProp, Adam, AdamW)
SCHEDULES = (ConstantRate, CosineRate, StepRate)
AUGMENTATIONS = (Shift, Flip, Crop, Cutout)
