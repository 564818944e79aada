"""The sqlite database of a run: its schema, earlier schemas, and how it is opened without a traceback.

Write-ahead logging: one writer (the process that runs the search) and any number of readers at the same time.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from spenser_gee.atomic import atomic_path
from spenser_gee.errors import InputError, input_error
from spenser_gee.runs.migrations import MIGRATIONS

# "SGEE" in ASCII: tells a run's database from any other sqlite file.
APPLICATION_ID = 0x53474545
SCHEMA_VERSION = 3

# Times are seconds since the epoch. Columns named *_json hold JSON. Objectives are empty unless complete;
# `evaluated` is 0 for what was known without evaluating. `state` holds the one after the last generation.
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE candidates (
    id INTEGER PRIMARY KEY, generation INTEGER NOT NULL, parents_json TEXT NOT NULL,
    origin_json TEXT NOT NULL, genotype_json TEXT NOT NULL, sentence TEXT NOT NULL,
    phenotype_key TEXT NOT NULL);
CREATE TABLE evaluations (
    candidate_id INTEGER NOT NULL REFERENCES candidates (id), generation INTEGER NOT NULL,
    status TEXT NOT NULL, objectives_json TEXT NOT NULL, errors_json TEXT NOT NULL, measures_json TEXT NOT NULL,
    cost_json TEXT NOT NULL, reason TEXT NOT NULL, details_json TEXT NOT NULL, curve_json TEXT NOT NULL,
    evaluated INTEGER NOT NULL, same_as INTEGER,
    started REAL, finished REAL, worker TEXT, recorded REAL NOT NULL,
    PRIMARY KEY (generation, candidate_id));
CREATE INDEX evaluations_of_candidate ON evaluations (candidate_id, generation);
CREATE TABLE inner (
    candidate_id INTEGER NOT NULL, generation INTEGER NOT NULL, cma_generation INTEGER NOT NULL,
    values_json TEXT NOT NULL, PRIMARY KEY (candidate_id, generation, cma_generation));
CREATE TABLE generations (
    generation INTEGER PRIMARY KEY, front_json TEXT NOT NULL, means_json TEXT NOT NULL,
    evaluations INTEGER NOT NULL, counts_json TEXT NOT NULL, seconds REAL NOT NULL, recorded REAL NOT NULL);
CREATE TABLE state (generation INTEGER PRIMARY KEY, state_json TEXT NOT NULL);
CREATE TABLE final (id INTEGER PRIMARY KEY CHECK (id = 1), result_json TEXT NOT NULL, recorded REAL NOT NULL);
CREATE TABLE events (id INTEGER PRIMARY KEY, time REAL NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL);
"""


class DatabaseError(InputError):
    """The database of a run cannot be read or written, or does not hold what was written."""


def create_database(path: Path, meta: dict[str, str]) -> sqlite3.Connection:
    """A new database with the schema; the connection to write to it. It is there whole or not at all."""
    with translated(path), atomic_path(path) as temporary:
        connection = _connect(f"{temporary.absolute().as_uri()}?mode=rwc")
        connection.execute("PRAGMA synchronous = OFF")  # it is put on the disk before the rename
        with contextlib.closing(connection), transaction(connection):
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
    return open_database(path, write=True)


def open_database(path: Path, write: bool) -> sqlite3.Connection:
    """A connection to an existing, sound database, in this schema. InputError for anything else.

    One of an earlier schema is brought to this one: in the file where it is opened to write, else in a copy in memory.
    """
    if not path.is_file():
        raise input_error(str(path), "no such file: this is not a run folder", "give the folder of a run")
    with translated(path), trusting(path):
        connection = _open(path, "rw" if write else "ro")
        try:
            if write:
                connection.execute("PRAGMA journal_mode = WAL")
            elif _version(connection) < SCHEMA_VERSION:
                connection = _copied(connection)
            _migrate(connection)
            if not write:
                connection.execute("PRAGMA query_only = ON")  # a write to the copy would be lost
        except BaseException:
            connection.close()
            raise
        return connection


def _open(path: Path, mode: str) -> sqlite3.Connection:
    """A connection to a database that passed the checks."""
    uri = path.absolute().as_uri()
    connection = _connect(f"{uri}?mode={mode}")
    try:
        _check(connection, path)
    except sqlite3.OperationalError as error:
        connection.close()
        if mode != "ro" or "unable to open" not in str(error):
            raise
        # A reader of a write-ahead log needs to write beside it, which a read-only folder forbids;
        # without a writer the file is complete by itself.
        connection = _connect(f"{uri}?immutable=1")
        _check(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _copied(connection: sqlite3.Connection) -> sqlite3.Connection:
    """A copy in memory, as the database is now."""
    with contextlib.closing(connection):
        copy = _connect("file::memory:")
        connection.backup(copy)
        return copy


def _migrate(connection: sqlite3.Connection) -> None:
    """To this schema, or not at all."""
    if _version(connection) == SCHEMA_VERSION:
        return
    with transaction(connection):
        # Read again: only now no other process writes.
        for version in range(_version(connection), SCHEMA_VERSION):
            MIGRATIONS[version](connection)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _connect(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, timeout=30.0, isolation_level=None)
    connection.row_factory = sqlite3.Row
    # NORMAL: a killed process loses nothing; a power failure may lose the last commits but damages nothing.
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise input_error(str(path), "not the database of a run", "give the folder of a run")
    version = _version(connection)
    # An earlier schema can be used where there is a way from it to this one.
    if version > SCHEMA_VERSION or any(v not in MIGRATIONS for v in range(version, SCHEMA_VERSION)):
        raise input_error(
            str(path),
            f"schema version {version}, expected {SCHEMA_VERSION}",
            "open it with the version of spenser_gee that wrote it (environment.json names it)",
        )
    problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        raise sqlite3.DatabaseError(" ".join(problem.split()))


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """sqlite's errors in the block become an InputError which names the file."""
    try:
        yield
    except sqlite3.OperationalError as error:
        remedy = "check the disk's free space and the permissions, then resume the run"
        raise _error(path, f"the run's database cannot be used: {error}", remedy) from error
    except (sqlite3.Error, UnicodeDecodeError) as error:  # a damaged schema makes an undecodable message
        raise _damaged(path, error) from error


@contextlib.contextmanager
def trusting(path: Path) -> Iterator[None]:
    """For a block that takes what it reads from the database for what was written: an InputError where it is not.

    Nothing else belongs in it: what goes wrong there would be called a damaged database.
    """
    try:
        yield
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> DatabaseError:
    remedy = "restore the file from a copy; `sqlite3 run.sqlite .recover` may save a part of it"
    return _error(path, f"the run's database is damaged: {error}", remedy)


def _error(path: Path, problem: str, remedy: str) -> DatabaseError:
    return DatabaseError(*input_error(str(path), problem, remedy).findings)


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of the block's writes, or none."""
    try:
        # Both ends lie inside: Ctrl-C may come at any moment, and must not leave a transaction open.
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
