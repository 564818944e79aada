"""Every backend against hand-computed traces, stepped snntorch.Leaky, and autograd in float64 (which only the plain
backend computes in: the others are compared with it in test_lif_backends.py)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import snntorch
import snntorch.surrogate
import torch
from torch import Tensor

from spenser_gee.network import lif_plain
from spenser_gee.network.backends import backend, describe_backends
from spenser_gee.network.lif import RESETS, lif


@pytest.fixture(params=["plain", "native"], autouse=True)
def each_backend(request: pytest.FixtureRequest) -> Iterator[str]:
    name: str = request.param
    if (why := describe_backends()[name]).startswith("no"):
        pytest.skip(f"{name} does not work here: {why}")
    with backend(name):
        yield name


DERIVATIVES: dict[str, Callable[[Tensor], Tensor]] = {
    "atan": lambda u: 1 / (1 + (math.pi * u) ** 2),
    "fast_sigmoid": lambda u: 1 / (1 + 25 * u.abs()) ** 2,
    "sigmoid": lambda u: 25 * torch.sigmoid(25 * u) * torch.sigmoid(-25 * u),
    "triangular": lambda u: torch.where(u >= 0, -1.0, 1.0).to(u.dtype),
}


class _Heaviside(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: Tensor, name: str) -> Tensor:
        ctx.save_for_backward(u)
        ctx.name = name
        return (u > 0).to(u.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad * DERIVATIVES[ctx.name](ctx.saved_tensors[0]), None


def stepped(x: Tensor, beta: Tensor, threshold: Tensor, surrogate: str, reset: str) -> tuple[Tensor, Tensor]:
    """The equations, one step at a time, differentiated by autograd."""
    v, spikes, trace = torch.zeros_like(x[0]), [], []
    for current in x:
        fired = (v > threshold).to(x.dtype).detach()
        if reset == "zero":
            v = v * (1 - fired)
        v = beta.clamp(0, 1) * v + current
        if reset == "subtract":
            v = v - fired * threshold
        spikes.append(_Heaviside.apply(v - threshold, surrogate))
        trace.append(v)
    return torch.stack(spikes), torch.stack(trace)


def leaky(x: Tensor, beta: Tensor, threshold: Tensor, surrogate: str, reset: str) -> tuple[Tensor, Tensor]:
    """snntorch.Leaky, stepped."""
    neuron = snntorch.Leaky(
        beta=beta,
        threshold=threshold,
        spike_grad=getattr(snntorch.surrogate, surrogate)(),
        reset_mechanism=reset,
    )
    memory, spikes, trace = torch.zeros_like(x[0]), [], []
    for current in x:
        spike, memory = neuron(current, memory)
        spikes.append(spike)
        trace.append(memory)
    return torch.stack(spikes), torch.stack(trace)


def relative(a: Tensor, b: Tensor) -> float:
    """||a - b|| / ||b||."""
    return ((a.double() - b.double()).norm() / b.double().norm().clamp_min(1e-30)).item()


def gradients(
    model: Callable[..., tuple[Tensor, Tensor | None]],
    data: tuple[Tensor, float, float],
    settings: tuple[str, str],
    weights: tuple[Tensor, Tensor | None],
    trained: tuple[bool, bool],
    **options: bool,
) -> tuple[Tensor, Tensor | None, list[Tensor]]:
    """Spikes, membrane and the gradients of a weighted sum of the outputs."""
    x = data[0].clone().requires_grad_()
    beta = torch.tensor(data[1], dtype=x.dtype, requires_grad=trained[0])
    threshold = torch.tensor(data[2], dtype=x.dtype, requires_grad=trained[1])
    spikes, trace = model(x, beta, threshold, *settings, **options)
    loss = (spikes * weights[0]).sum()
    if weights[1] is not None:
        assert trace is not None
        loss = loss + (trace * weights[1]).sum()
    loss.backward()
    grads = [g for g in (x.grad, beta.grad, threshold.grad) if g is not None]
    return spikes.detach(), trace, grads


@pytest.mark.parametrize("trained", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("surrogate", sorted(DERIVATIVES))
def test_equals_snntorch(surrogate: str, reset: str, trained: tuple[bool, bool]) -> None:
    generator = torch.Generator().manual_seed(7)
    for steps in (1, 2, 6, 25):
        for dtype in (torch.float32, torch.float64):
            # Narrow currents: snnTorch's sigmoid gives nan far from the threshold in float32.
            x = torch.randn(steps, 3, 5, 2, generator=generator, dtype=dtype) * 0.4 + 0.2
            weights = torch.randn(x.shape, generator=generator, dtype=dtype)
            data, settings = (x, 0.85, 0.7), (surrogate, reset)
            theirs = gradients(leaky, data, settings, (weights, None), trained)
            ours = gradients(lif, data, settings, (weights, None), trained)
            assert torch.equal(ours[0], theirs[0].to(dtype))
            assert ours[0].dtype == dtype
            assert ours[1] is None
            assert len(ours[2]) == len(theirs[2]) == 1 + sum(trained)
            for mine, their in zip(ours[2], theirs[2], strict=True):
                # Where the terms of the sum cancel, their float32 sum is the less exact one.
                assert relative(mine, their) < 1e-5 or (mine - their).abs().max() < 2e-5


@pytest.mark.parametrize("membrane", [False, True])
@pytest.mark.parametrize("beta", [-0.2, 0.0, 0.6, 1.0, 1.3])
@pytest.mark.parametrize("threshold", [-0.3, 0.5])
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("surrogate", sorted(DERIVATIVES))
def test_equals_autograd_in_float64(
    surrogate: str, reset: str, threshold: float, beta: float, membrane: bool
) -> None:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(7, 4, 3, generator=generator, dtype=torch.float64)
    weights = torch.randn(x.shape, generator=generator, dtype=torch.float64)
    pull = torch.randn(x.shape, generator=generator, dtype=torch.float64) if membrane else None
    data, settings = (x, beta, threshold), (surrogate, reset)
    expected = gradients(stepped, data, settings, (weights, pull), (True, True))
    found = gradients(lif, data, settings, (weights, pull), (True, True), membrane=membrane)
    assert torch.equal(found[0], expected[0])
    if membrane:
        assert found[1] is not None
        assert expected[1] is not None
        torch.testing.assert_close(found[1], expected[1], rtol=0, atol=0)
    for mine, their in zip(found[2], expected[2], strict=True):
        torch.testing.assert_close(mine, their, rtol=1e-12, atol=1e-12)
    if not 0 <= beta <= 1:
        assert found[2][1].item() == 0.0


def test_gradient_of_the_membrane_alone() -> None:
    x = torch.randn(5, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weights = torch.ones_like(x)
    grads = []
    for model in (stepped, lambda *a: lif(*a, membrane=True)):
        currents = x.clone().requires_grad_()
        beta, threshold = torch.tensor(0.7, dtype=x.dtype), torch.tensor(0.4, dtype=x.dtype)
        (model(currents, beta, threshold, "atan", "subtract")[1] * weights).sum().backward()
        grads.append(currents.grad)
    torch.testing.assert_close(grads[1], grads[0])


HALF = 0.5
TRACES = {
    # x = 1 at every step, beta 0.5, threshold 1: 1 is not above 1, so the first spike comes at step 1.
    "subtract": ([1.0, 1.5, 0.75, 1.375, 0.6875], [0, 1, 0, 1, 0]),
    "zero": ([1.0, 1.5, 1.0, 1.5, 1.0], [0, 1, 0, 1, 0]),
    "none": ([1.0, 1.5, 1.75, 1.875, 1.9375], [0, 1, 1, 1, 1]),
}


@pytest.mark.parametrize("reset", RESETS)
def test_hand_computed_trace(reset: str) -> None:
    spikes, membrane = lif(
        torch.ones(5, 1), torch.tensor(HALF), torch.tensor(1.0), "atan", reset, membrane=True
    )
    assert membrane is not None
    assert membrane[:, 0].tolist() == TRACES[reset][0]
    assert spikes[:, 0].tolist() == TRACES[reset][1]


def test_negative_threshold_resets_at_the_first_step() -> None:
    x = torch.zeros(2, 1)
    for reset, trace in {"subtract": [0.25, 0.375], "zero": [0.0, 0.0]}.items():
        _, membrane = lif(x, torch.tensor(HALF), torch.tensor(-0.25), "atan", reset, membrane=True)
        assert membrane is not None
        assert membrane[:, 0].tolist() == trace
        assert leaky(x, torch.tensor(HALF), torch.tensor(-0.25), "atan", reset)[1][:, 0].tolist() == trace


def test_memory_layout_and_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(4, 6, 3, 5, 5, generator=torch.Generator().manual_seed(1))
    weights = torch.randn(x.shape, generator=torch.Generator().manual_seed(2))
    last = x.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)
    constant = x[:1].expand(4, 6, 3, 5, 5)
    settings = ("atan", "zero")
    whole = gradients(lif, (x, 0.9, 0.5), settings, (weights, None), (True, True))
    monkeypatch.setattr(lif_plain, "PIECE", 160)
    for variant in (x, last):
        part = gradients(lif, (variant, 0.9, 0.5), settings, (weights, None), (True, True))
        assert torch.equal(part[0], whole[0])
        assert torch.equal(part[2][0], whole[2][0])
        torch.testing.assert_close(part[2][1:], whole[2][1:], rtol=1e-5, atol=1e-5)
    spikes, _ = lif(last, torch.tensor(0.9), torch.tensor(0.5))
    assert spikes.stride() == last.stride()
    expanded = lif(constant, torch.tensor(0.9), torch.tensor(0.5))[0]
    assert torch.equal(expanded, lif(constant.contiguous(), torch.tensor(0.9), torch.tensor(0.5))[0])


def test_unknown_names_are_refused() -> None:
    x, beta = torch.zeros(1, 1), torch.tensor(0.5)
    with pytest.raises(ValueError, match="surrogate 'tanh' is not one of atan"):
        lif(x, beta, beta, "tanh")
    with pytest.raises(ValueError, match="reset 'hard' is not one of subtract"):
        lif(x, beta, beta, "atan", "hard")
