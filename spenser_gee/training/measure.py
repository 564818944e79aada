"""Measuring a network on labelled images: accuracy, its standard error, and firing rates."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from spenser_gee.network.build import SpikingNetwork
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.training.losses import decision_values, loss_value, needs_membrane
from spenser_gee.training.mode import PLAIN, Mode, evaluating, run_network


@dataclass(frozen=True)
class Measurement:
    """Accuracy in 0..1 over `count` images; `firing_rates` per LIF layer, spikes per neuron and step."""

    accuracy: float
    count: int
    loss: float
    firing_rates: tuple[float, ...]

    @property
    def standard_error(self) -> float:
        """Of the accuracy as a proportion of `count` images."""
        return math.sqrt(self.accuracy * (1.0 - self.accuracy) / self.count)


def measure(
    network: SpikingNetwork,
    spec: NetworkSpec,
    batches: Iterable[tuple[Tensor, Tensor]],
    stimulus: Callable[[Tensor], Tensor],
    mode: Mode = PLAIN,
) -> Measurement:
    """Runs `network` over all `batches`. The predicted class has the largest spike count (SPENSER, section 5),
    or the largest mean membrane where the loss reads the membrane; ties go to the lowest class."""
    rates: Tensor | float = 0.0
    count = 0
    with evaluating(network) as device:
        correct, loss = torch.zeros((), device=device), torch.zeros((), device=device)
        for inputs, labels in batches:
            signal, membrane = stimulus(inputs), needs_membrane(spec.loss)
            output = run_network(network, signal, mode, membrane=membrane, rates=True)
            right = decision_values(spec.loss, output).argmax(1) == labels
            correct += right.sum()
            loss += loss_value(spec.loss, output, labels) * len(labels)
            assert output.rates is not None
            rates = rates + output.rates * len(labels)
            count += len(labels)
    return Measurement(
        accuracy=float(correct) / count,
        count=count,
        loss=float(loss) / count,
        firing_rates=tuple((torch.as_tensor(rates) / count).tolist()),
    )
