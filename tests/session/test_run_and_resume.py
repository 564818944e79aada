"""Runs from beginning to end, equal runs, runs that go on, and runs with bad candidates."""

from __future__ import annotations

import dataclasses
import functools
import shutil
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import GRAMMAR, assert_equal_runs, contents, snapshot, tiny_config, tiny_run, weights

from spenser_gee.errors import InputError
from spenser_gee.execution import ProcessExecutor
from spenser_gee.phenotype.check import open_grammar
from spenser_gee.runs import queries
from spenser_gee.runs.store import RunFolder
from spenser_gee.runs.summary import summarise
from spenser_gee.session import carry_on as session_run
from spenser_gee.session import resume_run, start_run
from spenser_gee.session.setup import Setup, set_up
from spenser_gee.training.saved import load_network


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """A finished run to change."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))


# Equal runs.


def test_the_same_seed_gives_the_same_run_and_another_seed_another(finished: Path, tmp_path: Path) -> None:
    assert_equal_runs(finished, tiny_run(tmp_path, "again"))
    other = contents(tiny_run(tmp_path, "other", "seed=4"))
    mine = contents(finished)
    assert [c["sentence"] for c in other["candidates"]] != [c["sentence"] for c in mine["candidates"]]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_workers_changes_nothing(finished: Path, tmp_path: Path, workers: int) -> None:
    assert_equal_runs(finished, tiny_run(tmp_path, "run", f"search.workers={workers}"))


def test_threads_do_not_follow_from_the_number_of_workers(tmp_path: Path) -> None:
    """Another number of threads sums in another order."""
    grammar = open_grammar(GRAMMAR)
    for workers in (0, 1, 3):
        setup = set_up(tiny_config(tmp_path, "threads=null", f"search.workers={workers}"), grammar)
        assert (setup.threads, setup.worker_start.arguments["threads"]) == (1, 1)
    setup = set_up(tiny_config(tmp_path, "threads=2", "search.workers=3"), grammar)
    assert (setup.threads, setup.training_threads) == (2, 2)


def test_a_run_writes_what_it_promises(finished: Path) -> None:
    found = contents(finished)
    assert len(found["generations"]) == 2
    # 3 offspring, then the parent again and 3 offspring.
    assert [row["candidate_id"] for row in found["evaluations"]][:3] == [0, 1, 2]
    assert len(found["evaluations"]) == 7
    assert found["inner"]
    with RunFolder.open(finished) as run:
        summary = summarise(run).to_dict()
        best = queries.best_standing(run)
    assert summary["status"] == "finished"
    assert summary["best"]["id"] == found["generations"][-1]["front"][0]["id"]
    assert best is not None
    kept = [path.name for path in (finished / "weights").iterdir()]
    assert kept == [f"candidate-{best.id:06d}-{best.trained:05d}.safetensors"]
    saved, final = load_network(finished / "best.safetensors"), load_network(finished / "final.safetensors")
    assert saved.sentence == final.sentence == summary["best"]["sentence"]
    before, after = weights(finished / "best.safetensors"), weights(finished / "final.safetensors")
    assert any(not before[key].equal(after[key]) for key in before)


def test_random_search_runs(tmp_path: Path) -> None:
    run = tiny_run(tmp_path, "run", "search.strategy=random")
    assert all(not row["parents"] for row in contents(run)["candidates"])


# Going on.


def test_more_generations_equal_a_run_that_had_them_from_the_start(copied: Path, tmp_path: Path) -> None:
    summary = resume_run(copied, {"search.generations": "+2"})
    assert [row["generation"] for row in summary["history"]] == [0, 1, 2, 3]
    assert summary["final"]["tests"] == 2
    longer = tiny_run(tmp_path, "longer", "search.generations=4")
    assert_equal_runs(longer, copied, final=False)
    left, right = contents(longer)["final"], contents(copied)["final"]
    assert {**left, "tests": 2} == right
    assert weights(longer / "final.safetensors").keys() == weights(copied / "final.safetensors").keys()
    resume_run(copied, {"search.generations": 5})
    assert len(contents(copied)["generations"]) == 5


def test_a_run_stopped_by_evaluations_goes_on(tmp_path: Path, copied: Path) -> None:
    run = tiny_run(tmp_path, "run", "search.evaluations=2")
    assert len(contents(run)["generations"]) == 1
    resume_run(run, {"search.evaluations": None})
    assert_equal_runs(copied, run, final=False)


def test_a_finished_run_has_nothing_to_do(copied: Path) -> None:
    before = snapshot(copied)
    said: list[str] = []
    summary = resume_run(copied, warn=said.append)
    assert summary["status"] == "finished"
    assert said == [text for text in said if "nothing to do" in text] != []
    assert snapshot(copied) == before


def test_a_longer_final_training_is_another_test(copied: Path) -> None:
    before = weights(copied / "final.safetensors")
    summary = resume_run(copied, {"final.epochs": 2})
    assert (summary["final"]["epochs"], summary["final"]["tests"]) == (2, 2)
    after = weights(copied / "final.safetensors")
    assert any(not after[key].equal(before[key]) for key in before)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 4}, "cannot change it"),
        ({"training.steps": 7}, "cannot change it"),
        ({"search.offspring": 9}, "cannot change it"),
        ({"search": {}}, "cannot change it"),
        ({"bogus.key": 1}, "cannot change it"),
        ({"search.generations": "many"}, "--set search.generations=many"),
        ({"search.generations": -1}, "--set search.generations=-1"),
        ({"search.timeout": 0}, "search.timeout"),
        ({"device": "tpu"}, "device"),
    ],
)
def test_a_resumed_run_refuses_other_changes(finished: Path, changes: dict[str, Any], message: str) -> None:
    before = snapshot(finished)
    with pytest.raises(InputError, match=message):
        resume_run(finished, changes)
    assert snapshot(finished) == before


def test_one_process_at_a_time(copied: Path) -> None:
    with (
        RunFolder.open(copied, write=True),
        pytest.raises(InputError, match="another process is writing this run"),
    ):
        resume_run(copied, {"search.generations": 3})


def test_a_new_run_never_overwrites(finished: Path, tmp_path: Path) -> None:
    before = snapshot(finished)
    with pytest.raises(InputError, match="not empty"):
        start_run(tiny_config(tmp_path), finished)
    assert snapshot(finished) == before
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="no folder can be made"):
        start_run(tiny_config(tmp_path), tmp_path / "file")
    with pytest.raises(InputError, match="no folder can be made"):
        start_run(tiny_config(tmp_path), tmp_path / "file" / "below")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.train_subset=5", "train_subset"),
        ("data.fitness_share=0.001", "too few images"),
        ("data.dataset=digit", "digits"),
        ("search.sizes={features: [9]}", "features"),
        ("search.sizes={bogus: [1]}", "bogus"),
    ],
)
def test_what_does_not_fit_the_data_leaves_no_folder(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        start_run(tiny_config(tmp_path, override), tmp_path / "run")
    assert not (tmp_path / "run").exists()


# The first parent.

FIRST = (
    "features conv filters=4 kernel=3 stride=2 padding=same bias=true weights=gene no-norm no-pool no-skip "
    "lif beta=0.5 threshold=1 surrogate=atan reset=zero classification "
    "output fc units=classes bias=true weights=gene lif beta=0.5 threshold=1 surrogate=atan reset=zero "
    "genes count=4 input coding=direct ce-count adam lr=0.01 lr-constant"
)


def test_a_hand_written_first_parent(tmp_path: Path) -> None:
    start = tmp_path / "first.net"
    start.write_bytes(f"\ufeff# by hand\r{FIRST}\r\n".encode())
    run = tiny_run(tmp_path, "run", f"search.start={start}")
    first, *others = contents(run)["candidates"]
    assert (first["origin"], first["parents"]) == (["start"], [])
    assert first["sentence"].split()[:3] == ["features", "conv", "filters=4"]
    assert [row["parents"] for row in others[:2]] == [[0], [0]]
    # The run goes on without the user's file: it has a copy.
    start.unlink()
    assert (run / "start.net").read_text() == f"# by hand\n{FIRST}\n"
    assert len(resume_run(run, {"search.generations": "+1"})["history"]) == 3


def test_a_first_parent_needs_no_file_of_the_user_before_the_first_generation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = tmp_path / "first.net"
    start.write_text(FIRST)
    expected = tiny_run(tmp_path, "expected", f"search.start={start}")

    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(session_run, "_search", interrupted)
        with pytest.raises(KeyboardInterrupt):
            tiny_run(tmp_path, "run", f"search.start={start}")
    start.unlink()
    resume_run(tmp_path / "run")
    assert_equal_runs(expected, tmp_path / "run")


@pytest.mark.parametrize(
    ("text", "override", "message"),
    [
        (FIRST.replace("kernel=3", "kernel=5"), "seed=1", r"first\.net:1:\d+: "),
        (FIRST.replace("filters=4", "filters=400"), "seed=1", r"first\.net:1:\d+: "),
        ("", "seed=1", r"first\.net"),
        ("\0", "seed=1", r"first\.net"),
        (FIRST, "search.limits.parameters=10", r"first\.net: this network cannot be the first parent: "),
    ],
)
def test_a_bad_first_parent_leaves_no_folder(tmp_path: Path, text: str, override: str, message: str) -> None:
    (tmp_path / "first.net").write_text(text)
    with pytest.raises(InputError, match=message):
        tiny_run(tmp_path, "run", f"search.start={tmp_path / 'first.net'}", override)
    assert not (tmp_path / "run").exists()


# Bad candidates.


def use_factory(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    real = Setup.worker_start.fget
    assert real is not None
    start = property(lambda setup: dataclasses.replace(real(setup), factory=f"run_factories:{name}"))
    monkeypatch.setattr(Setup, "worker_start", start)


def test_a_crash_a_hang_and_an_exception_cost_one_candidate_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_factory(monkeypatch, "make_unreliable")
    executor = functools.partial(ProcessExecutor, grace_s=0.5)
    monkeypatch.setattr(session_run, "open_executor", lambda *first, engine=None: executor(*first[:4]))
    run = tiny_run(tmp_path, "run", "search.workers=1", "search.timeout=12", "search.offspring=4")
    rows = {row["candidate_id"]: row for row in contents(run)["evaluations"] if row["generation"] == 0}
    assert [rows[number]["status"] for number in range(4)] == ["complete", "failed", "timed_out", "failed"]
    assert "SIGKILL" in rows[1]["reason"]
    assert rows[3]["reason"] == "ValueError: three is not allowed"
    with RunFolder.open(run) as folder:
        summary = summarise(folder).to_dict()
    assert (summary["status"], summary["generation"], summary["failed"]) == ("finished", 2, 2)
    assert summary["final"] is not None


def test_a_run_without_any_complete_candidate_fails_and_can_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        use_factory(patch, "make_hopeless")
        summary = start_run(tiny_config(tmp_path), tmp_path / "run")
    assert (summary["status"], summary["best"], summary["final"]) == ("failed", None, None)
    assert summary["statuses"]["failed"] == summary["evaluations"] == 6
    said: list[str] = []
    assert resume_run(tmp_path / "run", warn=said.append)["status"] == "failed"
    assert resume_run(tmp_path / "run", {"search.generations": "+1"})["status"] == "finished"


def test_time_limits_in_this_process(tmp_path: Path) -> None:
    summary = start_run(tiny_config(tmp_path, "search.timeout=0.001", "training.steps=500"), tmp_path / "run")
    assert summary["statuses"]["timed_out"] == 6
    assert summary["status"] == "failed"


def test_workers_that_cannot_start_end_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_factory(monkeypatch, "no_such_factory")
    with pytest.raises(InputError, match="no_such_factory"):
        start_run(tiny_config(tmp_path, "search.workers=1"), tmp_path / "run")
    with RunFolder.open(tmp_path / "run") as run:
        assert summarise(run).status == "failed"
    monkeypatch.undo()
    assert resume_run(tmp_path / "run", {"search.workers": 0})["status"] == "finished"
