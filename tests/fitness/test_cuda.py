"""The path on a GPU: equal to the CPU's up to rounding, and whole evaluations. Skipped without CUDA."""

from __future__ import annotations

import pytest
import torch

from spenser_gee.config import Initialisation
from spenser_gee.fitness.task import DataSettings, make_task
from spenser_gee.fitness.trained import evaluate
from spenser_gee.network.build import build_network
from spenser_gee.network.lif import RESETS, lif
from spenser_gee.network.surrogate import SURROGATES
from spenser_gee.phenotype.plan import plan_network
from spenser_gee.phenotype.spec import (
    CLASSES,
    LIF,
    BatchNorm,
    CEMembrane,
    Conv,
    Dropout,
    FullyConnected,
    Genes,
    Input,
    NetworkSpec,
    Shift,
    Skip,
)
from spenser_gee.training.train import Budget

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA GPU")

DIGITS = DataSettings("digits", None, False, None, None, 4, 32, None, 0.3)
NEURON = LIF(beta=0.8, learn_beta="true", learn_threshold=True)
UNITS = (
    (Conv(8), NEURON),
    (Conv(8, weights="gene"), BatchNorm(), Skip(1, "add"), NEURON),
    (Dropout(0.1),),
    (FullyConnected(CLASSES), NEURON),
)


def spec(coding: str) -> NetworkSpec:
    return NetworkSpec(UNITS, Genes(4), Input(coding), loss=CEMembrane(), augmentation=(Shift(1),))


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("surrogate", sorted(SURROGATES))
def test_neurons_equal_the_cpus(surrogate: str, reset: str) -> None:
    generator = torch.Generator().manual_seed(0)
    currents = torch.randn(6, 5, 3, 4, 4, generator=generator)
    results = []
    for device in ("cpu", "cuda"):
        x = currents.to(device).requires_grad_()
        beta = torch.tensor(0.8, device=device, requires_grad=True)
        threshold = torch.tensor(0.5, device=device, requires_grad=True)
        spikes, membrane = lif(x, beta, threshold, surrogate, reset, membrane=True)
        assert membrane is not None
        (spikes.sum() + membrane.square().sum()).backward()
        results.append([t.detach().cpu() for t in (spikes, membrane, x.grad, beta.grad, threshold.grad)])
    assert torch.equal(results[0][0], results[1][0])
    for cpu, cuda in zip(*results, strict=True):
        torch.testing.assert_close(cuda, cpu, rtol=1e-4, atol=1e-4)


def test_a_network_gives_the_cpus_output() -> None:
    plan = plan_network(spec("direct"), (1, 8, 8), 10)
    network = build_network(plan, 4, seed=1).eval()
    images = torch.rand(1, 16, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        here = network(images, membrane=True)
        there = network.to("cuda")(images.to("cuda"), membrane=True)
    # Sums in another order may move a membrane across its threshold: rarely.
    assert (here.spikes != there.spikes.cpu()).float().mean() < 0.01


@pytest.mark.parametrize("coding", ["rate", "latency", "direct"])
def test_an_evaluation_is_complete_and_repeatable(coding: str) -> None:
    device = torch.device("cuda")
    task = make_task(DIGITS.load().train, 10, DIGITS, 0, device)
    inner = Initialisation(generations=2, population=4, steps=1, budget_share=None)
    first, second = (evaluate(spec(coding), task, Budget(steps=60), inner, seed=5) for _ in range(2))
    assert first.evaluation.status == "complete", first.evaluation.reason
    assert first.evaluation.objectives["fitness"] > 0.3
    assert abs(first.evaluation.objectives["fitness"] - second.evaluation.objectives["fitness"]) < 0.05
