"""The short trainings of many starts of one architecture as one training: the networks run side by side.

`torch.vmap` turns the convolutions of all into one grouped convolution, the products into batched ones, and the
neurons into more channels (network/lif.py). Each network keeps its own loss, gradient and optimiser state, so it
becomes what it becomes alone, up to the rounding of sums.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor
from torch.func import functional_call

from spenser_gee.data.batches import Batch
from spenser_gee.network.backends import backend_in_use
from spenser_gee.network.build import Output, SpikingNetwork
from spenser_gee.network.denormals import flushed_denormals
from spenser_gee.phenotype.plan import Plan
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.layers import Dropout
from spenser_gee.training.chunks import kept_bytes
from spenser_gee.training.losses import loss_value, needs_membrane
from spenser_gee.training.mode import Mode
from spenser_gee.training.optimisers import make_optimiser

# Multiply-accumulates of a forward pass of one network, over batch and time, below which a CPU runs networks faster
# side by side: what a call costs then counts for more than what it computes (docs/performance.md).
TINY = 20_000_000


def networks_at_once(
    plan: Plan,
    time_steps: int,
    batch: int,
    mode: Mode,
    device: torch.device,
    signal_steps: int | None = None,
) -> int:
    """How many networks to run side by side; 1 where that cannot be done, or does not pay.

    Dropout would draw other masks than one network after the other. On a GPU as many as the memory allows. The plain
    backend is the reference: it runs every network alone. signal_steps: see `kept_bytes`.
    """
    if backend_in_use(device) == "plain":
        return 1
    if mode.precision != "float32" or any(isinstance(planned.layer, Dropout) for planned in plan.layers):
        return 1
    if device.type == "cpu" and plan.macs * time_steps * batch > TINY:
        return 1
    if mode.memory is None:
        return 2**30
    return max(1, mode.memory // (batch * max(1, kept_bytes(plan, time_steps, signal_steps))))


class Ensemble:
    """Networks of one architecture with weights of their own.

    network: whose architecture it is; it is not changed. members: the parameters and buffers of each, by name.
    """

    def __init__(self, network: SpikingNetwork, members: Sequence[Mapping[str, Tensor]]) -> None:
        self._network = copy.deepcopy(network).train()
        self._network.channels_last = False
        self.count = len(members)
        stacked = {name: torch.stack([member[name] for member in members]) for name in members[0]}
        self._buffers = {name: stacked[name] for name, _ in network.named_buffers()}
        self.parameters = {
            name: stacked[name].requires_grad_(parameter.requires_grad)
            for name, parameter in network.named_parameters()
        }

    def outputs(self, signal: Tensor, membrane: bool) -> tuple[Tensor, Tensor | None]:
        """Spikes (P, T, B, classes) and, if wanted, membranes of the P members for the same signal."""

        def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor]) -> tuple[Tensor, ...]:
            output = functional_call(self._network, (parameters, buffers), (signal,), {"membrane": membrane})
            return (output.spikes, output.membrane) if membrane else (output.spikes,)

        found = torch.vmap(one)(self.parameters, self._buffers)
        return found[0], found[1] if membrane else None

    def losses(self, spec: NetworkSpec, outputs: tuple[Tensor, Tensor | None], labels: Tensor) -> Tensor:
        """(P,): the loss of each member."""

        def one(spikes: Tensor, membrane: Tensor | None) -> Tensor:
            return loss_value(spec.loss, Output(spikes, membrane, None), labels)

        each: Tensor = torch.vmap(one, (0, None if outputs[1] is None else 0))(*outputs)
        return each

    def finite(self) -> Tensor:
        """(P,): whether all weights of each member are finite."""
        checks = [torch.isfinite(p).reshape(self.count, -1).all(1) for p in self.parameters.values()]
        return torch.stack(checks).all(0)

    def clip(self, norm: float) -> None:
        """Scales the gradient of each member to at most `norm`, as torch's clip_grad_norm_ does for one network."""
        grads = [p.grad for p in self.parameters.values() if p.grad is not None]
        norms = torch.stack([g.reshape(self.count, -1).norm(dim=1) for g in grads]).norm(dim=0)
        factors = (norm / (norms + 1e-6)).clamp(max=1.0)
        for grad in grads:
            grad.mul_(factors.view(-1, *[1] * (grad.dim() - 1)))


@flushed_denormals()
def train_together(
    ensemble: Ensemble,
    spec: NetworkSpec,
    batches: Iterator[Batch],
    stimulus: Callable[[Tensor], Tensor],
    steps: int,
    deadline: float = math.inf,
) -> Tensor:
    """Trains every member for `steps` at the spec's learning rate, on the same batches and spike noise.

    Returns (P,): whether the losses and weights stayed finite; all False if the deadline of `time.monotonic()` passed.
    """
    parameters = [p for p in ensemble.parameters.values() if p.requires_grad]
    optimiser = make_optimiser(spec.optimiser, parameters)
    membrane = needs_membrane(spec.loss)
    total = torch.zeros(ensemble.count, device=parameters[0].device)
    for _ in range(steps):
        if time.monotonic() > deadline:
            return torch.zeros(ensemble.count, dtype=torch.bool)
        images, labels = next(batches)
        losses = ensemble.losses(spec, ensemble.outputs(stimulus(images), membrane), labels)
        optimiser.zero_grad(set_to_none=True)
        # A sum, not a mean: the gradient of each member is that of its own loss.
        losses.sum().backward()  # type: ignore[no-untyped-call]
        if spec.clip is not None:
            ensemble.clip(spec.clip.norm)
        optimiser.step()
        total += losses.detach()
    return torch.isfinite(total) & ensemble.finite()
