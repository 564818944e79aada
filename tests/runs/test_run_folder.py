"""A run folder gives back what was written, survives its writer's death, and never overwrites."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spenser_gee.errors import InputError
from spenser_gee.evaluation import Evaluation, Execution
from spenser_gee.runs import queries
from spenser_gee.runs.database import SCHEMA_VERSION, transaction
from spenser_gee.runs.store import RunFolder
from spenser_gee.runs.summary import evaluations_csv, summarise
from spenser_gee.search import (
    Candidate,
    Frame,
    GenerationSummary,
    OnePlusLambda,
    Proposal,
    Standing,
    Stops,
    run_search,
)
from spenser_gee.search.record import MemoryRecord

CONFIG = {
    "seed": 3,
    "search": {"offspring": 4, "rate": 1e-3, "name": "é", "finalists": 2},
    "list": [1, None, True],
}
ENVIRONMENT = {"seed": 3, "command": ["run"], "git": None}


def create(path: Path) -> RunFolder:
    return RunFolder.create(path, CONFIG, "start: é\n", "canonical", "digest", ENVIRONMENT)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunFolder]:
    with create(tmp_path / "a run %41?#") as folder:
        yield folder


def candidate(number: int) -> Candidate[Any]:
    return Candidate(
        number, (1, number), (0,) if number else (), ("flip 1", "é"), f"s {number}", f"k{number}"
    )


def complete(fitness: float, **fields: Any) -> Evaluation:
    cost = {"parameters": 10.0, "seconds": 0.5}
    return Evaluation("complete", {"fitness": fitness, "energy": 2.0}, cost, **fields)


def summary(
    generation: int, best_id: int, fitness: float = 0.5, mean: float | None = None, error: float | None = None
) -> GenerationSummary:
    counts = {"complete": 1, "redrawn_infeasible": 2, "redrawn_duplicate": 3, "duplicate": 4}
    means = {"fitness": fitness if mean is None else mean}
    errors = {} if error is None else {"fitness": error}
    best = Standing(best_id, generation, generation, {"fitness": fitness}, means, errors)
    return GenerationSummary(generation, (best,), {"fitness": 0.25}, 1, counts, 1.5)


# What it began with.


def test_what_a_run_begins_with_comes_back(run: RunFolder) -> None:
    with RunFolder.open(run.path) as reader:
        assert reader.config() == CONFIG
        assert reader.grammar_text() == "start: é\n"
        assert (reader.grammar_canonical(), reader.grammar_sha256()) == ("canonical", "digest")
        assert reader.environment() == ENVIRONMENT
        assert reader.last_state() is None
        assert reader.final() is None


def test_an_existing_folder_is_never_overwritten(run: RunFolder, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in run.path.glob("*.*") if path.is_file()}
    with pytest.raises(InputError, match=r"not empty[\s\S]*--out[\s\S]*resume"):
        create(run.path)
    assert before == {path: path.read_bytes() for path in before}
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("x")
    with pytest.raises(InputError, match="not empty"):
        create(tmp_path / "other")
    with pytest.raises(InputError, match=r"no folder can be made"):
        create(tmp_path / "other" / "thesis.txt")


def test_an_empty_folder_can_become_a_run(tmp_path: Path) -> None:
    create(tmp_path).close()
    RunFolder.open(tmp_path).close()


# Evaluations.

numbers = st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
texts = st.text(st.characters(exclude_categories=["Cs"]))
evaluations = st.builds(
    lambda fitness, rest, cost, reason, details, inner: Evaluation(
        "failed" if fitness is None else "complete",
        {} if fitness is None else {**rest, "fitness": fitness},
        cost,
        reason,
        details,
        errors=cost,
        measures=rest,
        curve=(tuple(cost.values()),),
        inner=tuple(inner),
        evaluated=fitness is None,
        same_as=len(inner) or None,
    ),
    st.none() | numbers,
    st.dictionaries(texts.filter(lambda key: key != "fitness"), numbers, max_size=2),
    st.dictionaries(texts, numbers, max_size=2),
    texts,
    st.dictionaries(texts, values),
    st.lists(values, max_size=3),
)


@given(st.lists(evaluations, max_size=4))
@settings(deadline=None)  # it writes to the disk
def test_evaluations_come_back_equal(
    tmp_path_factory: pytest.TempPathFactory, batch: list[Evaluation]
) -> None:
    with create(tmp_path_factory.mktemp("runs") / "run") as run:
        for number, evaluation in enumerate(batch):
            run.evaluation(candidate(number), 2, evaluation)
        expected = {i: (f"s {i}", evaluation) for i, evaluation in enumerate(batch)}
        assert run.recorded(2) == expected
        assert run.recorded(1) == {}


def test_candidates_and_repeated_evaluations_come_back(run: RunFolder) -> None:
    execution = Execution(1.5, 2.5, "process 7")
    first = complete(0.5, inner=({"best": 1.0}, {"best": 0.5}), execution=execution)
    run.evaluation(candidate(1), 0, first)
    run.evaluation(candidate(1), 1, complete(0.25))
    assert queries.candidate(run, 1) == queries.RecordedCandidate(1, 0, (0,), ("flip 1", "é"), "s 1", "k1")
    assert run.rows("SELECT genotype_json FROM candidates") == [{"genotype": [1, 1]}]
    assert run.evaluations(1) == [(0, first), (1, complete(0.25))]
    assert run.known(1) == first
    assert run.known(5) is None
    rows = run.rows("SELECT started, finished, worker FROM evaluations WHERE generation = 0")
    assert rows == [asdict(execution)]
    with pytest.raises(InputError, match="no candidate 9: ids go from 0 to 1"):
        queries.candidate(run, 9)


def test_an_evaluation_is_written_whole_or_not_at_all(run: RunFolder) -> None:
    with pytest.raises(TypeError):
        run.evaluation(candidate(1), 0, complete(0.5, inner=[1, object()]))
    run.evaluation(candidate(2), 0, complete(0.5))
    with pytest.raises(InputError):  # the same evaluation once more
        run.evaluation(candidate(2), 0, complete(0.75))
    assert [row["id"] for row in run.rows("SELECT id FROM candidates")] == [2]
    assert run.rows("SELECT * FROM inner") == []
    assert run.evaluations(2) == [(0, complete(0.5))]


def test_not_a_number_in_the_details_is_no_obstacle(run: RunFolder) -> None:
    run.evaluation(candidate(1), 0, complete(0.5, details={"losses": [float("nan")]}))
    json.dumps(summarise(run).to_dict(), allow_nan=False)
    assert run.evaluations(1)[0][1].details["losses"][0] != 0


def test_a_reason_that_is_no_text_is_written_legibly(run: RunFolder) -> None:
    run.evaluation(candidate(1), 0, Evaluation("failed", reason="no file caf\udce9"))
    assert run.evaluations(1)[0][1].reason == "no file caf\\udce9"


# The search on a run folder.


def toy_search(run: RunFolder | None, generations: int, stop_after: int | None = None) -> Any:
    from spenser_gee.testing.toy_space import evaluator, one_max, toy_space

    left = stop_after

    def score(who: Proposal[Any], generation: int) -> Evaluation:
        nonlocal left
        if left is not None:
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
        return one_max(who, generation)

    space = toy_space()
    strategy = OnePlusLambda(Frame(space, 5, 3))
    record = MemoryRecord() if run is None else run
    last = None if run is None else run.last_state()
    state = None if last is None else strategy.state_from_json(last)
    return run_search(strategy, evaluator(score), record, stops=Stops(generations), state=state), record


@pytest.mark.parametrize("stop_after", [0, 2, 3, 8])
def test_an_interrupted_search_resumed_from_its_folder_equals_the_uninterrupted(
    tmp_path: Path, stop_after: int
) -> None:
    expected, memory = toy_search(None, 6)
    with create(tmp_path / "run") as run, pytest.raises(KeyboardInterrupt):
        toy_search(run, 6, stop_after)
    with RunFolder.open(tmp_path / "run", write=True) as run:
        state, _ = toy_search(run, 6)
        assert state == expected
        for generation in range(6):
            assert run.recorded(generation) == memory.recorded(generation)
        assert run.evaluations_done() == memory.evaluations_done() == 3 + 5 * 4
        history = [
            (row["generation"], row["best"], row["mean"]) for row in summarise(run).to_dict()["history"]
        ]
        assert history == [
            (s.generation, s.front[0].latest["fitness"], s.means["fitness"]) for s in memory.generations
        ]
        assert summarise(run).to_dict()["best"]["fitness"] == expected.elite.mean("fitness")


# The summary and the table.


def test_the_summary_of_a_run(run: RunFolder) -> None:
    run.event("start")
    empty = summarise(run).to_dict()
    assert (empty["status"], empty["generation"], empty["best"]) == ("running", 0, None)
    run.evaluation(candidate(0), 0, complete(0.5))
    run.evaluation(candidate(1), 0, Evaluation("failed", reason="crash"))
    run.evaluation(candidate(2), 0, Evaluation("timed_out"))
    run.generation(summary(0, 0, 0.5), {"at": 1})
    run.evaluation(candidate(0), 1, complete(0.75))
    unbuilt = Evaluation("infeasible", evaluated=False)
    run.evaluation(candidate(3), 1, unbuilt)
    run.generation(summary(1, 0, 0.75, 0.625, 0.125), {"at": 2})
    assert run.last_state() == {"at": 2}
    got = summarise(run).to_dict()
    assert got["seconds"] >= 0
    got.pop("seconds")
    assert got == {
        "status": "running",
        "generation": 2,
        "evaluations": 4,
        "failed": 1,
        "statuses": {"complete": 2, "infeasible": 1, "abandoned": 0, "timed_out": 1, "failed": 1},
        "redrawn": {"infeasible": 4, "duplicate": 6},
        "duplicates": 8,
        "history": [
            {"generation": 0, "best": 0.5, "mean": 0.25, "finals": 0},
            {"generation": 1, "best": 0.75, "mean": 0.25, "finals": 0},
        ],
        "best": {
            "id": 0,
            "sentence": "s 0",
            "fitness": 0.625,
            "fitness_standard_error": 0.125,
            "evaluations": 2,
            "objectives": {"fitness": 0.75, "energy": 2.0},
            "parameters": 10.0,
            "test_accuracy": None,
        },
        "front": (
            {
                "id": 0,
                "sentence": "s 0",
                "means": {"fitness": 0.625},
                "errors": {"fitness": 0.125},
                "parameters": 10.0,
            },
        ),
        "final": None,
    }
    tested = {
        "test_standard_error": 0.01,
        "test_images": 99,
        "epochs": 1,
        "parameters": 9,
        "dense_parameters": 10,
    }
    run.write_final({**tested, "test_accuracy": 0.5})
    run.write_final({**tested, "test_accuracy": 0.875, "curve": [[1, 0.5], [2, 0.25, 0.75]]})
    assert queries.final_result(run).curve == ((1, 0.5), (2, 0.25, 0.75))  # type: ignore[union-attr]
    assert "curve" not in summarise(run).to_dict()["final"]
    assert summarise(run).to_dict()["best"]["test_accuracy"] == 0.875


def test_the_status_follows_the_events_and_the_lock(tmp_path: Path) -> None:
    def status() -> str:
        with RunFolder.open(tmp_path / "run") as reader:
            return summarise(reader).status

    with create(tmp_path / "run") as run:
        run.event("start")
        assert status() == "running"
    assert status() == "interrupted"
    for kind, expected in [("failed", "failed"), ("finished", "finished")]:
        with RunFolder.open(tmp_path / "run", write=True) as run:
            run.event("resume")
            assert status() == "running"
            run.event(kind)  # type: ignore[arg-type]
        assert status() == expected


def test_the_seconds_leave_out_the_time_between_sessions(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([100.0, 105.0, 1000.0, 1002.0, 5000.0])
    monkeypatch.setattr(time, "time", lambda: next(clock))
    run.event("start")
    run.evaluation(candidate(0), 0, complete(0.5))  # then the process was killed
    run.event("resume")
    run.evaluation(candidate(1), 0, complete(0.5))
    run.event("resume")
    assert run.seconds_spent() == 5.0 + 2.0


def test_the_table_of_evaluations(run: RunFolder) -> None:
    run.evaluation(candidate(0), 0, complete(0.5))
    run.evaluation(candidate(1), 0, Evaluation("failed", reason='crash, "bad"\nluck'))
    rows = list(csv.DictReader(io.StringIO(evaluations_csv(run))))
    assert [row["candidate"] for row in rows] == ["0", "1"]
    assert rows[0]["fitness"] == "0.5"
    assert (rows[0]["energy"], rows[0]["cost_parameters"], rows[0]["sentence"]) == ("2.0", "10.0", "s 0")
    assert (rows[1]["status"], rows[1]["fitness"], rows[1]["parents"]) == ("failed", "", "0")
    assert rows[1]["reason"] == 'crash, "bad"\nluck'
    assert rows[1]["origin"] == "flip 1; é"


def test_every_reason_is_one_field_of_the_table(run: RunFolder) -> None:
    reasons = ["carriage\rreturn", "=1+1", "a,b;'\"\n\n", "esc\x1b[31m", "caf\udce9", "$x$ </td>"]
    for number, reason in enumerate(reasons):
        run.evaluation(candidate(number), 0, Evaluation("failed", reason=reason))
    rows = list(csv.DictReader(io.StringIO(evaluations_csv(run), newline="")))
    shown = [r"carriage\rreturn", *reasons[1:3], r"esc\x1b[31m", r"caf\udce9", reasons[5]]
    assert [row["reason"] for row in rows] == shown


# One writer, many readers.


def test_a_second_writer_is_refused_until_the_first_ends(run: RunFolder) -> None:
    with pytest.raises(InputError, match="another process is writing"):
        RunFolder.open(run.path, write=True)
    assert run.is_running()
    run.close()
    with RunFolder.open(run.path, write=True) as second:
        second.event("resume")


def test_readers_see_finished_candidates_while_the_run_goes_on(run: RunFolder) -> None:
    with RunFolder.open(run.path) as reader:
        run.evaluation(candidate(0), 0, complete(0.5))
        assert reader.evaluations(0) == [(0, complete(0.5))]
        with pytest.raises(InputError, match="readonly"):
            reader.event("finished")


WRITER = """
import sys
from spenser_gee.evaluation import Evaluation
from spenser_gee.runs.store import RunFolder
from spenser_gee.runs import queries
from spenser_gee.search import Candidate
with RunFolder.open(sys.argv[1], write=True) as run:
    run.event("resume")
    first = run.rows("SELECT coalesce(max(id), -1) + 1 AS n FROM candidates")[0]["n"]
    print("writing", flush=True)
    for i in range(first, first + 100_000):
        inner = [{"g": g, "text": "x" * 200} for g in range(20)]
        evaluation = Evaluation("complete", {"fitness": 0.5}, inner=inner)
        run.evaluation(Candidate(i, (i,), (), (), f"s {i}", ""), 0, evaluation)
