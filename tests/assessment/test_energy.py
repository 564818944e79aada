"""The figures for operations that are counted by hand, and what each of them does not see."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import hand_counted
import pytest
import torch

from spenser_gee.assessment.energy import Costs, energy
from spenser_gee.assessment.operations import Operations, count_operations
from spenser_gee.errors import InputError


def operations() -> Operations:
    """19 + 6 synaptic operations, 40 updates; conv: 162 dense, fc: 36 dense with 1/12 spikes per input and step."""
    return count_operations(hand_counted.network(), [hand_counted.spikes()])


def test_all_figures_by_hand() -> None:
    found = energy(operations())
    assert found.gee_eq17 == pytest.approx(4.6 * 162 + 0.9 * 2 * 36 / 12)
    arithmetic = 4.6 * 40 + 0.9 * 25
    assert found.operations == pytest.approx(arithmetic)
    # Everything lies in 8 KB at 5 pJ: 25 weights; 2 accesses for each of 25 accumulates and 40 updates.
    assert found.with_memory == pytest.approx(arithmetic + 5 * (25 + 2 * 25 + 2 * 40))
    assert found.dense_ann == pytest.approx(4.6 * 198)
    assert json.loads(json.dumps(asdict(found))) == asdict(found)


def test_an_image_is_paid_in_multiplications() -> None:
    image = torch.zeros(1, 1, 1, 3, 3)
    image[0, 0, 0, 1, 1] = 0.5  # 9 x 2 products; filter A and B give 0.5: below 0.9 at both steps (0.5, 0.75)
    counted = count_operations(hand_counted.network(), [image])
    assert (counted.macs, counted.sops, counted.spikes) == (18.0, 0.0, 0.0)
    assert energy(counted).operations == pytest.approx(4.6 * (18 + 40))
    assert energy(counted.every_step()).operations == pytest.approx(4.6 * (36 + 40))
    # Eq. 17 takes no notice of how often, or how much of the image is dark.
    assert energy(counted).gee_eq17 == energy(counted.every_step()).gee_eq17 == pytest.approx(4.6 * 162)


def test_projections_are_later_convolutions_and_no_convolution_is_no_term() -> None:
    counted = operations()
    conv, fc = counted.layers
    projected = replace(counted, layers=(conv, replace(conv, index=1, word="skip", rate=0.5), fc))
    extra = energy(projected).gee_eq17 - energy(counted).gee_eq17
    assert extra == pytest.approx(0.9 * 2 * 162 * 0.5)
    assert energy(replace(counted, layers=(fc,))).gee_eq17 == pytest.approx(0.9 * 2 * 3)


@pytest.mark.parametrize(
    ("words", "cost"),
    [
        (2048, 5.0),
        (2049, 10.0),
        (8192, 10.0),
        (8193, 50.0),
        (262144, 50.0),
        (262145, 650.0),
    ],
)
def test_memory_is_chosen_by_size(words: int, cost: float) -> None:
    assert Costs().access(words) == cost
    layer = replace(operations().layers[1], weights=words)
    only = replace(operations(), layers=(layer,), neurons=())
    found = energy(only)
    assert found.with_memory - found.operations == pytest.approx(6 * cost + 12 * 5)


def test_costs_can_be_set() -> None:
    free = Costs(memory_8_kb=0.0)
    assert energy(operations(), free).with_memory == energy(operations(), free).operations
    assert energy(operations(), Costs(mac=1.0, ac=10.0)).operations == pytest.approx(40 + 250)
    assert energy(operations(), Costs(dram=1.0)) == energy(operations())


@pytest.mark.parametrize("cost", [-1.0, float("nan"), float("inf")])
def test_costs_that_are_none(cost: float) -> None:
    with pytest.raises(InputError, match="cost ac: expected picojoules, 0 or more"):
        Costs(ac=cost)
