"""Event files, read back by TensorBoard's own reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_runs import family, made_run

from spenser_gee.errors import InputError
from spenser_gee.report import tensorboard
from spenser_gee.report.tensorboard import write_events
from spenser_gee.runs import queries
from spenser_gee.runs.store import RunFolder

accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def events_of(folder: Path) -> dict[str, list[tuple[int, float, float]]]:
    """Tag -> (step, value, time)."""
    reader: Any = accumulators.EventAccumulator(str(folder), size_guidance={accumulators.SCALARS: 0})
    reader.Reload()
    tags = reader.Tags()["scalars"]
    return {tag: [(e.step, e.value, e.wall_time) for e in reader.Scalars(tag)] for tag in tags}


def test_a_run_comes_back(finished: Path, tmp_path: Path) -> None:
    with RunFolder.open(finished) as run:
        write_events(run, tmp_path / "events")
        generations = queries.generations(run)
        final = run.final()
        best = queries.best_standing(run)
        assert best is not None
        curve = dict(run.evaluations(best.id))[best.trained].curve
        inner = run.rows(
            "SELECT * FROM inner WHERE candidate_id = ? ORDER BY generation, cma_generation", best.id
        )
    found = events_of(tmp_path / "events")
    assert final is not None
    for tag, key in (("fitness/best", "best_mean"), ("fitness/mean", "mean_value")):
        expected = [(row.generation, getattr(row, key), row.recorded) for row in generations]
        assert found[tag] == [pytest.approx(entry) for entry in expected]
    counts = [(row.generation, row.counts["complete"]) for row in generations]
    assert [entry[:2] for entry in found["candidates/complete"]] == counts
    assert [entry[:2] for entry in found["best/training_loss"]] == [pytest.approx(e[:2]) for e in curve]
    assert [entry[1] for entry in found["best/training_accuracy"]] == pytest.approx([e[2] for e in curve])
    assert len(found["final/training_loss"]) == len(final["curve"])
    assert found["final/test_accuracy"][0][:2] == (1, pytest.approx(final["test_accuracy"]))
    first = [row for row in inner if row["generation"] == inner[0]["generation"]] if inner else []
    assert [entry[1] for entry in found.get("inner/f", [])] == pytest.approx(
        [r["values"]["f"] for r in first]
    )


def test_the_inner_search_of_the_best(tmp_path: Path) -> None:
    """A generation without a living start has no values; only the first search counts."""
    made = made_run(tmp_path)
    rows = [{"f": 1.5, "loss": 2.0, "r1": 0.1}, {"f": None, "loss": float("inf"), "r1": 0.2}, {"f": 1.0}]
    made.evaluation(0, 0, 0.5, inner=rows)
    made.generation(0, 0, 0.5, 0.5)
    made.evaluation(0, 1, 0.6, details={"inner": [{"f": 9.0}]})
    made.generation(1, 0, 0.6, 0.6)
    write_events(made.run, tmp_path / "events")
    found = events_of(tmp_path / "events")
    assert [entry[:2] for entry in found["inner/f"]] == [(0, 1.5), (2, 1.0)]
    assert [entry[:2] for entry in found["inner/loss"]] == [(0, 2.0)]
    assert "final/test_accuracy" not in found


def test_a_run_without_a_best(tmp_path: Path) -> None:
    made = made_run(tmp_path)
    made.evaluation(0, 0, None)
    made.generation(0, None, None, None)
    write_events(made.run, tmp_path / "events")
    assert [*events_of(tmp_path / "events")] == ["candidates/complete"]


def test_it_writes_into_nothing_that_is_there(tmp_path: Path) -> None:
    made = made_run(tmp_path)
    family(made)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        write_events(made.run, tmp_path / "full")
    with pytest.raises(InputError, match="cannot be written"):
        write_events(made.run, tmp_path / "full" / "file")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["file"]


def test_without_the_package_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorboard, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'pip install "spenser-gee\[tensorboard\]"'):
        write_events(made_run(tmp_path).run, tmp_path / "events")
    assert not (tmp_path / "events").exists()
