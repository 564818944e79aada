"""Accuracy under disturbance: noise on the images, and spikes that are lost on their way.

Every disturbance has a stream of its own, drawn image by image on the CPU: it depends on the seed and the order of
the images, not on the size of the batches, the device, or (for images) the network. All levels of one kind use
the same draws. What remains is the coding: the spikes of rate coding are drawn by `Stimulus` a batch at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spenser_gee.data.batches import Batch
from spenser_gee.errors import input_error
from spenser_gee.network import layers
from spenser_gee.network.build import SpikingNetwork
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.rng import stream
from spenser_gee.training.measure import Measurement, measure
from spenser_gee.training.mode import PLAIN, Mode
from spenser_gee.training.stimulus import Stimulus

NOISE = (0.1, 0.25, 0.5, 0.75, 1.0)  # GEE's Fig. 2 has 0.5
DROP = (0.05, 0.1, 0.2, 0.3, 0.5)


@dataclass(frozen=True)
class Level:
    """The accuracy in 0..1 at one level of disturbance."""

    level: float
    accuracy: float


@dataclass(frozen=True)
class Robustness:
    """Accuracies in 0..1 over `count` images. clean: without disturbance.

    noise: level = L2 norm of the noise / L2 norm of the image. drop: level = probability that a spike is lost.
    """

    clean: float
    count: int
    noise: tuple[Level, ...]
    drop: tuple[Level, ...]


def robustness(
    network: SpikingNetwork,
    spec: NetworkSpec,
    batches: Callable[[], Iterable[Batch]],
    seed: int,
    *,
    noise: Sequence[float] = NOISE,
    drop: Sequence[float] = DROP,
    mode: Mode = PLAIN,
) -> Robustness:
    """Measures `network` without disturbance and at every level.

    batches: gives the batches (inputs float (B, T', C, H, W), labels (B,)) anew with each call, in the same
        order, on the network's device.
    seed: of the disturbances and of the coding, which is the same at all levels.
    noise: see `noisy_images`. drop: see `losing_spikes`.

    The network is left as it was. Raises InputError for a noise below 0, or a probability outside 0..1.
    """
    _check("noise", noise, math.inf)
    _check("drop", drop, 1.0)

    def measured(level: float = 0.0) -> Measurement:
        return measure_with_noise(network, spec, batches(), level, seed, mode)

    def lossy(probability: float) -> Measurement:
        with losing_spikes(network, probability, seed):
            return measured()

    clean = measured()
    return Robustness(
        clean.accuracy,
        clean.count,
        tuple(Level(level, measured(level).accuracy) for level in noise),
        tuple(Level(level, lossy(level).accuracy) for level in drop),
    )


def measure_with_noise(
    network: SpikingNetwork,
    spec: NetworkSpec,
    batches: Iterable[Batch],
    level: float,
    seed: int,
    mode: Mode = PLAIN,
) -> Measurement:
    """What `measure` says of images with noise, see `noisy_images`; level 0: of the images as they are."""
    device = next(network.parameters()).device
    stimulus = Stimulus(spec, network.time_steps, seed, device, augment=False)
    images = noisy_batches(batches, spec, level, seed) if level else batches
    return measure(network, spec, images, stimulus, mode)


def _check(name: str, levels: Sequence[float], most: float) -> None:
    for level in levels:
        if not (0 <= level <= most and math.isfinite(level)):
            raise input_error(f"robustness, {name}", f"expected levels from 0 to {most:g}, found {level}")


def noisy_batches(batches: Iterable[Batch], spec: NetworkSpec, level: float, seed: int) -> Iterator[Batch]:
    """The batches with noise on their images: see `noisy_images`."""
    draws = stream(seed, "image noise")
    for images, labels in batches:
        yield noisy_images(images, spec, level, draws), labels


def noisy_images(images: Tensor, spec: NetworkSpec, level: float, draws: np.random.Generator) -> Tensor:
    """Inputs (B, T', C, H, W) plus Gaussian noise whose L2 norm is exactly `level` x the norm of each sample.

    With direct coding values may leave 0..1, as in GEE, and so may recorded sequences. Rate and latency coding read
    values as probabilities and times, so there they are cut to 0..1, and the noise that remains is smaller.
    """
    # numpy's draws do not depend on how many are taken at once, torch's do.
    drawn = torch.from_numpy(draws.standard_normal(tuple(images.shape), np.float32)).to(images.device)
    scale = level * _norms(images) / _norms(drawn)
    noisy = images + scale * drawn
    return noisy if spec.input.coding == "direct" or images.shape[1] > 1 else noisy.clamp_(0, 1)


def _norms(images: Tensor) -> Tensor:
    """(B, 1, 1, 1, 1)"""
    norms: Tensor = torch.linalg.vector_norm(images, dim=(1, 2, 3, 4), keepdim=True)
    return norms


@contextmanager
def losing_spikes(network: SpikingNetwork, probability: float, seed: int) -> Iterator[None]:
    """In here every spike of every layer of neurons is lost with this probability, the outputs' among them.

    A neuron that fired is reset all the same: the spike is lost on its way. Losses that read the output membrane
    are not touched by what is lost behind it. The input's spikes stay: image noise disturbs those.
    The network has to be run with `rates`, so that spikes are lost before they are pooled; ValueError otherwise.
    """
    with ExitStack() as hooks:
        for index, layer in enumerate(network.layers):
            if isinstance(layer, layers.LIF):
                loss = _Loss(probability, stream(seed, "spike loss", index))
                hooks.enter_context(layer.register_forward_hook(loss))
        yield


class _Loss:
    """A hook behind a layer of neurons."""

    def __init__(self, probability: float, draws: np.random.Generator) -> None:
        self._probability, self._draws = probability, draws

    def __call__(
        self, module: nn.Module, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor | None]
    ) -> tuple[Tensor, Tensor | None]:
        spikes, membrane = output
        if len(inputs) > 3 and inputs[3] is not None and not inputs[3].first:
            raise ValueError("spikes that are pooled at once cannot be lost one by one: run with rates=True")
        # Sample by sample, so that the size of the batches plays no part.
        drawn = self._draws.random((spikes.shape[1], spikes.shape[0], *spikes.shape[2:]), np.float32)
        kept = torch.from_numpy(drawn >= self._probability).transpose(0, 1).to(spikes.device)
        return spikes * kept, membrane
