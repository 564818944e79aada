"""Which implementation runs the neurons: chosen once for a process, and shown by `spenser_gee doctor`.

native: C, built once for this machine (CPU). triton: CUDA. plain: PyTorch, everywhere. auto: the fastest that works here.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from spenser_gee.errors import input_error
from spenser_gee.network.lif_native import native_kernel
from spenser_gee.network.lif_plain import PlainKernel
from spenser_gee.network.neurons import Kernel

BACKENDS = ("auto", "native", "triton", "plain")
# What the fused kernels compute with; other types go to the plain one.
_FUSED_TYPES = (torch.float32, torch.bfloat16)

_PLAIN = PlainKernel()
_chosen = "auto"


def use_backend(name: str) -> None:
    """Chooses the backend of this process. Raises ValueError for an unknown name."""
    global _chosen
    if name not in BACKENDS:
        raise ValueError(f"backend {name!r} is not one of {', '.join(BACKENDS)}")
    _chosen = name


@contextmanager
def backend(name: str) -> Iterator[None]:
    """`use_backend` for a while."""
    before = _chosen
    use_backend(name)
    try:
        yield
    finally:
        use_backend(before)


def kernel_for(currents: Tensor) -> Kernel:
    """The kernel for these currents: the plain one where the chosen one cannot take their device or type."""
    if _chosen != "plain" and currents.dtype in _FUSED_TYPES:
        name = "native" if currents.device.type == "cpu" else "triton"
        if _chosen in ("auto", name) and (kernel := _kernels()[name][0]) is not None:
            return kernel
    return _PLAIN


def backend_in_use(device: torch.device) -> str:
    """Which backend runs float32 neurons on a device, as it is chosen now."""
    return kernel_for(torch.empty(0, device=device)).name


def fuses_pooling(signal: Tensor) -> bool:
    """Whether neurons and pooling of such a signal are one pass."""
    return kernel_for(signal).pools


def resolve_backend(name: str, device: torch.device) -> str:
    """The backend that `name` comes to on a device. Raises InputError for one that does not work there."""
    fused = "native" if device.type == "cpu" else "triton"
    kernel, note = _kernels()[fused]
    if name == "auto":
        return "plain" if kernel is None else fused
    if name == "plain" or (name == fused and kernel is not None):
        return name
    why = (
        note
        if name == fused
        else f"it is for {'CPUs' if name == 'native' else 'CUDA GPUs'}, the device is {device.type}"
    )
    raise input_error("backend", f"{name} does not work here: {why}", "Use backend: auto (or plain).")


def describe_backends() -> dict[str, str]:
    """For each backend a line on whether it works here, and where it is or why not."""
    lines = {name: f"{'yes' if kernel else 'no'}: {note}" for name, (kernel, note) in _kernels().items()}
    return {**lines, "plain": "yes: PyTorch"}


@functools.cache
def _kernels() -> dict[str, tuple[Kernel | None, str]]:
    return {"native": native_kernel(), "triton": _triton_kernel()}


def _triton_kernel() -> tuple[Kernel | None, str]:
    if not torch.cuda.is_available():
        return None, "this torch sees no CUDA GPU"
    if importlib.util.find_spec("triton") is None:
        return None, "the triton package is not installed"
    from spenser_gee.network.lif_triton import TritonKernel

    return TritonKernel(), "compiled for the GPU when it is first used"
