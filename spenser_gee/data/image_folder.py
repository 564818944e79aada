"""A user's own images: `train/CLASS/*.png` and `test/CLASS/*.png` in a folder, or in a .tar or .tar.gz."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

import torch

from spenser_gee.data.image_data import Dataset, ImageData
from spenser_gee.data.image_decode import IMAGE_SUFFIXES, Decoder
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
    from an archive. Hidden files and files without an image suffix are passed over. In a folder links are
    followed, and an image that a class has twice through links counts once; an archive must hold none.

    Args:
        image_size: images are resized to this height and width, once, here (bilinear, antialiased; the
            aspect ratio is not kept). None: all images must have one size.
        channels: 1 (grey) or 3 (RGB). None: 1 where every image is grey, else 3.

    Raises:
        InputError: no such folder, no images, fewer than two classes, a class without images, train and test
            with different classes, one file in two classes or parts, an image that cannot be read, images
            of different sizes without `image_size`.
    """
    _check_options(image_size, channels)
    if os.path.isdir(root):
        entries = _folder_entries(root)
    elif os.path.isfile(root):
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
    _check_depth(root, [path for _, _, path, _ in order], classes["train"])
    images = decoder.finish()
    names = tuple(sorted(classes["train"]))
    train, test = (_part(images, sorted(item for item in order if item[0] == part), names) for part in PARTS)
    return Dataset("image-folder", train, test, names)


def _part(images: torch.Tensor, items: list[tuple[str, str, str, int]], names: tuple[str, ...]) -> ImageData:
    label_of = {name: label for label, name in enumerate(names)}
    labels = torch.tensor([label_of[class_name] for _, class_name, _, _ in items], dtype=torch.int64)
    return ImageData(images[torch.tensor([position for *_, position in items])], labels)


def _check_options(image_size: int | None, channels: int | None) -> None:
    if image_size is not None and image_size < 1:
        raise input_error("image_size", f"expected a number of pixels of 1 or more, found {image_size}")
    if channels not in (None, 1, 3):
        raise input_error("channels", f"expected 1 (grey) or 3 (RGB), found {channels}")


