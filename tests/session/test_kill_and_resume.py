"""A killed run, resumed until it is finished, equals the uninterrupted one bit for bit.

By default a few moments are tried; SPENSER_GEE_LONG_TESTS=1 tries 20 random moments, every lasting step of a
run, and more runs with worker processes.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_runs import assert_equal_runs, begin, command, environment, write_tiny

from spenser_gee.runs.store import RunFolder
from spenser_gee.runs.summary import summarise
from spenser_gee.session import resume_run

LONG = os.environ.get("SPENSER_GEE_LONG_TESTS") == "1"
OVERRIDES = ["--set", "search.generations=3", "--set", "training.steps=12", "--set", "final.epochs=4"]
# Shares of a run's lasting steps; its end is looked at closely.
STEPS = [i / 60 for i in range(61)] if LONG else [0.1, 0.35, 0.6, 0.85, 0.93, 0.96, 0.98, 1.0]


class Warm:
    """The server of `warm_server`."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "log"
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("warm_server.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        self.run("--help")  # now everything is imported

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(30)

    def start(self, *arguments: str | Path, stop_at: int | None = None, number: int = signal.SIGKILL) -> int:
        """The process id of the command's process."""
        assert self._process.stdin is not None
        self.log.write_text("")
        request = {
            "arguments": [str(a) for a in arguments],
            "log": str(self.log),
            "stop_at": stop_at,
            "number": number,
        }
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return int(self._line())

    def wait(self) -> int:
        """Exit status of the process that was started."""
        return int(self._line())

    def has_ended(self) -> bool:
        """Whether the process has done all of its work: its number may belong to another one soon."""
        return self.log.read_text().rstrip().rpartition("\n")[2].startswith("steps")

    def run(self, *arguments: str | Path, stop_at: int | None = None, number: int = signal.SIGKILL) -> int:
        self.start(*arguments, stop_at=stop_at, number=number)
        return self.wait()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    server = Warm(tmp_path_factory.mktemp("warm"))
    yield server
    server.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> tuple[Path, Path, float, int]:
    """Configuration, the uninterrupted run, its seconds and its lasting steps."""
    folder = tmp_path_factory.mktemp("whole")
    config = write_tiny(folder)
    begun = time.monotonic()
    assert warm.run("run", config, "--out", folder / "run", *OVERRIDES) == 0, warm.log.read_text()
    seconds = time.monotonic() - begun
    return config, folder / "run", seconds, int(warm.log.read_text().splitlines()[-1].removeprefix("steps "))


def begin_again(config: Path, run: Path) -> list[str | Path]:
    """How a run that may have been killed at any moment goes on."""
    if (run / "run.sqlite").is_file():
        return ["resume", run]
    # Killed before it began: nothing was lost, and the message says what to do.
    if run.exists():
        shutil.rmtree(run)
    return ["run", config, "--out", run, *OVERRIDES]


@pytest.mark.parametrize("number", range(20 if LONG else 5))
def test_killed_at_random_moments(
    tmp_path: Path, warm: Warm, whole: tuple[Path, Path, float, int], number: int
) -> None:
    config, expected, seconds, _ = whole
    moments = random.Random(number)
    # Stratified: the kills of all numbers together are spread over the whole duration.
    moment = seconds * (number + moments.random()) / (20 if LONG else 5)
    run, kills = tmp_path / "run", 0
    while kills < 3:
        process = warm.start(*begin_again(config, run))
        time.sleep(moment)
        if not warm.has_ended():
            os.kill(process, signal.SIGKILL)
        status = warm.wait()
        assert status in (0, -signal.SIGKILL), warm.log.read_text()
        kills += status != 0
        moment = seconds * moments.random() if status else moment * 0.8
        if status == 0 and kills:
            break
        if status == 0:  # this time it was quicker than its killer
            shutil.rmtree(run)
    assert warm.run(*begin_again(config, run)) == 0, warm.log.read_text()
    assert_equal_runs(expected, run)


@pytest.mark.parametrize("share", STEPS)
def test_killed_before_a_lasting_step(
    tmp_path: Path, warm: Warm, whole: tuple[Path, Path, float, int], share: float
) -> None:
    config, expected, _, steps = whole
    run = tmp_path / "run"
    status = warm.run("run", config, "--out", run, *OVERRIDES, stop_at=1 + round(share * (steps - 1)))
    assert status == -signal.SIGKILL
    assert warm.run(*begin_again(config, run)) == 0, warm.log.read_text()
    assert_equal_runs(expected, run)
    kept = [path.name for path in (run / "weights").iterdir()]
    assert kept == [path.name for path in (expected / "weights").iterdir()]


def test_a_run_stopped_before_it_began_says_what_to_do(
    tmp_path: Path, warm: Warm, whole: tuple[Path, Path, float, int]
) -> None:
    run = tmp_path / "run"
    warm.run("run", whole[0], "--out", run, *OVERRIDES, stop_at=3)
    assert warm.run("resume", run) == 2
    assert "remove the folder and run again" in warm.log.read_text()


@pytest.mark.parametrize("number", range(4 if LONG else 1))
def test_killed_with_worker_processes(
    tmp_path: Path, whole: tuple[Path, Path, float, int], number: int
) -> None:
    config, expected, _, _ = whole
    run = tmp_path / "run"
    with begin(["run", config, "--out", run, "--workers", "2", *OVERRIDES]) as process:
        while not evaluated(run):
            assert process.poll() is None
            time.sleep(0.05)
        workers = children(process.pid)
        assert workers
        time.sleep(random.Random(number).uniform(0, 1.5))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    deadline = time.monotonic() + 20
    while any(is_alive(worker) for worker in workers):
        assert time.monotonic() < deadline, "the workers outlive their driver"
        time.sleep(0.05)
    if number == 0:
        resume_run(run, {"search.workers": 0})
    else:
        code, _, errors = command("resume", run, "--workers", str(number))
        assert code == 0, errors
    assert_equal_runs(expected, run)


def evaluated(run: Path) -> int:
    if not (run / "run.sqlite").is_file():
        return 0
    with RunFolder.open(run) as folder:
        return int(folder.rows("SELECT count(*) AS n FROM evaluations")[0]["n"])


def children(process: int) -> list[int]:
    return [int(number) for number in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


# Ctrl-C and termination.


@pytest.mark.parametrize("share", STEPS[1::3])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(
    tmp_path: Path, warm: Warm, whole: tuple[Path, Path, float, int], number: signal.Signals, share: float
) -> None:
    config, expected, _, steps = whole
    run = tmp_path / "run"
    stop = 1 + round(share * (steps - 2))  # the very last step notes that the run is finished
    assert warm.run("run", config, "--out", run, *OVERRIDES, stop_at=stop, number=number) == 130
    said = warm.log.read_text()
    assert "Traceback" not in said
    assert said.splitlines()[-2:-1] == [f"  python -m spenser_gee resume {run}"]
    with RunFolder.open(run) as folder:
        assert summarise(folder).status == "interrupted"
    assert warm.run("resume", run) == 0
    assert_equal_runs(expected, run)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM] if LONG else [signal.SIGINT])
def test_interrupted_with_worker_processes(
    tmp_path: Path, whole: tuple[Path, Path, float, int], number: signal.Signals
) -> None:
    config, expected, _, _ = whole
    run = tmp_path / "run"
    # So many generations that it is still running when the signal comes.
    options = ["--json", "--workers", "2", *OVERRIDES, "--set", "search.generations=1000"]
    with begin(["run", config, "--out", run, *options]) as process:
        while not evaluated(run):
            assert process.poll() is None
            time.sleep(0.02)
        workers = children(process.pid)
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert output == ""
    assert "Traceback" not in errors
    assert errors.rstrip().endswith(f"python -m spenser_gee resume {run}")
    assert workers
    assert not any(is_alive(worker) for worker in workers)
    with RunFolder.open(run) as folder:
        done = folder.generations_done()
    resume_run(run, {"search.generations": max(done, 3), "search.workers": 0})
    if done <= 3:  # else this machine is far quicker than its signals
        assert_equal_runs(expected, run)
