"""`run`, `resume`, `show` and `train` from the command line."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_cli_usage import cli_main
from tiny_runs import GRAMMAR, assert_equal_runs, command, contents, environment, snapshot, write_tiny

from spenser_gee.runs.store import RunFolder
from spenser_gee.runs.summary import summarise
from spenser_gee.training.saved import load_network

Captured = pytest.CaptureFixture[str]

BEST_KEYS = {"id", "sentence", "fitness", "test_accuracy", "parameters"}


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """A finished run to change."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def assert_summary(text: str) -> dict[str, object]:
    summary = json.loads(text)
    assert {"status", "generation", "evaluations", "failed", "history", "best"} <= summary.keys()
    assert summary["best"].keys() >= BEST_KEYS
    assert summary["status"] == "finished"
    assert 0.0 <= summary["best"]["test_accuracy"] <= 1.0
    assert [set(row) for row in summary["history"]] == [{"generation", "best", "mean", "finals"}] * summary[
        "generation"
    ]
    return dict(summary)


def test_run_in_a_process_of_its_own(tmp_path: Path, finished: Path) -> None:
    config = write_tiny(tmp_path)
    code, output, errors = command("run", config, "--json", cwd=tmp_path)
    assert code == 0, errors
    assert_summary(output)
    assert "\x1b" not in output + errors
    for line in ("data       digits", "generation 0", "generation 1: best", "final training"):
        assert line in errors
    assert_equal_runs(finished, tmp_path / "runs" / "tiny")


