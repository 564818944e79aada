"""Random changes to batches of images `float (B, C, H, W)`: each image its own draw, no loop over images.

All draws come from the given generator. With a CPU generator they are the same whatever the images' device.
"""

from __future__ import annotations

import torch
from torch.nn.functional import pad

from spenser_gee.data.transfer import send
from spenser_gee.errors import input_error


def shift(images: torch.Tensor, pixels: int, generator: torch.Generator) -> torch.Tensor:
    """Each image moved by a random number of pixels in -pixels..pixels along both axes; zeros move in.

    Raises:
        InputError: `pixels` is negative.
    """
    _check_pixels("shift", pixels)
    return _random_window(images, pixels, generator)


def crop(images: torch.Tensor, padding: int, generator: torch.Generator) -> torch.Tensor:
    """Each image padded with zeros by `padding` on all sides, and a random H x W window of that.

    Source: K. He et al., "Deep residual learning for image recognition", 2016, section 4.2 (padding 4 on
    CIFAR-10). The distribution is that of `shift`.

    Raises:
        InputError: `padding` is negative.
    """
    _check_pixels("crop", padding)
    return _random_window(images, padding, generator)


def flip(images: torch.Tensor, probability: float, generator: torch.Generator) -> torch.Tensor:
    """Each image mirrored left to right with `probability`.

    Raises:
        InputError: `probability` is not in 0..1.
    """
    if not 0 <= probability <= 1:
        raise input_error("flip", f"expected a probability in 0..1, found {probability}")
    draws = torch.rand(len(images), generator=generator, device=generator.device)
    mirrored = send(draws < probability, images.device)
    return torch.where(mirrored[:, None, None, None], images.flip(-1), images)


def cutout(images: torch.Tensor, size: int, generator: torch.Generator) -> torch.Tensor:
    """In each image a square of `size` x `size` pixels set to 0, all channels alike.

    Its centre is any pixel of the image, so it may reach over the border and be partly cut off there, as in
    T. DeVries and G. W. Taylor, "Improved regularization of convolutional neural networks with cutout", 2017,
    section 3. Rows are centre - size // 2 up to, but not including, that plus size; columns likewise.

    Raises:
        InputError: `size` is negative.
    """
    _check_pixels("cutout", size)
    batch, _, height, width = images.shape
    top = _integers(batch, height, generator, images.device) - size // 2
    left = _integers(batch, width, generator, images.device) - size // 2
    rows = _within(height, top, size)[:, None, :, None]
    columns = _within(width, left, size)[:, None, None, :]
    return images.masked_fill(rows & columns, 0)


def _within(length: int, first: torch.Tensor, size: int) -> torch.Tensor:
    """Which of `length` positions lie in first..first+size-1: bool (B, length)."""
    offset = torch.arange(length, device=first.device) - first[:, None]
    return (offset >= 0) & (offset < size)


def _random_window(images: torch.Tensor, padding: int, generator: torch.Generator) -> torch.Tensor:
    batch, channels, height, width = images.shape
    device = images.device
    top = _integers(batch, 2 * padding + 1, generator, device)
    left = _integers(batch, 2 * padding + 1, generator, device)
    rows = top[:, None] + torch.arange(height, device=device)
    columns = left[:, None] + torch.arange(width, device=device)
    return pad(images, (padding,) * 4)[
        torch.arange(batch, device=device)[:, None, None, None],
        torch.arange(channels, device=device)[None, :, None, None],
        rows[:, None, :, None],
        columns[:, None, None, :],
    ]


def _integers(count: int, below: int, generator: torch.Generator, device: torch.device) -> torch.Tensor:
    draws = torch.randint(below, (count,), generator=generator, device=generator.device)
    return send(draws, device)


def _check_pixels(name: str, pixels: int) -> None:
    if pixels < 0:
        raise input_error(name, f"expected a number of pixels of 0 or more, found {pixels}")
