"""Shapes, parameters and operations of planned networks against torch and closed forms; why a plan fails."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from spenser_gee.network.build import build_network
from spenser_gee.phenotype.features import species
from spenser_gee.phenotype.plan import INPUT, EncodingKey, Plan, plan_network
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.layers import (
    LIF,
    AdaptivePool,
    AvgPool,
    BatchNorm,
    Conv,
    FullyConnected,
    GlobalPool,
    Layer,
    MaxPool,
    Skip,
)
from spenser_gee.phenotype.words.site import Infeasible
from spenser_gee.phenotype.words.training import Genes

HEAD: tuple[Layer, ...] = (FullyConnected(units=0), LIF())


def plan_of(
    *units: tuple[Layer, ...], shape: tuple[int, int, int] = (3, 12, 10), classes: int = 10, genes: int = 8
) -> Plan:
    return plan_network(NetworkSpec(units=units, genes=Genes(genes)), shape, classes)


@settings(max_examples=100, deadline=None)
@given(
    kernel=st.integers(1, 5), stride=st.integers(1, 4), height=st.integers(5, 14), width=st.integers(5, 14)
)
def test_valid_convolution_has_torchs_shape(kernel: int, stride: int, height: int, width: int) -> None:
    plan = plan_of(
        (Conv(filters=4, kernel=kernel, stride=stride, padding="valid"), LIF()),
        HEAD,
        shape=(2, height, width),
    )
    with torch.device("meta"):
        real = nn.Conv2d(2, 4, kernel, stride)(torch.empty(1, 2, height, width))
    assert plan.layers[0].output == tuple(real.shape[1:])
    assert plan.layers[0].parameters == 4 * 2 * kernel**2 + 4


@pytest.mark.parametrize(
    ("layer", "real"),
    [
        (MaxPool(size=3), nn.MaxPool2d(3)),
        (AvgPool(size=2), nn.AvgPool2d(2)),
        (AdaptivePool(size=4), nn.AdaptiveAvgPool2d(4)),
        (GlobalPool(), nn.AdaptiveAvgPool2d(1)),
        (Conv(filters=5, kernel=4), nn.Conv2d(3, 5, 4, padding="same")),
        (BatchNorm(), nn.BatchNorm2d(3)),
    ],
)
@pytest.mark.parametrize("size", [(12, 10), (7, 9)])
def test_layers_have_torchs_shapes_and_parameters(
    layer: Layer, real: nn.Module, size: tuple[int, int]
) -> None:
    planned = plan_of((layer,), HEAD, shape=(3, *size)).layers[0]
    assert planned.output == tuple(real(torch.zeros(2, 3, *size)).shape[1:])
    assert planned.parameters == sum(p.numel() for p in real.parameters())


def test_same_padding_with_a_stride_rounds_up() -> None:
    for stride, expected in ((1, (12, 10)), (2, (6, 5)), (3, (4, 4)), (8, (2, 2))):
        plan = plan_of((Conv(filters=2, stride=stride), LIF()), HEAD)
        assert plan.layers[0].output[1:] == expected


def test_small_inputs_are_not_enlarged_by_an_adaptive_pool() -> None:
    assert plan_of((AdaptivePool(size=11),), HEAD).layers[0].output == (3, 11, 10)


def test_operations_equal_torchs_count() -> None:
    plan = plan_of(
        (Conv(filters=6, stride=2), MaxPool(), LIF()),
        (Conv(filters=9, kernel=2, padding="valid"), Skip(back=1), LIF()),
        (FullyConnected(units=20), LIF()),
        HEAD,
    )
    network = build_network(plan, 3, seed=0).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.rand(3, 2, 3, 12, 10))
    # One multiply-accumulate is two operations; T = 3, B = 2.
    assert counter.get_total_flops() == 2 * plan.macs * 3 * 2
    assert plan.neurons == sum(
        int(torch.tensor(p.output).prod()) for p in plan.layers if isinstance(p.layer, LIF)
    )


@settings(max_examples=60, deadline=None)
@given(channels=st.lists(st.integers(1, 40), min_size=2, max_size=6), genes=st.integers(1, 30))
def test_parameters_of_a_gene_coded_chain_in_closed_form(channels: list[int], genes: int) -> None:
    coded = [(Conv(filters=c, bias=False, weights="gene"), BatchNorm(), LIF()) for c in channels]
    plan = plan_of(*coded, (GlobalPool(), *HEAD), genes=genes)
    total, first, last = sum(channels), channels[0], channels[-1]
    head = last * 10 + 10
    assert plan.parameters == 9 * genes * total + genes**2 + 27 * first + 2 * total + head
    pairs = zip([3, *channels], channels, strict=False)
    assert plan.dense_parameters == sum(9 * a * b for a, b in pairs) + 2 * total + head


def test_first_layer_and_layers_that_read_the_input_are_direct() -> None:
    plan = plan_of(
        (Conv(filters=4, weights="gene"), LIF()),
        (Conv(filters=4, weights="gene"), Skip(back=2, mode="concat"), LIF()),
        (Conv(filters=4, weights="gene"), LIF()),
        HEAD,
    )
    coded = [p.gene_coded for p in plan.layers if isinstance(p.layer, Conv)]
    assert coded == [False, True, False]
    assert plan.layers[2].gene_in == (EncodingKey(0, 4, 9, 1),)
    assert all(key.population != INPUT for key in plan.encodings)


def test_each_kernel_size_of_a_population_has_its_encoding() -> None:
    plan = plan_of(
        (Conv(filters=4), LIF()),
        (Conv(filters=6, weights="gene"), LIF()),
        (Conv(filters=5, kernel=5, weights="gene"), LIF()),
        (FullyConnected(units=7, weights="gene"), LIF()),
        HEAD,
        genes=3,
    )
    assert set(plan.encodings) == {
        EncodingKey(0, 4, 9, 1),
        EncodingKey(2, 6, 9, 1),
        EncodingKey(2, 6, 25, 1),
        EncodingKey(4, 5, 25, 1),
        EncodingKey(4, 5, 1, 120),
        EncodingKey(6, 7, 1, 1),
    }
    assert plan.gene_parameters == 9 + 3 * (4 * 9 + 6 * 9 + 6 * 25 + 5 * 25 + 5 * 120 + 7)


def test_concatenation_carries_its_populations_in_order() -> None:
    plan = plan_of(
        (Conv(filters=4), LIF()),
        (Conv(filters=6), Skip(back=1, mode="concat"), LIF()),
        (Conv(filters=5, weights="gene"), LIF()),
        HEAD,
    )
    assert plan.layers[3].output == (10, 12, 10)
    coded = plan.layers[5]
    assert [(key.population, key.channels) for key in coded.gene_in] == [(2, 6), (0, 4)]
    assert coded.fan_in == 90


def test_skip_joins_are_planned() -> None:
    plan = plan_of((Conv(filters=4), LIF()), (Conv(filters=4, stride=2), Skip(back=1), LIF()), HEAD)
    step = plan.layers[3]
    assert step.join is not None
    assert (step.join.source, step.join.source_shape) == (0, (4, 12, 10))
    assert step.join.resample == (6, 5)
    assert step.join.project
    assert step.parameters == 16
    same = plan_of((Conv(filters=4), LIF()), (Conv(filters=4), Skip(back=1), LIF()), HEAD).layers[3]
    assert same.join is not None
    assert (same.join.resample, same.join.project, same.parameters) == (None, False, 0)


@pytest.mark.parametrize(
    ("units", "reason"),
    [
        (((Conv(), MaxPool(size=16), LIF()), HEAD), "pool-max size=16 leaves nothing of 32 x 12 x 10"),
        (((AvgPool(size=11), Conv(), LIF()), HEAD), "pool-avg size=11 leaves nothing of 3 x 12 x 10"),
        (
            ((Conv(kernel=11, padding="valid"), LIF()), HEAD),
            "conv kernel=11 padding=valid leaves nothing of 3 x 12 x 10",
        ),
        (((Conv(),), (FullyConnected(units=0),)), "no lif layer"),
        (((GlobalPool(), LIF()),), "no conv or fc layer"),
        (((Conv(), LIF()),), r"ends with 32 x 12 x 10 outputs, expected 10 .*units=classes"),
        (((FullyConnected(units=7), LIF()),), "ends with 7 x 1 x 1 outputs, expected 10"),
        (((Conv(), Skip(back=2), LIF()), HEAD), "skip back=2 in unit 1 reaches no earlier unit"),
        (((Conv(), Skip(back=0), LIF()), HEAD), "skip back=0 in unit 1 reaches no earlier unit"),
        ((), "no lif layer"),
    ],
)
def test_reasons_why_a_network_cannot_be_built(units: tuple[tuple[Layer, ...], ...], reason: str) -> None:
    with pytest.raises(Infeasible, match=reason):
        plan_of(*units)


def test_a_species_is_the_layers_with_weights_whatever_they_are_like() -> None:
    conv = (Conv(filters=4, kernel=3), BatchNorm(), LIF(), MaxPool(size=2))
    assert species(plan_of(conv, HEAD)) == "Conv FullyConnected"
    assert species(plan_of((Conv(filters=9, kernel=2), LIF()), HEAD)) == "Conv FullyConnected"
    assert species(plan_of(conv, conv, HEAD)) == "Conv Conv FullyConnected"
    assert species(plan_of(HEAD)) == "FullyConnected"
