"""Disturbances are what they say, the same for every network and batch size, and leave nothing behind."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
import pytest
import torch
from tiny_networks import STEPS, equal_states, gene_spec, gene_unit, network_of, task
from torch import Tensor

from spenser_gee.assessment.robustness import Level, losing_spikes, noisy_batches, noisy_images, robustness
from spenser_gee.data.batches import Batch
from spenser_gee.errors import InputError
from spenser_gee.phenotype.words.layers import LIF, AvgPool, Conv, FullyConnected, MaxPool
from spenser_gee.phenotype.words.training import CEMembrane, Input
from spenser_gee.rng import stream
from spenser_gee.training.measure import measure
from spenser_gee.training.source import Source
from spenser_gee.training.stimulus import Stimulus

DIRECT = gene_spec(input=Input("direct"))


def images(count: int = 6) -> Tensor:
    return torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def batches(size: int = 8) -> Iterator[Batch]:
    """60 digits in batches of 4 * size."""
    return Source(task().fitness.data, task().fitness.indices, size, STEPS).once()


@pytest.mark.parametrize("coding", ["direct", "rate", "latency"])
def test_level_0_is_what_measure_says(coding: str) -> None:
    spec = gene_spec(input=Input(coding))
    network = network_of(spec)
    found = robustness(network, spec, batches, 7, noise=(0.0,), drop=(0.0,))
    stimulus = Stimulus(spec, STEPS, 7, torch.device("cpu"), augment=False)
    measured = measure(network, spec, batches(), stimulus)
    assert (found.clean, found.count) == (measured.accuracy, 60)
    assert found.noise == found.drop == (Level(0.0, measured.accuracy),)


def test_the_norm_of_the_noise_is_exact() -> None:
    given = images().unsqueeze(1)
    given[2] = 0.0
    noisy = noisy_images(given, DIRECT, 0.5, stream(0, "noise"))
    norms = (noisy - given).flatten(1).norm(dim=1) / given.flatten(1).norm(dim=1)
    kept = [0, 1, 3, 4, 5]
    assert norms[kept].tolist() == pytest.approx([0.5] * 5, rel=1e-5)
    assert torch.equal(noisy[2], given[2])  # a dark image has no norm to take a share of
    assert noisy.min() < 0
    assert noisy.max() > 1
    assert len(np.unique((noisy - given)[kept].numpy())) > 5 * 60


@pytest.mark.parametrize("coding", ["rate", "latency"])
def test_where_values_are_probabilities_or_times_they_stay_between_0_and_1(coding: str) -> None:
    free = noisy_images(images().unsqueeze(1), DIRECT, 0.5, stream(0, "noise"))
    cut = noisy_images(images().unsqueeze(1), gene_spec(input=Input(coding)), 0.5, stream(0, "noise"))
    assert torch.equal(cut, free.clamp(0, 1))


def test_levels_differ_in_size_only_and_batches_play_no_part() -> None:
    whole = torch.cat([noisy for noisy, _ in noisy_batches(batches(15), DIRECT, 0.5, 3)])
    for size in (1, 2, 4):
        parts = torch.cat([noisy for noisy, _ in noisy_batches(batches(size), DIRECT, 0.5, 3)])
        assert torch.equal(parts, whole)
    clean = torch.cat([given for given, _ in batches()])
    double = torch.cat([noisy for noisy, _ in noisy_batches(batches(), DIRECT, 1.0, 3)])
    assert torch.allclose(double - clean, 2 * (whole - clean), atol=1e-5)
    other = torch.cat([noisy for noisy, _ in noisy_batches(batches(15), DIRECT, 0.5, 4)])
    assert not torch.allclose(other, whole, atol=0.01)


def test_the_same_seed_gives_the_same_result_for_every_batch_size() -> None:
    network = network_of(DIRECT)
    found = [robustness(network, DIRECT, lambda size=size: batches(size), 1) for size in (1, 4, 15, 15)]
    assert found[0] == found[1] == found[2] == found[3]
    assert len({level.accuracy for level in (*found[0].noise, *found[0].drop)}) > 1
    assert robustness(network, DIRECT, batches, 2) != found[0]


@pytest.mark.parametrize("pool", [None, MaxPool(), AvgPool()])
def test_each_spike_is_lost_with_this_probability(pool: MaxPool | AvgPool | None) -> None:
    """The spikes that a layer passes on are a part of those that it fires, before any pooling."""
    unit = (Conv(filters=8), LIF(threshold=0.2), *([pool] if pool else []))
    spec = gene_spec(unit, gene_unit(6), input=Input("direct"))
    network = network_of(spec).eval()
    signal = images(16)[None]
    fired, passed = [], []
    before = network.layers[1].register_forward_hook(lambda m, i, output: fired.append(output[0]))
    with losing_spikes(network, 0.3, 0), torch.no_grad():
        after = network.layers[1].register_forward_hook(lambda m, i, output: passed.append(output[0]))
        network(signal, rates=True)
        after.remove()
    before.remove()
    assert set(passed[0].unique().tolist()) == {0.0, 1.0}
    assert (passed[0] <= fired[0]).all()
    count = fired[0].sum().item()
    deviation = (0.3 * 0.7 / count) ** 0.5
    assert abs(1 - passed[0].sum().item() / count - 0.3) < 4 * deviation
    # The layers behind see what was passed on, pooled if they pool.
    seen = []
    with losing_spikes(network, 0.3, 0), torch.no_grad():
        behind = 3 if pool else 2
        network.layers[behind].register_forward_pre_hook(lambda m, inputs: seen.append(inputs[0]))
        network(signal, rates=True)
    expected = passed[0].flatten(0, 1)
    if pool is not None:
        expected = network.layers[2](expected, STEPS)
    assert torch.equal(seen[0], expected)


def test_pooled_spikes_cannot_be_lost() -> None:
    spec = gene_spec((Conv(filters=8), LIF(), MaxPool()), input=Input("direct"))
    network = network_of(spec).eval()
    with losing_spikes(network, 0.3, 0), pytest.raises(ValueError, match="run with rates=True"):
        network(images()[None])


def test_all_lost_is_silence() -> None:
    spec = gene_spec((Conv(filters=8), LIF(threshold=0.1)), input=Input("direct"))
    network = network_of(spec).eval()
    with losing_spikes(network, 1.0, 0), torch.no_grad():
        output = network(images()[None], rates=True)
    assert output.spikes.sum() == 0
    with torch.no_grad():
        assert network(images()[None]).spikes.sum() > 0
    zeros = (task().fitness.data.labels[task().fitness.indices] == 0).double().mean().item()
    found = robustness(network, spec, batches, 0, noise=(), drop=(1.0,))
    assert found.drop[0].accuracy == pytest.approx(zeros)  # ties go to the lowest class


def test_what_is_lost_behind_the_output_membrane_does_not_touch_it() -> None:
    spec = gene_spec((FullyConnected(units=20), LIF()), input=Input("direct"), loss=CEMembrane())
    network = network_of(spec).eval()
    last = len(network.layers) - 1
    with torch.no_grad():
        clean = network(images()[None], membrane=True)
        with losing_spikes(network, 0.5, 0):
            for index in range(last):
                network.layers[index]._forward_hooks.clear()
            lossy = network(images()[None], membrane=True, rates=True)
    assert torch.equal(lossy.membrane, clean.membrane)
    assert not torch.equal(lossy.spikes, clean.spikes)


def test_the_network_stays_as_it_was_and_the_result_is_json() -> None:
    network = network_of(DIRECT).train()
    before = copy.deepcopy(network)
    found = robustness(network, DIRECT, batches, 0)
    assert network.training
    assert equal_states(network, before)
    assert all(not module._forward_hooks for module in network.modules())
    assert [level.level for level in found.noise] == [0.1, 0.25, 0.5, 0.75, 1.0]
    values = json.loads(json.dumps(asdict(found)))
    assert values["noise"][2] == {"level": 0.5, "accuracy": found.noise[2].accuracy}


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ({"noise": (-0.1,)}, "robustness, noise: expected levels from 0"),
        ({"noise": (float("inf"),)}, "robustness, noise"),
        ({"drop": (0.5, 1.5)}, "robustness, drop: expected levels from 0 to 1, found 1.5"),
        ({"drop": (float("nan"),)}, "robustness, drop"),
    ],
)
def test_levels_that_are_none(levels: dict[str, tuple[float, ...]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        robustness(network_of(DIRECT), DIRECT, batches, 0, **levels)
