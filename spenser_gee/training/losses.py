"""Losses and decisions on a network's output over time.

Shapes: spikes and membrane (T, B, classes), targets int64 (B,). The reference is snntorch.functional where a
loss is snnTorch's.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from spenser_gee.network.build import Output
from spenser_gee.phenotype.words.training import TET, CECount, CEMembrane, CERate, Loss, MSECount


def needs_membrane(loss: Loss) -> bool:
    """Whether the loss and the decision read the output membrane instead of the spikes."""
    return isinstance(loss, (CEMembrane, TET))


def loss_value(loss: Loss, output: Output, targets: Tensor) -> Tensor:
    """The mean loss of a batch, a scalar tensor."""
    if isinstance(loss, MSECount):
        return _mse_count(loss, output.spikes, targets)
    if isinstance(loss, CERate):
        return _cross_entropy_each_step(output.spikes, targets)
    if isinstance(loss, CECount):
        return F.cross_entropy(output.spikes.sum(0), targets)
    membrane = _membrane(output)
    if isinstance(loss, CEMembrane):
        return F.cross_entropy(membrane.mean(0), targets)
    # Deng et al. 2022: Eq. 9 (TET), Eq. 10 (the pull, relative to phi), Eq. 11 (their mix by lambda).
    pull = F.mse_loss(membrane, membrane.new_full((), loss.target).expand_as(membrane))
    return (1.0 - loss.weight) * _cross_entropy_each_step(membrane, targets) + loss.weight * pull


def decision_values(loss: Loss, output: Output) -> Tensor:
    """What the class with the largest value is read from, (B, classes): spike counts, or mean membrane."""
    return _membrane(output).mean(0) if needs_membrane(loss) else output.spikes.sum(0)


def _membrane(output: Output) -> Tensor:
    if output.membrane is None:
        raise ValueError("the network was run without its output membrane, which this loss needs")
    return output.membrane


def _mse_count(loss: MSECount, spikes: Tensor, targets: Tensor) -> Tensor:
    # As snntorch.functional.mse_count_loss, but the targets T * rate are not cut to whole spikes: otherwise
    # rates such as 0.95 and 0.99 would be the same gene at T = 10.
    steps, _, classes = spikes.shape
    hit = targets[:, None] == torch.arange(classes, device=targets.device)
    wanted = torch.where(
        hit, spikes.new_full((), loss.correct * steps), spikes.new_full((), loss.incorrect * steps)
    )
    return F.mse_loss(spikes.sum(0), wanted) / steps


def _cross_entropy_each_step(values: Tensor, targets: Tensor) -> Tensor:
    steps, batch, classes = values.shape
    repeated = targets.expand(steps, batch).reshape(-1)
    return F.cross_entropy(values.reshape(steps * batch, classes), repeated)
