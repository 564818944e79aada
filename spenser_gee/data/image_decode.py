"""Image files to one uint8 tensor: decoding with Pillow, resizing in batches with torch."""

from __future__ import annotations

import contextlib
import io
from collections import defaultdict
from typing import Final

import numpy as np
import torch
from PIL import Image, ImageOps
from torch.nn.functional import interpolate

from spenser_gee.errors import Finding, InputError, Place

# The suffixes that torchvision.datasets.ImageFolder reads.
IMAGE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"})
_GREY_MODES = ("1", "L", "LA")
_FAINT = 0.1  # colours that vary by less than this share of what the transparency does carry no picture
_PENDING_BYTES = 64 * 2**20
_SHOWN = 10


class Decoder:
    """Collects images one by one and returns them as `uint8 (N, C, H, W)` in the order they were added.

    Only some 64 MB of images wait for their resizing at any time, so large originals are never all in memory.
    A file that cannot be read is noted, so that one error at the end names several, one finding a reason.
    """

    def __init__(self, place: str, image_size: int | None, channels: int | None) -> None:
        self._place = place
        self._image_size = image_size
        self._channels = channels
        self._images: list[torch.Tensor] = []
        self._paths: list[str] = []
        self._pending: list[int] = []
        self._pending_bytes = 0
        self._unread: dict[str, list[str]] = defaultdict(list)

    def add(self, path: str, image: bytes) -> None:
        """Decode the bytes of the image file `path`."""
        try:
            pixels = decode_image(image, self._channels)
        # Pillow's readers raise nearly anything on damaged bytes (OSError, SyntaxError, struct.error, ...).
        except Exception as error:
            reason = str(error) or type(error).__name__
            if "cannot identify" in reason:
                reason = "not an image in a known format" if image else "the file is empty"
            self._unread[reason].append(path)
            return
        self._paths.append(path)
        self._images.append(pixels)
        if self._image_size is not None and pixels.shape[1:] != (self._image_size, self._image_size):
            self._pending.append(len(self._images) - 1)
            self._pending_bytes += pixels.numel()
            if self._pending_bytes > _PENDING_BYTES:
                self._resize_pending()

    def finish(self) -> torch.Tensor:
        """All images, `uint8 (N, C, H, W)`.

        Raises:
            InputError: some could not be read, or their sizes differ and no size was asked for.
        """
        if self._unread:
            raise InputError(*[self._finding(*found) for found in [*self._unread.items()][:_SHOWN]])
        self._resize_pending()
        first = self._images[0].shape[1:]
        other = next((i for i, image in enumerate(self._images) if image.shape[1:] != first), None)
        if other is not None:
            found = " and ".join(
                f"{self._paths[i]} ({self._images[i].shape[1]} x {self._images[i].shape[2]})"
                for i in (0, other)
            )
            remedy = "Set image_size: every image is then resized to it."
            raise InputError(
                Finding(Place(self._place), f"expected images of one size, found {found}", remedy)
            )
        channels = max(len(image) for image in self._images)
        return torch.stack([image.expand(channels, -1, -1) for image in self._images])

    def _finding(self, reason: str, paths: list[str]) -> Finding:
        """One finding for all files that cannot be read for the same reason."""
        others = f"Likewise: {', '.join(paths[1:_SHOWN])}" if len(paths) > 1 else ""
        others += f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
        return Finding(Place(f"{self._place}/{paths[0]}"), f"cannot be read: {reason}", others)

    def _resize_pending(self) -> None:
        alike: dict[torch.Size, list[int]] = defaultdict(list)
        for position in self._pending:
            alike[self._images[position].shape].append(position)
        for positions in alike.values():
            resized = resize(torch.stack([self._images[i] for i in positions]), self._image_size or 0)
            for position, image in zip(positions, resized.unbind(), strict=True):
                # A copy: a view would keep the whole batch alive.
                self._images[position] = image.clone()
        self._pending, self._pending_bytes = [], 0


def decode_image(image: bytes, channels: int | None) -> torch.Tensor:
    """The pixels of an image file, `uint8 (C, H, W)`, upright where the file says how it is to be turned (EXIF).

    C is `channels`, or where that is None, 1 for a grey image (a palette image whose pixels are all grey is
    one) and 3 for any other. Transparency is dropped, and 16-bit grey keeps its upper 8 bits.

    Raises:
        ValueError: pixels of 32 bits, or a picture that is in its transparency only. Whatever Pillow raises on
            damaged bytes.
    """
    with Image.open(io.BytesIO(image)) as opened:
        picture: Image.Image = opened
        picture.load()
        if picture.mode in ("I", "F"):
            raise ValueError(f'expected pixels of 8 or 16 bits, found Pillow mode "{picture.mode}"')
        # Damaged EXIF does not say how to turn a picture that is sound itself.
        with contextlib.suppress(Exception):
            ImageOps.exif_transpose(picture, in_place=True)
        alpha = _alpha(picture)
        # Pillow warns when it drops the transparency of a palette by itself.
        picture.info.pop("transparency", None)
        wanted = channels or (1 if _is_grey(picture) else 3)
        if picture.mode.startswith("I;16"):
            # Pillow's own conversion clips at 255 instead of scaling.
            picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
        pixels = np.array(picture.convert("L" if wanted == 1 else "RGB"))
    pixels = pixels.reshape(*pixels.shape[:2], wanted)
    if alpha is not None and pixels.std((0, 1)).max() < _FAINT * alpha.std():
        raise ValueError(
            "the picture is in its transparency, which is not read, and its colours are all alike: "
            "put it on a background (magick mogrify -background white -alpha remove -alpha off FILE)"
        )
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def _alpha(picture: Image.Image) -> np.ndarray | None:
    """The transparency of every pixel (255: opaque), or None where there is none to speak of."""
    if picture.mode == "P" and "transparency" in picture.info:
        picture = picture.convert("RGBA")
    return np.array(picture.getchannel("A")) if "A" in picture.getbands() else None


def _is_grey(picture: Image.Image) -> bool:
    if picture.mode in ("P", "PA"):
        colours = np.array(picture.convert("RGB"))
        return bool((colours == colours[..., :1]).all())
    return picture.mode in _GREY_MODES or picture.mode.startswith("I;16")


def resize(images: torch.Tensor, size: int) -> torch.Tensor:
    """`uint8 (N, C, H, W)` to `uint8 (N, C, size, size)`: bilinear, antialiased, rounded to nearest."""
    resized = interpolate(images.float(), size=(size, size), mode="bilinear", antialias=True)
    return resized.round_().clamp_(0, 255).to(torch.uint8)
