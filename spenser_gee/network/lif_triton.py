# Kernels are not Python: their arguments have no Python types.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
"""The neurons of lif.py on a CUDA device: one Triton kernel forward, one backward.

Equations, order of operations and resets are those of lif.py's docstring. Products and sums are never fused
into one rounding, so that spikes are equal, bit for bit, to those of the CPU and of snnTorch.

Every neuron is independent, and a program walks through all steps of a block of them with the state in
registers. The forward pass keeps nothing: the backward pass computes the membrane again from the currents,
which costs arithmetic but no memory. Bytes moved for each neuron and step in float32: 8 forward (current in,
spike out) and 12 backward (current and gradient in, gradient out); half of that in bfloat16.

The steps are a compile-time constant, fixed in a run. The number of neurons is not: one kernel serves all layers.
Import this module only where Triton is installed.
"""

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

from spenser_gee.network.memory_layout import arranged
from spenser_gee.network.neurons import Gradients, Neurons
from spenser_gee.network.surrogate import ALPHA, SLOPE

_PEAK = tl.constexpr(ALPHA / 2)
_WIDTH = tl.constexpr(math.pi / 2 * ALPHA)
_SLOPE = tl.constexpr(SLOPE)

WARPS = 4
# A program loads the currents of so many steps before it uses the first: one wait for memory, not one a step.
AHEAD = 8
FORWARD_BLOCK = WARPS * 32 * 4
# The backward pass keeps up to HELD membranes in registers. More steps are done in segments: a first pass stores the
# membrane before each (1 / SEGMENT of a trace), at the price of reading the currents once more. Segments are
# shorter than HELD because the time to compile grows with the square of their length.
HELD = 32
SEGMENT = 16


@triton.jit
def _step(v, current, beta, threshold, RESET: tl.constexpr):
    """The membrane one step after v."""
    fired = v > threshold
    after = beta * v
    if RESET == "zero":
        after = tl.where(fired, 0.0, after)
    after += current
    if RESET == "subtract":
        after = tl.where(fired, after - threshold, after)
    return after


@triton.jit
def _derivative(u, SURROGATE: tl.constexpr):
    """The surrogate derivative at u = v - threshold: the formulas of surrogate.py."""
    if SURROGATE == "atan":
        scaled = u * _WIDTH
        slope = _PEAK / (1.0 + scaled * scaled)
    elif SURROGATE == "fast_sigmoid":
        scaled = tl.abs(u) * _SLOPE + 1.0
        slope = 1.0 / (scaled * scaled)
    elif SURROGATE == "sigmoid":
        decay = tl.exp(tl.abs(u) * -_SLOPE)
        below = decay + 1.0
        slope = _SLOPE * decay / (below * below)
    else:
        tl.static_assert(SURROGATE == "triangular")
        slope = tl.where(u >= 0.0, -1.0, 1.0)
    return slope


