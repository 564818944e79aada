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

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from spenser_gee.network.backends import kernel_for
from spenser_gee.network.neurons import POOLINGS, RESETS, Kernel, Neurons, Pooling
from spenser_gee.network.surrogate import SURROGATES


def lif(
    currents: Tensor,
    beta: Tensor,
    threshold: Tensor,
    surrogate: str = "atan",
    reset: str = "subtract",
    membrane: bool = False,
    *,
    steps: int | None = None,
    pooling: Pooling | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Spikes and membrane of neurons whose input is `currents`, on the backend in use (network/backends.py).

    currents: (T, B, C, ...), any memory layout; or (1, B, C, ...) with `steps` = T for a current that is the same
        at every step.
    beta, threshold: one number, or (C,) for each channel, trained or not.
    surrogate: a name in SURROGATES. reset: one of RESETS.
    membrane: whether the membrane is wanted too; a gradient that arrives there costs one more addition.
    pooling: of currents or spikes (T, B, C, H, W); where the backend can, in the same pass. With a pooling of the
        spikes there is no membrane.

    Returns spikes (T, B, ...) of 0 and 1 in the type of `currents` (their pooled values after a pooling), and the
    membrane (T, B, ...) after the reset and the input, or None. Raises ValueError for an unknown name, and
    for a pooling that leaves nothing.
    """
    if surrogate not in SURROGATES:
        raise ValueError(f"surrogate {surrogate!r} is not one of {', '.join(SURROGATES)}")
    if reset not in RESETS:
        raise ValueError(f"reset {reset!r} is not one of {', '.join(RESETS)}")
    if pooling is not None and pooling.kind not in POOLINGS:
        raise ValueError(f"pooling {pooling.kind!r} is not one of {', '.join(POOLINGS)}")
    if pooling is not None and min(currents.shape[-2:]) < pooling.size:
        raise ValueError(f"pooling of size {pooling.size} leaves nothing of {tuple(currents.shape[-2:])}")
    if membrane and pooling is not None and not pooling.first:
        raise ValueError("neurons whose spikes are pooled at once show no membrane")
    steps = currents.shape[0] if steps is None else steps
    kernel = kernel_for(currents)
    if pooling is None or kernel.pools:
        return _fire(kernel, currents, beta, threshold, Neurons(steps, surrogate, reset, membrane, pooling))
    neurons = Neurons(steps, surrogate, reset, membrane)
    if pooling.first:
        currents = _pool_steps(currents, pooling)
    spikes, trace = _fire(kernel, currents, beta, threshold, neurons)
    return (spikes, trace) if pooling.first else (_pool_steps(spikes, pooling), None)


def pool(signal: Tensor, kind: str, size: int) -> Tensor:
    """Max or average pooling of (N, C, H, W) in windows of `size` x `size`."""
    return F.max_pool2d(signal, size) if kind == "max" else F.avg_pool2d(signal, size)


def _pool_steps(signal: Tensor, pooling: Pooling) -> Tensor:
    """Of (L, B, C, H, W)."""
    pooled = pool(signal.flatten(0, 1), pooling.kind, pooling.size)
    return pooled.view(*signal.shape[:2], *pooled.shape[1:])


def _fire(
    kernel: Kernel, currents: Tensor, beta: Tensor, threshold: Tensor, neurons: Neurons
) -> tuple[Tensor, Tensor | None]:
    spikes, trace = _LIF.apply(currents, beta, threshold, kernel, neurons)  # type: ignore[no-untyped-call]
    return spikes, trace if neurons.membrane else None


class _LIF(torch.autograd.Function):
    """The neurons for autograd: which tensors a kernel's backward pass needs, and what is done to parameters."""

    @staticmethod
    def forward(
        currents: Tensor, beta: Tensor, threshold: Tensor, kernel: Kernel, neurons: Neurons
    ) -> tuple[Tensor, Tensor | None]:
        return kernel.forward(currents.detach(), beta.detach().clamp(0, 1), threshold.detach(), neurons)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor | None]) -> None:
        currents, beta, threshold, kernel, neurons = inputs
        trace = output[1]
        ctx.save_for_backward(trace if kernel.keeps_trace else currents, beta, threshold)
        ctx.kernel, ctx.neurons = kernel, neurons
        ctx.fixed = currents.shape[0] != neurons.steps
        ctx.type = currents.dtype
        # Outputs without a gradient arrive as None in backward instead of as a tensor of zeros.
        ctx.set_materialize_grads(False)
        if trace is not None and not neurons.membrane:
            ctx.mark_non_differentiable(trace)

    @staticmethod
    def backward(
        ctx: Any, spike_grad: Tensor | None, membrane_grad: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        kept, beta, threshold = ctx.saved_tensors
        if not ctx.neurons.membrane:
            membrane_grad = None
        if spike_grad is None and membrane_grad is None:
            return (None,) * 5
        wanted = (ctx.needs_input_grad[1], ctx.needs_input_grad[2])
        grads = ctx.kernel.backward(
            kept, beta.clamp(0, 1), threshold, spike_grad, membrane_grad, ctx.neurons, wanted
        )
        currents_grad = grads.currents
        if ctx.fixed and currents_grad.shape[0] != 1:
            currents_grad = currents_grad.sum(0, keepdim=True)
        beta_grad = _as_parameter(grads.decay, beta) if wanted[0] else None
        if beta_grad is not None:
            beta_grad = beta_grad * ((beta >= 0) & (beta <= 1))
        threshold_grad = _as_parameter(grads.level, threshold) if wanted[1] else None
        return currents_grad.to(ctx.type), beta_grad, threshold_grad, None, None

    @staticmethod
    def vmap(
        info: Any,
        in_dims: tuple[int | None, ...],
        currents: Tensor,
        beta: Tensor,
        threshold: Tensor,
        kernel: Kernel,
        neurons: Neurons,
    ) -> tuple[tuple[Tensor, Tensor | None], tuple[int, int | None]]:
        """Many networks at once: they lie side by side as channels, each with its own parameters."""
        many = info.batch_size
        where = in_dims[0]
        stacked = (
            currents.unsqueeze(2).expand(-1, -1, many, *currents.shape[2:])
            if where is None
            else currents.movedim(where, 2)
        )
        channels = stacked.shape[3] if stacked.dim() > 3 else 1
        side_by_side = stacked.flatten(2, 3) if stacked.dim() > 3 else stacked
        spikes, trace = _LIF.apply(  # type: ignore[no-untyped-call]
            side_by_side,
            _of_each(beta, in_dims[1], many, channels),
            _of_each(threshold, in_dims[2], many, channels),
            kernel,
            neurons,
        )

        def apart(values: Tensor) -> Tensor:
            return values.unflatten(2, (many, channels)) if stacked.dim() > 3 else values  # type: ignore[no-untyped-call]

        return (apart(spikes), None if trace is None else apart(trace)), (2, None if trace is None else 2)


def _of_each(parameter: Tensor, where: int | None, many: int, channels: int) -> Tensor:
    """A parameter of `many` networks for their channels side by side; one number if they have it in common."""
    if where is None:
        return parameter if parameter.numel() == 1 else parameter.repeat(many)
    return parameter.movedim(where, 0).reshape(many, -1).expand(many, channels).reshape(-1)


def _as_parameter(grad: Tensor | None, parameter: Tensor) -> Tensor:
    """The gradient of a parameter: kernels give one number a channel if either parameter has one."""
    assert grad is not None
    summed = grad.sum() if parameter.numel() == 1 else grad
    return summed.to(parameter.dtype).reshape(parameter.shape)
