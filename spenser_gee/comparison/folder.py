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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spenser_gee.atomic import write_json
from spenser_gee.comparison.contenders import Contender
from spenser_gee.comparison.finished import Finished
from spenser_gee.comparison.results import FORMAT, LatencyResults, Results
from spenser_gee.comparison.settings import Settings
from spenser_gee.data import Identity, require_same
from spenser_gee.errors import input_error
from spenser_gee.evaluation import Evaluation
from spenser_gee.runs.lock import take_lock
from spenser_gee.runs.typed import Value, from_json, to_json

# What reading a file raises that holds something else.
_WRONG = (TypeError, ValueError, LookupError, AttributeError)


@dataclass(frozen=True)
class Definition:
    """What a comparison is. settings: what all trials share. seeds: they are 0 .. seeds - 1. contenders: the first
    one is the reference."""

    settings: Settings
    seeds: int
    contenders: tuple[Contender, ...]


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
        try:
            (path / "trials").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            problem = f"no folder can be made here: {error.strerror}"
            raise input_error(str(path), problem, "Choose another: --out.") from None
        lock = take_lock(path / "lock")
        try:
            file = path / "comparison.json"
            definition = _merged(path, _definition(file), wanted) if file.is_file() else wanted
            write_json(file, {"format": FORMAT, **to_json(definition)})
            yield ComparisonFolder(path, definition)
        finally:
            os.close(lock)

    def trial(self, name: str, arm: str, seed: int) -> Finished | None:
        """What came out, or None. Raises InputError for a damaged file."""
        file = self._trial_file(name, arm, seed)
        if not file.is_file():
            return None
        return _read(file, lambda values: Finished.of(Evaluation.from_dict(values), seed))

    def write_trial(self, name: str, arm: str, seed: int, evaluation: Evaluation) -> None:
        """A finished trial, atomically."""
        write_json(self._trial_file(name, arm, seed), evaluation.to_dict())

    def latencies(self) -> dict[str, LatencyResults | None]:
        """By contender, as far as measured; None: it does not run here. Raises InputError for a damaged file."""
        file = self.path / "latency.json"
        if not file.is_file():
            return {}
        return _read(file, lambda values: from_json(dict[str, LatencyResults | None], values))

    def write_latencies(self, latencies: Mapping[str, LatencyResults | None]) -> None:
        """All that are known."""
        write_json(self.path / "latency.json", {name: to_json(found) for name, found in latencies.items()})

    def write_results(self, results: Results) -> None:
        """The figures so far."""
        write_json(self.path / "results.json", results.to_dict())

    def seconds_spent(self) -> float:
        """Of wall clock, by earlier calls."""
        return load_results(self.path).seconds if (self.path / "results.json").is_file() else 0.0

    def _trial_file(self, name: str, arm: str, seed: int) -> Path:
        return self.path / "trials" / f"{name}.{arm}.{seed}.json"


def load_results(path: Path) -> Results:
    """The results of a comparison's folder. Raises InputError where there are none."""
    file = path / "results.json"
    if not file.is_file():
        raise input_error(
            str(path), "not the folder of a comparison: it has no results.json", "Make one: compare --help."
        )
    return _read(file, Results.from_dict)


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
    # An earlier version recorded no identity of the data.
    if now.settings.identity is not None:
        require_same(before.settings.identity, Identity.from_dict(now.settings.identity), str(path))
    earlier, later = to_json(before.settings), to_json(now.settings)
    differ = [key for key in later if key != "identity" and earlier[key] != later[key]]
    if differ:
        shown = "; ".join(f"{key}: {earlier[key]} before, {later[key]} now" for key in differ)
        raise input_error(
            str(path),
            f"the comparison in this folder had other settings, so its trials cannot be reused ({shown})",
            "Say what was said before, or begin another comparison: --out FOLDER.",
        )
    contenders = {contender.name: contender for contender in before.contenders}
    for contender in now.contenders:
        known = contenders.get(contender.name, contender)
        if known.spec != contender.spec:
            raise input_error(
                str(path),
                f'"{contender.name}" is another network now ({contender.source}) than in this comparison '
                f"({known.source})",
                "Begin another comparison: --out FOLDER.",
            )
        contenders[contender.name] = contender
    return Definition(now.settings, max(before.seeds, now.seeds), tuple(contenders.values()))


def _definition(file: Path) -> Definition:
    try:
        return from_json(Definition, _read(file, dict))
    except _WRONG as error:
        raise input_error(
            str(file), f"cannot be read: {error!r}", "Begin another comparison: --out FOLDER."
        ) from None


def _read(file: Path, make: Callable[[dict[str, Any]], Value]) -> Value:
    """What is made of the JSON object in a file."""
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise ValueError("expected a JSON object")
        return make(values)
    except (OSError, RecursionError, *_WRONG) as error:
        problem = f"cannot be read: {error}"
        raise input_error(str(file), problem, "Remove it: what it held is made again.") from None
