"""What a person may hand to a trained network as images. Exported scripts carry a copy of the check."""

from __future__ import annotations

import torch


def check_images(images: torch.Tensor, shape: tuple[int, int, int]) -> None:
    """Raises ValueError unless the images are (B, *shape), integers in 0..255 or floats in 0..1."""
    if not isinstance(images, torch.Tensor):
        raise ValueError(f"expected a tensor, found {type(images).__name__}: use torch.from_numpy(images)")
    if images.ndim != 4 or images.shape[1:] != shape or not len(images):
        batch = f"(B, {shape[0]}, {shape[1]}, {shape[2]}): images, channels, height, width"
        raise ValueError(f"expected the shape {batch}; found {tuple(images.shape)}")
    allowed = "expected integers in 0..255 or floats in 0..1"
    if images.dtype == torch.bool or images.is_complex():
        raise ValueError(f"{allowed}, found {images.dtype}: use images.float()")
    if images.dtype == torch.uint8:
        return
    whole = not images.is_floating_point()
    values = images.to(torch.int64 if whole else torch.float32)
    if not values.isfinite().all():
        raise ValueError(f"{allowed}, found NaN or infinity")
    low, high = (float(end) for end in values.aminmax())
    if low < 0 or high > (255 if whole else 1):
        remedy = "undo what scaled them" if low < 0 or high > 255 else "use images / 255"
        raise ValueError(f"{allowed}, found {images.dtype} from {low:g} to {high:g}: {remedy}")