@triton.jit
def _parameter(pointer, neurons, channels, inner, PER_CHANNEL: tl.constexpr):
    """The value of beta or threshold: one for all neurons, or one for each."""
    if PER_CHANNEL:
        pointer += (neurons // inner) % channels
    return tl.load(pointer)


@triton.jit
def _rows(values, neurons, count, first, LENGTH: tl.constexpr, STATIC: tl.constexpr):
    """Steps first to first + LENGTH - 1 as a tuple; STATIC: the same row for every step, read once."""
    inside = neurons < count
    width = tl.cast(count, tl.int64)
    rows = ()
    if STATIC:
        row = tl.load(values + neurons, mask=inside, other=0.0).to(tl.float32)
        for _ in tl.static_range(LENGTH):
            rows += (row,)  # type: ignore[assignment]
    else:
        for i in tl.static_range(LENGTH):
            row = tl.load(values + (first + i) * width + neurons, mask=inside, other=0.0)
            rows += (row.to(tl.float32),)  # type: ignore[assignment]
    return rows


@triton.jit
def _run(
    v, x, spikes, membrane, neurons, count, beta, threshold, first,
    LENGTH: tl.constexpr, STATIC: tl.constexpr, RESET: tl.constexpr,
):  # fmt: skip
    """LENGTH steps forward from the membrane v: writes what is wanted, returns the membrane at the end."""
    inside = neurons < count
    width = tl.cast(count, tl.int64)
    currents = _rows(x, neurons, count, first, LENGTH, STATIC)
    for i in tl.static_range(LENGTH):
        v = _step(v, currents[i], beta, threshold, RESET)
        if spikes is not None:
            tl.store(spikes + (first + i) * width + neurons, tl.where(v > threshold, 1.0, 0.0), mask=inside)
        if membrane is not None:
            tl.store(membrane + (first + i) * width + neurons, v, mask=inside)
    return v


@triton.jit
def _forward_kernel(
    x, spikes, membrane, betas, thresholds, count, channels, inner,
    STEPS: tl.constexpr, STATIC: tl.constexpr, RESET: tl.constexpr,
    CHANNEL_BETA: tl.constexpr, CHANNEL_THRESHOLD: tl.constexpr, AHEAD: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    neurons = tl.cast(tl.program_id(0), tl.int64) * BLOCK + tl.arange(0, BLOCK)
    beta = _parameter(betas, neurons, channels, inner, CHANNEL_BETA)
    threshold = _parameter(thresholds, neurons, channels, inner, CHANNEL_THRESHOLD)
    v = tl.full((BLOCK,), 0.0, tl.float32)
    WHOLE: tl.constexpr = STEPS // AHEAD * AHEAD
    for first in range(0, WHOLE, AHEAD):
        v = _run(
            v, x, spikes, membrane, neurons, count, beta, threshold, first, AHEAD, STATIC, RESET
        )  # fmt: skip
    _run(v, x, spikes, membrane, neurons, count, beta, threshold, WHOLE, STEPS - WHOLE, STATIC, RESET)


@triton.jit
def _segment_back(
    v, total, current_sum, beta_sum, threshold_sum,
    x, spike_grad, membrane_grad, current_grad, neurons, count, beta, threshold, first,
    LENGTH: tl.constexpr, STATIC: tl.constexpr, SURROGATE: tl.constexpr, RESET: tl.constexpr,
    WANT_BETA: tl.constexpr, WANT_THRESHOLD: tl.constexpr,
):  # fmt: skip
    """LENGTH steps backward, from l_{t+1} = total and the sums so far; v is the membrane before them."""
    inside = neurons < count
    width = tl.cast(count, tl.int64)
    currents = _rows(x, neurons, count, first, LENGTH, STATIC)
    # Loaded before the first store: the compiler may not move a load across it.
    if spike_grad is not None:
        spike_grads = _rows(spike_grad, neurons, count, first, LENGTH, False)
    if membrane_grad is not None:
        membrane_grads = _rows(membrane_grad, neurons, count, first, LENGTH, False)
    trace = (v,)
    for i in tl.static_range(LENGTH):
        trace += (_step(trace[i], currents[i], beta, threshold, RESET),)  # type: ignore[assignment]
    for i in tl.static_range(LENGTH - 1, -1, -1):
        before = trace[i]
        after = trace[i + 1]
        total *= beta
        if RESET == "zero":
            total = tl.where(after > threshold, 0.0, total)
        if spike_grad is not None:
            local = spike_grads[i] * _derivative(after - threshold, SURROGATE)
            total += local
            if WANT_THRESHOLD:
                threshold_sum -= local
        if membrane_grad is not None:
            total += membrane_grads[i]
        if STATIC:
            current_sum += total
        else:
            tl.store(current_grad + (first + i) * width + neurons, total, mask=inside)
        if WANT_BETA:
            if RESET == "zero":
                beta_sum += tl.where(before > threshold, 0.0, total * before)
            else:
                beta_sum += total * before
        if WANT_THRESHOLD and RESET == "subtract":
            threshold_sum -= tl.where(before > threshold, total, 0.0)
    return total, current_sum, beta_sum, threshold_sum


@triton.jit
def _store_sum(sums, values, neurons, count, PER_CHANNEL: tl.constexpr):
    """One number a block, or one a neuron where channels differ: added up afterwards in a fixed order."""
    if PER_CHANNEL:
        tl.store(sums + neurons, values, mask=neurons < count)
    else:
        tl.store(sums + tl.program_id(0), tl.sum(values, axis=0))


@triton.jit
def _backward_kernel(
    x, spike_grad, membrane_grad, current_grad, betas, thresholds, beta_sums, threshold_sums, marks,
    count, channels, inner,
    STEPS: tl.constexpr, STATIC: tl.constexpr, SURROGATE: tl.constexpr, RESET: tl.constexpr,
    CHANNEL_BETA: tl.constexpr, CHANNEL_THRESHOLD: tl.constexpr, SEGMENT: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    neurons = tl.cast(tl.program_id(0), tl.int64) * BLOCK + tl.arange(0, BLOCK)
    beta = _parameter(betas, neurons, channels, inner, CHANNEL_BETA)
    threshold = _parameter(thresholds, neurons, channels, inner, CHANNEL_THRESHOLD)
    v = tl.full((BLOCK,), 0.0, tl.float32)
    total, current_sum, beta_sum, threshold_sum = v, v, v, v
    inside = neurons < count
    width = tl.cast(count, tl.int64)
    # The last segment has 1 to SEGMENT steps; the others are whole.
    OTHERS: tl.constexpr = (STEPS - 1) // SEGMENT
    if OTHERS > 0:
        for k in range(OTHERS):
            tl.store(marks + k * width + neurons, v, mask=inside)
            v = _run(v, x, None, None, neurons, count, beta, threshold, k * SEGMENT, SEGMENT, STATIC, RESET)
        # A mark may be read by another thread of the program than the one that wrote it.
        tl.debug_barrier()
    total, current_sum, beta_sum, threshold_sum = _segment_back(
        v, total, current_sum, beta_sum, threshold_sum,
        x, spike_grad, membrane_grad, current_grad, neurons, count, beta, threshold, OTHERS * SEGMENT,
        STEPS - OTHERS * SEGMENT, STATIC, SURROGATE, RESET, beta_sums is not None, threshold_sums is not None,
    )  # fmt: skip
    if OTHERS > 0:
        for back in range(OTHERS):
            k = OTHERS - 1 - back
            v = tl.load(marks + k * width + neurons, mask=inside, other=0.0)
            total, current_sum, beta_sum, threshold_sum = _segment_back(
                v, total, current_sum, beta_sum, threshold_sum,
                x, spike_grad, membrane_grad, current_grad, neurons, count, beta, threshold, k * SEGMENT,
                SEGMENT, STATIC, SURROGATE, RESET, beta_sums is not None, threshold_sums is not None,
            )  # fmt: skip
    if STATIC:
        tl.store(current_grad + neurons, current_sum, mask=inside)
    if beta_sums is not None:
        _store_sum(beta_sums, beta_sum, neurons, count, CHANNEL_BETA)
    if threshold_sums is not None:
        _store_sum(threshold_sums, threshold_sum, neurons, count, CHANNEL_THRESHOLD)


class TritonKernel:
    """See `Kernel`. For float32 and bfloat16 (state in float32) on a CUDA device."""

    name = "triton"
    pools = False
    keeps_trace = False

    def forward(
        self, currents: Tensor, decay: Tensor, level: Tensor, neurons: Neurons
    ) -> tuple[Tensor, Tensor | None]:
        """See `Kernel.forward`."""
        currents, last = arranged(currents)
        spikes, membrane = forward(
            _flat(currents),
            neurons.steps,
            decay.float().contiguous(),
            level.float().contiguous(),
            *_channels(currents, last, decay, level),
            neurons.reset,
            neurons.membrane,
        )
        return _shaped(spikes, currents), None if membrane is None else _shaped(membrane, currents)

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
        currents, last = arranged(kept)
        current_grad, decay_grad, level_grad = backward(
            _flat(currents),
            None if spike_grad is None else _flat(arranged(spike_grad, last)[0]),
            None if membrane_grad is None else _flat(arranged(membrane_grad, last)[0]),
            neurons.steps,
            decay.float().contiguous(),
            level.float().contiguous(),
            *_channels(currents, last, decay, level),
            neurons.surrogate,
            neurons.reset,
            *wanted,
        )
        return Gradients(_shaped(current_grad, currents), decay_grad, level_grad)


def _flat(values: Tensor) -> Tensor:
    """(L, N) of dense (L, B, C, ...) in the order of the memory, whichever that is."""
    count = math.prod(values.shape[1:])
    return values.as_strided((values.shape[0], count), (count, 1))


def _shaped(flat: Tensor, like: Tensor) -> Tensor:
    """Of (L, N), with the shape and the layout of `like` but for the number of steps."""
    return flat.as_strided((flat.shape[0], *like.shape[1:]), (flat.shape[1], *like.stride()[1:]))


def _channels(currents: Tensor, last: bool, decay: Tensor, level: Tensor) -> tuple[int, int]:
    """`channels` and `inner` of (L, B, C, ...). One kernel for all shapes where the parameters are single numbers."""
    if decay.numel() == level.numel() == 1:
        return 1, 1
    return currents.shape[2], 1 if last else math.prod(currents.shape[3:])


def forward(
    x: Tensor,
    steps: int,
    beta: Tensor,
    threshold: Tensor,
    channels: int,
    inner: int,
    reset: str,
    want_membrane: bool,
) -> tuple[Tensor, Tensor | None]:
    """Spikes and membrane (steps, N), in the type of x, of N neurons whose input is x.

    x: contiguous (steps, N), or (1, N) for a current that is the same at every step; float32 or bfloat16, the
    state is float32. beta (in 0..1), threshold: float32 of 1 element, or of `channels`: neuron i belongs to
    channel (i // inner) % channels. Raises TypeError for another type of x.
    """
    _check_type(x)
    count = x.shape[1]
    spikes = x.new_empty(steps, count)
    membrane = x.new_empty(steps, count) if want_membrane else None
    if count:
        with torch.cuda.device_of(x):
            _forward_kernel[(triton.cdiv(count, FORWARD_BLOCK),)](
                x, spikes, membrane, beta, threshold, count, channels, inner,
                STEPS=steps, STATIC=x.shape[0] < steps, RESET=reset,
                CHANNEL_BETA=beta.numel() > 1, CHANNEL_THRESHOLD=threshold.numel() > 1,
                AHEAD=AHEAD, BLOCK=FORWARD_BLOCK, num_warps=WARPS, enable_fp_fusion=False,
            )  # fmt: skip
    return spikes, membrane


def backward(
    x: Tensor,
    spike_grad: Tensor | None,
    membrane_grad: Tensor | None,
    steps: int,
    beta: Tensor,
    threshold: Tensor,
    channels: int,
    inner: int,
    surrogate: str,
    reset: str,
    want_beta: bool,
    want_threshold: bool,
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Gradients of x (its shape and type; of a (1, N) summed over the steps), of beta and of threshold.

    Arguments as in `forward`. spike_grad, membrane_grad: contiguous (steps, N), one of them may be None. The
    gradients of beta and threshold are float32 in their shapes, None where not wanted. No atomic additions:
    equal input gives equal bits. Raises TypeError for a type of x other than float32 and bfloat16.
    """
    _check_type(x)
    count = x.shape[1]
    segment = steps if steps <= HELD else SEGMENT
    block = _backward_block(segment)
    blocks = triton.cdiv(count, block)
    current_grad = torch.empty_like(x)
    beta_sums = _new_sums(beta, count, blocks) if want_beta else None
    threshold_sums = _new_sums(threshold, count, blocks) if want_threshold else None
    others = (steps - 1) // segment
    marks = x.new_empty(others, count, dtype=torch.float32) if others else None
    if count:
        with torch.cuda.device_of(x):
            _backward_kernel[(blocks,)](
                x, spike_grad, membrane_grad, current_grad, beta, threshold, beta_sums, threshold_sums, marks,
                count, channels, inner,
                STEPS=steps, STATIC=x.shape[0] < steps, SURROGATE=surrogate, RESET=reset,
                CHANNEL_BETA=beta.numel() > 1, CHANNEL_THRESHOLD=threshold.numel() > 1,
                SEGMENT=segment, BLOCK=block, num_warps=WARPS, enable_fp_fusion=False,
            )  # fmt: skip
    beta_grad = None if beta_sums is None else _added(beta_sums, beta, channels, inner)
    threshold_grad = None if threshold_sums is None else _added(threshold_sums, threshold, channels, inner)
    return current_grad, beta_grad, threshold_grad


def _check_type(x: Tensor) -> None:
    if x.dtype not in (torch.float32, torch.bfloat16):
        raise TypeError(f"the CUDA neurons take float32 or bfloat16, not {x.dtype}")


def _backward_block(segment: int) -> int:
    """Neurons a program: 1, 2 or 4 a thread, so that membranes and gradients of a segment fit the registers."""
    for each in (4, 2):
        if each * segment <= HELD:
            return WARPS * 32 * each
    return WARPS * 32


def _new_sums(parameter: Tensor, count: int, blocks: int) -> Tensor:
    return parameter.new_empty(count if parameter.numel() > 1 else blocks)


def _added(sums: Tensor, parameter: Tensor, channels: int, inner: int) -> Tensor:
    """The gradient of a parameter from what the blocks or neurons give; in float64, as many small terms meet."""
    if parameter.numel() == 1:
        total = sums.sum(dtype=torch.float64)
    elif sums.numel():
        total = sums.view(-1, channels, inner).sum((0, 2), dtype=torch.float64)
    else:
        total = torch.zeros_like(parameter)
    return total.to(parameter.dtype).reshape(parameter.shape)
