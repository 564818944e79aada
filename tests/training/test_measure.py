"""Measuring: counts by hand, independent of the batch size, without a trace in the network."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from tiny_networks import STEPS, dropout_spec, equal_states, gene_spec, network_of, task

from spenser_gee.phenotype.words.training import CECount, CEMembrane, Input, Loss, MSECount
from spenser_gee.training.losses import loss_value, needs_membrane
from spenser_gee.training.measure import Measurement, measure
from spenser_gee.training.source import Source


@pytest.mark.parametrize("loss", [MSECount(), CECount(), CEMembrane()])
def test_equals_one_pass_by_hand(loss: Loss) -> None:
    spec = gene_spec(loss=loss, input=Input("direct"))
    network = network_of(spec)
    source = task().fitness
    found = measure(network, spec, source.once(), source.stimulus(spec, 0, augment=False))
    images = source.data.images[source.indices].float() / 255
    labels = source.data.labels[source.indices]
    with torch.no_grad():
        output = network.eval()(images[None], membrane=True, rates=True)
    values = output.membrane.sum(0) if needs_membrane(loss) else output.spikes.sum(0)
    assert found.count == len(labels) == 60
    # The first of equal values: argmax's own choice among them is not part of what is measured here.
    first = [row.tolist().index(max(row.tolist())) for row in values]
    right = sum(a == b for a, b in zip(first, labels.tolist(), strict=True))
    assert found.accuracy == pytest.approx(right / 60, abs=1 / 60 if needs_membrane(loss) else 1e-6)
    assert found.loss == pytest.approx(loss_value(loss, output, labels).item(), rel=1e-4)
    assert found.firing_rates == pytest.approx(output.rates.tolist(), abs=1e-5)


def test_the_batch_size_plays_no_part() -> None:
    spec = gene_spec(input=Input("direct"))
    network = network_of(spec)
    results = []
    for size in (1, 4, 15):
        source = Source(task().fitness.data, task().fitness.indices, size, STEPS)
        results.append(measure(network, spec, source.once(), source.stimulus(spec, 0, augment=False)))
    for other in results[1:]:
        assert other.accuracy == results[0].accuracy
        assert other.loss == pytest.approx(results[0].loss, rel=1e-5)
        assert other.firing_rates == pytest.approx(results[0].firing_rates, rel=1e-4)


@pytest.mark.parametrize("training", [True, False])
def test_the_network_stays_as_it_was(training: bool) -> None:
    spec = dropout_spec()
    network = network_of(spec).train(training)
    before = copy.deepcopy(network)
    source = task().fitness
    first = measure(network, spec, source.once(), source.stimulus(spec, 3, augment=True))
    assert network.training is training
    assert equal_states(network, before)
    assert all(parameter.grad is None for parameter in network.parameters())
    # Dropout is off: the same noise gives the same result.
    assert measure(network, spec, source.once(), source.stimulus(spec, 3, augment=True)) == first


def test_ties_go_to_the_lowest_class() -> None:
    spec = gene_spec()
    network = network_of(spec)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    source = task().fitness
    found = measure(network, spec, source.once(), source.stimulus(spec, 0, augment=False))
    zeros = (source.data.labels[source.indices] == 0).double().mean()
    assert found.accuracy == pytest.approx(float(zeros))
    assert set(found.firing_rates) == {0.0}


def test_standard_error() -> None:
    assert Measurement(0.8, 100, 0.0, ()).standard_error == pytest.approx(math.sqrt(0.16 / 100))
    assert Measurement(1.0, 50, 0.0, ()).standard_error == 0.0
