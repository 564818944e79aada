"""A user's own images: `train/CLASS/*.png` and `test/CLASS/*.png` in a folder, or in a .tar or .tar.gz."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

import torch

from spenser_gee.data.image_decode import IMAGE_SUFFIXES, Decoder
from spenser_gee.data.samples import Dataset, Samples
from spenser_gee.errors import Finding, InputError, Place, input_error

PARTS = ("train", "test")
_SHOWN = 10
_LAYOUT = "The layout is train/CLASS/IMAGE and test/CLASS/IMAGE, with the same classes in both."


@dataclass(frozen=True)
class _Entry:
    """One image file, or one class folder where `image` is None."""

    part: str
    class_name: str
    path: str
    image: bytes | None


def load_image_folder(root: Path, image_size: int | None = None, channels: int | None = None) -> Dataset:
    """All images of `root` (a folder, a .tar or a .tar.gz, read without unpacking it), as bytes.

    Classes are the folder names in sorted order, images are ordered by path: the same from a folder and
    from an archive. Hidden files and files without an image suffix are passed over.

    Args:
        image_size: images are resized to this height and width, once, here (bilinear, antialiased; the
            aspect ratio is not kept). None: all images must have one size.
        channels: 1 (grey) or 3 (RGB). None: 1 where every image is grey, else 3.

    Raises:
        InputError: no such folder, no images, a class without images, train and test with different
            classes, an image that cannot be read, images of different sizes without `image_size`.
    """
    _check_options(image_size, channels)
    if root.is_dir():
        entries = _folder_entries(root)
    elif root.is_file():
        entries = _tar_entries(root)
    else:
        raise input_error(str(root), "expected a folder or a .tar(.gz) of images, found nothing", _LAYOUT)
    decoder = Decoder(str(root), image_size, channels)
    classes: dict[str, set[str]] = {part: set() for part in PARTS}
    order: list[tuple[str, str, str, int]] = []
    for entry in entries:
        classes[entry.part].add(entry.class_name)
        if entry.image is not None:
            order.append((entry.part, entry.class_name, entry.path, len(order)))
            decoder.add(entry.path, entry.image)
    _check_classes(root, classes, {(part, name) for part, name, _, _ in order})
    images = decoder.finish()
    names = tuple(sorted(classes["train"]))
    train, test = (_part(images, sorted(item for item in order if item[0] == part), names) for part in PARTS)
    return Dataset("image-folder", train, test, names)


def _part(images: torch.Tensor, items: list[tuple[str, str, str, int]], names: tuple[str, ...]) -> Samples:
    label_of = {name: label for label, name in enumerate(names)}
    labels = torch.tensor([label_of[class_name] for _, class_name, _, _ in items], dtype=torch.int64)
    return Samples.of_images(images[torch.tensor([position for *_, position in items])], labels)


def _check_options(image_size: int | None, channels: int | None) -> None:
    if image_size is not None and image_size < 1:
        raise input_error("image_size", f"expected a number of pixels of 1 or more, found {image_size}")
    if channels not in (None, 1, 3):
        raise input_error("channels", f"expected 1 (grey) or 3 (RGB), found {channels}")


def _check_classes(root: Path, classes: dict[str, set[str]], filled: set[tuple[str, str]]) -> None:
    findings = [
        Finding(Place(f"{root}/{part}"), "expected one folder for each class, found none", _LAYOUT)
        for part in PARTS
        if not classes[part]
    ]
    if not findings:
        findings += [
            Finding(
                Place(f"{root}/{part}/{name}"), f'class "{name}" is in {other} and not in {part}', _LAYOUT
            )
            for part, other in (PARTS, PARTS[::-1])
            for name in sorted(classes[other] - classes[part])
        ]
    suffixes = " ".join(sorted(IMAGE_SUFFIXES))
    findings += [
        Finding(Place(f"{root}/{part}/{name}"), "no image in this class folder", f"Images end in: {suffixes}")
        for part in PARTS
        for name in sorted(classes[part])
        if (part, name) not in filled
    ]
    if findings:
        raise InputError(*findings[:_SHOWN])


def _entry(parts: tuple[str, ...], is_folder: bool) -> tuple[str, str, bool] | None:
    """(part, class, is an image) of a path below the root, or None for a path that means nothing here."""
    if len(parts) < 2 or parts[0] not in PARTS or any(part.startswith(".") for part in parts):
        return None
    if is_folder:
        return (parts[0], parts[1], False) if len(parts) == 2 else None
    if len(parts) < 3 or PurePosixPath(parts[-1]).suffix.lower() not in IMAGE_SUFFIXES:
        return None
    return parts[0], parts[1], True


def _folder_entries(root: Path) -> Iterator[_Entry]:
    for part in PARTS:
        # Links to folders are followed: a class folder may be one.
        for folder, folders, files in os.walk(root / part, followlinks=True):
            folders.sort()
            for name in sorted([*folders, *files]):
                path = Path(folder, name)
                relative = path.relative_to(root)
                known = _entry(relative.parts, path.is_dir())
                if known is not None:
                    yield _Entry(*known[:2], relative.as_posix(), _bytes(path) if known[2] else None)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise input_error(str(path), f"cannot be read: {error.strerror}") from error


def _tar_entries(root: Path) -> Iterator[_Entry]:
    try:
        with _opened(root) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            end = 0
            for member in archive:
                end = archive.offset
                path = PurePosixPath(member.name)
                known = _entry(path.parts, member.isdir())
                if known is None or not (member.isdir() or member.isreg()):
                    continue
                file = archive.extractfile(member) if known[2] else None
                yield _Entry(known[0], known[1], path.as_posix(), file.read() if file else None)
            # tarfile takes a file that stops between two members for a whole one; a whole one ends in zeros.
            stream.seek(end)
            if stream.read(512) != bytes(512):
                raise tarfile.ReadError("the archive is cut off")
            # gzip compares its checksum at the very end only.
            while stream.read(1 << 20):
                pass
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise input_error(
            str(root),
            f"expected a folder or a .tar(.gz) of images; cannot be read as an archive: {error}",
            "Pack it again, or unpack it and give the folder.",
        ) from error


def _opened(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    if packed:
        return io.BufferedReader(gzip.open(path), 1 << 20)
    return path.open("rb")