def _check_classes(root: Path, classes: dict[str, set[str]], filled: set[tuple[str, str]]) -> None:
    empty = [part for part in PARTS if not classes[part]]
    remedy = f"{_one_level_off(root)}{_LAYOUT}" if empty else _LAYOUT
    findings = [
        Finding(Place(f"{root}/{part}"), "expected one folder for each class, found none", remedy)
        for part in empty
    ]
    if not findings:
        findings += [
            Finding(
                Place(f"{root}/{part}/{name}"),
                f'class "{name}" is in {other} and not in {part}',
                _other_form(name, classes[part]) or _LAYOUT,
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


def _check_depth(root: Path, paths: list[str], classes: set[str]) -> None:
    """Refuses a single class, and names the folders below it, which may be the classes."""
    if len(classes) > 1:
        return
    (name,) = classes
    below = sorted({path.split("/")[2] for path in paths if path.count("/") > 2})
    remedy = _LAYOUT
    if below:
        shown = ", ".join(below[:_SHOWN])
        remedy = (
            f"If the folders in it ({shown}) are the classes, move them up into train and test. {_LAYOUT}"
        )
    raise input_error(f"{root}/train", f'expected two or more classes, found one, "{name}"', remedy)


def _other_form(name: str, names: set[str]) -> str:
    """What to do where `names` has a name of the same letters in other code points, which looks the same."""
    for other in names:
        if unicodedata.normalize("NFC", other) == unicodedata.normalize("NFC", name):
            return f"The names look alike, but one is {name!a} and one {other!a}: rename one folder."
    return ""


def _one_level_off(root: Path) -> str:
    """Which folder to give, where train and test are next to `root` or one folder further down; else nothing."""
    if os.path.isdir(root):
        if root.absolute().name in PARTS:
            return f"If {root} is one of the two parts, give the folder that holds both. "
        tops = sorted({found.parent.name for part in PARTS for found in root.glob(f"*/{part}/")})
        return f"Give the folder that holds both: {root / tops[0]}. " if tops else ""
    with _opened(root) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
        paths = (PurePosixPath(name).parts for name in archive.getnames())
        tops = sorted({parts[0] for parts in paths if len(parts) > 1 and parts[1] in PARTS})
    return f"train and test are in the folder {tops[0]}: pack them without it. " if tops else ""


# ----------------------------------------------------------------------------------------------- a folder


def _folder_entries(root: Path) -> Iterator[_Entry]:
    # Everything is listed, and links are judged, before the first image is read.
    classes = [
        (part, entry.name)
        for part in PARTS
        if os.path.isdir(root / part)
        for entry in _listed(root / part)
        if _is_folder(entry)
    ]
    images = [
        (part, name, *found) for part, name in classes for found in _class_images(root, f"{part}/{name}")
    ]
    _check_shared(root, [(path, real) for _, _, path, real in images])
    for part, name in classes:
        yield _Entry(part, name, f"{part}/{name}", None)
    for part, name, path, _ in images:
        yield _Entry(part, name, path, _bytes(root / path))


def _class_images(root: Path, class_folder: str) -> Iterator[tuple[str, str]]:
    """Every image file below a class folder, once: its path below `root` and its real path."""
    real_root = os.path.realpath(root)
    folders = [(class_folder, os.path.realpath(root / class_folder))]
    seen = {real for _, real in folders}
    while folders:
        folder, real_folder = folders.pop()
        # A link to the whole disk would be searched for a long time before two classes met in a file.
        if f"{real_root}/".startswith(f"{real_folder.rstrip('/')}/"):
            raise input_error(
                f"{root}/{folder}", f"this link leads to {real_folder}, which holds the data", "Remove it."
            )
        for entry in _listed(root / folder):
            real = os.path.realpath(entry.path) if entry.is_symlink() else f"{real_folder}/{entry.name}"
            is_folder = _is_folder(entry)
            if real not in seen and (is_folder or _is_image(entry.name)):
                seen.add(real)
                if is_folder:
                    folders.append((f"{folder}/{entry.name}", real))
                else:
                    yield f"{folder}/{entry.name}", real


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder, without hidden entries."""
    try:
        with os.scandir(folder) as entries:
            return sorted((e for e in entries if not e.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        raise input_error(str(folder), f"cannot be read: {error.strerror}") from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether this is a folder, or a link to one. Raises InputError for a link that leads nowhere."""
    if not entry.is_symlink():
        return entry.is_dir()
    if not os.path.exists(entry.path):
        raise input_error(
            entry.path, f"this link leads nowhere: {os.readlink(entry.path)}", "Mend or remove it."
        )
    return os.path.isdir(entry.path)


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


def _check_shared(root: Path, images: list[tuple[str, str]]) -> None:
    """Refuses a file that two classes, or train and test, have through links."""
    first: dict[str, str] = {}
    shared = [(path, first[real]) for path, real in images if first.setdefault(real, path) != path]
    if shared:
        path, other = shared[0]
        more = f" (and {len(shared) - 1} more are shared like this)" if len(shared) > 1 else ""
        raise input_error(
            f"{root}/{path}",
            f"this is the same file as {root}/{other}{more}",
            "An image belongs to one class, and to train or to test: remove one of the two.",
        )


def _bytes(path: Path) -> bytes:
    # Opening a pipe would wait for its writer.
    if not os.path.isfile(path):
        raise input_error(str(path), "expected an image file, found something that is no file")
    try:
        return path.read_bytes()
    except OSError as error:
        raise input_error(str(path), f"cannot be read: {error.strerror}") from error


# ---------------------------------------------------------------------------------------------- an archive


def _tar_entries(root: Path) -> Iterator[_Entry]:
    seen: set[str] = set()
    try:
        with _opened(root) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            end = 0
            for member in archive:
                end = archive.offset
                path = PurePosixPath(member.name)
                if not path.parts or path.parts[0] not in PARTS or any(p.startswith(".") for p in path.parts):
                    continue
                _check_member(root, path, member)
                if len(path.parts) == 2 and member.isdir():
                    yield _Entry(path.parts[0], path.parts[1], path.as_posix(), None)
                if len(path.parts) < 3 or not _is_image(path.name) or not member.isreg():
                    continue
                name = path.as_posix()
                if name in seen:
                    raise input_error(f"{root}/{name}", "this file is in the archive twice", "Pack it again.")
                seen.add(name)
                file = archive.extractfile(member)
                yield _Entry(path.parts[0], path.parts[1], name, file.read() if file else b"")
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


def _check_member(root: Path, path: PurePosixPath, member: tarfile.TarInfo) -> None:
    """Refuses links, whose images would be missing: a symbolic one may lead out, or to a folder."""
    if member.issym() or (member.islnk() and _is_image(path.name)):
        raise input_error(
            f"{root}/{path}",
            f"this is a link to {member.linkname}, and links in an archive are not followed",
            "Pack it again with tar --dereference --hard-dereference, or unpack it and give the folder.",
        )


def _opened(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    if packed:
        return io.BufferedReader(gzip.open(path), 1 << 20)
    return path.open("rb")
