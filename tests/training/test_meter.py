"""The learning curve's entries: what they hold, and when they can be read."""

from __future__ import annotations

import math

import torch
from torch import nn

from spenser_gee.training.meter import Entry, Meter

WEIGHTS = [nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(2))]


def add(meter: Meter, loss: float, right: int, images: int) -> None:
    meter.add(torch.tensor(loss), torch.tensor(right), images)


def test_entries_are_means_over_steps_and_over_images() -> None:
    meter = Meter(WEIGHTS, every=2)
    add(meter, 1.0, 3, 8)
    assert meter.read(1) == []
    add(meter, 3.0, 4, 6)
    assert meter.read(2) == [Entry(2, 2.0, 7 / 14, True)]
    add(meter, 5.0, 1, 8)
    assert meter.read(3) == []
    assert meter.rest(3) == [Entry(3, 5.0, 1 / 8, True)]
    assert meter.rest(3) == []


def test_what_is_not_finite_shows() -> None:
    weights = [nn.Parameter(torch.ones(3)), nn.Parameter(torch.tensor([1.0, math.inf]))]
    meter = Meter(weights, every=1)
    add(meter, math.nan, 0, 4)
    [entry] = meter.read(1)
    assert math.isnan(entry.loss)
    assert not entry.finite
    # The next entry starts from nothing.
    add(meter, 1.0, 0, 4)
    assert meter.read(2)[0].loss == 1.0


def test_a_gpu_is_read_one_entry_later() -> None:
    # The device's part is played by a reading that is ready only when asked for.
    meter = Meter(WEIGHTS, every=1)
    meter._delay = 1
    for step in (1, 2, 3):
        add(meter, float(step), 0, 4)
        assert [entry.step for entry in meter.read(step)] == [step - 1][: step - 1]
    assert [entry.loss for entry in meter.rest(4)] == [3.0]
