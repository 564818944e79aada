"""Optimisers take every key of their spec and step as torch's plain implementations; schedules in closed form."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from spenser_gee.phenotype.words.keys import keys_of
from spenser_gee.phenotype.words.training import (
    SGD,
    Adam,
    AdamW,
    ConstantRate,
    CosineRate,
    Optimiser,
    RMSProp,
    StepRate,
)
from spenser_gee.training.optimisers import make_optimiser, rate_factor


def three_steps(optimiser: torch.optim.Optimizer, parameter: nn.Parameter) -> torch.Tensor:
    for step in range(3):
        parameter.grad = torch.linspace(-1, 2, 6) * (step + 1)
        optimiser.step()
    return parameter.detach().clone()


SPECS: list[tuple[Optimiser, type[torch.optim.Optimizer], dict[str, object]]] = [
    (SGD(0.1, 0.8, 0.02, False), torch.optim.SGD, {"momentum": 0.8, "weight_decay": 0.02}),
    (SGD(0.1, 0.8, 0.02, True), torch.optim.SGD, {"momentum": 0.8, "weight_decay": 0.02, "nesterov": True}),
    (SGD(0.1, 0.0, 0.0, True), torch.optim.SGD, {"momentum": 0.0}),
    (RMSProp(0.1, 0.7, 0.03), torch.optim.RMSprop, {"alpha": 0.7, "weight_decay": 0.03}),
    (Adam(0.1, 0.6, 0.8, 0.04, False), torch.optim.Adam, {"betas": (0.6, 0.8), "weight_decay": 0.04}),
    (
        Adam(0.1, 0.6, 0.8, 0.04, True),
        torch.optim.Adam,
        {"betas": (0.6, 0.8), "weight_decay": 0.04, "amsgrad": True},
    ),
    (AdamW(0.1, 0.6, 0.8, 0.05, False), torch.optim.AdamW, {"betas": (0.6, 0.8), "weight_decay": 0.05}),
    (
        AdamW(0.1, 0.6, 0.8, 0.05, True),
        torch.optim.AdamW,
        {"betas": (0.6, 0.8), "weight_decay": 0.05, "amsgrad": True},
    ),
]


@pytest.mark.parametrize(("spec", "kind", "keys"), SPECS)
def test_steps_are_torchs(
    spec: Optimiser, kind: type[torch.optim.Optimizer], keys: dict[str, object]
) -> None:
    ours, theirs = (nn.Parameter(torch.linspace(-0.5, 1, 6)) for _ in range(2))
    found = three_steps(make_optimiser(spec, [ours]), ours)
    plain = kind([theirs], lr=0.1, foreach=False, **keys)  # type: ignore[call-arg]
    torch.testing.assert_close(found, three_steps(plain, theirs))


@pytest.mark.parametrize("kind", [SGD, RMSProp, Adam, AdamW])
def test_every_key_changes_the_step(kind: type[Optimiser]) -> None:
    # A key that is accepted and ignored would give the same weights.
    changed = {"lr": 0.3, "momentum": 0.3, "decay": 0.5, "nesterov": True, "rho": 0.5}
    changed |= {"beta1": 0.2, "beta2": 0.4, "amsgrad": True}

    def weights(**keys: object) -> torch.Tensor:
        parameter = nn.Parameter(torch.linspace(-0.5, 1, 6))
        optimiser = make_optimiser(kind(**keys), [parameter])  # type: ignore[arg-type]
        for size in (3.0, 0.1, 0.1):  # falling gradients: only so the maximum of AMSGrad is felt
            parameter.grad = torch.linspace(-1, 2, 6) * size
            optimiser.step()
        return parameter.detach()

    keys = keys_of(kind)
    base = {"beta2": 0.8} if "beta2" in keys else {}  # at 0.999 three steps tell nothing of the maximum
    plain = weights(**base)
    for key in keys:
        assert not torch.equal(weights(**{**base, key: changed[key]}), plain), key


def test_constant_rate() -> None:
    assert {rate_factor(ConstantRate(), p / 7) for p in range(8)} == {1.0}


def test_cosine_rate() -> None:
    assert rate_factor(CosineRate(0.0), 0.0) == 1.0
    assert rate_factor(CosineRate(0.0), 0.5) == pytest.approx(0.5)
    assert rate_factor(CosineRate(0.0), 1.0) == pytest.approx(0.0)
    assert rate_factor(CosineRate(0.0), 1 / 3) == pytest.approx(0.75)


def test_cosine_rate_with_warmup() -> None:
    schedule = CosineRate(0.2)
    assert rate_factor(schedule, 0.0) == 0.01
    assert rate_factor(schedule, 0.1) == pytest.approx(0.5)
    assert rate_factor(schedule, 0.2) == pytest.approx(1.0)
    assert rate_factor(schedule, 0.6) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("progress", "drops_done"), [(0.0, 0), (0.33, 0), (0.34, 1), (0.66, 1), (0.67, 2), (0.99, 2), (1.0, 2)]
)
def test_step_rate(progress: float, drops_done: int) -> None:
    assert rate_factor(StepRate(2, 0.3), progress) == pytest.approx(0.3**drops_done)


@given(
    schedule=st.one_of(
        st.builds(CosineRate, warmup=st.floats(0, 0.5)),
        st.builds(StepRate, drops=st.integers(1, 10), factor=st.floats(0.01, 1)),
    ),
    progress=st.floats(0, 1),
)
def test_factors_are_shares(schedule: CosineRate | StepRate, progress: float) -> None:
    factor = rate_factor(schedule, progress)
    assert 0.0 <= factor <= 1.0
    later = rate_factor(schedule, min(1.0, progress + 0.25))
    if isinstance(schedule, StepRate) or progress >= schedule.warmup:
        assert later <= factor or math.isclose(later, factor)
