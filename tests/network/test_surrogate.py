"""The surrogate derivatives against snnTorch's, and against numerical derivatives of the smooth functions."""

from __future__ import annotations

import math

import pytest
import snntorch.surrogate as reference
import torch

from spenser_gee.network.surrogate import SURROGATES

REFERENCE = {
    "atan": reference.atan(),
    "fast_sigmoid": reference.fast_sigmoid(),
    "sigmoid": reference.sigmoid(),
    "triangular": reference.triangular(),
}


@pytest.mark.parametrize("name", sorted(SURROGATES))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equals_snntorch(name: str, dtype: torch.dtype) -> None:
    # snnTorch's sigmoid overflows to nan further out in float32.
    u = torch.cat((torch.linspace(-1.5, 1.5, 1001, dtype=dtype), torch.zeros(1, dtype=dtype)))
    there = u.clone().requires_grad_()
    REFERENCE[name](there).sum().backward()
    kept = u.clone()
    ours = SURROGATES[name](u)
    assert torch.equal(u, kept), "the argument was changed"
    assert ours.dtype == dtype
    assert there.grad is not None
    torch.testing.assert_close(ours, there.grad, rtol=2e-6, atol=1e-30)


@pytest.mark.parametrize(
    ("name", "smooth"),
    [
        ("atan", lambda u: math.atan(math.pi * u) / math.pi),
        ("fast_sigmoid", lambda u: u / (1 + 25 * abs(u))),
        ("sigmoid", lambda u: 1 / (1 + math.exp(-25 * u))),
    ],
)
def test_is_the_derivative_of_its_function(name: str, smooth) -> None:  # type: ignore[no-untyped-def]
    for u in (-0.3, -0.01, 0.02, 0.5):
        numerical = (smooth(u + 1e-6) - smooth(u - 1e-6)) / 2e-6
        assert SURROGATES[name](torch.tensor(u, dtype=torch.float64)).item() == pytest.approx(
            numerical, rel=1e-6
        )


@pytest.mark.parametrize("name", sorted(SURROGATES))
def test_is_finite_everywhere(name: str) -> None:
    assert torch.isfinite(SURROGATES[name](torch.tensor([-1e6, -50.0, 0.0, 50.0, 1e6]))).all()
