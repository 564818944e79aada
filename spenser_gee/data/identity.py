"""What a run's data are, in a form that can be recorded and compared: names, sizes, and digests of the contents."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from spenser_gee.data.samples import Dataset, Samples
from spenser_gee.errors import Finding, InputError, Place, input_error

# With these a person says which data, and no longer that they are those of a run.
_CHOOSING = ("data.dataset", "data.image_size", "data.channels")
_REMEDY = "Give its own data with --data-root, or start a new one."


class OtherData(InputError):
    """The data are not those that were recorded."""


@dataclass(frozen=True)
class PartIdentity:
    """One part of a data set. sha256: of its labels (int64), then its inputs, in their order."""

    count: int
    sha256: str

    @staticmethod
    def of(part: Samples) -> PartIdentity:
        """Of the contents, wherever they lie."""
        digest = hashlib.sha256()
        for tensor in (part.labels, part.inputs):
            digest.update(tensor.cpu().contiguous().numpy().data)
        return PartIdentity(len(part), digest.hexdigest())


@dataclass(frozen=True)
class Identity:
    """What decides whether two data sets are the same one; where they lie does not.

    classes: in the order of their labels, as they are recorded: letters with accents in their composed form, which
    file systems change, and bytes that are no text written out. shape: (T', C, H, W) of a sample.
    """

    dataset: str
    classes: tuple[str, ...]
    shape: tuple[int, ...]
    train: PartIdentity
    test: PartIdentity

    @staticmethod
    def of(data: Dataset) -> Identity:
        """Reads all of the data: a fifth of a second for 70,000 images of 28 x 28."""
        return Identity(
            data.name,
            tuple(_recorded(name) for name in data.classes),
            tuple(data.train.inputs.shape[1:]),
            PartIdentity.of(data.train),
            PartIdentity.of(data.test),
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        return {**asdict(self), "classes": list(self.classes), "shape": list(self.shape)}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Identity:
        """The inverse of `to_dict`."""
        return Identity(
            values["dataset"],
            tuple(values["classes"]),
            tuple(values["shape"]),
            PartIdentity(**values["train"]),
            PartIdentity(**values["test"]),
        )

    def differences(self, now: Identity) -> list[str]:
        """What is other now, in words; nothing where the data are the same."""
        found = []
        if self.dataset != now.dataset:
            found.append(f'data set "{self.dataset}" before, "{now.dataset}" now')
        if self.shape != now.shape:
            found.append(f"samples of shape {_product(self.shape)} before, {_product(now.shape)} now")
        if self.classes != now.classes:
            found.append(_class_difference(self.classes, now.classes))
        parts = {"training": (self.train, now.train), "test": (self.test, now.test)}
        for word, (before, after) in parts.items():
            if before.count != after.count:
                found.append(f"{before.count:,} {word} samples before, {after.count:,} now")
        if found:
            return found
        other = [word for word, (before, after) in parts.items() if before != after]
        return [f"same classes and sizes, but other {' and '.join(other)} samples or labels"] if other else []


def require_same(recorded: Mapping[str, Any] | None, now: Identity, where: str) -> None:
    """Raises OtherData, with the difference, where the data are not those of a record (`Identity.to_dict`).

    recorded: None where an earlier version made no record; then nothing is known. where: what the record belongs to.
    """
    if recorded is None:
        return
    try:
        before = Identity.from_dict(recorded)
    except (TypeError, LookupError) as error:
        raise input_error(where, f"its record of the data cannot be read: {error!r}") from None
    if different := before.differences(now):
        problem = f"it was made with other data than these: {'; '.join(different)}"
        raise OtherData(Finding(Place(where), problem, _REMEDY))


def chooses_data(overrides: Sequence[str]) -> bool:
    """Whether `key=value` overrides say which data are wanted, so that they need not be those of a run."""
    return any(override.split("=")[0].strip() in _CHOOSING for override in overrides)


def _recorded(name: str) -> str:
    return unicodedata.normalize("NFC", name).encode("utf-8", "backslashreplace").decode()


def _class_difference(before: Sequence[str], now: Sequence[str]) -> str:
    gone = [name for name in before if name not in now]
    new = [name for name in now if name not in before]
    if not gone and not new:
        return "the classes are in another order"
    words = [
        *([f"without {_quoted(gone)}"] if gone else []),
        *([f"with a new {_quoted(new)}"] if new else []),
    ]
    return f"{len(before)} classes before, {len(now)} now, {' and '.join(words)}"


def _quoted(names: Sequence[str]) -> str:
    shown = ", ".join(f'"{name}"' for name in names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown


def _product(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