"""


def test_a_killed_writer_leaves_whole_candidates_only(tmp_path: Path) -> None:
    create(tmp_path / "run").close()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    pause = random.Random(1)
    count = 0
    for _ in range(8):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / "run")],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        time.sleep(pause.uniform(0.01, 0.15))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        with RunFolder.open(tmp_path / "run") as run:
            rows = run.rows(
                "SELECT id, count(DISTINCT evaluations.rowid) AS e, count(cma_generation) AS inner_rows"
                " FROM candidates LEFT JOIN evaluations ON evaluations.candidate_id = id"
                " LEFT JOIN inner ON inner.candidate_id = id GROUP BY id ORDER BY id"
            )
            assert len(rows) > count
            count = len(rows)
            assert rows == [{"id": i, "e": 1, "inner_rows": 20} for i in range(count)]
            assert run.rows("SELECT count(*) AS n FROM inner") == [{"n": 20 * count}]
            assert summarise(run).status == "interrupted"


# What is no run folder.


def test_other_folders_and_files_are_named_as_such(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        RunFolder.open(tmp_path / "absent")
    with pytest.raises(InputError, match=r"no run\.sqlite"):
        RunFolder.open(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("content", [b"", b"hello", b"SQLite format 3\0", os.urandom(5000)])
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes, write: bool) -> None:
    (tmp_path / "run.sqlite").write_bytes(content)
    with pytest.raises(InputError, match=r"run\.sqlite: "):
        RunFolder.open(tmp_path, write=write)


def test_another_programs_database_and_another_schema_are_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "run.sqlite")
    connection.execute("CREATE TABLE candidates (id)")
    connection.commit()
    connection.close()
    with pytest.raises(InputError, match="not the database of a run"):
        RunFolder.open(tmp_path)
    create(tmp_path / "new").close()
    connection = sqlite3.connect(tmp_path / "new" / "run.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(InputError, match=f"schema version 99, expected {SCHEMA_VERSION}"):
        RunFolder.open(tmp_path / "new")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    with create(tmp_path_factory.mktemp("filled") / "run") as run:
        for i in range(60):
            run.evaluation(candidate(i), 0, complete(0.5, inner=[{"x": "y" * 300}] * 3))
        run.generation(summary(0, 0), {})
        path = run.path / "run.sqlite"
    return path.read_bytes()


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9, 0.99])
def test_a_truncated_database_is_refused(tmp_path: Path, filled: bytes, share: float) -> None:
    (tmp_path / "run.sqlite").write_bytes(filled[: int(len(filled) * share)])
    with pytest.raises(InputError, match=r"damaged|cannot be used|not the database"):
        RunFolder.open(tmp_path)


def test_a_damaged_database_never_gives_another_error(tmp_path: Path, filled: bytes) -> None:
    generator = random.Random(4)
    refused = 0
    for _ in range(60):
        data = bytearray(filled)
        for _ in range(3):
            begin = generator.randrange(len(data))
            data[begin : begin + 64] = generator.randbytes(64)
        (tmp_path / "run.sqlite").write_bytes(data)
        try:
            with RunFolder.open(tmp_path) as run:
                summarise(run).to_dict()
                evaluations_csv(run)
                run.evaluations(3)
        except InputError:
            refused += 1
    assert refused > 10


@pytest.mark.parametrize(("name", "read"), [("config.yaml", "config"), ("environment.json", "environment")])
def test_damaged_text_files_are_named(run: RunFolder, name: str, read: str) -> None:
    for content in (b"\xff\xfe\x00", b"a: [1", b"{"):
        (run.path / name).write_bytes(content)
        with pytest.raises(InputError, match=name):
            getattr(run, read)()
    (run.path / name).unlink()
    with pytest.raises(InputError, match=name):
        getattr(run, read)()


def test_a_read_only_copy_can_be_read(run: RunFolder) -> None:
    run.evaluation(candidate(0), 0, complete(0.5))
    run.close()
    run.path.chmod(0o555)
    try:
        with RunFolder.open(run.path) as reader:
            assert reader.evaluations(0) == [(0, complete(0.5))]
    finally:
        run.path.chmod(0o755)


# Weights.


def test_weights_are_published_and_swept(run: RunFolder) -> None:
    for which in [(0, 0), (1, 0), (2, 0), (2, 1), (3, 1)]:
        run.weights_path(*which).write_text(f"weights {which}")
    (run.path / "weights" / ".candidate-000009-00001.safetensors.1-ab.tmp").write_text("half")
    (run.path / "weights" / "notes.txt").write_text("mine")
    run.publish_weights(run.weights_path(2, 1), run.best_weights)
    run.publish_weights(run.weights_path(3, 1), run.last_weights)
    run.publish_weights(run.weights_path(77, 0), run.best_weights)  # there are none: nothing changes
    run.keep_weights([(1, 0), (2, 1)])
    assert run.best_weights.read_text() == "weights (2, 1)"
    assert run.last_weights.read_text() == "weights (3, 1)"
    left = {path.name for path in (run.path / "weights").iterdir()}
    assert left == {run.weights_path(1, 0).name, run.weights_path(2, 1).name, "notes.txt"}


def test_going_on_under_another_grammar(run: RunFolder) -> None:
    run.evaluation(candidate(0), 0, complete(0.5))
    run.generation(summary(0, 0), {"at": 1})
    run.evaluation(candidate(0), 1, complete(0.5, inner=[1]))
    run.evaluation(candidate(1), 1, complete(0.5, inner=[1]))
    run.adopt_grammar("new", "new canonical", "new digest", {0: ([7], "new s")}, {"at": 2})  # type: ignore[dict-item]
    assert (run.grammar_text(), run.grammar_canonical(), run.grammar_sha256()) == (
        "new",
        "new canonical",
        "new digest",
    )
    assert run.rows("SELECT genotype_json, sentence FROM candidates") == [
        {"genotype": [7], "sentence": "new s"}
    ]
    assert run.last_state() == {"at": 2}
    assert [generation for generation, _ in run.evaluations(0)] == [0]
    assert run.rows("SELECT id FROM candidates") == [{"id": 0}]
    assert run.rows("SELECT * FROM inner") == []


def test_an_interrupt_leaves_no_open_transaction() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE t (x)")

    def interrupted() -> None:
        with transaction(connection):
            connection.execute("INSERT INTO t VALUES (1)")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with transaction(connection):
        connection.execute("INSERT INTO t VALUES (2)")
    assert connection.execute("SELECT x FROM t").fetchall() == [(2,)]
    assert not connection.in_transaction
