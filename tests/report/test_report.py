"""Whole reports: of runs in every state, always one sound page that needs nothing else."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from html_checks import check_page
from made_results import results
from made_runs import NASTY, family, made_run
from PIL import Image
from tiny_runs import tiny_run

pytest.importorskip("matplotlib")

from spenser_gee.atomic import write_json
from spenser_gee.errors import InputError
from spenser_gee.report.drawing import extra
from spenser_gee.report.report import write_report
from spenser_gee.runs.database import DatabaseError
from spenser_gee.runs.store import RunFolder

ALWAYS = {"overview", "evolution", "failures", "time", "repeat"}
WITH_A_BEST = ALWAYS | {"family", "preferences", "inner-search"}


def report(run: Path, out: Path) -> tuple[str, set[str]]:
    """The page and the anchors of its sections."""
    assert write_report(run, None, out, None) == out
    return out.read_text(), set(contents(out))


def contents(page: Path) -> list[str]:
    """The anchors of the list of contents, in order."""
    checker = check_page(page.read_text())
    return [link[1:] for link in checker.links if f"{link[1:]}-title" in checker.ids]


def test_a_finished_run(finished: Path, tmp_path: Path) -> None:
    page, sections = report(finished, tmp_path / "report.html")
    assert sections > WITH_A_BEST
    with RunFolder.open(finished) as run:
        final = run.final()
    assert final is not None
    assert f"{final['test_accuracy']:.4f} ± {final['test_standard_error']:.4f}" in page
    assert "random networks that can be built" in page


def test_the_same_run_gives_the_same_page(finished: Path, tmp_path: Path) -> None:
    one, _ = report(finished, tmp_path / "one.html")
    other, _ = report(finished, tmp_path / "other.html")
    assert one == other


def test_a_report_changes_nothing_in_the_run(finished: Path, tmp_path: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in finished.rglob("*") if "sqlite-" not in file.name}
    report(finished, tmp_path / "report.html")
    assert before == {f: f.stat().st_mtime_ns for f in finished.rglob("*") if "sqlite-" not in f.name}


def test_a_random_search(tmp_path: Path) -> None:
    run = tiny_run(tmp_path, "random", "search.strategy=random", "search.generations=1", "final.epochs=0")
    page, sections = report(run, tmp_path / "report.html")
    assert sections > WITH_A_BEST
    assert "has no ancestors" in page


def test_a_run_that_goes_on(tmp_path: Path) -> None:
    made = made_run(tmp_path)
    family(made)
    made.evaluation(5, 3, 0.5, (3,))
    # `made` holds the lock: this is what a reader of a running search sees.
    page, sections = report(made.run.path, tmp_path / "report.html")
    assert sections >= WITH_A_BEST
    assert "still going on" in page
    assert "Generation 3 is not finished" in page
    made.run.close()
    assert "was interrupted" in report(made.run.path, tmp_path / "report.html")[0]


def _nothing(tmp_path: Path) -> Path:
    return made_run(tmp_path).run.path


def _one_unfinished_generation(tmp_path: Path) -> Path:
    made = made_run(tmp_path)
    made.evaluation(0, 0, 0.5)
    return made.run.path


def _all_failed(tmp_path: Path) -> Path:
    made = made_run(tmp_path)
    for number in range(3):
        made.evaluation(number, 0, None, reason=NASTY)
    made.generation(0, None, None, None)
    made.run.event("failed", "no candidate was complete")
    return made.run.path


@pytest.mark.parametrize("make", [_nothing, _one_unfinished_generation, _all_failed])
def test_a_run_without_a_best(make: Callable[[Path], Path], tmp_path: Path) -> None:
    page, sections = report(make(tmp_path), tmp_path / "report.html")
    assert sections >= ALWAYS
    assert "family" not in sections
    assert "there is no best network" in page


def test_what_a_run_says_is_never_markup(tmp_path: Path) -> None:
    made = made_run(tmp_path, origin=NASTY)
    family(made)
    with sqlite3.connect(made.run.path / "run.sqlite") as database:
        database.execute("UPDATE candidates SET sentence = ?", (NASTY,))
    page, _ = report(made.run.path, tmp_path / "report.html")
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(") >= 3


CLASSES = ("$cash$", "$\\frac{1", "caf\udce9", "<b>&\"'", "esc\x1b[31m")


@pytest.mark.filterwarnings("error:Glyph")
def test_classes_and_folders_may_have_any_name(tmp_path: Path) -> None:
    images = np.random.default_rng(1).integers(0, 255, (5, 8, 8), dtype=np.uint8)
    for part, count in (("train", 12), ("test", 4)):
        for number, name in enumerate(CLASSES):
            folder = tmp_path / "data" / part / name
            folder.mkdir(parents=True)
            for image in range(count):
                Image.fromarray(images[number]).save(folder / f"{image}.png")
    data = ["data.dataset=image-folder", f"data.root={tmp_path / 'data'}", "data.train_subset=null"]
    run = tiny_run(tmp_path, "$x$ <&svg>", *data, "data.batch_size=8", "search.generations=1")
    warnings: list[str] = []
    out = write_report(run, None, tmp_path / "report.html", None, warnings.append)
    assert warnings == []
    checker = check_page(out.read_text(encoding="utf-8"))
    words = "".join(checker.text)
    assert "Run $x$ <&svg>" in words
    for name in ("$cash$", "$\\frac{1", "caf\\udce9", "<b>&\"'", "esc\\x1b[31m"):
        assert words.count(name) >= 2


def test_a_run_folder_whose_name_is_not_utf8(tmp_path: Path) -> None:
    made = made_run(tmp_path, "caf\udce9")
    family(made)
    warnings: list[str] = []
    out = write_report(made.run.path, None, made.run.path / "report.html", None, warnings.append)
    assert warnings == []
    assert "Run caf\\udce9" in "".join(check_page(out.read_text(encoding="utf-8")).text)


def test_a_section_that_fails_says_so_and_the_others_are_drawn(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = contents(write_report(finished, None, tmp_path / "whole.html", None))

    def fails(run: RunFolder) -> None:
        raise ValueError("no <b>sense</b>\nat all")

    monkeypatch.setattr("spenser_gee.report.report.family_section", fails)
    warnings: list[str] = []
    out = write_report(finished, None, tmp_path / "report.html", None, warnings.append)
    why = "this section could not be made: ValueError: no <b>sense</b> at all"
    assert warnings == [f"report: family: {why}"]
    assert contents(out) == whole
    assert f"T{why[1:]}" in "".join(check_page(out.read_text()).text)


def test_damaged_weights_cost_the_sections_that_need_them(finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    (run / "best.safetensors").write_bytes(b"x")
    warnings: list[str] = []
    out = write_report(run, None, tmp_path / "report.html", None, warnings.append)
    assert [warning.split(":")[1] for warning in warnings] == [" architecture"]
    assert "best.safetensors" in warnings[0]
    assert set(contents(out)) > WITH_A_BEST


@pytest.mark.parametrize("error", [DatabaseError, KeyboardInterrupt])
def test_some_things_end_a_report(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def fails(run: RunFolder) -> None:
        raise error

    monkeypatch.setattr("spenser_gee.report.report.time_section", fails)
    with pytest.raises(error):
        write_report(finished, None, tmp_path / "report.html", None)
    assert not (tmp_path / "report.html").exists()


def test_an_earlier_report_is_replaced(tmp_path: Path) -> None:
    run = _nothing(tmp_path)
    first, _ = report(run, tmp_path / "report.html")
    assert report(run, tmp_path / "report.html")[0] == first
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []


@pytest.mark.parametrize("text", ["", "precious", "<!DOCTYPE html><html><head></head></html>"])
def test_nothing_else_is_replaced(tmp_path: Path, text: str) -> None:
    out = tmp_path / "report.html"
    out.write_text(text)
    with pytest.raises(InputError, match="no report of ours"):
        write_report(_nothing(tmp_path), None, out, None)
    assert out.read_text() == text


def test_a_folder_is_no_place_for_a_report(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one file"):
        write_report(_nothing(tmp_path), None, tmp_path, None)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        write_report(_nothing(tmp_path), None, tmp_path / "no" / "report.html", None)


def test_a_comparison_stands_before_the_end(tmp_path: Path) -> None:
    comparison, out = tmp_path / "comparison", tmp_path / "report.html"
    comparison.mkdir()
    write_json(comparison / "results.json", results())
    run = _nothing(tmp_path)
    own = contents(write_report(run, None, out, None))
    shown = contents(write_report(run, comparison, out, None))
    assert shown[: len(own) - 1] == own[:-1]
    assert len(shown) > len(own)
    assert shown[-1] == own[-1] == "repeat"


def test_no_run_and_no_comparison(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        write_report(tmp_path / "no", None, tmp_path / "report.html", None)
    with pytest.raises(InputError, match=r"no results\.json"):
        write_report(_nothing(tmp_path), tmp_path, tmp_path / "report.html", None)
    assert not (tmp_path / "report.html").exists()


def test_without_the_libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra, "LIBRARIES", ("no_such_library",))
    with pytest.raises(InputError, match=r"pip install \"spenser-gee\[report\]\""):
        write_report(_nothing(tmp_path), None, tmp_path / "report.html", None)


def test_a_damaged_run_is_told(finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    with sqlite3.connect(run / "run.sqlite") as database:
        database.execute("UPDATE evaluations SET objectives_json = '[1]'")
    with pytest.raises(InputError, match="damaged"):
        write_report(run, None, tmp_path / "report.html", None)
