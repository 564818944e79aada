"""Leaky integrate-and-fire neurons over all time steps at once, with the semantics of snntorch.Leaky.

With x_t the input current, b = clamp(beta, 0, 1) and v_{-1} = 0, in discrete time

    r_t = [v_{t-1} > threshold]                       the reset; no gradient flows through it
    v_t = b v_{t-1} + x_t - threshold r_t             reset "subtract" (what is subtracted does not decay)
    v_t = b (1 - r_t) v_{t-1} + x_t                   reset "zero"
    v_t = b v_{t-1} + x_t                             reset "none"
    s_t = [v_t > threshold]                           the spike; strictly above

which is the exponential Euler step of tau dv/dt = -v + R I with b = exp(-dt / tau) and x = (1 - b) R I
(snnTorch leaves the factor to the weights). A threshold below 0 resets at t = 0, as in snnTorch.

Backward, with g the gradient of the spikes, m that of the membrane, h the surrogate derivative:

    l_t = g_t h(v_t - threshold) + m_t + b (1 - [zero] r_{t+1}) l_{t+1}
    dL/dx_t = l_t
    dL/dbeta = sum_t l_t (1 - [zero] r_t) v_{t-1}     (0 where beta is outside 0..1)
    dL/dthreshold = -sum_t g_t h(v_t - threshold) - [subtract] sum_t l_t r_t
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from spenser_gee.network.surrogate import SURROGATES

RESETS = ("subtract", "zero", "none")

# On a CPU the scan walks through pieces of the batch whose state stays in the cache (values, not bytes).
PIECE = 32768


def lif(
    currents: Tensor,
    beta: Tensor,
    threshold: Tensor,
    surrogate: str = "atan",
    reset: str = "subtract",
    membrane: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Spikes and membrane of neurons whose input is `currents`.

    currents: (T, B, ...), any memory layout. beta, threshold: scalar tensors, trained or not.
    surrogate: a name in SURROGATES. reset: one of RESETS.
    membrane: whether the membrane is wanted too; a gradient that arrives there costs one more addition.

    Returns spikes (T, B, ...) of 0 and 1 in the type of `currents`, and the membrane (T, B, ...) after the
    reset and the input, or None. Raises ValueError for an unknown name.
    """
    if surrogate not in SURROGATES:
        raise ValueError(f"surrogate {surrogate!r} is not one of {', '.join(SURROGATES)}")
    if reset not in RESETS:
        raise ValueError(f"reset {reset!r} is not one of {', '.join(RESETS)}")
    spikes, trace = _LIF.apply(  # type: ignore[no-untyped-call]
        currents, beta, threshold, surrogate, reset, membrane
    )
    return spikes, trace if membrane else None


class _LIF(torch.autograd.Function):
    """The scan. It keeps the membrane trace only: spikes and resets are read off it in the backward pass."""

    @staticmethod
    def forward(
        ctx: Any,
        currents: Tensor,
        beta: Tensor,
        threshold: Tensor,
        surrogate: str,
        reset: str,
        membrane: bool,
    ) -> tuple[Tensor, Tensor]:
        trace = torch.empty_like(currents)
        spikes = torch.empty_like(currents)
        decay = beta.detach().clamp(0, 1).to(currents.dtype)
        level = threshold.detach().to(currents.dtype)
        for piece in _pieces(currents):
            _scan(currents[:, piece], trace[:, piece], spikes[:, piece], decay, level, reset)
        ctx.save_for_backward(trace, beta, threshold)
        ctx.surrogate, ctx.reset, ctx.membrane = surrogate, reset, membrane
        # Outputs without a gradient arrive as None in backward instead of as a tensor of zeros.
        ctx.set_materialize_grads(False)
        if not membrane:
            ctx.mark_non_differentiable(trace)
        return spikes, trace

    @staticmethod
    def backward(
        ctx: Any, spike_grad: Tensor | None, membrane_grad: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        trace, beta, threshold = ctx.saved_tensors
        wanted = (ctx.needs_input_grad[1], ctx.needs_input_grad[2])
        if not ctx.membrane:
            membrane_grad = None
        if spike_grad is None and membrane_grad is None:
            return (None,) * 6
        decay = beta.clamp(0, 1).to(trace.dtype)
        level = threshold.to(trace.dtype)
        current_grad = torch.empty_like(trace)
        # Float64 sums of a few numbers a piece: the order of the pieces does not show in the result.
        sums = torch.zeros(2, dtype=torch.float64, device=trace.device)
        for piece in _pieces(trace):
            grads = [None if g is None else g[:, piece] for g in (spike_grad, membrane_grad)]
            _scan_back(
                trace[:, piece], grads[0], grads[1], current_grad[:, piece], decay, level, ctx, wanted, sums
            )
        inside = (beta >= 0) & (beta <= 1)
        beta_grad = (sums[0] * inside).to(beta.dtype).reshape(beta.shape) if wanted[0] else None
        threshold_grad = sums[1].to(threshold.dtype).reshape(threshold.shape) if wanted[1] else None
        return current_grad, beta_grad, threshold_grad, None, None, None


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


def _scan_back(
    trace: Tensor,
    spike_grad: Tensor | None,
    membrane_grad: Tensor | None,
    current_grad: Tensor,
    decay: Tensor,
    level: Tensor,
    ctx: Any,
    wanted: tuple[bool, bool],
    sums: Tensor,
) -> None:
    """Fills current_grad (the l_t of the module's docstring) and adds to the sums for beta and threshold."""
    derivative = SURROGATES[ctx.surrogate]
    steps = trace.shape[0]
    # r_{t+1} and r_t as numbers: comparisons that give bools are several times slower on a CPU.
    later, fired = torch.empty_like(trace[0]), torch.empty_like(trace[0])
    resets = ctx.reset == "zero" or (wanted[1] and ctx.reset == "subtract")
    for t in reversed(range(steps)):
        total = current_grad[t]
        if t == steps - 1:
            total.zero_()
        else:
            torch.mul(current_grad[t + 1], decay, out=total)
            if ctx.reset == "zero":
                total.addcmul_(total, later, value=-1.0)
        if spike_grad is not None:
            local = derivative(trace[t] - level).mul_(spike_grad[t])
            total.add_(local)
            if wanted[1]:
                sums[1] -= local.sum()
        if membrane_grad is not None:
            total.add_(membrane_grad[t])
        if resets:
            if t:
                torch.gt(trace[t - 1], level, out=fired)
            else:
                fired.copy_(level < 0)
        if wanted[1] and ctx.reset == "subtract":
            sums[1] -= (total * fired).sum()
        if wanted[0] and t:
            decayed = total * trace[t - 1]
            sums[0] += (
                decayed.sum() if ctx.reset != "zero" else decayed.addcmul_(decayed, fired, value=-1.0).sum()
            )
        later, fired = fired, later
