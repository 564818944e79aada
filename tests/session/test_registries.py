"""What a registry gains, a whole run can use: one class and one line each. Strategy and fitness: see examples/."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tiny_runs import assert_equal_runs, command, tiny_run

from spenser_gee.config import load_config
from spenser_gee.errors import InputError
from spenser_gee.evaluation import Evaluation
from spenser_gee.execution import ENGINES, Executor, Job, SerialExecutor, WorkerStart
from spenser_gee.execution.jobs import import_evaluate
from spenser_gee.execution.registry import Engine
from spenser_gee.objective import OBJECTIVES, Objective
from spenser_gee.runs.queries import evaluations, generations
from spenser_gee.runs.store import RunFolder
from spenser_gee.settings import Chosen

# --- an engine


class BackwardSettings(Chosen):
    """The last job first."""

    kind: str = "backward"
    note: str = ""


class Backward(SerialExecutor):
    """Results come in another order than the jobs."""

    def run(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Evaluation]]:
        yield from super().run(jobs[::-1])


def open_backward(
    start: WorkerStart, settings: Chosen, workers: int, timeout_s: float | None, recycle_after: int
) -> Executor:
    return Backward(import_evaluate(start), timeout_s)


def test_an_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "backward", Engine(BackwardSettings, open_backward))
    (tmp_path / "local").mkdir()
    local = tiny_run(tmp_path / "local", "run")
    backward = tiny_run(tmp_path, "run", "search.engine={kind: backward, note: hello}")
    assert "note: hello" in (backward / "config.yaml").read_text()
    # The order in which candidates finish changes nothing but the one that was trained last.
    assert_equal_runs(local, backward)


# --- an objective


def test_an_objective_that_is_minimised(tmp_path: Path) -> None:
    run = tiny_run(tmp_path, "run", "objectives=[parameters]")
    with RunFolder.open(run) as folder:
        made, finished = evaluations(folder), generations(folder)
    assert all(each.objectives == {"parameters": each.cost["parameters"]} for each in made if each.objectives)
    assert all("fitness" in each.measures for each in made if each.objectives)
    smallest = [row.best_value for row in finished]
    first = [each.cost["parameters"] for each in made if each.generation == 0]
    assert smallest[0] == min(first)
    assert smallest == sorted(smallest, reverse=True)
    code, text, _ = command("show", run)
    assert code == 0
    assert f"parameters {smallest[-1]:,.0f}" in text


def test_an_objective_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Objective("cost_of_errors", "minimise", of=lambda figures: 1.0 - figures["fitness"])
    monkeypatch.setitem(OBJECTIVES, own.name, own)
    run = tiny_run(tmp_path, "run", "objectives=[cost_of_errors]", "search.generations=1")
    with RunFolder.open(run) as folder:
        for each in evaluations(folder):
            if each.objectives:
                assert each.objectives[own.name] == 1.0 - each.measures["fitness"]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("objectives=[fitnes]", 'there is no "fitnes"; did you mean "fitness"'),
        ("objectives=[fitness, fitness]", "each objective can be named once"),
        ("objectives=[]", "at least 1 item"),
        ("search.strategy=randm", 'one-plus-lambda or random (did you mean "random"?)'),
        ("search.strategy={kind: random, population: 3}", "unknown key search.strategy.population"),
        ("search.engine=ray", "search.engine: expected local"),
        ("fitness=rdm", "fitness: expected training"),
    ],
)
def test_names_that_no_registry_has(override: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        load_config("configs/digits.yaml", [override])
    assert said in str(caught.value)


def test_two_objectives_are_refused_by_strategies_for_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one-plus-lambda strives for one objective, found 2"):
        tiny_run(tmp_path, "run", "objectives=[fitness, parameters]")
    assert not (tmp_path / "run").exists()


def test_kinds_are_listed(tmp_path: Path) -> None:
    code, text, _ = command("config", "kinds")
    assert code == 0
    for name in ("one-plus-lambda", "random", "training", "local", *OBJECTIVES):
        assert f"\n  {name}" in text
    code, text, _ = command("config", "check", "configs/digits.yaml", "--json")
    assert json.loads(text)["search"]["strategy"]["kind"] == "evolution"


def test_a_kind_is_said_in_words() -> None:
    config = load_config("configs/digits.yaml")
    assert str(config.search.strategy) == "evolution"
    assert str(BackwardSettings(note="hello")) == "backward (note hello)"
