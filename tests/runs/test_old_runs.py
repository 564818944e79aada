"""Run folders of earlier schemas: each has one among the assets, made by the program as it was then."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from spenser_gee.errors import InputError
from spenser_gee.runs import database, queries
from spenser_gee.runs.migrations import upgrade_config
from spenser_gee.runs.origin import changed_config, config_of
from spenser_gee.runs.store import RunFolder
from spenser_gee.runs.summary import evaluations_csv, summarise
from spenser_gee.session import resume_run

ASSETS = Path(__file__).parent / "assets"
OLD = sorted(ASSETS.iterdir())


@dataclass(frozen=True)
class Wrote:
    """What the program that wrote a folder showed and reported of it; bests: by generation. next_candidate: one that
    it proposed in the generation after these, and the digest of its sentence."""

    status: str
    bests: tuple[float, ...]
    mean: float
    evaluations: int
    candidates: tuple[int, ...]
    test_accuracy: float | None
    reported: tuple[str, ...]
    goes_on: dict[str, Any]
    next_candidate: int
    next_digest: str


WROTE = {
    "version-1": Wrote(
        "finished",
        (0.11667,),
        0.11667,
        2,
        (0, 1),
        0.286908,
        ("0.2869 ± 0.0239 on 359 images",),
        {"search.generations": "+1"},
        2,
        "f0ad63b913264d6e",
    ),
    # Stopped in its third and last generation: candidate 4 is still to be evaluated.
    "version-2": Wrote(
        "interrupted",
        (0.11667, 0.1),
        0.10833,
        7,
        (0, 1, 2, 3, 5),
        None,
        ("0.1083 ± 0.0083",),
        {},
        4,
        "325c860a8f6763db",
    ),
}


def digest(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file() and not file.name.startswith("run.sqlite-")
    }


@pytest.fixture(params=OLD, ids=lambda folder: folder.name)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return Path(shutil.copytree(request.param, tmp_path / request.param.name))


def test_there_is_one_of_each_schema() -> None:
    versions = []
    for folder in OLD:
        connection = sqlite3.connect(f"file:{folder / 'run.sqlite'}?immutable=1", uri=True)
        versions.append(connection.execute("PRAGMA user_version").fetchone()[0])
        connection.close()
    assert set(range(1, database.SCHEMA_VERSION)) <= set(versions)
    assert set(database.MIGRATIONS) == set(range(1, database.SCHEMA_VERSION))


def test_it_is_shown_and_not_changed(old: Path) -> None:
    wrote, before = WROTE[old.name], digest(old)
    with RunFolder.open(old) as run:
        summary = summarise(run)
        assert (summary.status, summary.generation) == (wrote.status, len(wrote.bests))
        assert [row.best_value for row in summary.history] == pytest.approx(wrote.bests, abs=1e-5)
        assert summary.best is not None
        assert (summary.best.id, summary.best.fitness) == (0, pytest.approx(wrote.mean, abs=1e-5))
        accuracy = summary.final and summary.final.test_accuracy
        assert accuracy == pytest.approx(wrote.test_accuracy, abs=1e-6)
        # Retrained in every generation, on the draw of each.
        fronts = [finished.front for finished in queries.generations(run)]
        assert [(front[0].trained, front[0].draw) for front in fronts] == [(i, i) for i in range(len(fronts))]
        assert summary.evaluations == evaluations_csv(run).count("\n") - 1 == wrote.evaluations
        assert [candidate.id for candidate in queries.candidates(run)] == list(wrote.candidates)
        assert len(queries.inner_search(run, 0, 0)) == 2
        assert len(queries.detailed_evaluations(run, 0)[0].curve) == 1
        with pytest.raises(InputError):
            run.event("resume")
    assert digest(old) == before


def test_its_configuration_is_read_in_todays_keys(old: Path) -> None:
    with RunFolder.open(old) as run:
        config = config_of(run)
    changed = changed_config(old, ["training.steps=9"])
    for found, steps in ((config, 2), (changed, 9)):
        assert (found.training.steps, found.initialisation.inherit) == (steps, "weights")
        assert found.search.mutation.preset == "spenser-relative"


@pytest.mark.parametrize(
    ("earlier", "today"),
    [
        ({"training": {"steps": 2, "abandon": True}}, {"training": {"steps": 2}}),
        (
            {"search": {"offspring": 3, "mutation": {"preset": "default", "add": 0.5}}},
            {
                "search": {
                    "offspring": 3,
                    "mutation": {"preset": "spenser-relative", "add": 0.5},
                    "finalists": 0,
                }
            },
        ),
        (
            {"search": {"mutation": {"preset": "spenser"}}},
            {"search": {"mutation": {"preset": "spenser"}, "finalists": 0}},
        ),
        # Damaged: who reads it says so.
        ({"training": None, "search": [1], "seed": 3}, {"training": None, "search": [1], "seed": 3}),
        ({"search": {"mutation": "default"}}, {"search": {"mutation": "default", "finalists": 0}}),
    ],
)
def test_what_a_configuration_said_is_said_in_todays_keys(
    earlier: dict[str, Any], today: dict[str, Any]
) -> None:
    for _ in range(2):
        upgrade_config(earlier)
        assert earlier == today


def test_it_is_reported(old: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from spenser_gee.report.report import write_report

    warnings: list[str] = []
    page = write_report(old, None, tmp_path / "report.html", None, warnings.append).read_text()
    assert warnings == []
    assert all(text in page for text in WROTE[old.name].reported)


def test_it_goes_on(old: Path) -> None:
    wrote = WROTE[old.name]
    # The neurons as they ran then, where this machine has them.
    summary = resume_run(old, wrote.goes_on, warn=lambda text: None)
    assert (summary["status"], summary["generation"]) == ("finished", len(wrote.bests) + 1)
    history = [row["best"] for row in summary["history"]]
    assert history[:-1] == pytest.approx(wrote.bests, abs=1e-5)
    with RunFolder.open(old) as run:
        sentence = queries.candidate(run, wrote.next_candidate).sentence
        assert hashlib.sha256(sentence.encode()).hexdigest().startswith(wrote.next_digest)
        assert len(run.rows("SELECT * FROM state")) == 1
        assert "abandon" not in run.config()["training"]
    assert version(old) == database.SCHEMA_VERSION


# The mechanism, with schemas that are made up.


def _with_units(connection: sqlite3.Connection) -> None:
    """Schema 1 to 2: a column more, filled from what was there."""
    connection.execute("ALTER TABLE candidates ADD COLUMN letters INTEGER NOT NULL DEFAULT 0")
    connection.execute("UPDATE candidates SET letters = length(sentence)")


def _without_events(connection: sqlite3.Connection) -> None:
    """Schema 2 to 3."""
    connection.execute("CREATE TABLE happened AS SELECT * FROM events")
    connection.execute("UPDATE candidates SET letters = -letters")


@pytest.fixture
def newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of schema 1, for a program whose own schema is two versions on."""
    monkeypatch.setattr(database, "SCHEMA_VERSION", 3)
    monkeypatch.setattr(database, "MIGRATIONS", {1: _with_units, 2: _without_events})
    return Path(shutil.copytree(ASSETS / "version-1", tmp_path / "run"))


