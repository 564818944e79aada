"""Labelled images in memory, as bytes: what every reader returns and everything else consumes."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, eq=False)
class ImageData:
    """Images `uint8 (N, C, H, W)`, values 0..255, and labels `int64 (N,)`, on one device.

    Raises:
        ValueError: another type or shape, or other numbers of images and labels.
    """

    images: torch.Tensor
    labels: torch.Tensor

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if images.dtype != torch.uint8 or images.ndim != 4:
            raise ValueError(f"expected images uint8 (N, C, H, W), got {images.dtype} {tuple(images.shape)}")
        if labels.dtype != torch.int64 or labels.shape != images.shape[:1]:
            raise ValueError(
                f"expected labels int64 ({len(images)},), got {labels.dtype} {tuple(labels.shape)}"
            )
        if images.device != labels.device:
            raise ValueError(f"expected one device, got images on {images.device}, labels on {labels.device}")

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str) -> ImageData:
        """The same data on `device` (still bytes: a quarter of the memory of float32)."""
        return ImageData(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set with its own test part. Label k stands for `classes[k]`, in both parts."""

    name: str
    train: ImageData
    test: ImageData
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        train, test = self.train.images.shape[1:], self.test.images.shape[1:]
        if train != test:
            raise ValueError(f"expected images of one shape, got train {tuple(train)} and test {tuple(test)}")

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width

    @property
    def class_count(self) -> int:
        return len(self.classes)
