"""How a network is looked at: in evaluation mode, without gradients, and left as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from spenser_gee.network.build import SpikingNetwork


@contextmanager
def evaluating(network: SpikingNetwork) -> Iterator[torch.device]:
    """Gives the network's device; afterwards the network trains again if it did, whatever happens in between."""
    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            yield next(network.parameters()).device
    finally:
        network.train(training)
