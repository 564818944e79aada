"""From a batch of samples to what the network sees: augmentation, then spike coding, on the device."""

from __future__ import annotations

import torch
from torch import Tensor

from spenser_gee.data.augment import crop, cutout, flip, shift
from spenser_gee.network.spike_encoding import encode
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.training import Augmentation, Crop, Flip, Shift
from spenser_gee.rng import derive_seed


class Stimulus:
    """Turns batches into signals with two streams of its own, so that the spike noise of a batch is the same
    for all candidates whatever their augmentation draws.

    Args:
        spec: coding (of images) and augmentation.
        time_steps: T of the coding.
        seed: of both streams.
        augment: whether to augment (training) or not (measuring).
    """

    def __init__(
        self, spec: NetworkSpec, time_steps: int, seed: int, device: torch.device, *, augment: bool
    ) -> None:
        self._coding = spec.input.coding
        self._augmentation = spec.augmentation if augment else ()
        self._time_steps = time_steps
        self._noise = torch.Generator(device).manual_seed(derive_seed(seed, "spike noise"))
        # On the CPU: these draws are few, and so they are the same on every device.
        self._draws = torch.Generator().manual_seed(derive_seed(seed, "augmentation"))

    def __call__(self, inputs: Tensor) -> Tensor:
        """inputs (B, T', C, H, W) -> (T, B, C, H, W), or (1, B, C, H, W) where time does not matter.

        Images (T' = 1, in 0..1) are coded; recorded sequences keep their own steps and values.
        """
        for change in self._augmentation:
            # Time steps are taken for channels: those of a sample all move alike.
            inputs = _augment(change, inputs.flatten(1, 2), self._draws).view(inputs.shape)
        if inputs.shape[1] > 1:
            return inputs.transpose(0, 1).contiguous()
        return encode(inputs.squeeze(1), self._coding, self._time_steps, self._noise)


def _augment(change: Augmentation, images: Tensor, generator: torch.Generator) -> Tensor:
    if isinstance(change, Shift):
        return shift(images, change.pixels, generator)
    if isinstance(change, Flip):
        return flip(images, change.probability, generator)
    if isinstance(change, Crop):
        return crop(images, change.padding, generator)
    return cutout(images, change.size, generator)
