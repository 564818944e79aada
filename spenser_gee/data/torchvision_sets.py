"""MNIST, Fashion-MNIST, CIFAR-10 and CIFAR-100 by torchvision's readers, with errors that name the file.

torchvision reads a whole file at once; the result is kept as bytes, and no per-image transform is called.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spenser_gee.data.samples import Dataset, Samples
from spenser_gee.data.sources import Published, missing_data
from spenser_gee.data.torchvision_import import import_torchvision
from spenser_gee.errors import Finding, InputError, Place, input_error

DOWNLOAD_TIMEOUT_SECONDS = 30.0
_AGAIN = "Delete it and get it again (--set data.download=true fetches missing files)."


_IDX_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
_IDX_IMAGES, _IDX_LABELS = 0x803, 0x801


def load_torchvision_set(source: Published, root: Path, download: bool) -> Dataset:
    """The data set below `root`, in torchvision's layout (`root/FashionMNIST/raw/...`).

    Raises:
        InputError: files are missing and were not (or could not be) downloaded, or are damaged or foreign.
    """
    reader = getattr(import_torchvision().datasets, source.torchvision_name)
    idx = source.folder.endswith("/raw")
    names = [name for pair in _IDX_FILES.values() for name in pair] if idx else list(_checksums(reader))
    folder = root / source.folder
    if download and _absent(folder, names):
        _download(source, reader, root)
    absent = _absent(folder, names)
    if absent:
        raise missing_data(source, root, absent)
    try:
        return _read_idx_set(source, folder, reader) if idx else _read_cifar(source, root, reader)
    except OSError as error:
        problem = f"cannot be read: {error.strerror or error}"
        raise input_error(str(error.filename or folder), problem, _AGAIN) from error


def _absent(folder: Path, names: list[str]) -> list[str]:
    return [name for name in names if not os.path.isfile(folder / name)]


# ------------------------------------------------------------------------------------------------ download


def _download(source: Published, reader: Any, root: Path) -> None:
    # Constructing a torchvision data set also reads it, with errors that name no file; only `download`
    # is wanted here, and it needs the root alone.
    loader = reader.__new__(reader)
    loader.root = str(root)
    try:
        with _socket_timeout(DOWNLOAD_TIMEOUT_SECONDS):
            loader.download()
    except (RuntimeError, OSError, EOFError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise input_error(
            str(root / source.folder),
            f'data set "{source.name}": could not be downloaded: {reason}',
            f"Check the network, or get the files from {source.home} and put them into this folder.",
        ) from error


@contextlib.contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    # torchvision's downloader sets none: behind a firewall it would wait for ever.
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


# ----------------------------------------------------------------------------------- MNIST, Fashion-MNIST


def _read_idx_set(source: Published, folder: Path, reader: Any) -> Dataset:
    classes = tuple(name.split(" - ")[0] for name in reader.classes)
    train = _read_idx_pair(folder, "train", len(classes))
    test = _read_idx_pair(folder, "test", len(classes))
    return Dataset(source.name, train, test, classes)


def _read_idx_pair(folder: Path, part: str, class_count: int) -> Samples:
    idx = import_torchvision().datasets.mnist
    image_file, label_file = (folder / name for name in _IDX_FILES[part])
    findings = [
        Finding(Place(str(path)), problem, _AGAIN)
        for path, magic in ((image_file, _IDX_IMAGES), (label_file, _IDX_LABELS))
        if (problem := _idx_problem(path, magic))
    ]
    if findings:
        raise InputError(*findings)
    images: torch.Tensor = idx.read_image_file(str(image_file))
    labels: torch.Tensor = idx.read_label_file(str(label_file))
    _check_labels(label_file, labels, image_file, len(images), class_count)
    return Samples.of_images(images.unsqueeze(1), labels)


def _idx_problem(path: Path, magic: int) -> str:
    """What is wrong with the header or the length of an IDX file of bytes ("" if it is sound).

    An IDX file is a magic number (type and number of axes), one big-endian int32 an axis, then the bytes:
    http://yann.lecun.com/exdb/mnist/. torchvision's reader checks this with assertions, or not at all.
    """
    axes = magic % 256
    size = path.stat().st_size
    with path.open("rb") as file:
        header = file.read(4 * (axes + 1))
    if size == 0:
        return "the file is empty"
    if len(header) < 4 or struct.unpack(">I", header[:4])[0] != magic:
        packed = " (a gzip file: unpack it first)" if header[:2] == b"\x1f\x8b" else ""
        return f"expected an IDX file starting with {magic:08x}, found {header[:4].hex()}{packed}"
    if len(header) < 4 * (axes + 1):
        return "the header is cut off"
    shape: tuple[int, ...] = struct.unpack(f">{axes}I", header[4:])
    expected = len(header) + int(np.prod(shape, dtype=object))
    if size != expected:
        return f"expected {expected} bytes for the shape {shape} in its header, found {size}"
    if shape[0] == 0 or shape[1:] not in ((), (28, 28)):
        return f"expected one or more images of 28 x 28 pixels, found the shape {shape}"
    return ""


def _check_labels(
    file: Path, labels: torch.Tensor, image_file: Path, image_count: int, class_count: int
) -> None:
    if len(labels) != image_count:
        problem = f"expected one label an image, found {len(labels)} labels and {image_count} images"
        raise input_error(str(file), problem, f"This file and {image_file.name} belong to different data.")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= class_count:
        raise input_error(str(file), f"expected labels 0..{class_count - 1}, found {low}..{high}", _AGAIN)


# --------------------------------------------------------------------------------------------------- CIFAR


def _checksums(reader: Any) -> dict[str, str]:
    """File name -> MD5 of every file that torchvision reads, as torchvision publishes them."""
    sums = dict([*reader.train_list, *reader.test_list])
    return {**sums, reader.meta["filename"]: reader.meta["md5"]}


def _read_cifar(source: Published, root: Path, reader: Any) -> Dataset:
    folder = root / source.folder
    # The files are pickles, which can run code: only the published bytes are ever handed to the reader,
    # which then checks them itself.
    findings = [
        Finding(Place(str(folder / name)), "the file is not the published one (its MD5 differs)", _AGAIN)
        for name, md5 in _checksums(reader).items()
        if _md5(folder / name) != md5
    ]
    if findings:
        raise InputError(*findings)
    parts = [reader(str(root), train=train) for train in (True, False)]
    classes = tuple(parts[0].classes)
    data = []
    for part, name in zip(parts, ("train", "test"), strict=True):
        labels = torch.tensor(part.targets, dtype=torch.int64)
        _check_labels(folder, labels, folder / name, len(part.data), len(classes))
        images = torch.from_numpy(part.data).permute(0, 3, 1, 2).contiguous()
        data.append(Samples.of_images(images, labels))
    return Dataset(source.name, data[0], data[1], classes)


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
