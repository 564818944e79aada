"""Networks side by side become what they become one by one."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tiny_networks as tiny
import torch

from spenser_gee.initialisation import evolve
from spenser_gee.initialisation.evolve import Trial
from spenser_gee.initialisation.objective import Terms
from spenser_gee.initialisation.start import GeneStart, plain_start
from spenser_gee.initialisation.together import networks_at_once
from spenser_gee.network.backends import backend, describe_backends
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.layers import LIF, BatchNorm, Conv, FullyConnected, MaxPool, Skip
from spenser_gee.phenotype.words.training import (
    SGD,
    TET,
    Adam,
    AdamW,
    CEMembrane,
    CERate,
    Clip,
    MSECount,
    RMSProp,
)
from spenser_gee.training.mode import PLAIN, Mode

NEURON = LIF(beta=0.7, threshold=0.5, learn_beta="true", learn_threshold=True)
PARAMETRIC = LIF(beta=0.7, threshold=0.5, learn_beta="plif", reset="zero", surrogate="fast_sigmoid")
POOLED = ((Conv(6), MaxPool(2), NEURON), (Conv(5, weights="gene"), PARAMETRIC, MaxPool(2)))
STEP_NORM = ((Conv(5), NEURON), (Conv(4, weights="gene"), BatchNorm(over="step"), NEURON))
SKIPS = (
    (Conv(5), BatchNorm(), NEURON),
    (Conv(5, weights="gene"), Skip(1, "add"), NEURON),
    (Conv(4, weights="gene"), Skip(1, "concat"), PARAMETRIC),
)
DENSE = ((FullyConnected(12), NEURON), (FullyConnected(9, weights="gene"), PARAMETRIC))

CASES: dict[str, NetworkSpec] = {
    "norms": tiny.gene_spec(),
    "pools": tiny.gene_spec(*POOLED, loss=CEMembrane(), optimiser=SGD(lr=0.1, momentum=0.9)),
    "norm of each step": tiny.gene_spec(*STEP_NORM, loss=MSECount(), optimiser=RMSProp(lr=0.01)),
    "skips": tiny.gene_spec(*SKIPS, loss=CERate(), optimiser=AdamW(lr=0.01)),
    "fully connected": tiny.gene_spec(*DENSE, loss=TET(), clip=Clip(0.05)),
    "clipped": tiny.gene_spec(optimiser=Adam(lr=0.01), clip=Clip(0.01)),
}


@pytest.fixture(params=["plain", "native"], autouse=True)
def each_backend(request: pytest.FixtureRequest) -> Any:
    if (why := describe_backends()[request.param]).startswith("no"):
        pytest.skip(f"{request.param} does not work here: {why}")
    with backend(request.param):
        yield request.param


def trial_of(spec: NetworkSpec, steps: int = 2, deadline: float = float("inf"), mode: Mode = PLAIN) -> Trial:
    frame, _ = plain_start(tiny.plan_of(spec), 0)
    return Trial(tiny.network_of(spec), tiny.task().evo_train, frame, steps, 1, deadline, mode)


def side_by_side(monkeypatch: pytest.MonkeyPatch, networks: int) -> None:
    """Lets trials run so many networks at once, whatever pays."""
    monkeypatch.setattr(evolve, "networks_at_once", lambda *_: networks)


def starts_of(spec: NetworkSpec, count: int = 5) -> list[GeneStart]:
    """Draws around the plain start; the third is a start of zeros, so that its network is dead."""
    frame, plain = plain_start(tiny.plan_of(spec), 0)
    rng = np.random.default_rng(0)
    starts = [
        replace(plain, G=plain.G + 0.5 * frame.sigma_G * rng.standard_normal(plain.G.shape), seed=number)
        for number in range(count)
    ]
    starts[2] = replace(plain, G=np.zeros_like(plain.G))
    return starts


def assert_equal(one: list[Terms], other: list[Terms]) -> None:
    """Of all but one: a rounding can flip a spike, as a start that differs by 1e-7 does too."""
    flipped = 0
    for a, b in zip(one, other, strict=True):
        assert a.dead == b.dead
        assert a.r2 == b.r2
        assert a.loss == pytest.approx(b.loss, abs=0.05)
        flipped += a.loss != pytest.approx(b.loss, rel=1e-5) or a.r1 != pytest.approx(
            b.r1, rel=1e-5, abs=1e-6
        )
    assert flipped <= 1


@pytest.mark.parametrize("steps", [0, 1, 2])  # more steps, more flipped spikes
@pytest.mark.parametrize("name", CASES)
def test_equals_one_by_one(name: str, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = CASES[name]
    trial, starts = trial_of(spec, steps), starts_of(spec)
    found = {}
    for size in (1, 2, 5):
        side_by_side(monkeypatch, size)
        found[size] = trial.generation(starts, 0)
    assert_equal(found[2], found[1])
    assert_equal(found[5], found[1])
    assert not all(terms.dead for terms in found[1])
    # They are different networks: equal results would show that they share something.
    living = [terms.loss for terms in found[5] if not terms.dead]
    assert len(set(living)) == len(living)


def test_a_dead_start_is_dead_among_others(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = tiny.gene_spec((Conv(5), LIF()), (Conv(5, bias=False, weights="gene"), LIF()))
    trial = trial_of(spec)
    side_by_side(monkeypatch, 5)
    assert [terms.dead for terms in trial.generation(starts_of(spec), 0)][2]


def test_weights_that_are_not_finite_end_one_network_only(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = CASES["norms"]
    starts = starts_of(spec)
    starts[1] = replace(starts[1], G=np.full_like(starts[1].G, np.nan))
    trial = trial_of(spec)
    found = []
    for size in (1, 5):
        side_by_side(monkeypatch, size)
        found.append(trial.generation(starts, 0))
    assert found[0][1].dead
    assert_equal(found[1], found[0])


def test_a_deadline_that_is_over_ends_all(monkeypatch: pytest.MonkeyPatch) -> None:
    trial = trial_of(CASES["norms"], deadline=time.monotonic() - 1)
    for size in (1, 5):
        side_by_side(monkeypatch, size)
        assert all(terms.dead for terms in trial.generation(starts_of(CASES["norms"]), 0))


def test_how_many_at_once(each_backend: str) -> None:
    plan = tiny.plan_of(CASES["norms"])
    pooled = tiny.plan_of(CASES["pools"])
    cpu, many = torch.device("cpu"), 10**6
    if each_backend == "plain":
        assert networks_at_once(plan, 4, 16, PLAIN, cpu) == 1
        return
    assert networks_at_once(plan, 4, 16, PLAIN, cpu) > many
    assert networks_at_once(plan, 4, 10**5, PLAIN, cpu) == 1  # too large to gain
    assert networks_at_once(plan, 4, 16, Mode(precision="bfloat16"), cpu) == 1
    assert networks_at_once(tiny.plan_of(tiny.dropout_spec()), 4, 16, PLAIN, cpu) == 1
    assert 1 < networks_at_once(pooled, 4, 16, Mode(memory=2**22), cpu) < 100
    assert networks_at_once(pooled, 4, 16, Mode(memory=1), cpu) == 1
