"""Whoever reads what a command prints may go away, or never have been there: the work goes on to its end."""

from __future__ import annotations

import os
import pty
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_runs import GRAMMAR, environment, write_tiny

from spenser_gee.runs.store import RunFolder
from spenser_gee.runs.summary import summarise
from spenser_gee.training.saved import load_network

SHORT = ("--set", "search.generations=1", "--set", "search.offspring=2")
ONE_TRIAL = ("--seeds", "1", "--samples", "64", "--images", "20", "--set", "initialisation.terms=off")


def words(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "spenser_gee", *map(str, arguments)]


def in_shell(redirection: str, *arguments: str | Path, cwd: Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command with a shell's redirection."""
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {shlex.join(words(*arguments))} {redirection}"],
        capture_output=True,
        text=True,
        env=environment(),
        cwd=cwd,
        timeout=240,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def assert_finished(run: Path) -> None:
    with RunFolder.open(run) as folder:
        assert summarise(folder).status == "finished"
        kinds = [row["kind"] for row in folder.rows("SELECT kind FROM events ORDER BY time")]
    assert kinds[-1] == "finished"
    assert "failed" not in kinds
    assert load_network(run / "final.safetensors").classes == 10


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """A finished run to change."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))


@pytest.mark.parametrize(
    "redirection",
    ["2>&1 | head -n 1", ">&- 2>&-", ">/dev/full 2>&1"],
)
def test_a_run_outlives_its_readers(tmp_path: Path, redirection: str) -> None:
    arguments = ("run", write_tiny(tmp_path), "--workers", "1", *SHORT, "--out", "a run")
    code, _, errors = in_shell(redirection, *arguments, cwd=tmp_path)
    assert code == 0, errors
    assert "Traceback" not in errors
    assert_finished(tmp_path / "a run")


def test_a_run_outlives_its_terminal(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        words("run", write_tiny(tmp_path), *SHORT, "--out", "run"),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env={**environment(), "TERM": "xterm-256color", "COLUMNS": "160"},
        cwd=tmp_path,
    )
    os.close(theirs)
    text = b""
    while b"\x1b[" not in text:  # the bar has begun
        text += os.read(ours, 4096)
    os.close(ours)
    assert process.wait(120) == 0
    assert_finished(tmp_path / "run")


def test_a_full_disk_behind_stdout_is_said_and_costs_no_run(tmp_path: Path) -> None:
    arguments = ("run", write_tiny(tmp_path), *SHORT, "--json", "--out", "run")
    code, _, errors = in_shell("> /dev/full", *arguments, cwd=tmp_path)
    assert code == 0
    assert errors.endswith(
        "error: standard output: No space left on device; what was to be printed there is lost\n"
    )
    assert_finished(tmp_path / "run")


def test_other_work_outlives_its_readers(copied: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("tensorboard")
    gone, closed = "2>&1 | true", ">&- 2>&-"
    for redirection, *arguments in (
        (gone, "resume", copied, "--set", "search.generations=+1"),
        (closed, "train", copied, "--epochs", "1", "--out", "trained.safetensors"),
        (gone, "compare", copied, *ONE_TRIAL, "--out", "comparison"),
        (gone, "report", copied, "comparison", "--tensorboard", "events"),
        (closed, "export", copied, "--format", "state-dict", "--out", "exported"),
    ):
        code, _, errors = in_shell(redirection, *arguments, cwd=tmp_path)
        assert (code, errors) == (0, ""), arguments
    assert_finished(copied)
    assert load_network(tmp_path / "trained.safetensors").classes == 10
    assert (tmp_path / "comparison" / "results.json").is_file()
    assert (copied / "report.html").is_file()
    assert list((tmp_path / "events").iterdir())
    assert (tmp_path / "exported" / "network.py").is_file()


def test_what_only_prints_ends_with_its_reader(finished: Path, tmp_path: Path) -> None:
    for arguments in (("show", finished, "--csv"), ("grammar", "sample", GRAMMAR, "-n", "100000000")):
        assert in_shell("| head -n 1 > /dev/null", *arguments, cwd=tmp_path) == (0, "", "")
    assert in_shell(">&-", "show", finished, cwd=tmp_path) == (0, "", "")
    code, output, errors = in_shell("> /dev/full", "show", finished, cwd=tmp_path)
    assert (code, output) == (1, "")
    assert errors == "error: standard output: No space left on device; what was to be printed there is lost\n"
    assert in_shell("> /dev/full 2>&1", "show", "nowhere", cwd=tmp_path) == (2, "", "")


CLOSED = """
import os, subprocess, sys
from spenser_gee.streams import guard_streams, keep_going
guard_streams()
with open(sys.argv[1], "w") as file:
    assert file.fileno() > 2
    print("nobody", flush=True)
    print("reads this", file=sys.stderr, flush=True)
    subprocess.run(["sh", "-c", "echo this neither; echo nor this >&2"], check=True)
    file.write("whole")
"""


def test_no_file_gets_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    file = tmp_path / "file"
    command = shlex.join([sys.executable, "-c", CLOSED, str(file)])
    for closed in ("<&- >&- 2>&-", ">&- 2>&-", "2>&-", ">&-"):
        done = subprocess.run(
            ["sh", "-c", f"{command} {closed}"], env=environment(), capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert file.read_text() == "whole"


def test_a_pipe_that_does_not_block_gets_everything(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    process = subprocess.Popen(
        words("grammar", "sample", GRAMMAR, "-n", "1000"), stdout=writing, env=environment()
    )
    os.close(writing)
    with os.fdopen(reading) as text:
        assert len(text.readlines()) == 1000
    assert process.wait(60) == 0
