"""`report`: where the page goes, and what is said on stdout."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from test_cli_corrupted_runs import DAMAGES
from test_cli_usage import cli_main

pytest.importorskip("matplotlib")

from spenser_gee.report.run import preferences


def test_the_page_lies_in_the_run_folder_or_where_it_is_wanted(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "page.html"
    code, output, errors = cli_main(capsys, "report", finished, "--out", out)
    assert (code, output, errors) == (0, f"{out}\n", "")
    code, output, _ = cli_main(capsys, "report", finished)
    assert (code, output) == (0, f"{finished / 'report.html'}\n")
    assert (finished / "report.html").read_bytes() == out.read_bytes()
    (finished / "report.html").unlink()


def test_tensorboard_events_beside_it(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorboard")
    out, events = tmp_path / "page.html", tmp_path / "events"
    code, output, _ = cli_main(capsys, "report", finished, "--out", out, "--tensorboard", events)
    assert (code, output) == (0, f"{out}\n{events}\n")
    assert list(events.iterdir())


def test_a_section_that_fails_is_said_on_stderr(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(run: object) -> None:
        raise ValueError("$")

    monkeypatch.setattr("spenser_gee.report.report.time_section", fails)
    out = tmp_path / "page.html"
    code, output, errors = cli_main(capsys, "report", finished, "--out", out)
    assert (code, output) == (0, f"{out}\n")
    assert errors == "report: time: this section could not be made: ValueError: $\n"


def test_wrong_input_is_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, output, errors = cli_main(capsys, "report", tmp_path)
    assert (code, output) == (2, "")
    assert "not a run folder" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("number", range(len(DAMAGES)))
def test_a_damaged_run_never_gives_a_traceback(
    finished: Path,
    tmp_path: Path,
    number: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(preferences, "PRIOR_SAMPLES", 5)
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    damage = DAMAGES[number % len(DAMAGES)]
    damage(run, random.Random(number))
    # Any exception but InputError would come out here.
    code, output, errors = cli_main(capsys, "report", run)
    assert code in (0, 2), (damage.__name__, errors)
    assert (run / "report.html").exists() == (code == 0) == bool(output)
    assert errors.count("error: ") == (code == 2), errors
