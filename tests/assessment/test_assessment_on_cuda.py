"""What is counted and disturbed on a GPU is what is on a CPU. Skipped without CUDA."""

from __future__ import annotations

import copy

import pytest
import torch
from tiny_networks import SHAPE, STEPS, gene_spec, network_of, task

from spenser_gee.assessment.latency import latency
from spenser_gee.assessment.operations import count_operations
from spenser_gee.assessment.robustness import robustness
from spenser_gee.phenotype.words.training import Input
from spenser_gee.training.source import Source

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA GPU")

SPEC = gene_spec(input=Input("direct"))


def test_operations_are_those_of_the_cpu() -> None:
    network = network_of(SPEC)
    signal = torch.rand(STEPS, 6, *SHAPE, generator=torch.Generator().manual_seed(0)).round()
    here = count_operations(network, [signal])
    there = count_operations(copy.deepcopy(network).to("cuda"), [signal.to("cuda")])
    assert [layer.signal for layer in there.layers] == [layer.signal for layer in here.layers]
    # A sum that is rounded otherwise can move a spike.
    assert there.sops == pytest.approx(here.sops, rel=0.01)
    assert there.macs == here.macs
    assert there.spikes == pytest.approx(here.spikes, rel=0.01)


def test_robustness_is_that_of_the_cpu() -> None:
    fitness = task().fitness

    def accuracies(device: str) -> list[float]:
        source = Source(fitness.data.to(device), fitness.indices.to(device), 16, STEPS)
        network = network_of(SPEC).to(device)
        found = robustness(network, SPEC, source.once, 3, noise=(0.5,), drop=(0.3, 1.0))
        return [found.clean, *(x.accuracy for x in (*found.noise, *found.drop))]

    assert accuracies("cuda") == pytest.approx(accuracies("cpu"), abs=2 / 60)


def test_latency_names_the_device() -> None:
    network = network_of(SPEC).to("cuda")
    found = latency(network, torch.rand(1, 4, *SHAPE, device="cuda"), batch_size=8, repetitions=5)
    assert found.device.startswith("cuda")
    assert 0 < found.lower <= found.seconds <= found.upper
