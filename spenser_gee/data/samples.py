"""Labelled samples in memory: what every reader returns and everything else consumes."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, eq=False)
class Samples:
    """Inputs (N, T', C, H, W) and labels `int64 (N,)`, on one device.

    Images have one time step, T' = 1: bytes 0..255, which a spike coding gives time. Recorded sequences have T' > 1:
    bytes (counts) or float32, which the network sees as they are.

    Raises:
        ValueError: another type or shape, or other numbers of inputs and labels.
    """

    inputs: torch.Tensor
    labels: torch.Tensor

    def __post_init__(self) -> None:
        inputs, labels = self.inputs, self.labels
        if inputs.ndim != 5:
            raise ValueError(f"expected inputs (N, T', C, H, W), got {tuple(inputs.shape)}")
        if inputs.dtype != torch.uint8 and (inputs.dtype != torch.float32 or inputs.shape[1] == 1):
            raise ValueError(f"expected images uint8, or sequences uint8 or float32, got {inputs.dtype}")
        if labels.dtype != torch.int64 or labels.shape != inputs.shape[:1]:
            raise ValueError(
                f"expected labels int64 ({len(inputs)},), got {labels.dtype} {tuple(labels.shape)}"
            )
        if inputs.device != labels.device:
            raise ValueError(f"expected one device, got inputs on {inputs.device}, labels on {labels.device}")

    @staticmethod
    def of_images(images: torch.Tensor, labels: torch.Tensor) -> Samples:
        """Of images `uint8 (N, C, H, W)`, without a copy."""
        return Samples(images.unsqueeze(1), labels)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def images(self) -> torch.Tensor:
        """(N, C, H, W), without a copy. Raises ValueError for recorded sequences."""
        if self.recorded_steps is not None:
            raise ValueError(f"expected images, got sequences of {self.recorded_steps} steps")
        return self.inputs.squeeze(1)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every time step."""
        channels, height, width = self.inputs.shape[2:]
        return channels, height, width

    @property
    def recorded_steps(self) -> int | None:
        """T of recorded sequences; None for images, which have no time of their own."""
        steps = self.inputs.shape[1]
        return steps if steps > 1 else None

    def to(self, device: torch.device | str) -> Samples:
        """The same data on `device` (still bytes: a quarter of the memory of float32)."""
        return Samples(self.inputs.to(device), self.labels.to(device))


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set with its own test part. Label k stands for `classes[k]`, in both parts."""

    name: str
    train: Samples
    test: Samples
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        train, test = self.train.inputs.shape[1:], self.test.inputs.shape[1:]
        if train != test:
            raise ValueError(
                f"expected samples of one shape, got train {tuple(train)} and test {tuple(test)}"
            )

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every time step of every sample."""
        return self.train.input_shape

    @property
    def class_count(self) -> int:
        return len(self.classes)
