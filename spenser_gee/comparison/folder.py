"""The folder of a comparison: what was asked for, every trial, and the results.

comparison.json    the settings that all trials share, and the contenders
trials/            one file a contender, recipe and seed: NAME.ARM.SEED.json
latency.json       measured one by one, when nothing else of the comparison ran
results.json       all of it in figures: what `report` reads
random-N/          run folders of random searches
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spenser_gee.atomic import write_json
from spenser_gee.comparison.contenders import Contender
from spenser_gee.data import Identity, require_same
from spenser_gee.errors import input_error
from spenser_gee.evaluation import Evaluation
from spenser_gee.runs.lock import take_lock

FORMAT = 1


@dataclass(frozen=True)
class Definition:
    """What a comparison is. settings: what all trials share. seeds: they are 0 .. seeds - 1. contenders: the first
    one is the reference."""

    settings: Mapping[str, Any]
    seeds: int
    contenders: tuple[Contender, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        return {
            "format": FORMAT,
            "settings": dict(self.settings),
            "seeds": self.seeds,
            "contenders": [contender.to_dict() for contender in self.contenders],
        }

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Definition:
        """The inverse of `to_dict`."""
        contenders = tuple(Contender.from_dict(contender) for contender in values["contenders"])
        return Definition(dict(values["settings"]), int(values["seeds"]), contenders)


class ComparisonFolder:
    """A folder that this process writes. Make one with `opened`."""

    def __init__(self, path: Path, definition: Definition) -> None:
        self.path, self.definition = path, definition

    @staticmethod
    @contextmanager
    def opened(path: Path, wanted: Definition) -> Iterator[ComparisonFolder]:
        """A new folder, or one to go on with, locked.

        Contenders and seeds may be added to an earlier comparison. Raises InputError where its settings, or a
        contender of one name, were others, and for a folder of something else.
        """
        _require_ours(path)
        (path / "trials").mkdir(parents=True, exist_ok=True)
        lock = take_lock(path / "lock")
        try:
            file = path / "comparison.json"
            # As it will be read back: JSON has no tuples.
            now = Definition.from_dict(json.loads(json.dumps(wanted.to_dict())))
            definition = _merged(path, _definition(file), now) if file.is_file() else now
            write_json(file, definition.to_dict())
            yield ComparisonFolder(path, definition)
        finally:
            os.close(lock)

    def trial(self, name: str, arm: str, seed: int) -> Evaluation | None:
        """What came out, or None. Raises InputError for a damaged file."""
        file = self._trial_file(name, arm, seed)
        if not file.is_file():
            return None
        try:
            return Evaluation.from_dict(_read(file))
        except (TypeError, ValueError) as error:
            raise _damaged(file, error) from None

    def write_trial(self, name: str, arm: str, seed: int, evaluation: Evaluation) -> None:
        """A finished trial, atomically."""
        write_json(self._trial_file(name, arm, seed), evaluation.to_dict())

    def latencies(self) -> dict[str, Any]:
        """By contender, as far as measured."""
        file = self.path / "latency.json"
        return _read(file) if file.is_file() else {}

    def write_latencies(self, latencies: Mapping[str, Any]) -> None:
        """All that are known."""
        write_json(self.path / "latency.json", dict(latencies))

    def write_results(self, results: Mapping[str, Any]) -> None:
        """The figures so far."""
        write_json(self.path / "results.json", dict(results))

    def seconds_spent(self) -> float:
        """Of wall clock, by earlier calls."""
        file = self.path / "results.json"
        return float(_read(file)["seconds"]) if file.is_file() else 0.0

    def _trial_file(self, name: str, arm: str, seed: int) -> Path:
        return self.path / "trials" / f"{name}.{arm}.{seed}.json"


def load_results(path: Path) -> dict[str, Any]:
    """The results of a comparison's folder. Raises InputError where there are none."""
    file = path / "results.json"
    if not file.is_file():
        raise input_error(
            str(path), "not the folder of a comparison: it has no results.json", "Make one: compare --help."
        )
    values = _read(file)
    if values.get("format") != FORMAT:
        raise input_error(str(file), f"expected format {FORMAT}, found {values.get('format')!r}")
    return values


def _require_ours(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise input_error(str(path), "this is a file; a comparison needs a folder", "Choose another: --out.")
    if path.is_dir() and any(path.iterdir()) and not (path / "comparison.json").is_file():
        # Stopped before its definition was written, a folder of ours holds these alone.
        if {file.name for file in path.iterdir()} <= {"lock", "trials"}:
            return
        raise input_error(
            str(path), "the folder is not empty, and holds no comparison", "Choose another: --out FOLDER."
        )


def _merged(path: Path, before: Definition, now: Definition) -> Definition:
    """Both, where they go together."""
    data = now.settings.get("identity")  # An earlier version recorded none.
    if data is not None:
        require_same(before.settings.get("identity"), Identity.from_dict(data), str(path))
    keys = {**before.settings, **now.settings}
    differ = [key for key in keys if key != "identity" and before.settings.get(key) != now.settings.get(key)]
    if differ:
        shown = "; ".join(
            f"{key}: {before.settings.get(key)} before, {now.settings.get(key)} now" for key in differ
        )
        raise input_error(
            str(path),
            f"the comparison in this folder had other settings, so its trials cannot be reused ({shown})",
            "Say what was said before, or begin another comparison: --out FOLDER.",
        )
    contenders = {contender.name: contender for contender in before.contenders}
    for contender in now.contenders:
        earlier = contenders.get(contender.name, contender)
        if earlier.spec != contender.spec:
            raise input_error(
                str(path),
                f'"{contender.name}" is another network now ({contender.source}) than in this comparison '
                f"({earlier.source})",
                "Begin another comparison: --out FOLDER.",
            )
        contenders[contender.name] = contender
    return Definition(now.settings, max(before.seeds, now.seeds), tuple(contenders.values()))


def _definition(file: Path) -> Definition:
    try:
        return Definition.from_dict(_read(file))
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise input_error(
            str(file), f"cannot be read: {error!r}", "Begin another comparison: --out FOLDER."
        ) from None


def _read(file: Path) -> dict[str, Any]:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(file, error) from None
    if not isinstance(values, dict):
        raise _damaged(file, "expected a JSON object")
    return values


def _damaged(file: Path, error: object) -> Exception:
    return input_error(str(file), f"cannot be read: {error}", "Remove it: what it held is made again.")
