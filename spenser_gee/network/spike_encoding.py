"""From images to a signal over time steps, a batch at a time, on the images' own device."""

from __future__ import annotations

import torch
from torch import Tensor

CODINGS = ("rate", "latency", "direct")

DARK = 0.01  # pixels below never fire in latency coding (snnTorch's default threshold)


def encode(images: Tensor, coding: str, time_steps: int, generator: torch.Generator | None = None) -> Tensor:
    """The network's input for images (B, C, H, W) with values in 0..1.

    rate: (T, B, C, H, W), each pixel fires in each step with its value as probability (Bernoulli).
    latency: (T, B, C, H, W), each pixel x >= 0.01 fires once, at step round((1 - x)(T - 1)): bright first
        (snnTorch's spikegen.latency with linear=True, normalize=True, clip=True).
    direct: (1, B, C, H, W), the images themselves: the same at every step, which the network expands where
        time first matters.

    The generator is for "rate" and must be on the images' device; without one torch's default is used.
    Raises ValueError for an unknown coding or fewer than 1 step.
    """
    if time_steps < 1:
        raise ValueError(f"time_steps is {time_steps}, expected at least 1")
    if coding == "direct":
        return images.unsqueeze(0)
    if coding == "rate":
        draws = torch.rand(
            (time_steps, *images.shape), generator=generator, device=images.device, dtype=images.dtype
        )
        # rand is in [0, 1): a value of 1 always fires and 0 never does.
        return torch.lt(draws, images, out=draws)
    if coding == "latency":
        # Rounding is to even at halves, as in snnTorch.
        times = torch.round((1.0 - images) * (time_steps - 1)).masked_fill(images < DARK, -1.0)
        steps = torch.arange(time_steps, device=images.device, dtype=images.dtype)
        return (steps.view(-1, *[1] * images.dim()) == times).to(images.dtype)
    raise ValueError(f"coding {coding!r} is not one of {', '.join(CODINGS)}")
