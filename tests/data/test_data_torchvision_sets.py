from __future__ import annotations

import functools
import gzip
import hashlib
import os
import pickle
import struct
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spenser_gee.data import import_torchvision, load_dataset
from spenser_gee.errors import InputError

IDX_NAMES = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
]


def idx_files(folder: Path, seed: int = 0) -> dict[str, np.ndarray]:
    """Sound IDX files of 7 training and 3 test images."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for part, count in (("train", 7), ("t10k", 3)):
        arrays[f"{part}-images-idx3-ubyte"] = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        arrays[f"{part}-labels-idx1-ubyte"] = rng.integers(0, 10, count, dtype=np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        (folder / name).write_bytes(idx_bytes(array))
    return arrays


def idx_bytes(array: np.ndarray) -> bytes:
    return struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


@pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST"), ("fashion-mnist", "FashionMNIST")])
def test_idx_files_are_read(tmp_path: Path, name: str, folder: str) -> None:
    arrays = idx_files(tmp_path / folder / "raw")
    data = load_dataset(name, tmp_path)
    assert data.name == name
    for part, prefix in ((data.train, "train"), (data.test, "t10k")):
        assert part.images.dtype == torch.uint8
        assert np.array_equal(part.images[:, 0].numpy(), arrays[f"{prefix}-images-idx3-ubyte"])
        assert np.array_equal(part.labels.numpy(), arrays[f"{prefix}-labels-idx1-ubyte"])
    assert data.classes[9] == ("9" if name == "mnist" else "Ankle boot")


def test_an_old_processed_folder_is_not_used(tmp_path: Path) -> None:
    arrays = idx_files(tmp_path / "MNIST" / "raw")
    processed = tmp_path / "MNIST" / "processed"
    processed.mkdir()
    for name in ("training.pt", "test.pt"):
        (processed / name).write_bytes(b"not torch")
    data = load_dataset("mnist", tmp_path)
    assert np.array_equal(data.test.labels.numpy(), arrays["t10k-labels-idx1-ubyte"])


def test_missing_files_are_one_message(tmp_path: Path) -> None:
    folder = tmp_path / "FashionMNIST" / "raw"
    idx_files(folder)
    (folder / IDX_NAMES[0]).unlink()
    (folder / IDX_NAMES[3]).rename(folder / f"{IDX_NAMES[3]}.gz")
    with pytest.raises(InputError) as caught:
        load_dataset("fashion-mnist", tmp_path)
    message = str(caught.value)
    assert len(caught.value.findings) == 1
    for part in (
        IDX_NAMES[0],
        IDX_NAMES[3],
        str(folder),
        "--data-root",
        "SPENSER_GEE_DATA",
        "github.com/zalandoresearch/fashion-mnist",
        "--set data.download=true",
        "gunzip",
    ):
        assert part in message
    assert IDX_NAMES[1] not in message


@pytest.mark.parametrize("given", ["data/FashionMNIST", "data/FashionMNIST/raw", "."])
def test_a_root_one_level_off_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    idx_files(tmp_path / "data" / "FashionMNIST" / "raw")
    for root in (tmp_path / given, Path(given)):
        monkeypatch.chdir(tmp_path)
        hint = f"They are in {tmp_path}/data/FashionMNIST/raw: set the data root to {tmp_path}/data. "
        assert hint in missing("fashion-mnist", root)
    # MNIST's files have the same names.
    assert "They are in" not in missing("mnist", tmp_path / given)


def missing(name: str, root: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_dataset(name, root)
    assert len(caught.value.findings) == 1
    assert "missing" in str(caught.value)
    return str(caught.value)


def test_files_in_another_folder_are_to_be_moved(tmp_path: Path) -> None:
    idx_files(tmp_path / "archive")
    for root in (tmp_path, tmp_path / "archive"):
        hint = f"They are in {tmp_path}/archive: move them to {root}/MNIST/raw. "
        assert hint in missing("mnist", root)
        assert "Rename" not in missing("mnist", root)


def test_other_names_of_the_files_are_known(tmp_path: Path) -> None:
    folder = tmp_path / "MNIST" / "raw"
    idx_files(folder)
    (folder / IDX_NAMES[0]).rename(folder / "train-images.idx3-ubyte")
    (folder / IDX_NAMES[2]).rename(folder / "t10k-images.idx3-ubyte.gz")
    (folder / IDX_NAMES[3]).rename(folder / "x")
    (folder / IDX_NAMES[3]).mkdir()
    (folder / "x").rename(folder / IDX_NAMES[3] / IDX_NAMES[3])
    text = missing("mnist", tmp_path)
    for hint in (
        f"train-images.idx3-ubyte to {IDX_NAMES[0]}",
        f"t10k-images.idx3-ubyte.gz to {IDX_NAMES[2]}",
        "Unpack with gunzip: t10k-images.idx3-ubyte.gz. ",
        f"{IDX_NAMES[3]}/{IDX_NAMES[3]} to {IDX_NAMES[3]}. ",
        f"First give the folders of these names others: {IDX_NAMES[3]}. ",
    ):
        assert hint in text
    assert IDX_NAMES[1] not in text


@pytest.mark.parametrize("table", ["train.csv", "archive/fashion-mnist_train.csv"])
def test_tables_are_not_read(tmp_path: Path, table: str) -> None:
    (tmp_path / table).parent.mkdir(exist_ok=True)
    (tmp_path / table).write_text("label,pixel1")
    assert f"CSV files ({tmp_path / table}) are not read" in missing("mnist", tmp_path)


def test_a_packed_cifar_is_to_be_unpacked(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"")
    assert f"Unpack {tmp_path}/cifar-10-python.tar.gz in {tmp_path}" in missing("cifar10", tmp_path)
    assert "Unpack" not in missing("cifar100", tmp_path)


def test_a_root_that_is_no_folder(tmp_path: Path) -> None:
    assert f"{tmp_path}/absent is not there; expected a folder" in missing("mnist", tmp_path / "absent")
    (tmp_path / "train.csv").write_text("")
    assert f"{tmp_path}/train.csv is a file; expected a folder" in missing("mnist", tmp_path / "train.csv")


@pytest.mark.parametrize("name", [IDX_NAMES[0], IDX_NAMES[3]])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    unreadable = Path("/proc/self/mem")  # it is there, and its first bytes cannot be read
    if not unreadable.is_file():
        pytest.skip("this system has no /proc/self/mem")
    folder = tmp_path / "MNIST" / "raw"
    idx_files(folder)
    (folder / name).unlink()
    (folder / name).symlink_to(unreadable)
    with pytest.raises(InputError, match="cannot be read: Input/output error"):
        load_dataset("mnist", tmp_path)


def test_content_that_says_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "FashionMNIST" / "raw"
    idx_files(folder)
    (folder / IDX_NAMES[1]).write_bytes(idx_bytes(np.zeros(7, np.uint8)))
    (folder / IDX_NAMES[2]).write_bytes(idx_bytes(np.full((3, 28, 28), 9, np.uint8)))
    with pytest.raises(InputError) as caught:
        load_dataset("fashion-mnist", tmp_path)
    first, second = (str(finding) for finding in caught.value.findings)
    assert f'{tmp_path}: all 7 training images are of one class, "T-shirt/top"' in first
    assert f"{tmp_path}: all 3 test images are the same, with pixels in 9..9" in second


def short_by_one(data: bytes) -> bytes:
    return data[:-1]


def one_more(data: bytes) -> bytes:
    return data + b"\0"


def empty(data: bytes) -> bytes:
    return b""


def header_cut(data: bytes) -> bytes:
    return data[:6]


def wrong_magic(data: bytes) -> bytes:
    return b"\x00\x00\x0d\x03" + data[4:]


def packed(data: bytes) -> bytes:
    return gzip.compress(data)


def garbage(data: bytes) -> bytes:
    return b"<html>404 Not Found</html>"


def huge_header(data: bytes) -> bytes:
    return data[:4] + b"\xff" * (len(data) - 4)


@pytest.mark.parametrize("name", IDX_NAMES)
@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (short_by_one, "bytes for the shape"),
        (one_more, "bytes for the shape"),
        (empty, "empty"),
        (header_cut, "cut off"),
        (wrong_magic, "expected an IDX file"),
        (packed, "unpack it"),
        (garbage, "expected an IDX file"),
        (huge_header, "bytes for the shape"),
    ],
)
def test_damaged_idx_files_are_named(tmp_path: Path, name: str, damage: Any, problem: str) -> None:
    folder = tmp_path / "MNIST" / "raw"
    idx_files(folder)
    file = folder / name
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(InputError) as caught:
        load_dataset("mnist", tmp_path)
    assert [finding.place.file for finding in caught.value.findings] == [str(file)]
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("name", "array", "problem"),
    [
        (IDX_NAMES[1], np.zeros(6, np.uint8), "6 labels and 7 images"),
        (IDX_NAMES[1], np.full(7, 10, np.uint8), "expected labels 0..9, found 10..10"),
        (IDX_NAMES[2], np.zeros((3, 14, 14), np.uint8), "28 x 28"),
        (IDX_NAMES[2], np.zeros((0, 28, 28), np.uint8), "one or more"),
    ],
)
def test_foreign_idx_content(tmp_path: Path, name: str, array: np.ndarray, problem: str) -> None:
    folder = tmp_path / "MNIST" / "raw"
    idx_files(folder)
    (folder / name).write_bytes(idx_bytes(array))
    with pytest.raises(InputError) as caught:
        load_dataset("mnist", tmp_path)
    assert name in str(caught.value)
    assert problem in str(caught.value)


def test_download_without_a_network_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = import_torchvision().datasets.FashionMNIST
    monkeypatch.setattr(reader, "mirrors", ["http://127.0.0.1:9/"])  # the discard port: refused at once
    with pytest.raises(InputError) as caught:
        load_dataset("fashion-mnist", tmp_path, download=True)
    assert len(caught.value.findings) == 1
    assert "could not be downloaded" in str(caught.value)
    assert "https://github.com/zalandoresearch/fashion-mnist" in str(caught.value)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], str]]:
    """Serves a folder over HTTP on this machine and returns its address."""
    monkeypatch.setenv("no_proxy", "*")
    servers: list[ThreadingHTTPServer] = []

    def start(folder: Path) -> str:
        handler = functools.partial(SimpleHTTPRequestHandler, directory=str(folder))
        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_download_fetches_and_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve: Callable[[Path], str]
) -> None:
    server = tmp_path / "server"
    arrays = idx_files(server)
    resources = []
    for name in IDX_NAMES:
        content = gzip.compress((server / name).read_bytes())
        (server / f"{name}.gz").write_bytes(content)
        resources.append((f"{name}.gz", hashlib.md5(content).hexdigest()))
    reader = import_torchvision().datasets.MNIST
    monkeypatch.setattr(reader, "mirrors", [serve(server)])
    monkeypatch.setattr(reader, "resources", resources)
    data = load_dataset("mnist", tmp_path / "root", download=True)
    assert np.array_equal(data.train.images[:, 0].numpy(), arrays[IDX_NAMES[0]])
    # Now that the files are there, no mirror is asked.
    monkeypatch.setattr(reader, "mirrors", [])
    assert len(load_dataset("mnist", tmp_path / "root", download=True).test) == 3


# --------------------------------------------------------------------------------------------------- CIFAR


def cifar_files(
    root: Path, monkeypatch: pytest.MonkeyPatch, name: str, labels_missing: int = 0
) -> dict[str, tuple[np.ndarray, list[int]]]:
    """Files as CIFAR's, 4 images each, and torchvision's checksums set to theirs."""
    reader = getattr(import_torchvision().datasets, name)
    key = "labels" if name == "CIFAR10" else "fine_labels"
    class_count = 10 if name == "CIFAR10" else 100
    rng = np.random.default_rng(0)
    folder = root / reader.base_folder
    folder.mkdir(parents=True)
    written: dict[str, tuple[np.ndarray, list[int]]] = {}

    def write(file: str, content: object) -> str:
        data = pickle.dumps(content)
        (folder / file).write_bytes(data)
        return hashlib.md5(data).hexdigest()

    for part in ("train_list", "test_list"):
        sums = []
        for file, _ in getattr(reader, part):
            pixels = rng.integers(0, 256, (4, 3072), dtype=np.uint8)
            labels = [int(label) for label in rng.integers(0, class_count, 4)]
            written[file] = pixels, labels
            sums.append([file, write(file, {"data": pixels, key: labels[labels_missing:]})])
        monkeypatch.setattr(reader, part, sums)
    meta = dict(reader.meta)
    meta["md5"] = write(meta["filename"], {meta["key"]: [f"class {i}" for i in range(class_count)]})
    monkeypatch.setattr(reader, "meta", meta)
    return written


@pytest.mark.parametrize("name", ["CIFAR10", "CIFAR100"])
def test_cifar_files_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    written = cifar_files(tmp_path, monkeypatch, name)
    data = load_dataset(name, tmp_path)
    assert data.input_shape == (3, 32, 32)
    assert data.class_count == (10 if name == "CIFAR10" else 100)
    test = "test_batch" if name == "CIFAR10" else "test"
    assert len(data.train) == 4 * (len(written) - 1)
    # A row holds the red plane, then green, then blue, each row by row.
    assert np.array_equal(data.test.images.numpy(), written[test][0].reshape(4, 3, 32, 32))
    assert data.test.labels.tolist() == written[test][1]
    assert data.train.labels.tolist() == [y for file, (_, ys) in written.items() if file != test for y in ys]


def test_cifar_labels_must_match_the_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cifar_files(tmp_path, monkeypatch, "CIFAR100", labels_missing=1)
    with pytest.raises(InputError, match="3 labels and 4 images"):
        load_dataset("cifar100", tmp_path)


def test_missing_cifar_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_dataset("cifar10", tmp_path)
    assert len(caught.value.findings) == 1
    for name in (
        "data_batch_1",
        "data_batch_5",
        "test_batch",
        "batches.meta",
        "cifar-10-batches-py",
        "kriz/cifar",
    ):
        assert name in str(caught.value)


class Payload:
    """Unpickling this makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("file", ["data_batch_3", "test_batch", "batches.meta"])
def test_a_foreign_pickle_is_never_unpickled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    cifar_files(tmp_path, monkeypatch, "CIFAR10")
    proof, harm = tmp_path / "proof", tmp_path / "harm"
    pickle.loads(pickle.dumps(Payload(proof)))  # noqa: S301  (it is harmful indeed)
    assert proof.is_dir()
    foreign = tmp_path / "cifar-10-batches-py" / file
    foreign.write_bytes(pickle.dumps(Payload(harm)))
    with pytest.raises(InputError) as caught:
        load_dataset("cifar10", tmp_path)
    assert [finding.place.file for finding in caught.value.findings] == [str(foreign)]
    assert "MD5" in str(caught.value)
    assert not harm.exists()


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x80\x04."])
def test_damaged_cifar_files_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    cifar_files(tmp_path, monkeypatch, "CIFAR100")
    (tmp_path / "cifar-100-python" / "test").write_bytes(content)
    with pytest.raises(InputError, match="cifar-100-python/test: the file is not the published one"):
        load_dataset("cifar100", tmp_path)
