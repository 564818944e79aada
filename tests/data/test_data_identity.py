"""What data are, as it is recorded: the same for the same data, and every difference in words."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
import unicodedata

import pytest
import torch

from spenser_gee.data import Dataset, Identity, OtherData, Samples, chooses_data, require_same
from spenser_gee.errors import InputError


def part(count: int, seed: int = 0) -> Samples:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (count, 1, 3, 4), dtype=torch.uint8, generator=generator)
    return Samples.of_images(images, torch.arange(count) % 2)


def made(train: Samples | None = None, test: Samples | None = None, **values: object) -> Dataset:
    data = Dataset("made", train or part(6), test or part(4, seed=1), ("cat", "dog"))
    return dataclasses.replace(data, **values)  # type: ignore[arg-type]


def told(now: Dataset, before: Dataset | None = None) -> str:
    return "; ".join(Identity.of(before or made()).differences(Identity.of(now)))


def test_the_digest_is_that_of_the_labels_and_the_pixels() -> None:
    data = part(6)
    expected = hashlib.sha256(data.labels.numpy().tobytes() + data.images.numpy().tobytes()).hexdigest()
    assert Identity.of(made(train=data)).train.sha256 == expected


def test_it_is_the_same_after_json_and_in_whatever_layout_the_data_lie() -> None:
    identity = Identity.of(made())
    assert Identity.from_dict(json.loads(json.dumps(identity.to_dict()))) == identity
    turned = part(6)
    turned = Samples.of_images(turned.images.transpose(2, 3).contiguous().transpose(2, 3), turned.labels)
    assert not turned.images.is_contiguous()
    assert told(made(train=turned)) == ""


def test_every_difference_is_named() -> None:
    assert told(made(name="other")) == 'data set "made" before, "other" now'
    assert told(made(classes=("cat", "eel"))) == '2 classes before, 2 now, without "dog" and with a new "eel"'
    assert told(made(classes=("cat", "dog", "eel"))) == '2 classes before, 3 now, with a new "eel"'
    assert told(made(classes=("dog", "cat"))) == "the classes are in another order"
    assert told(made(train=part(7))) == "6 training samples before, 7 now"
    assert told(made(test=part(1)), made(test=part(1000))) == "1,000 test samples before, 1 now"
    wide = Samples.of_images(torch.zeros(6, 1, 3, 5, dtype=torch.uint8), torch.zeros(6, dtype=torch.int64))
    assert told(made(train=wide, test=wide)).startswith(
        "samples of shape 1 x 1 x 3 x 4 before, 1 x 1 x 3 x 5 now; "
    )


def test_equal_sizes_do_not_hide_other_contents() -> None:
    swapped = part(6)
    swapped.images[[1, 2]] = swapped.images[[2, 1]]
    assert told(made(train=swapped)) == "same classes and sizes, but other training samples or labels"
    labels = Samples.of_images(part(4, seed=1).images, 1 - part(4).labels)
    assert told(made(test=labels)) == "same classes and sizes, but other test samples or labels"
    assert "other training and test samples" in told(made(train=swapped, test=labels))


def test_many_new_classes_are_not_all_listed() -> None:
    names = tuple(f"class {number}" for number in range(100))
    assert told(made(classes=names)).endswith('"class 4" and 95 more')


def test_names_that_file_systems_change_are_the_same_and_any_name_can_be_recorded() -> None:
    composed = made(classes=("é", "dog"))
    decomposed = made(classes=(unicodedata.normalize("NFD", "é"), "dog"))
    assert told(composed, decomposed) == ""
    no_text = Identity.of(made(classes=("\udcff", "dog")))
    assert json.dumps(no_text.to_dict(), ensure_ascii=False).encode()
    assert no_text.classes == ("\\udcff", "dog")


def test_a_record_is_required_to_fit_where_there_is_one() -> None:
    now = Identity.of(made())
    require_same(None, now, "runs/x")
    require_same(now.to_dict(), now, "runs/x")
    with pytest.raises(OtherData, match=r"runs/x: .*other data.*6 training samples before, 7 now") as caught:
        require_same(now.to_dict(), Identity.of(made(train=part(7))), "runs/x")
    assert "--data-root" in caught.value.findings[0].remedy
    for damaged in ({}, {**now.to_dict(), "train": 5}, {**now.to_dict(), "classes": None}):
        with pytest.raises(InputError, match=r"runs/x: .*cannot be read"):
            require_same(damaged, now, "runs/x")


def test_who_names_data_does_not_mean_those_of_a_run() -> None:
    assert chooses_data(["seed=1", "data.dataset=mnist"])
    assert chooses_data([" data.channels = 3"])
    assert not chooses_data(["data.root=/there", "data.time_steps=2", "data.train_subset=100"])


def test_seventy_thousand_images_take_less_than_a_second() -> None:
    images = torch.zeros(60_000, 1, 28, 28, dtype=torch.uint8)
    data = Dataset(
        "big",
        Samples.of_images(images, torch.zeros(60_000, dtype=torch.int64)),
        Samples.of_images(images[:10_000], torch.zeros(10_000, dtype=torch.int64)),
        ("a",),
    )
    begun = time.process_time()
    Identity.of(data)
    assert time.process_time() - begun < 1.0
