"""The folder of a run: what a run writes, and how it is read back.

config.yaml         the resolved configuration     run.sqlite   everything that happened, see `database`
grammar.lark        the grammar's text             weights/     trained weights of candidates
start.net           the first parent, if given
environment.json    versions, hardware, command    best.safetensors, last.safetensors
lock                held by the process that writes
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import yaml

from spenser_gee.atomic import TEMPORARY_SUFFIX, atomic_path, write_json, write_text
from spenser_gee.errors import input_error
from spenser_gee.evaluation import Evaluation, Execution
from spenser_gee.runs.database import create_database, damaged, open_database, transaction, translated
from spenser_gee.runs.lock import is_locked, take_lock
from spenser_gee.runs.summary import evaluations_csv, summarise
from spenser_gee.search.record import GenerationSummary
from spenser_gee.search.strategy import Candidate

EventKind = Literal["start", "resume", "interrupted", "failed", "finished"]


class RunFolder:
    """An open run folder. Make one with `create` (to write) or `open` (to read, or to go on writing)."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: int | None) -> None:
        self.path = path
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
    ) -> RunFolder:
        """A new run folder, locked for writing. InputError where something lies there already.

        start: the text of the first parent's sentence.
        """
        path = Path(path)
        require_free(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise input_error(str(path), f"no folder can be made here: {error.strerror}") from error
        lock = take_lock(path / "lock")
        try:
            write_text(
                path / "config.yaml", yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)
            )
            write_text(path / "grammar.lark", grammar_text)
            if start is not None:
                write_text(path / "start.net", start)
            write_json(path / "environment.json", environment)
            (path / "weights").mkdir()
            # The database comes last: with it the folder is a run folder.
            meta = {"grammar_canonical": grammar_canonical, "grammar_sha256": grammar_sha256}
            connection = create_database(path / "run.sqlite", meta)
        except BaseException as error:
            os.close(lock)
            if isinstance(error, OSError):
                raise input_error(str(path), f"the run folder cannot be written: {error.strerror}") from error
            raise
        return RunFolder(path, connection, lock)

    @staticmethod
    def open(path: Path | str, write: bool = False) -> RunFolder:
        """An existing run folder; `write` takes the lock. InputError where it is none, damaged or locked."""
        path = Path(path)
        if not path.is_dir():
            raise input_error(str(path), "no such folder", "give the folder of a run")
        if not (path / "run.sqlite").is_file():
            remedy = "give the folder of a run"
            if (path / "config.yaml").is_file():
                remedy = "if its run was stopped before it began, remove the folder and run again"
            raise input_error(str(path), "not a run folder: it has no run.sqlite", remedy)
        lock = take_lock(path / "lock") if write else None
        try:
            return RunFolder(path, open_database(path / "run.sqlite", write), lock)
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
        """The resolved configuration."""
        try:
            values = yaml.safe_load(self._text("config.yaml"))
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise input_error(str(self.path / "config.yaml"), f"not YAML: {error}") from error
        if not isinstance(values, dict):
            raise input_error(str(self.path / "config.yaml"), "expected a mapping of sections")
        return values

    def grammar_text(self) -> str:
        """The grammar as the user wrote it."""
        return self._text("grammar.lark")

    def grammar_canonical(self) -> str:
        """The grammar's canonical form at the start of the run."""
        return self._meta("grammar_canonical")

    def grammar_sha256(self) -> str:
        """The digest of the canonical form."""
        return self._meta("grammar_sha256")

    def environment(self) -> dict[str, Any]:
        """What `describe_environment` found at the start."""
        try:
            values: dict[str, Any] = json.loads(self._text("environment.json"))
        except (ValueError, RecursionError) as error:
            raise input_error(str(self.path / "environment.json"), f"not JSON: {error}") from error
        if not isinstance(values, dict):
            raise input_error(str(self.path / "environment.json"), "expected a JSON object")
        return values

    def generations_done(self) -> int:
        """How many generations are finished."""
        return int(self.rows("SELECT count(*) AS n FROM generations")[0]["n"])

    # Writing.

    def write_config(self, config: Mapping[str, Any]) -> None:
        """The configuration that the run goes on with."""
        text = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)
        write_text(self.path / "config.yaml", text)

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
        write_text(self.path / "grammar.lark", text)
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
                self._connection.execute(
                    "UPDATE state SET state_json = ? WHERE generation = (SELECT max(generation) FROM state)",
                    (json.dumps(state),),
                )

    def event(self, kind: EventKind, detail: str = "") -> None:
        """Note that the run started, was resumed, was interrupted, failed or finished."""
        with self._writing():
            self._insert("events", time=time.time(), kind=kind, detail=detail)

    def write_final(self, result: Mapping[str, Any]) -> None:
        """The result of the final training and test (JSON-able; `test_accuracy` is shown by `summary`)."""
        with self._writing():
            self._connection.execute("DELETE FROM final")
            self._insert("final", id=1, result_json=json.dumps(result), recorded=time.time())

    def write_evaluation(
        self, candidate: Candidate[Any], genotype: Any, generation: int, evaluation: Evaluation
    ) -> None:
        """The candidate (if new), its evaluation and the inner search's history, in one transaction."""
        with self._writing():
            self._insert(
                "candidates",
                or_ignore=True,
                id=candidate.id,
                generation=generation,
                parents_json=json.dumps(candidate.parents),
                origin_json=json.dumps(candidate.origin),
                genotype_json=json.dumps(genotype),
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

    def write_generation(self, summary: GenerationSummary, state: Mapping[str, Any]) -> None:
        """A finished generation and the state after it, in one transaction."""
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
            self._insert("state", generation=summary.generation, state_json=json.dumps(state))

    # Reading.

    def rows(self, query: str, *parameters: Any) -> list[dict[str, Any]]:
        """The rows of a query. Values of columns named *_json are decoded, and lose that ending."""
        with translated(self.path / "run.sqlite"):
            found = self._connection.execute(query, parameters).fetchall()
        with self.trusting():
            return [
                {_name(key): _decoded(key, value) for key, value in zip(row.keys(), row, strict=True)}
                for row in found
            ]

    def last_state(self) -> dict[str, Any] | None:
        """The strategy's state after the last finished generation (None: there is none yet)."""
        rows = self.rows("SELECT state_json FROM state ORDER BY generation DESC LIMIT 1")
        return rows[0]["state"] if rows else None

    def final(self) -> dict[str, Any] | None:
        """The result of the final training and test."""
        rows = self.rows("SELECT result_json FROM final")
        return rows[0]["result"] if rows else None

    def candidate(self, candidate_id: int) -> dict[str, Any]:
        """A row of the candidates table, see `database`. InputError for an unknown id."""
        rows = self.rows("SELECT * FROM candidates WHERE id = ?", candidate_id)
        if not rows:
            last = self.rows("SELECT max(id) AS id FROM candidates")[0]["id"]
            known = "there is none yet" if last is None else f"ids go from 0 to {last}"
            raise input_error(str(self.path), f"no candidate {candidate_id}: {known}")
        return rows[0]

    def evaluations(self, candidate_id: int) -> list[tuple[int, Evaluation]]:
        """(generation, evaluation) of a candidate, in order, with its inner history."""
        rows = self.rows("SELECT * FROM evaluations WHERE candidate_id = ? ORDER BY generation", candidate_id)
        return [(row["generation"], self.evaluation_of_row(row)) for row in rows]

    def evaluation_of_row(self, row: Mapping[str, Any]) -> Evaluation:
        """The `Evaluation` that `write_evaluation` was given."""
        with self.trusting():
            execution = None
            if row["started"] is not None:
                execution = Execution(row["started"], row["finished"], row["worker"])
            return Evaluation(
                row["status"],
                row["objectives"],
                row["cost"],
                row["reason"],
                row["details"],
                row["errors"],
                row["measures"],
                tuple(tuple(point) for point in row["curve"]),
                tuple(self.inner(row["candidate_id"], row["generation"])),
                bool(row["evaluated"]),
                row["same_as"],
                execution=execution,
            )

    def inner(self, candidate_id: int, generation: int) -> list[Any]:
        """The inner search's history in one evaluation."""
        rows = self.rows(
            "SELECT values_json FROM inner WHERE candidate_id = ? AND generation = ? ORDER BY cma_generation",
            candidate_id,
            generation,
        )
        return [row["values"] for row in rows]

    def is_running(self) -> bool:
        """Whether a process is writing this run."""
        return is_locked(self.path / "lock")

    def summary(self) -> dict[str, Any]:
        """One JSON-able object for `show`, see `summary`."""
        with self.trusting():
            return summarise(self)

    def to_csv(self) -> str:
        """Every evaluation as CSV with a header, see `summary`."""
        with self.trusting():
            return evaluations_csv(self)

    # Weights: only the files' names and places; who trains writes them.

    def weights_path(self, candidate_id: int, generation: int) -> Path:
        """Where the weights of a candidate belong that was trained in this generation: a parent is trained again
        in every generation, while its offspring still read the weights of the one before."""
        return self.path / "weights" / f"candidate-{candidate_id:06d}-{generation:05d}.safetensors"

    def best_before(self, generation: int) -> tuple[int, int] | None:
        rows = self.rows(
            "SELECT front_json FROM generations WHERE generation < ? ORDER BY generation DESC LIMIT 1",
            generation,
        )
        front = rows[0]["front"] if rows else []
        return (front[0]["id"], front[0]["trained"]) if front else None

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

    @property
    def first_parent(self) -> Path:
        """The sentence of the first parent, if the run was given one."""
        return self.path / "start.net"

    @property
    def best_weights(self) -> Path:
        """The weights of the best candidate."""
        return self.path / "best.safetensors"

    @property
    def final_weights(self) -> Path:
        """The weights of the best candidate after its final training."""
        return self.path / "final.safetensors"

    @property
    def last_weights(self) -> Path:
        """The weights of the candidate trained last."""
        return self.path / "last.safetensors"

    def publish_weights(self, source: Path, target: Path) -> None:
        """Make `target` (`best_weights`, `last_weights`) a copy of a candidate's weights, if they are there."""
        if source.is_file():
            with atomic_path(target) as temporary:
                shutil.copyfile(source, temporary)

    def keep_weights(self, kept: Iterable[tuple[int, int]]) -> None:
        """Remove the weights of all but these (candidate, generation), and what interrupted writers left."""
        names = {self.weights_path(*which).name for which in kept}
        for file in (self.path / "weights").glob("*"):
            abandoned = file.name.endswith(TEMPORARY_SUFFIX)
            if abandoned or (file.name.startswith("candidate-") and file.name not in names):
                file.unlink(missing_ok=True)

    def _text(self, name: str) -> str:
        try:
            return (self.path / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise input_error(str(self.path / name), f"cannot be read: {error}") from error

    def _meta(self, key: str) -> str:
        with self.trusting():
            return str(self.rows("SELECT value FROM meta WHERE key = ?", key)[0]["value"])

    @contextlib.contextmanager
    def trusting(self) -> Iterator[None]:
        """For a block that takes what it reads for what was written: an InputError where it is not."""
        try:
            yield
        except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
            raise damaged(self.path / "run.sqlite", error) from error

    @contextlib.contextmanager
    def _writing(self) -> Any:
        with translated(self.path / "run.sqlite"), transaction(self._connection):
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


def _name(column: str) -> str:
    return column.removesuffix("_json")


def _decoded(column: str, value: Any) -> Any:
    return json.loads(value) if column.endswith("_json") and value is not None else value
