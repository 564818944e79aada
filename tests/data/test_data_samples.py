"""Samples with time: images have one step and cost nothing more, recorded sequences stay as they are."""

from __future__ import annotations

import json

import pytest
import torch

from spenser_gee.data import Batches, Samples, SharedSamples, open_data

LABELS = torch.arange(3)


def test_images_get_their_time_without_a_copy() -> None:
    images = torch.zeros(3, 2, 4, 5, dtype=torch.uint8)
    data = Samples.of_images(images, LABELS)
    assert data.inputs.shape == (3, 1, 2, 4, 5)
    assert data.input_shape == (2, 4, 5)
    assert data.recorded_steps is None
    assert data.inputs.data_ptr() == data.images.data_ptr() == images.data_ptr()


def test_sequences_are_no_images() -> None:
    data = Samples(torch.zeros(3, 6, 2, 4, 5, dtype=torch.uint8), LABELS)
    assert data.recorded_steps == 6
    assert data.input_shape == (2, 4, 5)
    with pytest.raises(ValueError, match="sequences of 6 steps"):
        _ = data.images


def test_only_sequences_may_be_floats() -> None:
    assert len(Samples(torch.zeros(3, 6, 1, 2, 2), LABELS)) == 3
    for wrong in (
        torch.zeros(3, 1, 1, 2, 2),
        torch.zeros(3, 6, 1, 2, 2, dtype=torch.float64),
        torch.zeros(3, 6, 1, 2, 2, dtype=torch.int64),
    ):
        with pytest.raises(ValueError, match="expected images uint8, or sequences uint8 or float32"):
            Samples(wrong, LABELS)


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_batches_keep_counts_and_values(kind: torch.dtype) -> None:
    values = torch.arange(3 * 6 * 4).view(3, 6, 1, 2, 2).to(kind)
    ((inputs, labels),) = Batches(Samples(values, LABELS), torch.tensor([2, 0]), 5).epoch()
    assert inputs.dtype == torch.float32
    assert torch.equal(inputs, values[[2, 0]].float())
    assert labels.tolist() == [2, 0]


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_sequences_are_shared_by_their_values(kind: torch.dtype) -> None:
    data = Samples((100 * torch.rand(3, 6, 2, 4, 5)).to(kind), LABELS)
    shared = SharedSamples(data)
    mapped = open_data(json.loads(json.dumps(shared.handle)))
    assert mapped.inputs.dtype == kind
    assert torch.equal(mapped.inputs, data.inputs)
    assert torch.equal(mapped.labels, data.labels)
