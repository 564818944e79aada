from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spenser_gee.data import Batch, Batches, Samples
from spenser_gee.data.batches import to_unit
from spenser_gee.errors import InputError


def numbered(count: int) -> Samples:
    """Image i is all i, label i."""
    images = torch.arange(count, dtype=torch.uint8)[:, None, None, None].expand(count, 2, 3, 4).contiguous()
    return Samples.of_images(images, torch.arange(count))


def training_batches(data: Samples, indices: torch.Tensor, batch_size: int, seed: int) -> Iterator[Batch]:
    return Batches(data, indices, batch_size, seed, keep_last=False).endless()


def evaluation_batches(data: Samples, indices: torch.Tensor, batch_size: int) -> Iterator[Batch]:
    return Batches(data, indices, batch_size).epoch()


def epochs_of(labels: list[list[int]], per_epoch: int) -> list[list[list[int]]]:
    return [labels[i : i + per_epoch] for i in range(0, len(labels), per_epoch)]


@settings(deadline=None)
@given(st.integers(2, 60), st.integers(1, 20), st.integers(0, 2**40))
def test_every_training_epoch_is_a_permutation(count: int, batch_size: int, seed: int) -> None:
    data, indices = numbered(100), torch.arange(20, 20 + count)
    rest = count % batch_size
    dropped = 1 if rest == 1 and batch_size > 1 else 0
    per_epoch = -(-count // batch_size) - dropped
    batches = training_batches(data, indices, batch_size, seed)
    labels = [y.tolist() for _, y in islice(batches, 3 * per_epoch)]
    for epoch in epochs_of(labels, per_epoch):
        seen = [y for batch in epoch for y in batch]
        assert len(seen) == len(set(seen)) == count - dropped
        assert set(seen) <= set(indices.tolist())
        assert [len(batch) for batch in epoch[:-1]] == [batch_size] * (per_epoch - 1)
        assert all(len(batch) >= 2 for batch in epoch) or batch_size == 1


def test_images_follow_their_labels_in_unit_range() -> None:
    data = numbered(50)
    for images, labels in islice(training_batches(data, torch.arange(50), 8, 3), 20):
        assert images.dtype == torch.float32
        assert images.shape == (len(labels), 1, 2, 3, 4)
        assert torch.allclose(images, (labels / 255)[:, None, None, None, None].expand_as(images))


def test_bytes_map_onto_zero_to_one() -> None:
    unit = to_unit(torch.arange(256, dtype=torch.uint8))
    assert unit[0] == 0
    assert unit[255] == 1
    assert torch.all(unit.diff() > 0)


def test_order_depends_on_seed_and_epoch_alone() -> None:
    data, indices = numbered(40), torch.arange(40)

    def drawn(seed: int) -> list[list[int]]:
        return [y.tolist() for _, y in islice(training_batches(data, indices, 16, seed), 9)]

    first = drawn(5)
    torch.manual_seed(1)
    assert drawn(5) == first
    assert drawn(6) != first
    assert first[:3] != first[3:6]
    # The batch size cuts the same order elsewhere.
    other = [y.tolist() for _, y in islice(training_batches(data, indices, 20, 5), 2)]
    assert list(chain(*other)) == list(chain(*first[:3]))


def test_global_generators_are_left_alone() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    next(training_batches(numbered(10), torch.arange(10), 4, 0))
    assert torch.equal(torch.get_rng_state(), before)


@given(st.integers(1, 50), st.integers(1, 60))
def test_evaluation_gives_every_image_once_in_order(count: int, batch_size: int) -> None:
    indices = torch.arange(count).flip(0) * 2
    batches = list(evaluation_batches(numbered(100), indices, batch_size))
    assert [y for _, labels in batches for y in labels.tolist()] == indices.tolist()
    assert [len(labels) for _, labels in batches[:-1]] == [batch_size] * (len(batches) - 1)


def test_steps_per_epoch() -> None:
    data = numbered(20)
    for count, kept, dropped in ((16, 2, 2), (17, 3, 2), (18, 3, 3)):
        indices = torch.arange(count)
        assert Batches(data, indices, 8, 0).steps_per_epoch == kept
        assert Batches(data, indices, 8, 0, keep_last=False).steps_per_epoch == dropped


def test_errors_come_at_the_call() -> None:
    data = numbered(5)
    with pytest.raises(InputError, match="batch size"):
        training_batches(data, torch.arange(5), 0, 0)
    # One image and a larger batch: every epoch would be empty, without end.
    with pytest.raises(InputError, match="enough samples"):
        training_batches(data, torch.arange(1), 4, 0)
    with pytest.raises(InputError, match="enough samples"):
        evaluation_batches(data, torch.arange(0), 4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_gives_the_same_batches_without_waiting() -> None:
    data, indices = numbered(40), torch.arange(40)
    expected = list(islice(training_batches(data, indices, 16, 5), 7))
    moved = data.to("cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        batches = list(islice(training_batches(moved, indices, 16, 5), 7))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for (images, labels), (cuda_images, cuda_labels) in zip(expected, batches, strict=True):
        assert torch.equal(images, cuda_images.cpu())
        assert torch.equal(labels, cuda_labels.cpu())
