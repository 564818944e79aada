"""Dead networks: the layer at fault is named, and a layer that signals go around is no fault."""

from __future__ import annotations

import math

import pytest
import torch
from tiny_networks import HEAD, dropout_spec, gene_spec, gene_unit, network_of
from torch import Tensor

from spenser_gee.network.build import Output, SpikingNetwork
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.layers import LIF, BatchNorm, Conv, FullyConnected, Layer, Skip
from spenser_gee.training.liveness import dead_reason, probe

SILENT = LIF(threshold=100.0)


def signal(batch: int = 8) -> Tensor:
    return torch.rand(4, batch, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def reason(*units: tuple[Layer, ...]) -> str | None:
    return dead_reason(probe(network_of(NetworkSpec(units)), signal()))


def saturated(network: SpikingNetwork, layer: int) -> None:
    with torch.no_grad():
        network.layers[layer].bias.fill_(1e4)


def test_a_living_network() -> None:
    assert reason((Conv(filters=5), BatchNorm(), LIF(threshold=0.5)), HEAD) is None


@pytest.mark.parametrize("position", [1, 2, 3])
def test_the_first_silent_layer_is_named(position: int) -> None:
    hidden = [(Conv(filters=5), BatchNorm(), LIF(beta=0.9, threshold=0.3)) for _ in range(3)]
    hidden[position - 1] = (Conv(filters=5), BatchNorm(), SILENT)
    assert reason(*hidden, HEAD) == f"silent: lif layer {position} of 4 never fires"


def test_a_saturated_layer_is_named() -> None:
    network = network_of(NetworkSpec(((Conv(filters=5), LIF()), (Conv(filters=5), LIF(reset="none")), HEAD)))
    saturated(network, 2)
    assert dead_reason(probe(network, signal())) == "saturated: lif layer 2 of 3 always fires"


def test_a_silent_layer_with_a_way_around_is_not_dead() -> None:
    first = (Conv(filters=5), BatchNorm(), LIF(threshold=0.3))
    silent = (Conv(filters=5), SILENT)
    assert reason(first, silent, HEAD) is not None
    assert (
        reason(first, silent, (Skip(back=2), Conv(filters=5), BatchNorm(), LIF(threshold=0.3)), HEAD) is None
    )
    assert reason(first, silent, (Skip(back=2, mode="concat"), *HEAD)) is None


def test_an_output_membrane_that_lives_below_the_threshold_is_not_dead() -> None:
    # Its neurons do not fire yet, but what they would fire for is there: training can raise it.
    assert reason((FullyConnected(units=0), SILENT)) is None


def test_outputs_that_are_not_finite_or_equal() -> None:
    rates = torch.tensor([0.5, 0.5])
    bad = torch.zeros(3, 2, 10)
    bad[1, 1, 3] = math.nan
    assert dead_reason(Output(bad, bad, rates)) == "the output membrane is not finite"
    assert dead_reason(Output(bad, torch.ones(3, 2, 10), rates)) == "the outputs are the same for all inputs"


@pytest.mark.parametrize("training", [True, False])
def test_probing_keeps_the_mode_and_leaves_no_gradient(training: bool) -> None:
    network = network_of(dropout_spec()).train(training)
    output = probe(network, signal())
    assert network.training is training
    assert not output.spikes.requires_grad
    assert output.membrane is not None
    assert output.rates is not None


def test_it_is_judged_as_in_training() -> None:
    # The running statistics of birth would leave these neurons silent; those of the batch do not.
    network = network_of(gene_spec(gene_unit(6))).eval()
    tiny = signal() * 1e-2
    assert dead_reason(probe(network, tiny)) is None
    with torch.no_grad():
        assert network(tiny, rates=True).rates[0] < 0.01
