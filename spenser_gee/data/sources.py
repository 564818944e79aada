"""Where torchvision's data sets come from, and the one message about files that are not where they belong."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spenser_gee.errors import InputError, input_error


@dataclass(frozen=True)
class Published:
    """A data set: torchvision's class, the folder below the root, its home page, the archive it is packed in."""

    name: str
    torchvision_name: str
    folder: str
    home: str
    archive: str = ""


SOURCES = (
    Published(
        "fashion-mnist",
        "FashionMNIST",
        "FashionMNIST/raw",
        "https://github.com/zalandoresearch/fashion-mnist",
    ),
    Published("mnist", "MNIST", "MNIST/raw", "http://yann.lecun.com/exdb/mnist/"),
    Published(
        "cifar10",
        "CIFAR10",
        "cifar-10-batches-py",
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        "cifar-10-python.tar.gz",
    ),
    Published(
        "cifar100",
        "CIFAR100",
        "cifar-100-python",
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        "cifar-100-python.tar.gz",
    ),
)


def missing_data(source: Published, root: Path | None, absent: Sequence[str] = ()) -> InputError:
    """The one message about data that are not there. `root` is None where no data root is set."""
    if root is None:
        where, hint = "data root", ""
        problem = f'data set "{source.name}": no data root is set, so its files cannot be looked for'
    else:
        where, hint = str(root / source.folder), _hint(source, root, absent)
        problem = f'data set "{source.name}": missing {", ".join(absent)}'
    remedy = (
        "Set the data root with --data-root, the config's data root, or SPENSER_GEE_DATA: the files belong "
        f"in ROOT/{source.folder}. They come from {source.home}; with a network, --set data.download=true fetches them."
    )
    return input_error(where, problem, f"{hint}{remedy}")


def _hint(source: Published, root: Path, absent: Sequence[str]) -> str:
    """What to do with files that are near, packed, or under another name; nothing where none is seen."""
    if not os.path.isdir(root):
        return f"{root} is {'a file' if os.path.exists(root) else 'not there'}; expected a folder. "
    folders = _near(source, root)
    for folder in folders:
        found = {
            name: other for name in absent for other in _spellings(name) if os.path.isfile(folder / other)
        }
        if found:
            return f"{_place(source, root, folder)}{_names(folder, found)}"
    for folder in folders:
        if source.archive and os.path.isfile(folder / source.archive):
            return f"Unpack {folder / source.archive} in {root} (tar xzf). "
    tables = [str(table) for folder in folders for table in sorted(folder.glob("*.csv"))]
    return f"CSV files ({tables[0]}) are not read: get the files named above. " if tables else ""


def _near(source: Published, root: Path) -> list[Path]:
    """Folders where the files may be: their own, the root, what is in it; none of another data set."""
    try:
        below = sorted(path for path in root.iterdir() if os.path.isdir(path))
    except OSError:
        below = []
    places = [root / source.folder, root, *below, *(path / source.folder for path in below)]
    others = {_plain(other.folder.split("/")[0]) for other in SOURCES if other != source}
    return [
        place
        for place in places
        if os.path.isdir(place) and others.isdisjoint(map(_plain, place.absolute().parts[-2:]))
    ]


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _spellings(name: str) -> list[str]:
    """`name`, the last that counts, and what it is called where it is packed or comes from Kaggle."""
    dotted = name.replace("-idx", ".idx")
    plain = [f"{name}/{name}", f"{dotted}/{dotted}", dotted, name]
    return [*(f"{each}.gz" for each in plain), *plain]


def _place(source: Published, root: Path, folder: Path) -> str:
    """Where to look for the files, or where to put them, if `folder` is not where they belong."""
    if folder == root / source.folder:
        return ""
    folder = folder.absolute()
    if folder.as_posix().endswith(f"/{source.folder}"):
        return f"They are in {folder}: set the data root to {folder.parents[source.folder.count('/')]}. "
    return f"They are in {folder}: move them to {root / source.folder}. "


def _names(folder: Path, found: dict[str, str]) -> str:
    """What to do with files that have another name."""
    packed = [other for other in found.values() if other.endswith(".gz")]
    renamed = [f"{other} to {name}" for name, other in found.items() if other.removesuffix(".gz") != name]
    hint = f"Unpack with gunzip: {', '.join(packed)}. " if packed else ""
    hint += f"Rename {', '.join(renamed)}. " if renamed else ""
    taken = [name for name in found if os.path.isdir(folder / name)]
    return hint + (f"First give the folders of these names others: {', '.join(taken)}. " if taken else "")
