"""Runs in which trainings are given up: recorded as such, and the same however the run is carried out."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tiny_runs import assert_equal_runs, command, contents, tiny_config, tiny_run

from spenser_gee.evaluation import Evaluation
from spenser_gee.execution import Job
from spenser_gee.runs.store import RunFolder
from spenser_gee.runs.summary import evaluations_csv, summarise
from spenser_gee.session import carry_on as session_run
from spenser_gee.session import resume_run, start_run
from spenser_gee.session.reporter import Silent

# Long enough for a look at the curve, and for two networks to differ.
LONGER = ("training.steps=100", "search.generations=3", "initialisation.terms=off")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_run(tmp_path_factory.mktemp("abandoned"), "run", *LONGER)


def rows(run: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = contents(run)["evaluations"]
    return found


def test_what_is_given_up_is_recorded_with_its_reason_and_its_cost(run: Path) -> None:
    given_up = [row for row in rows(run) if row["status"] == "abandoned"]
    assert given_up
    for row in given_up:
        assert row["generation"] > 0  # there was nothing to compare with
        assert row["objectives"] == {}
        assert 30 <= row["cost"]["training_steps"] < 100
        assert row["curve"][-1][0] == row["cost"]["training_steps"]
        assert row["reason"].startswith("training accuracy 0.")
    # The parent is trained to its end in every generation.
    best = [row["front"][0]["id"] for row in contents(run)["generations"]]
    trained = {(row["generation"], row["candidate_id"]): row["status"] for row in rows(run)}
    assert all(trained[generation + 1, parent] == "complete" for generation, parent in enumerate(best[:-1]))
    assert not {row["candidate_id"] for row in given_up} & set(best)


def test_it_shows(run: Path) -> None:
    count = sum(row["status"] == "abandoned" for row in rows(run))
    with RunFolder.open(run) as folder:
        assert summarise(folder).statuses["abandoned"] == count
        assert evaluations_csv(folder).count(",abandoned,") == count
        counts = folder.rows("SELECT counts_json FROM generations")
    assert sum(row["counts"]["abandoned"] for row in counts) == count
    code, text, _ = command("show", run)
    assert (code, f"{count} abandoned" in text) == (0, True)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[int, Any]]:
    """For each generation, what its candidates have to keep up with: the curve, by id."""
    generations: list[dict[int, Any]] = []
    real = session_run.open_executor

    @contextlib.contextmanager
    def watched(*arguments: Any) -> Iterator[Any]:
        with real(*arguments) as executor:

            def run(jobs: Sequence[Job]) -> Iterator[tuple[int, Evaluation]]:
                generations.append({job.id: job.payload["rival"] for job in jobs})
                return executor.run(jobs)

            yield SimpleNamespace(run=run)

    monkeypatch.setattr(session_run, "open_executor", watched)
    return generations


@pytest.mark.parametrize("strategy", ["one-plus-lambda", "random"])
@pytest.mark.parametrize("abandon", [True, False])
def test_who_has_to_keep_up_with_whom(
    tmp_path: Path, sent: list[dict[int, Any]], strategy: str, abandon: bool
) -> None:
    """Newcomers with their parent; the parent itself, the first ones, and random search's, with nobody."""
    run = tiny_run(tmp_path, "run", f"search.strategy={strategy}", f"training.abandon={str(abandon).lower()}")
    best = contents(run)["generations"][0]["front"][0]["id"]
    [curve] = [row["curve"] for row in rows(run) if (row["generation"], row["candidate_id"]) == (0, best)]
    first, second = sent
    assert set(map(str, first.values())) == {"None"}
    assert best in second
    measured = abandon and strategy != "random"
    assert second == {number: curve if measured and number != best else None for number in second}


def test_curves_without_accuracies_are_nothing_to_keep_up_with(
    tmp_path: Path, sent: list[dict[int, Any]]
) -> None:
    """As earlier versions recorded them."""
    run = tiny_run(tmp_path, "run", "search.generations=1")
    with contextlib.closing(sqlite3.connect(run / "run.sqlite")) as connection:
        for row in rows(run):
            connection.execute(
                "UPDATE evaluations SET curve_json = ? WHERE candidate_id = ?",
                (json.dumps([entry[:2] for entry in row["curve"]]), row["candidate_id"]),
            )
        connection.commit()
    resume_run(run, {"search.generations": 2})
    assert [set(map(str, generation.values())) for generation in sent] == [{"None"}, {"None"}]


def test_without_it_the_others_are_what_they_were(run: Path, tmp_path: Path) -> None:
    # In the second generation; later ones may descend from another parent.
    whole = tiny_run(tmp_path, "whole", *LONGER, "training.abandon=false", "search.generations=2")
    assert all(row["status"] == "complete" for row in rows(whole))
    for with_it, without in zip(rows(run), rows(whole), strict=False):
        if with_it["status"] == "complete":
            assert with_it == without
        else:
            length = len(with_it["curve"])
            assert with_it["curve"] == without["curve"][:length]


def test_the_number_of_workers_changes_nothing(run: Path, tmp_path: Path) -> None:
    assert_equal_runs(run, tiny_run(tmp_path, "run", *LONGER, "search.workers=2"))


class _Impatient(Silent):
    """Presses Ctrl-C after so many evaluations."""

    def __init__(self, patience: int) -> None:
        self._left = patience

    def candidate(self, *about: Any) -> None:
        self._left -= 1
        if self._left == 0:
            raise KeyboardInterrupt


def test_an_interruption_changes_nothing(run: Path, tmp_path: Path) -> None:
    first = next(index for index, row in enumerate(rows(run)) if row["status"] == "abandoned")
    # In the midst of the generation: the parent is trained again, the one to be given up comes afterwards.
    with pytest.raises(KeyboardInterrupt):
        start_run(tiny_config(tmp_path, *LONGER), tmp_path / "run", reporter=_Impatient(first))
    resume_run(tmp_path / "run")
    assert_equal_runs(run, tmp_path / "run")