def letters(run: RunFolder) -> list[int]:
    rows = run.rows("SELECT letters, length(sentence) AS length FROM candidates")
    assert all(row["letters"] == -row["length"] for row in rows)
    return [row["letters"] for row in rows]


def version(path: Path) -> int:
    connection = sqlite3.connect(path / "run.sqlite")
    try:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    finally:
        connection.close()


def test_a_reader_gets_the_new_schema_and_leaves_the_old_one(newer: Path) -> None:
    before = digest(newer)
    with RunFolder.open(newer) as run:
        assert len(letters(run)) == 2
        with pytest.raises(InputError, match="cannot be used"):
            run.event("finished")
    assert version(newer) == 1
    assert digest(newer) == before


def test_a_read_only_folder_of_an_old_schema_can_be_read(newer: Path) -> None:
    newer.chmod(0o555)
    try:
        with RunFolder.open(newer) as run:
            assert len(letters(run)) == 2
    finally:
        newer.chmod(0o755)


def test_a_writer_migrates_the_file_once(newer: Path) -> None:
    for _ in range(2):
        with RunFolder.open(newer, write=True) as run:
            assert len(letters(run)) == 2
            run.event("resume")
        assert version(newer) == 3
    with RunFolder.open(newer) as run:
        assert [event.kind for event in queries.events(run)] == ["start", "finished", "resume", "resume"]


@pytest.mark.parametrize("write", [False, True])
def test_a_migration_that_fails_changes_nothing(
    newer: Path, monkeypatch: pytest.MonkeyPatch, write: bool
) -> None:
    def fails(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM candidates")
        json.loads("{")

    monkeypatch.setitem(database.MIGRATIONS, 2, fails)
    with pytest.raises(InputError, match="damaged"):
        RunFolder.open(newer, write=write)
    assert version(newer) == 1
    connection = sqlite3.connect(newer / "run.sqlite")
    assert connection.execute("SELECT count(*) FROM candidates").fetchone()[0] == 2
    connection.close()


@pytest.mark.parametrize("number", [0, 4, -(2**31), 2**31 - 1])
def test_a_schema_without_a_way_to_this_one_is_refused(newer: Path, number: int) -> None:
    connection = sqlite3.connect(newer / "run.sqlite")
    connection.execute(f"PRAGMA user_version = {number}")
    connection.close()
    with pytest.raises(InputError, match=f"schema version {number}, expected 3"):
        RunFolder.open(newer)
