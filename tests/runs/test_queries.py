"""What readers ask gives typed values, or says that the database is damaged: nothing else."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from spenser_gee.errors import InputError
from spenser_gee.runs import queries
from spenser_gee.runs.database import DatabaseError
from spenser_gee.runs.origin import Commit, draw_seed, environment_of, fitness_seed
from spenser_gee.runs.origin import test_seed as seed_of_the_test
from spenser_gee.runs.store import RunFolder
from spenser_gee.runs.summary import evaluations_csv, summarise

ASSET = Path(__file__).parent / "assets" / "version-1"
QUESTIONS: Mapping[str, Callable[[RunFolder], Any]] = {
    "events": queries.events,
    "generations": queries.generations,
    "best": queries.best_candidate,
    "candidates": queries.candidates,
    "candidate": lambda run: queries.candidate(run, 0),
    "evaluations": queries.evaluations,
    "details": lambda run: queries.detailed_evaluations(run, 0),
    "searched": queries.inner_searched,
    "inner": lambda run: queries.inner_search(run, 0, 0),
    "final": queries.final_result,
    "summary": lambda run: summarise(run).to_dict(),
    "csv": evaluations_csv,
    "seconds": RunFolder.seconds_spent,
}
# Column -> the questions whose answer is made of it: they must not take a foreign value for an answer.
COLUMNS = {
    "candidates.parents_json": {"candidates", "candidate"},
    "candidates.origin_json": {"candidates", "candidate"},
    "evaluations.status": {"evaluations", "summary"},
    "evaluations.errors_json": {"evaluations", "summary"},
    "evaluations.curve_json": {"details"},
    "evaluations.objectives_json": {"evaluations", "csv"},
    "evaluations.cost_json": {"evaluations", "csv"},
    "evaluations.details_json": {"details"},
    "evaluations.started": {"evaluations"},
    "generations.front_json": {"generations", "summary"},
    "generations.counts_json": {"generations", "summary"},
    "final.result_json": {"final", "summary"},
    "events.kind": {"events", "summary"},
    "events.time": {"events", "summary"},
    "inner.values_json": {"inner"},
}
VALUES = (
    "x",
    "[[1]]",
    '{"fitness": "x", "parameters": [], "curve": 3, "start": 7, "f": "x"}',
    "3",
    "{",
    b"\xff",
)


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("column", COLUMNS)
def test_foreign_values_are_a_damaged_database(tmp_path: Path, column: str, value: object) -> None:
    path = Path(shutil.copytree(ASSET, tmp_path / "run"))
    RunFolder.open(path, write=True).close()  # in the schema of today
    table, name = column.split(".")
    with sqlite3.connect(path / "run.sqlite") as connection:
        connection.execute(f"UPDATE {table} SET {name} = ?", (value,))
    connection.close()
    with RunFolder.open(path) as run:
        for question, ask in QUESTIONS.items():
            if question in COLUMNS[column] and not (value == "3" and not name.endswith("json")):
                with pytest.raises(DatabaseError, match="damaged"):
                    ask(run)
            else:
                # Any other error would come out here.
                with contextlib.suppress(InputError):
                    ask(run)


def test_values_have_the_types_that_are_declared() -> None:
    with RunFolder.open(ASSET) as run:
        (finished,) = queries.generations(run)
        assert (finished.best_id, finished.counts["complete"]) == (0, 2)
        first, second = queries.candidates(run)
        assert (first.parents, second.parents) == ((), ())
        assert queries.candidate(run, 1) == second
        made = queries.evaluations(run)
        assert [each.evaluated for each in made] == [True, True]
        assert made[0].own_value == finished.best_value
        assert dataclasses.replace(made[0], evaluated=False).own_value is None
        assert made[0].times is not None
        assert queries.inner_searched(run)[0] == 0
        steps = queries.inner_search(run, 0, 0)
        assert all(isinstance(step.f, float) and step.sigma > 0 for step in steps)
        assert queries.inner_search(run, 0, 7) == []
        (details,) = queries.detailed_evaluations(run, 0)
        assert details.details.start.guard.keys() >= {"plain"}


def test_what_a_run_began_with() -> None:
    with RunFolder.open(ASSET) as run:
        environment = environment_of(run)
    assert environment.command == ("spenser-gee", "run", "tiny.yaml")
    assert environment.git == Commit("56d2fa86a6aaa1a36d65ba07e2826026aa7623dc", False)
    assert (environment.version, environment.backend, environment.seed) == ("0.1.0", "native", 3)


def test_a_foreign_environment_is_named(tmp_path: Path) -> None:
    path = Path(shutil.copytree(ASSET, tmp_path / "run"))
    (path / "environment.json").write_text('{"hardware": {"gpus": 3}}')
    with RunFolder.open(path) as run, pytest.raises(InputError, match=r"environment\.json: hardware\.gpus"):
        environment_of(run)


def test_the_seeds_are_those_of_earlier_versions() -> None:
    """Of a configuration with seed 3; a report measures again what an old run has measured."""
    from spenser_gee.rng import derive_seed
    from spenser_gee.runs.origin import config_of, final_seed, retraining_seed

    with RunFolder.open(ASSET) as run:
        config = config_of(run)
    assert seed_of_the_test(config) == derive_seed(3, "test")
    assert draw_seed(config, 2) == derive_seed(3, "generation", 2)
    assert fitness_seed(config, 2) == derive_seed(derive_seed(3, "generation", 2), "fitness")
    assert final_seed(config) == derive_seed(3, "final")
    assert retraining_seed(config) == derive_seed(3, "retrain")
