"""The learning curve of a training, kept on its device and read now and then."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Entry:
    """A stretch of a training that ends after `step` steps.

    loss: mean over its steps. accuracy: over its images, from the outputs that it was trained on.
    finite: whether all weights are.
    """

    step: int
    loss: float
    accuracy: float
    finite: bool


class Meter:
    """Adds up losses and correct answers on the device; an entry closes after `every` steps.

    The CPU reads an entry when it closes. On a GPU reading would wait until all that was queued is done, so
    an entry is copied in the background and read when the next one closes: always then, so that nothing depends on
    how fast the device is.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], every: int) -> None:
        self._parameters, self._every = parameters, every
        device = parameters[0].device
        self._loss = torch.zeros((), device=device)
        self._right = torch.zeros((), device=device)
        self._steps = self._images = 0
        self._delay = 1 if device.type == "cuda" else 0
        self._open: deque[_Reading] = deque()

    def add(self, loss: Tensor, right: Tensor, images: int) -> None:
        """One step: its loss and its number of correct answers (scalars on the device) over `images`."""
        self._loss += loss
        self._right += right
        self._steps += 1
        self._images += images

    def read(self, step: int) -> list[Entry]:
        """What can be read after this step, oldest first: mostly nothing."""
        if self._steps < self._every:
            return []
        self._close(step)
        return self._oldest(len(self._open) - self._delay)

    def rest(self, step: int) -> list[Entry]:
        """All that was not read yet, at the end of the training."""
        if self._steps:
            self._close(step)
        return self._oldest(len(self._open))

    def _oldest(self, count: int) -> list[Entry]:
        return [self._open.popleft().entry() for _ in range(count)]

    def _close(self, step: int) -> None:
        values = torch.stack((self._loss, self._right, all_finite(self._parameters).float()))
        self._open.append(_Reading(step, self._steps, self._images, values))
        self._loss.zero_()
        self._right.zero_()
        self._steps = self._images = 0


class _Reading:
    """(loss, right answers, finite) of an entry, on their way from the device."""

    def __init__(self, step: int, steps: int, images: int, values: Tensor) -> None:
        self._step, self._steps, self._images = step, steps, images
        self._values, self._arrived = values, None
        if values.is_cuda:
            self._values = torch.empty(values.shape, pin_memory=True).copy_(values, non_blocking=True)
            self._arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._arrived.record(torch.cuda.current_stream(values.device))

    def entry(self) -> Entry:
        if self._arrived is not None:
            self._arrived.synchronize()
        loss, right, finite = self._values.tolist()
        return Entry(self._step, loss / self._steps, right / self._images, finite == 1.0)


def all_finite(parameters: Sequence[nn.Parameter]) -> Tensor:
    """Whether all weights are finite: one answer on the device, not one for each parameter."""
    return torch.stack([torch.isfinite(p).all() for p in parameters]).all()
