"""How a network is run in training and measuring: how much memory it may take, in which precision, and how it is
looked at without a change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from spenser_gee.config import Training
from spenser_gee.network.build import Output, SpikingNetwork

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class Mode:
    """memory: bytes for what the backward pass of training keeps; None: no limit (see training/chunks.py).

    precision: bfloat16 is torch's mixed one: convolutions and products in bfloat16, weights in float32.
    """

    memory: int | None = None
    precision: Precision = "float32"

    @staticmethod
    def of_settings(training: Training) -> Mode:
        """From the configuration's section `training`."""
        megabytes = training.memory_mb
        return Mode(None if megabytes is None else megabytes * 2**20, training.precision)


PLAIN = Mode()


def run_network(
    network: SpikingNetwork, signal: Tensor, mode: Mode, *, membrane: bool = False, rates: bool = False
) -> Output:
    """The output for a signal (T, B, C, H, W), see `SpikingNetwork.forward`; always in float32."""
    if mode.precision == "float32":
        whole: Output = network(signal, membrane=membrane, rates=rates)
        return whole
    with torch.autocast(signal.device.type, torch.bfloat16):
        output: Output = network(signal, membrane=membrane, rates=rates)
    values = output.membrane
    return Output(output.spikes.float(), None if values is None else values.float(), output.rates)


@contextmanager
def evaluating(network: SpikingNetwork) -> Iterator[torch.device]:
    """In evaluation mode, without gradients; gives the network's device. Afterwards the network trains again if it
    did, whatever happens in between."""
    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            yield next(network.parameters()).device
    finally:
        network.train(training)
