"""The neurons on a CPU in C: one pass over the currents forward, one backward, fused with pooling (lif_native.c)."""

from __future__ import annotations

import ctypes
from typing import Any, ClassVar

import torch
from torch import Tensor

from spenser_gee.network.memory_layout import arranged, empty_like_layout
from spenser_gee.network.native_build import native_library
from spenser_gee.network.neurons import Gradients, Neurons

_SURROGATES = {"atan": 0, "fast_sigmoid": 1, "sigmoid": 2, "triangular": 3}
_RESETS = {"subtract": 0, "zero": 1, "none": 2}
_POOLINGS = {"max": 1, "avg": 2}


class _Layer(ctypes.Structure):
    """`Layer` of lif_native.c."""

    _fields_: ClassVar[list[tuple[str, Any]]] = [
        *((name, ctypes.c_int64) for name in ("steps", "images", "channels", "height", "width", "window")),
        *(
            (name, ctypes.c_int32)
            for name in (
                "pool",
                "pool_first",
                "fixed_input",
                "channels_last",
                "reset",
                "surrogate",
                "by_channel",
                "half",
                "want_sums",
                "threads",
            )
        ),
    ]


class NativeKernel:
    """See `Kernel`. For float32 and bfloat16 (state in float32) on a CPU. Raises MemoryError without memory."""

    name = "native"
    pools = True
    keeps_trace = False

    def __init__(self, library: ctypes.CDLL) -> None:
        self._forward, self._backward = library.lif_forward, library.lif_backward
        self._forward.argtypes = [ctypes.POINTER(_Layer), *[ctypes.c_void_p] * 5]
        self._backward.argtypes = [ctypes.POINTER(_Layer), *[ctypes.c_void_p] * 7]

    def forward(
        self, currents: Tensor, decay: Tensor, level: Tensor, neurons: Neurons
    ) -> tuple[Tensor, Tensor | None]:
        """See `Kernel.forward`."""
        currents, last = arranged(currents)
        decay, level = _alike(decay, level)
        layer = _layer(currents, last, decay, neurons)
        shape = _output_shape(currents, neurons)
        spikes = empty_like_layout(shape, currents, last)
        membrane = empty_like_layout(shape, currents, last) if neurons.membrane else None
        if spikes.numel():
            _check(
                self._forward(
                    layer,
                    currents.data_ptr(),
                    decay.data_ptr(),
                    level.data_ptr(),
                    spikes.data_ptr(),
                    None if membrane is None else membrane.data_ptr(),
                )
            )
        return spikes, membrane

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
        decay, level = _alike(decay, level)
        layer = _layer(currents, last, decay, neurons)
        layer.want_sums = any(wanted)
        grads = [
            None if g is None else arranged(g.to(currents.dtype), last)[0]
            for g in (spike_grad, membrane_grad)
        ]
        out = empty_like_layout(tuple(currents.shape), currents, last)
        sums = torch.zeros(layer.threads, 2, decay.numel(), dtype=torch.float64)
        if out.numel():
            _check(
                self._backward(
                    layer,
                    currents.data_ptr(),
                    decay.data_ptr(),
                    level.data_ptr(),
                    *(None if g is None else g.data_ptr() for g in grads),
                    out.data_ptr(),
                    sums.data_ptr(),
                )
            )
        if not layer.want_sums:
            return Gradients(out, None, None)
        decay_grad, level_grad = sums.sum(0)
        return Gradients(out, decay_grad, level_grad)


def native_kernel() -> tuple[NativeKernel | None, str]:
    """The kernel, or None; and a note on where it is or why there is none."""
    built = native_library()
    return (None if built.library is None else NativeKernel(built.library)), built.note


def _check(code: int) -> None:
    if code:
        raise MemoryError("no memory for the neurons' scratch")


def _alike(decay: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
    """Both as float32, one number or one a channel."""
    decay, level = decay.to(torch.float32), level.to(torch.float32)
    count = max(decay.numel(), level.numel())
    return decay.reshape(-1).expand(count).contiguous(), level.reshape(-1).expand(count).contiguous()


def _output_shape(currents: Tensor, neurons: Neurons) -> tuple[int, ...]:
    shape = [neurons.steps, *currents.shape[1:]]
    if neurons.pooling is not None:
        shape[-2:] = [size // neurons.pooling.size for size in shape[-2:]]
    return tuple(shape)


def _layer(currents: Tensor, last: bool, decay: Tensor, neurons: Neurons) -> _Layer:
    shape = currents.shape
    channels = shape[2] if len(shape) > 2 else 1
    height, width = shape[3:] if len(shape) == 5 else (shape[3:].numel(), 1)
    pooling = neurons.pooling
    return _Layer(
        steps=neurons.steps,
        images=shape[1],
        channels=channels,
        height=height,
        width=width,
        window=1 if pooling is None else pooling.size,
        pool=0 if pooling is None else _POOLINGS[pooling.kind],
        pool_first=pooling is not None and pooling.first,
        fixed_input=shape[0] == 1 and neurons.steps > 1,
        channels_last=last,
        reset=_RESETS[neurons.reset],
        surrogate=_SURROGATES[neurons.surrogate],
        by_channel=decay.numel() > 1,
        half=currents.dtype == torch.bfloat16,
        want_sums=False,
        threads=torch.get_num_threads(),
    )