def test_fresh_folders_are_numbered(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(3):
        code, output, _ = cli_main(capsys, "run", write_tiny(tmp_path), "--set", "search.generations=1")
        assert code == 0
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["tiny", "tiny-2", "tiny-3"]
    assert output.startswith("runs/tiny-3: finished, 1 generations, 3 evaluations")
    assert "test accuracy" in output


def test_short_options_are_settings(capsys: Captured, tmp_path: Path) -> None:
    options = ("--seed", "5", "--workers", "1", "--device", "cpu", "--set", "seed=4")
    nothing = ("--set", "search.generations=0")
    code, _, errors = cli_main(
        capsys, "run", write_tiny(tmp_path), "--out", tmp_path / "run", *options, *nothing
    )
    assert code == 1
    assert "no candidate was complete" in errors
    with RunFolder.open(tmp_path / "run") as run:
        config = run.config()
    assert (config["seed"], config["search"]["workers"], config["device"]) == (5, 1, "cpu")


def test_an_existing_folder_is_refused(capsys: Captured, tmp_path: Path, finished: Path) -> None:
    before = snapshot(finished)
    code, output, errors = cli_main(capsys, "run", write_tiny(tmp_path), "--out", finished)
    assert (code, output) == (2, "")
    assert f"resume {finished}" in errors
    assert snapshot(finished) == before


def test_resume_with_more_generations(capsys: Captured, copied: Path) -> None:
    more = ("--set", "search.generations=+2")
    code, output, _ = cli_main(capsys, "resume", copied, *more, "--json")
    assert code == 0
    assert assert_summary(output)["generation"] == 4


def test_resume_of_a_finished_run_says_so(capsys: Captured, copied: Path) -> None:
    before = snapshot(copied)
    code, output, errors = cli_main(capsys, "resume", copied, "--json")
    assert code == 0
    assert_summary(output)
    assert "nothing to do" in errors
    assert "final training on all" not in errors
    assert snapshot(copied) == before


def test_resume_of_a_locked_run(capsys: Captured, copied: Path) -> None:
    with RunFolder.open(copied, write=True):
        code, output, errors = cli_main(capsys, "resume", copied)
    assert (code, output) == (2, "")
    assert "another process is writing this run" in errors


def test_an_edited_grammar_is_shown(capsys: Captured, copied: Path, tmp_path: Path) -> None:
    edited = tmp_path / "edited.lark"
    edited.write_text(GRAMMAR.read_text().replace('int{"4", "12"}', 'int{"4", "13"}'))
    more = ("--set", "search.generations=+1", "--grammar", edited)
    code, _, errors = cli_main(capsys, "resume", copied, *more)
    assert code == 0
    assert "+ filters: " in errors
    edited.write_text(GRAMMAR.read_text().replace('int{"4", "8"}', 'int{"20", "30"}'))
    code, output, errors = cli_main(capsys, "resume", copied, *more)
    assert (code, output) == (2, "")
    assert "resume --drop-unreadable" in errors
    code, output, errors = cli_main(capsys, "resume", copied, *more, "--drop-unreadable")
    assert (code, output) == (2, "")
    assert "the best network" in errors


def test_a_run_without_a_network_exits_with_1(capsys: Captured, tmp_path: Path) -> None:
    options = ("--set", "search.timeout=0.001", "--set", "training.steps=500", "--json")
    code, output, errors = cli_main(capsys, "run", write_tiny(tmp_path), "--out", tmp_path / "run", *options)
    assert code == 1
    assert json.loads(output)["best"] is None
    assert "no candidate was complete" in errors
    assert " timed_out: " in errors
    code, output, errors = cli_main(capsys, "resume", tmp_path / "run")
    assert code == 1
    assert "no candidate was complete" in errors
    code, output, errors = cli_main(capsys, "show", tmp_path / "run")
    assert code == 0
    assert "failed" in output


def test_show(capsys: Captured, finished: Path) -> None:
    code, output, errors = cli_main(capsys, "show", finished)
    assert (code, errors) == (0, "")
    assert "test accuracy" in output
    assert "\x1b" not in output
    code, output, _ = cli_main(capsys, "show", finished, "--json")
    assert code == 0
    assert_summary(output)
    code, output, _ = cli_main(capsys, "show", finished, "--csv")
    rows = list(csv.DictReader(io.StringIO(output)))
    assert code == 0
    assert [int(row["candidate"]) for row in rows] == [
        row["candidate_id"] for row in contents(finished)["evaluations"]
    ]
    assert all(row["sentence"].startswith("features ") for row in rows)
    code, output, errors = cli_main(capsys, "show", finished, "--csv", "--json")
    assert (code, output) == (2, "")
    assert "not both" in errors


def test_no_color_on_a_terminal(tmp_path: Path) -> None:
    """On a terminal a run shows a bar; NO_COLOR leaves it without colours."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "spenser_gee",
            "run",
            str(write_tiny(tmp_path)),
            "--out",
            str(tmp_path / "run"),
        ],
        stdout=theirs,
        stderr=theirs,
        env={**environment(), "TERM": "xterm-256color", "COLUMNS": "160", "NO_COLOR": "1"},
    )
    os.close(theirs)
    text = b""
    while True:
        try:
            chunk = os.read(ours, 4096)
        except OSError:  # the terminal's other end is closed
            break
        if not chunk:
            break
        text += chunk
    os.close(ours)
    assert process.wait(60) == 0
    codes = set(re.findall(r"\x1b\[([0-9;]*)m", text.decode()))
    assert codes <= {"0", "1"}  # bold is no colour
    for part in ("generation 1: best", "━", "100/100", "test accuracy"):
        assert part in text.decode()


# train.


def test_train_a_runs_best_anew(capsys: Captured, copied: Path) -> None:
    code, output, errors = cli_main(capsys, "train", copied, "--epochs", "2", "--json")
    assert code == 0, errors
    result = json.loads(output)
    with RunFolder.open(copied) as run:
        best = summarise(run).best
    assert best is not None
    sentence = best.sentence
    assert (result["sentence"], result["epochs"]) == (sentence, 2)
    assert load_network(copied / "retrained.safetensors").sentence == sentence
    before = (copied / "retrained.safetensors").read_bytes()
    code, output, errors = cli_main(capsys, "train", copied)
    assert (code, output) == (2, "")
    assert "nothing is overwritten" in errors
    assert (copied / "retrained.safetensors").read_bytes() == before
    code, output, errors = cli_main(capsys, "train", copied, "--config", "x.yaml")
    assert (code, output) == (2, "")


def test_train_needs_only_the_run_folder(capsys: Captured, tmp_path: Path) -> None:
    """Neither the configuration's grammar nor its first parent, but a file that its grammar imports."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "filters.lark").write_text('filters: "filters" "=" int{"4", "12"}\n%import .numeric (int)\n')
    text = GRAMMAR.read_text().replace('filters: "filters" "=" int{"4", "12"}\n', "")
    (own / "own.lark").write_text(f"{text}%import .filters (filters)\n")
    code, sentence, _ = cli_main(capsys, "grammar", "sample", own / "own.lark", "--seed", "2")
    (own / "first.net").write_text(sentence)
    options = ("--set", f"grammar={own / 'own.lark'}", "--set", f"search.start={own / 'first.net'}")
    code, _, errors = cli_main(capsys, "run", write_tiny(tmp_path), "--out", tmp_path / "run", *options)
    assert code == 0, errors
    (own / "own.lark").unlink()
    (own / "first.net").unlink()
    code, output, errors = cli_main(capsys, "train", tmp_path / "run", "--out", tmp_path / "w.safetensors")
    assert code == 0, errors
    assert output.startswith("test accuracy ")
    assert load_network(tmp_path / "w.safetensors").classes == 10


def test_train_a_hand_written_network(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write_tiny(tmp_path)
    monkeypatch.chdir(tmp_path)
    _, sentence, _ = cli_main(capsys, "grammar", "sample", GRAMMAR, "--seed", "2")
    Path("mine.net").write_text(sentence)
    code, output, errors = cli_main(capsys, "train", "mine.net", "--config", config)
    assert code == 0, errors
    assert output.startswith("test accuracy ")
    assert load_network("mine.safetensors").sentence == sentence.strip()
    code, output, errors = cli_main(capsys, "train", "mine.net")
    assert (code, output) == (2, "")
    assert "--config" in errors
    for out in ("no/such/folder.safetensors", "/proc/mine.safetensors"):
        code, output, errors = cli_main(capsys, "train", "mine.net", "--config", config, "--out", out)
        assert (code, output) == (2, "")
        assert "cannot be written" in errors
        assert "training mine.net" not in errors
