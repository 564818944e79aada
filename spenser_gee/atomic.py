"""Files that are either the old one or the new one, and folders that are made whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

TEMPORARY_SUFFIX = ".tmp"


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to: renamed to `path` at the end of the block, removed on an error.

    It lies in the same folder because a rename is atomic only within one file system, and it is on the disk
    before the rename.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    try:
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write JSON (indented, keys in their order) atomically. ValueError for NaN: other readers reject it."""
    text = json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    # Half a surrogate pair (a byte of a file's name that is no UTF-8) becomes \udcff, which JSON reads back.
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def missing_folders(path: Path) -> list[Path]:
    """What `path.mkdir(parents=True)` would make, the innermost first."""
    return [each for each in (path, *path.parents) if not each.exists()]


def take_away(path: Path, made: Iterable[Path]) -> None:
    """Removes all that is in `path`, a folder that could not be filled, and those of `made` that are empty then."""
    with contextlib.suppress(OSError):
        for entry in path.iterdir():
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    for folder in made:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
