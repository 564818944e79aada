"""The neurons in plain PyTorch: every device and every floating type; the reference for the other backends."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from spenser_gee.network.neurons import Gradients, Neurons
from spenser_gee.network.surrogate import SURROGATES

# On a CPU the scan walks through pieces of the batch whose state stays in the cache (values, not bytes).
PIECE = 32768


class PlainKernel:
    """See `Kernel`. It keeps the membrane trace: spikes and resets are read off it in the backward pass.

    Of bfloat16 currents the membrane is float32, as in the other backends: it would lose its small changes.
    """

    name = "plain"
    pools = False
    keeps_trace = True

    def forward(
        self, currents: Tensor, decay: Tensor, level: Tensor, neurons: Neurons
    ) -> tuple[Tensor, Tensor | None]:
        """See `Kernel.forward`."""
        wide = torch.float32 if currents.dtype == torch.bfloat16 else currents.dtype
        kind, currents = currents.dtype, currents.to(wide).expand(neurons.steps, *currents.shape[1:])
        trace = torch.empty_like(currents)
        spikes = torch.empty_like(currents)
        decay, level = _by_channel(decay, currents), _by_channel(level, currents)
        for piece in _pieces(currents):
            _scan(currents[:, piece], trace[:, piece], spikes[:, piece], decay, level, neurons.reset)
        return spikes.to(kind), trace

    def backward(
        self,
        kept: Tensor,
        decay: Tensor,
        level: Tensor,
        spike_grad: Tensor | None,
        membrane_grad: Tensor | None,
        neurons: Neurons,
        wanted: tuple[bool, bool],
    ) -> Gradients:
        """See `Kernel.backward`."""
        trace = kept
        decay, level = _by_channel(decay, trace), _by_channel(level, trace)
        grad = torch.empty_like(trace)
        scan = _BackwardScan(decay, level, neurons, wanted, trace.device)
        for piece in _pieces(trace):
            parts = [None if g is None else g[:, piece].to(trace.dtype) for g in (spike_grad, membrane_grad)]
            scan.run(trace[:, piece], parts[0], parts[1], grad[:, piece])
        return Gradients(grad, scan.decay_sum if wanted[0] else None, scan.level_sum if wanted[1] else None)


def _by_channel(values: Tensor, signal: Tensor) -> Tensor:
    """Shaped to go with one step (B, C, ...) of a signal."""
    values = values.to(signal.dtype)
    return values.reshape(()) if values.numel() == 1 else values.view(-1, *[1] * (signal.dim() - 3))


def _pieces(values: Tensor) -> list[slice]:
    """Slices of the batch dimension whose steps fit the cache; a GPU takes all at once."""
    batch = values.shape[1]
    if values.device.type != "cpu" or batch == 0:
        return [slice(None)]
    size = max(1, PIECE // max(1, math.prod(values.shape[2:])))
    return [slice(start, min(start + size, batch)) for start in range(0, batch, size)]


def _scan(currents: Tensor, trace: Tensor, spikes: Tensor, decay: Tensor, level: Tensor, reset: str) -> None:
    """Fills trace and spikes. The order of the operations is snnTorch's: equal roundings, equal spikes."""
    # What snnTorch's first step finds: v = 0, which is above a negative threshold. With v = 0 only
    # the subtraction shows it.
    first = (level < 0).to(level.dtype) * level
    for t in range(currents.shape[0]):
        v = trace[t]
        if t == 0:
            v.copy_(currents[0])
            if reset == "subtract":
                v.sub_(first)
        else:
            before, fired = trace[t - 1], spikes[t - 1]
            torch.mul(before, decay, out=v)
            if reset == "zero":
                v.addcmul_(v, fired, value=-1.0)
            v.add_(currents[t])
            if reset == "subtract":
                v.addcmul_(fired, level, value=-1.0)
        torch.gt(v, level, out=spikes[t])


class _BackwardScan:
    """Goes back through the steps of one piece of the batch after the other, and sums up over all of them.

    decay_sum, level_sum: the gradients of decay and threshold so far, float64: the order of the pieces does not
    show in them.
    """

    def __init__(
        self, decay: Tensor, level: Tensor, neurons: Neurons, wanted: tuple[bool, bool], device: torch.device
    ) -> None:
        self._decay, self._level, self._wanted = decay, level, wanted
        self._reset, self._derivative = neurons.reset, SURROGATES[neurons.surrogate]
        count = max(decay.numel(), level.numel())
        self.decay_sum = torch.zeros(count, dtype=torch.float64, device=device)
        self.level_sum = torch.zeros(count, dtype=torch.float64, device=device)

    def _sum(self, values: Tensor) -> Tensor:
        """Over everything but the channel of values (B, C, ...), if each has parameters of its own."""
        if len(self.decay_sum) == 1:
            return values.sum()
        return values.sum([d for d in range(values.dim()) if d != 1])

    def run(
        self, trace: Tensor, spike_grad: Tensor | None, membrane_grad: Tensor | None, current_grad: Tensor
    ) -> None:
        """Fills current_grad (the l_t of lif.py's docstring) and adds to the sums."""
        steps, reset, level = trace.shape[0], self._reset, self._level
        # r_{t+1} and r_t as numbers: comparisons that give bools are several times slower on a CPU.
        later, fired = torch.empty_like(trace[0]), torch.empty_like(trace[0])
        resets = reset == "zero" or (self._wanted[1] and reset == "subtract")
        for t in reversed(range(steps)):
            total = current_grad[t]
            if t == steps - 1:
                total.zero_()
            else:
                torch.mul(current_grad[t + 1], self._decay, out=total)
                if reset == "zero":
                    total.addcmul_(total, later, value=-1.0)
            if spike_grad is not None:
                local = self._derivative(trace[t] - level).mul_(spike_grad[t])
                total.add_(local)
                if self._wanted[1]:
                    self.level_sum -= self._sum(local)
            if membrane_grad is not None:
                total.add_(membrane_grad[t])
            if resets:
                if t:
                    torch.gt(trace[t - 1], level, out=fired)
                else:
                    fired.copy_((level < 0).expand_as(fired))
            if self._wanted[1] and reset == "subtract":
                self.level_sum -= self._sum(total * fired)
            if self._wanted[0] and t:
                decayed = total * trace[t - 1]
                self.decay_sum += self._sum(
                    decayed if reset != "zero" else decayed.addcmul_(decayed, fired, value=-1.0)
                )
            later, fired = fired, later
