"""What a layer of neurons is, for every backend that runs one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from torch import Tensor

RESETS = ("subtract", "zero", "none")
POOLINGS = ("max", "avg")


class Pooling(NamedTuple):
    """Pooling right beside the neurons, in windows of `size` x `size`; what is left over at the border is dropped.

    kind: "max" or "avg". first: of the currents, before the neurons; else of the spikes.
    """

    kind: str
    size: int
    first: bool


@dataclass(frozen=True)
class Neurons:
    """steps: T. surrogate: a name in SURROGATES. reset: one of RESETS. membrane: whether it is wanted too."""

    steps: int
    surrogate: str
    reset: str
    membrane: bool = False
    pooling: Pooling | None = None


class Gradients(NamedTuple):
    """Of the currents; of decay and threshold (float64 or float32, 1 or C numbers) where wanted."""

    currents: Tensor
    decay: Tensor | None
    level: Tensor | None


class Kernel(Protocol):
    """One implementation of the neurons over all time steps.

    Shapes: currents (L, B, C, ...), L = T, or 1 where they are the same at every step. decay (already in 0..1) and
    level (the threshold): 1 number, or C. Spikes and membrane: (T, B, C, ...), pooled in the last two dimensions.
    """

    name: str
    pools: bool  # whether it takes `Neurons.pooling`
    keeps_trace: bool  # whether `backward` needs the membrane (else the currents)

    def forward(
        self, currents: Tensor, decay: Tensor, level: Tensor, neurons: Neurons
    ) -> tuple[Tensor, Tensor | None]:
        """Spikes, and the membrane if it is wanted or kept."""
        ...

    def backward(
        self,
        kept: Tensor,
        decay: Tensor,
        level: Tensor,
        spike_grad: Tensor | None,
        membrane_grad: Tensor | None,
        neurons: Neurons,
        wanted: tuple[bool, bool],
    ) -> Gradients:
        """The gradients; `wanted` says whether those of decay and level are."""
        ...
