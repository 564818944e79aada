"""What every data set promises."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from spenser_gee.data import Dataset, split

Load = Callable[[], Dataset]


class DatasetContract:
    """Override `load`: it reads the data set anew at each call."""

    @pytest.fixture
    def load(self) -> Load:
        raise NotImplementedError

    def test_images_are_bytes_of_one_shape(self, load: Load) -> None:
        data = load()
        for part in (data.train, data.test):
            assert part.images.dtype == torch.uint8
            assert part.images.shape == (len(part), *data.input_shape)
            assert len(part) > 0

    def test_the_whole_range_is_used(self, load: Load) -> None:
        images = load().train.images
        assert int(images.max()) > 127, "values of 0..1 or 0..16 in bytes are nearly black"
        assert images.flatten(1).float().std(1).max() > 0, "every image is of one grey"

    def test_labels_number_the_classes(self, load: Load) -> None:
        data = load()
        assert data.class_count >= 2
        assert len(set(data.classes)) == data.class_count
        assert all(isinstance(name, str) and name for name in data.classes)
        for part in (data.train, data.test):
            assert part.labels.dtype == torch.int64
            assert set(part.labels.tolist()) == set(range(data.class_count)), "every class is in both parts"

    def test_read_again_it_is_the_same(self, load: Load) -> None:
        first, second = load(), load()
        assert first.classes == second.classes
        for one, other in ((first.train, second.train), (first.test, second.test)):
            assert torch.equal(one.images, other.images)
            assert torch.equal(one.labels, other.labels)

    def test_global_generators_play_no_part(self, load: Load) -> None:
        before = torch.get_rng_state()
        load()
        assert torch.equal(torch.get_rng_state(), before)

    def test_the_search_can_divide_it(self, load: Load) -> None:
        data = load()
        parts = split(data.train.labels, 0)
        assert not set(parts.evo_train.tolist()) & set(parts.fitness.tolist())
        for part in (parts.evo_train, parts.fitness):
            assert set(data.train.labels[part].tolist()) == set(range(data.class_count))
