"""The folder of a run, open: what a run writes, and what it reads to go on. `layout` says what lies in it."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import yaml

from spenser_gee.atomic import missing_folders, take_away, write_json, write_text
from spenser_gee.errors import input_error, nearest_path
from spenser_gee.evaluation import Evaluation
from spenser_gee.runs.database import create_database, open_database, transaction, translated, trusting
from spenser_gee.runs.layout import RunPaths
from spenser_gee.runs.lock import is_locked, take_lock
from spenser_gee.runs.migrations import upgrade_config
from spenser_gee.runs.weights import WeightFiles
from spenser_gee.search.record import GenerationSummary
from spenser_gee.search.strategy import Candidate

EventKind = Literal["start", "resume", "interrupted", "exhausted", "failed", "finished"]


class RunFolder(WeightFiles):
    """An open run folder, which is the `search.record.Record` of its search.

    Make one with `create` (to write) or `open` (to read, or to go on writing). What readers ask is in `queries`.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: int | None) -> None:
        super().__init__(path)
        self._connection = connection
        self._lock = lock

    @staticmethod
    def create(
        path: Path | str,
        config: Mapping[str, Any],
        grammar_text: str,
        grammar_canonical: str,
        grammar_sha256: str,
        environment: Mapping[str, Any],
        start: str | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> RunFolder:
        """A new run folder, locked for writing. InputError where something lies there already.

        start: the text of the first parent's sentence. data: what the data are (`data.Identity`), JSON-able.
        """
        path = Path(path)
        require_free(path)
        made = missing_folders(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            take_away(path, made)
            raise input_error(str(path), f"no folder can be made here: {error.strerror}") from error
        paths = RunPaths(path)
        lock = take_lock(paths.lock_file)
        try:
            write_text(paths.config_file, _yaml(config))
            write_text(paths.grammar_file, grammar_text)
            if start is not None:
                write_text(paths.first_parent, start)
            write_json(paths.environment_file, environment)
            if data is not None:
                write_json(paths.data_file, data)
            paths.weights_folder.mkdir()
            # The database comes last: with it the folder is a run folder.
            meta = {"grammar_canonical": grammar_canonical, "grammar_sha256": grammar_sha256}
            connection = create_database(paths.database_file, meta)
        except BaseException as error:
            take_away(path, made)
            os.close(lock)
            if isinstance(error, OSError):
                raise input_error(str(path), f"the run folder cannot be written: {error.strerror}") from error
            raise
        return RunFolder(path, connection, lock)

    @staticmethod
    def open(path: Path | str, write: bool = False) -> RunFolder:
        """An existing run folder; `write` takes the lock. InputError where it is none, damaged or locked."""
        paths = RunPaths(Path(path))
        if not paths.path.is_dir():
            raise input_error(
                str(path), f"no such folder{nearest_path(paths.path)}", "give the folder of a run"
            )
        if not paths.database_file.is_file():
            remedy = "give the folder of a run"
            if paths.lock_file.is_file():
                remedy = "if its run was stopped before it began, remove the folder and run again"
            raise input_error(str(path), f"not a run folder: it has no {paths.database_file.name}", remedy)
        lock = take_lock(paths.lock_file) if write else None
        try:
            return RunFolder(paths.path, open_database(paths.database_file, write), lock)
        except BaseException:
            if lock is not None:
                os.close(lock)
            raise

    def close(self) -> None:
        """Close the database and give the lock back."""
        self._connection.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # What the run began with.

    def config(self) -> dict[str, Any]:
        """The resolved configuration, in today's keys."""
        try:
            values = yaml.safe_load(_text(self.config_file))
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise input_error(str(self.config_file), f"not YAML: {error}") from error
        if not isinstance(values, dict):
            raise input_error(str(self.config_file), "expected a mapping of sections")
        upgrade_config(values)
        return values

    def grammar_text(self) -> str:
        """The grammar as the user wrote it."""
        return _text(self.grammar_file)

    def grammar_canonical(self) -> str:
        """The grammar's canonical form at the start of the run."""
        return self._meta("grammar_canonical")

    def grammar_sha256(self) -> str:
        """The digest of the canonical form."""
        return self._meta("grammar_sha256")

    def environment(self) -> dict[str, Any]:
        """What `describe_environment` found at the start."""
        return _json(self.environment_file)

    def data_record(self) -> dict[str, Any] | None:
        """What the run's data are; None where an earlier version began it and did not record that."""
        return _json(self.data_file) if self.data_file.exists() else None

    def generations_done(self) -> int:
        """How many generations are finished."""
        return int(self.rows("SELECT count(*) AS n FROM generations")[0]["n"])

    def is_running(self) -> bool:
        """Whether a process is writing this run."""
        return is_locked(self.lock_file)

    # Writing.

    def write_config(self, config: Mapping[str, Any]) -> None:
        """The configuration that the run goes on with."""
        write_text(self.config_file, _yaml(config))

    def write_data_record(self, data: Mapping[str, Any]) -> None:
        """What the data are, for a run that has no record of it yet."""
        write_json(self.data_file, data)

    def adopt_grammar(
        self,
        text: str,
        canonical: str,
        sha256: str,
        candidates: Mapping[int, tuple[Any, str]],
        state: Mapping[str, Any] | None,
    ) -> None:
        """Go on under another grammar: candidate id -> (genotype, sentence), and the strategy's state, both
        read with it. What is recorded of an unfinished generation is removed."""
        # The text comes first: stopped in between, the run still sees that its grammar was edited.
        write_text(self.grammar_file, text)
        with self._writing():
            values = [("grammar_canonical", canonical), ("grammar_sha256", sha256)]
            self._connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values)
            self._connection.executemany(
                "UPDATE candidates SET genotype_json = ?, sentence = ? WHERE id = ?",
                [(json.dumps(genotype), sentence, i) for i, (genotype, sentence) in candidates.items()],
            )
            unfinished = "generation > (SELECT coalesce(max(generation), -1) FROM generations)"
            for table in ("inner", "evaluations", "candidates"):
                self._connection.execute(f"DELETE FROM {table} WHERE {unfinished}")
            if state is not None:
                self._connection.execute("UPDATE state SET state_json = ?", (json.dumps(state),))

    def event(self, kind: EventKind, detail: str = "") -> None:
        """Note that the run started, was resumed or interrupted, found no more networks, failed or finished."""
        with self._writing():
            self._insert("events", time=time.time(), kind=kind, detail=detail)

    def write_final(self, result: Mapping[str, Any]) -> None:
        """The result of the final training and test, JSON-able; readers get it as `queries.Final`."""
        with self._writing():
            self._connection.execute("DELETE FROM final")
            self._insert("final", id=1, result_json=json.dumps(result), recorded=time.time())

    def evaluation(self, candidate: Candidate[Any], generation: int, evaluation: Evaluation) -> None:
        """See `Record.evaluation`. The genotype is JSON-able or has `to_json`."""
        with self._writing():
            self._insert(
                "candidates",
                or_ignore=True,
                id=candidate.id,
                generation=generation,
                parents_json=json.dumps(candidate.parents),
                origin_json=json.dumps(candidate.origin),
                genotype_json=json.dumps(candidate.genotype, default=lambda genotype: genotype.to_json()),
                sentence=candidate.sentence,
                phenotype_key=candidate.phenotype_key,
            )
            self._insert(
                "evaluations",
                candidate_id=candidate.id,
                generation=generation,
                status=evaluation.status,
                objectives_json=json.dumps(dict(evaluation.objectives)),
                errors_json=json.dumps(dict(evaluation.errors)),
                measures_json=json.dumps(dict(evaluation.measures)),
                cost_json=json.dumps(dict(evaluation.cost)),
                # Messages of the system may hold bytes that are no text, which sqlite refuses.
                reason=evaluation.reason.encode("utf-8", "backslashreplace").decode(),
                details_json=json.dumps(dict(evaluation.details)),
                curve_json=json.dumps(evaluation.curve),
                evaluated=int(evaluation.evaluated),
                same_as=evaluation.same_as,
                recorded=time.time(),
                **({} if evaluation.execution is None else asdict(evaluation.execution)),
            )
            for index, values in enumerate(evaluation.inner):
                self._insert(
                    "inner",
                    candidate_id=candidate.id,
                    generation=generation,
                    cma_generation=index,
                    values_json=json.dumps(values),
                )

    def generation(self, summary: GenerationSummary, state: Mapping[str, Any]) -> None:
        """See `Record.generation`."""
        with self._writing():
            self._insert(
                "generations",
                generation=summary.generation,
                front_json=json.dumps([asdict(standing) for standing in summary.front]),
                means_json=json.dumps(dict(summary.means)),
                evaluations=summary.evaluations,
                counts_json=json.dumps(dict(summary.counts)),
                seconds=summary.seconds,
                recorded=time.time(),
            )
            self._connection.execute("DELETE FROM state")
            self._insert("state", generation=summary.generation, state_json=json.dumps(state))

    # Reading.

    def rows(self, query: str, *parameters: Any) -> list[dict[str, Any]]:
        """The rows of a query. Values of columns named *_json are decoded, and lose that ending."""
        with translated(self.database_file):
            found = self._connection.execute(query, parameters).fetchall()
        with self.trusting():
            return [dict(map(_decoded, row.keys(), row)) for row in found]

    def recorded(self, generation: int) -> dict[int, tuple[str, Evaluation]]:
        """See `Record.recorded`."""
        rows = self.rows(
            "SELECT evaluations.*, candidates.sentence FROM evaluations JOIN candidates ON id = candidate_id"
            " WHERE evaluations.generation = ? ORDER BY candidate_id",
            generation,
        )
        return {row["candidate_id"]: (row["sentence"], self._evaluation(row)) for row in rows}

    def known(self, candidate_id: int) -> Evaluation | None:
        """See `Record.known`."""
        evaluations = self.evaluations(candidate_id)
        return evaluations[0][1] if evaluations else None

    def evaluations_done(self) -> int:
        """See `Record.evaluations_done`."""
        return int(self.rows("SELECT total(evaluations) AS n FROM generations")[0]["n"])

    def seconds_spent(self) -> float:
        """See `Record.seconds_spent`: of each session from its start or resume to the last thing that it wrote.

        So the time of a killed session counts, and the time between sessions does not.
        """
        starts = self.rows(
            "SELECT time, coalesce(lead(time) OVER (ORDER BY id), 9e999) AS next FROM events"
            " WHERE kind IN ('start', 'resume') ORDER BY id"
        )
        total = 0.0
        for row in starts:
            last = self.rows(
                "SELECT max(time) AS last FROM (SELECT recorded AS time FROM evaluations UNION ALL"
                " SELECT recorded FROM generations UNION ALL SELECT recorded FROM final UNION ALL"
                " SELECT time FROM events) WHERE time >= ? AND time < ?",
                row["time"],
                row["next"],
            )[0]["last"]
            with self.trusting():
                total += max(last - row["time"], 0.0) if last is not None else 0.0
        return total

    def last_state(self) -> dict[str, Any] | None:
        """The strategy's state after the last finished generation (None: there is none yet)."""
        rows = self.rows("SELECT state_json FROM state")
        return rows[0]["state"] if rows else None

    def final(self) -> dict[str, Any] | None:
        """The result of the final training and test."""
        rows = self.rows("SELECT result_json FROM final")
        return rows[0]["result"] if rows else None

    def evaluations(self, candidate_id: int) -> list[tuple[int, Evaluation]]:
        """(generation, evaluation) of a candidate, in order, with its inner history."""
        rows = self.rows("SELECT * FROM evaluations WHERE candidate_id = ? ORDER BY generation", candidate_id)
        return [(row["generation"], self._evaluation(row)) for row in rows]

    def _evaluation(self, row: Mapping[str, Any]) -> Evaluation:
        """What `evaluation` was given."""
        with self.trusting():
            inner = self.rows(
                "SELECT values_json FROM inner WHERE candidate_id = ? AND generation = ? ORDER BY cma_generation",
                row["candidate_id"],
                row["generation"],
            )
            kept = (
                "status",
                "objectives",
                "errors",
                "measures",
                "cost",
                "reason",
                "details",
                "curve",
                "same_as",
            )
            values = {key: row[key] for key in kept}
            values["evaluated"] = bool(row["evaluated"])
            values["inner"] = [step["values"] for step in inner]
            if row["started"] is not None:
                values["execution"] = {key: row[key] for key in ("started", "finished", "worker")}
            return Evaluation.from_dict(values)

    def last_trained(self, generation: int) -> tuple[int, int] | None:
        """(candidate, generation) of what was trained last in the generation before this one."""
        rows = self.rows(
            "SELECT candidate_id AS id, generation FROM evaluations WHERE evaluated AND status = 'complete'"
            " AND generation = ? - 1 ORDER BY recorded DESC, id DESC LIMIT 1",
            generation,
        )
        return (rows[0]["id"], rows[0]["generation"]) if rows else None

    def trained_since(self, generation: int) -> list[tuple[int, int]]:
        """(candidate, generation) of what was trained in this generation or a later one."""
        rows = self.rows(
            "SELECT candidate_id AS id, generation FROM evaluations WHERE evaluated AND generation >= ?",
            generation,
        )
        return [(row["id"], row["generation"]) for row in rows]

    def trusting(self) -> contextlib.AbstractContextManager[None]:
        """See `database.trusting`."""
        return trusting(self.database_file)

    def _meta(self, key: str) -> str:
        with self.trusting():
            return str(self.rows("SELECT value FROM meta WHERE key = ?", key)[0]["value"])

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        with translated(self.database_file), transaction(self._connection):
            yield

    def _insert(self, table: str, *, or_ignore: bool = False, **values: Any) -> None:
        # Table and column names are this file's own words; only values come from outside.
        columns, marks = ", ".join(values), ", ".join("?" * len(values))
        verb = "INSERT OR IGNORE" if or_ignore else "INSERT"
        self._connection.execute(f"{verb} INTO {table} ({columns}) VALUES ({marks})", tuple(values.values()))


def require_free(path: Path) -> None:
    """InputError where a new run cannot have this folder: there is something already."""
    try:
        occupied = path.exists() and any(path.iterdir())
    except OSError as error:
        raise input_error(str(path), f"no folder can be made here: {error.strerror}") from error
    if occupied:
        raise input_error(
            str(path),
            "the folder is not empty, and a run never overwrites anything",
            f"choose another folder with --out, or go on with it: resume {path}",
        )


def _yaml(config: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise input_error(str(path), f"cannot be read: {error}") from error


def _json(path: Path) -> dict[str, Any]:
    try:
        values: dict[str, Any] = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise input_error(str(path), f"not JSON: {error}") from error
    if not isinstance(values, dict):
        raise input_error(str(path), "expected a JSON object")
    return values


def _decoded(column: str, value: Any) -> tuple[str, Any]:
    if column.endswith("_json"):
        return column.removesuffix("_json"), json.loads(value)
    return column, value
