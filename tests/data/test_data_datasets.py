from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from spenser_gee.config import Data
from spenser_gee.data import DATASET_NAMES, Dataset, Samples, canonical_name, load_dataset, resolve_data
from spenser_gee.errors import InputError


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("FashionMNIST", "fashion-mnist"),
        ("Fashion-MNIST", "fashion-mnist"),
        ("fashion_mnist", "fashion-mnist"),
        ("fmnist", "fashion-mnist"),
        ("MNIST", "mnist"),
        ("CIFAR10", "cifar10"),
        ("CIFAR-10", "cifar10"),
        ("cifar_100", "cifar100"),
        ("load_digits", "digits"),
        ("ImageFolder", "image-folder"),
        *((name, name) for name in DATASET_NAMES),
    ],
)
def test_usual_spellings(spelling: str, name: str) -> None:
    assert canonical_name(spelling) == name


def test_unknown_name_gives_the_nearest_and_the_list() -> None:
    with pytest.raises(InputError) as caught:
        load_dataset("fashon-mnist", None)
    message = str(caught.value)
    assert 'did you mean "fashion-mnist"?' in message
    assert all(name in message for name in DATASET_NAMES)


def test_root_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPENSER_GEE_DATA", "/from/environment")

    def root(explicit: str | None, config: str | None) -> str | None:
        return resolve_data(Data(dataset="digits", root=config), explicit).root

    assert root("/explicit", "/config") == "/explicit"
    assert root(None, "/config") == "/config"
    assert root(None, None) == "/from/environment"
    assert root(None, "~/data") == str((Path.home() / "data").resolve())
    monkeypatch.setenv("SPENSER_GEE_DATA", "")
    assert root(None, None) is None


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10", "cifar100", "image-folder"])
@pytest.mark.parametrize("download", [False, True])
def test_no_root_is_one_message(name: str, download: bool) -> None:
    with pytest.raises(InputError) as caught:
        load_dataset(name, None, download)
    assert len(caught.value.findings) == 1
    assert "--data-root" in str(caught.value)
    assert "SPENSER_GEE_DATA" in str(caught.value)


def test_folder_options_are_refused_elsewhere() -> None:
    with pytest.raises(InputError, match="image-folder"):
        load_dataset("digits", None, image_size=16)


def test_digits() -> None:
    from sklearn.datasets import load_digits

    data = load_dataset("digits", None)
    assert data.input_shape == (1, 8, 8)
    assert data.class_count == 10
    assert (len(data.train), len(data.test)) == (1438, 359)
    bunch = load_digits()
    # Every image of the original is in exactly one part, with its label.
    original = sorted(
        (int(y), x.tobytes()) for x, y in zip(bunch.images.astype(np.uint8), bunch.target, strict=True)
    )
    ours = []
    for part in (data.train, data.test):
        back = (part.images[:, 0].double() * 16 / 255).round().to(torch.uint8).numpy()
        ours += [(int(y), x.tobytes()) for x, y in zip(back, part.labels, strict=True)]
    assert sorted(ours) == original
    assert int(data.train.images.max()) == 255
    sizes = np.bincount(bunch.target)
    shares = data.test.labels.bincount().numpy()
    assert np.all(np.abs(shares - 0.2 * sizes) < 1)


def test_digits_are_the_same_every_time() -> None:
    first, second = load_dataset("digits", None), load_dataset("digits", Path("unused"))
    assert torch.equal(first.test.images, second.test.images)
    assert torch.equal(first.train.labels, second.train.labels)


def test_image_data_refuses_wrong_types_and_counts() -> None:
    images, labels = torch.zeros(3, 1, 2, 2, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64)
    assert len(Samples.of_images(images, labels)) == 3
    for wrong in (
        (images.float(), labels),
        (images[:, 0], labels),
        (images, labels[:2]),
        (images, labels.int()),
    ):
        with pytest.raises(ValueError, match="expected"):
            Samples.of_images(*wrong)
    other = Samples.of_images(torch.zeros(3, 3, 2, 2, dtype=torch.uint8), labels)
    with pytest.raises(ValueError, match="one shape"):
        Dataset("x", Samples.of_images(images, labels), other, ("a",))


def _real_root(folder: str) -> Path:
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    for root in (os.environ.get("SPENSER_GEE_DATA"), str(beside)):
        if root and (Path(root) / folder).is_dir():
            return Path(root)
    pytest.skip(f"no {folder}/ in $SPENSER_GEE_DATA or in shared/data beside the repository")


@pytest.mark.parametrize(
    ("name", "folder", "train", "test"),
    [
        ("fashion-mnist", "FashionMNIST", [6000] * 10, [1000] * 10),
        (
            "mnist",
            "MNIST",
            [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
            [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
        ),
    ],
)
def test_real_data(name: str, folder: str, train: list[int], test: list[int]) -> None:
    data = load_dataset(name, _real_root(folder))
    assert data.input_shape == (1, 28, 28)
    assert data.class_count == 10
    assert data.train.labels.bincount().tolist() == train
    assert data.test.labels.bincount().tolist() == test
    raw = (_real_root(folder) / folder / "raw" / "t10k-images-idx3-ubyte").read_bytes()
    assert data.test.images.numpy().tobytes() == raw[16:]
