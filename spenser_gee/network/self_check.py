"""Whether a backend computes here what the plain one does: a compiler or a driver may be at fault."""

from __future__ import annotations

import torch
from torch import Tensor

from spenser_gee.network.backends import backend
from spenser_gee.network.lif import lif

# Gradients are sums in another order.
TOLERANCE = 1e-5


def deviation(name: str, device: torch.device) -> str:
    """In words: equal to plain PyTorch, or how far from it."""
    spikes, *grads = _pass(name, device)
    expected, *expected_grads = _pass("plain", device)
    if not torch.equal(spikes, expected):
        return f"{name}: WRONG SPIKES ({int((spikes != expected).sum())} of {spikes.numel()} differ from plain's)"
    worst = max(
        float((a - b).norm() / b.norm().clamp_min(1e-30)) for a, b in zip(grads, expected_grads, strict=True)
    )
    verdict = "equal" if worst < TOLERANCE else "WRONG GRADIENTS:"
    return f"{name}: spikes equal plain PyTorch's, gradients {verdict} (relative difference {worst:.1e})"


def _pass(name: str, device: torch.device) -> list[Tensor]:
    """Spikes, and the gradients of currents, decay and threshold."""
    generator = torch.Generator().manual_seed(0)
    currents = (torch.randn(9, 3, 5, 6, 6, generator=generator) * 0.5 + 0.2).to(device).requires_grad_()
    weights = torch.randn(9, 3, 5, 6, 6, generator=generator).to(device)
    beta = torch.tensor(0.9, device=device, requires_grad=True)
    threshold = torch.tensor(0.8, device=device, requires_grad=True)
    with backend(name):
        spikes, _ = lif(currents, beta, threshold)
        (spikes * weights).sum().backward()  # type: ignore[no-untyped-call]
    return [spikes.detach(), *(t.grad for t in (currents, beta, threshold) if t.grad is not None)]
