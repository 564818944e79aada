"""The two dense layouts that signals (L, B, C, H, W) come in: channels first (contiguous) and channels last."""

from __future__ import annotations

import torch
from torch import Tensor


def arranged(values: Tensor, last: bool | None = None) -> tuple[Tensor, bool]:
    """The values densely in one layout, and whether channels are last: the layout that they have, or the one asked
    for. Any shape; only (L, B, C, H, W) can have channels last. A copy only where it is needed."""
    if last is None:
        last = not values.is_contiguous() and values.dim() == 5 and _to_last(values).is_contiguous()
    if last:
        return _from_last(_to_last(values).contiguous()), True
    return values.contiguous(), False


def empty_like_layout(shape: tuple[int, ...], like: Tensor, last: bool) -> Tensor:
    """An unset tensor of `shape` with the type and device of `like`, in a layout."""
    if not last:
        return torch.empty(shape, dtype=like.dtype, device=like.device)
    steps, batch, channels, height, width = shape
    return _from_last(
        torch.empty((steps, batch, height, width, channels), dtype=like.dtype, device=like.device)
    )


def channels_last(signal: Tensor) -> Tensor:
    """A signal (N, C, H, W) with channels last. With one channel both layouts are the same numbers in the same order:
    then only the strides say which one a convolution is to answer in."""
    if signal.shape[1] == 1:
        height, width = signal.shape[2:]
        return signal.contiguous().as_strided(signal.shape, (height * width, 1, width, 1))
    return signal.contiguous(memory_format=torch.channels_last)


def _to_last(values: Tensor) -> Tensor:
    return values.permute(0, 1, 3, 4, 2)


def _from_last(values: Tensor) -> Tensor:
    return values.permute(0, 1, 4, 2, 3)
