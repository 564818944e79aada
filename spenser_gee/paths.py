"""Paths as a person writes them, on the command line and in a configuration: one reading for all; and what comes along."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from spenser_gee.errors import Place, input_error, nearest_path


def expanded(text: str | Path, where: Place | None = None) -> Path:
    """With `~` and `~user` written out. InputError (at `where`) for what no file can be called."""
    if not str(text) or "\0" in str(text):
        problem = "a path cannot hold a zero byte" if str(text) else "the path is empty"
        raise input_error(where or repr(str(text)), problem)
    try:
        return Path(text).expanduser()
    except RuntimeError:
        home = Path(text).parts[0]
        raise input_error(
            where or str(text), f"there is no home folder {home}", f"A file of this name is ./{text}."
        ) from None


def user_path(text: str | Path) -> Path:
    """A path of the command line, relative to the current folder. InputError where nothing can lie there."""
    path = expanded(text)
    try:
        path.lstat()
    except FileNotFoundError:
        pass
    except OSError as error:  # too long, below a file, in a folder that may not be read
        raise input_error(str(path), f"nothing can be read or made here: {error.strerror}") from None
    return path


def output_path(text: str | Path) -> Path:
    """A `user_path` to write to. InputError for bytes that are not UTF-8: libraries could not read back what lies there."""
    path = user_path(text)
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise input_error(str(path), "the name is not UTF-8", "Choose another for what is written.") from None
    return path


def find_beside(
    name: str, folder: Path, where: Place, fits: Callable[[Path], bool] = os.path.isfile
) -> Path | None:
    """What a configuration in `folder` names: beside it, in the current folder, or among what comes along."""
    return next((each.resolve() for each in _tried(name, folder, where) if fits(each)), None)


def require_beside(name: str, folder: Path, where: Place, key: str) -> Path:
    """The file that `find_beside` finds. InputError where there is none."""
    found = find_beside(name, folder, where)
    if found is None:
        tried = _tried(name, folder, where)
        hint = next(filter(None, map(nearest_path, tried)), "")
        looked = ", ".join(dict.fromkeys(str(each.parent) for each in tried))
        raise input_error(where, f"{key}: there is no file {name}{hint}", f"Looked in: {looked}.")
    return found


def _tried(name: str, folder: Path, where: Place) -> list[Path]:
    path = expanded(name, where)
    folders = (folder, Path(), folder.parent, shipped_folder("grammars").parent)
    return list(dict.fromkeys(each / path for each in folders))


def shipped_folder(name: str) -> Path:
    """`grammars` or `configs`, which come with the program: beside the package in a checkout, else where an installed
    wheel puts them."""
    beside = Path(__file__).resolve().parent.parent / name
    return beside if beside.is_dir() else Path(sys.prefix) / "share" / "spenser_gee" / name
