"""What only processes can promise: crashes, time-outs and leaks cost one candidate."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from spenser_gee.evaluation import Evaluation
from spenser_gee.execution import Job, ProcessExecutor, WorkerStart, WorkerStartError
from spenser_gee.testing.executor import FACTORIES

START = WorkerStart(f"{FACTORIES}:make")


def run(executor: ProcessExecutor, *payloads: dict[str, object]) -> list[Evaluation]:
    results = dict(executor.run([Job(i, payload) for i, payload in enumerate(payloads)]))
    return [results[i] for i in range(len(payloads))]


def is_alive(pid: int) -> bool:
    """False for a zombie too, once its last thread has ended (and its descriptors are closed)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        return state != "Z" or len(os.listdir(f"/proc/{pid}/task")) > 1
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({"do": "die"}, "worker died (exit code 7)"),
        ({"do": "signal", "signal": "SIGKILL"}, "worker died (SIGKILL): out of memory?"),
        ({"do": "signal", "signal": "SIGSEGV"}, "worker died (SIGSEGV)"),
    ],
)
def test_a_crash_fails_one_candidate_and_the_worker_is_replaced(
    payload: dict[str, object], reason: str
) -> None:
    with ProcessExecutor(START, 1) as executor:
        first, crashed, last = run(executor, {}, payload, {"value": 2.0})
    assert (crashed.status, crashed.reason) == ("failed", reason)
    assert crashed.execution.worker == f"process {first.details['pid']}"
    assert last.objectives["fitness"] == 2.0
    assert last.details["pid"] != first.details["pid"]


def test_a_hung_worker_is_killed_with_its_children(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    begun = time.monotonic()
    with ProcessExecutor(START, 2, timeout_s=0.8, grace_s=0.2) as executor:
        hung, good = run(executor, {"do": "spawn-and-sleep", "file": str(file)}, {"value": 1.0})
        assert (hung.status, hung.reason) == ("timed_out", "no result within 0.8 s: worker killed")
        assert good.objectives["fitness"] == 1.0
    assert time.monotonic() - begun < 20
    assert wait_until(lambda: not is_alive(int(file.read_text())))


def test_a_worker_is_replaced_after_its_share_of_jobs() -> None:
    with ProcessExecutor(START, 1, recycle_after=2) as executor:
        pids = [result.details["pid"] for result in run(executor, *[{}] * 5)]
    assert pids[0] == pids[1] != pids[2] == pids[3] != pids[4]


def test_a_worker_that_ran_out_of_memory_is_replaced() -> None:
    with ProcessExecutor(START, 1) as executor:
        first, _, last = run(executor, {}, {"do": "gpu-memory"}, {})
        assert first.details["pid"] != last.details["pid"]
        _, kept = run(executor, {"do": "raise"}, {})
        assert kept.details["pid"] == last.details["pid"]


def test_a_replaced_worker_gets_the_files_too_and_no_others(tmp_path: Path) -> None:
    with (tmp_path / "number").open("w+b") as file, (tmp_path / "other").open("w+b") as other:
        file.write(b"3")
        file.flush()
        os.set_inheritable(other.fileno(), True)
        start = WorkerStart(
            f"{FACTORIES}:make_reader",
            {"descriptor": file.fileno()},
            (file.fileno(),),
        )
        with ProcessExecutor(start, 1, recycle_after=1) as executor:
            results = run(executor, {}, {})
    assert [result.objectives["fitness"] for result in results] == [3.0, 3.0]
    assert len({result.details["pid"] for result in results}) == 2
    for result in results:
        assert str(tmp_path / "number") in result.details["files"]
        assert str(tmp_path / "other") not in result.details["files"]


def test_a_worker_killed_while_idle_costs_nothing() -> None:
    with ProcessExecutor(START, 1) as executor:
        (first,) = run(executor, {})
        os.kill(first.details["pid"], signal.SIGKILL)
        assert wait_until(lambda: not is_alive(first.details["pid"]))
        (second,) = run(executor, {"value": 3.0})
    assert second.objectives["fitness"] == 3.0


def test_workers_that_die_at_start_end_the_run() -> None:
    executor = ProcessExecutor(WorkerStart(f"{FACTORIES}:die_at_start"), 1)
    with pytest.raises(WorkerStartError, match=r"worker died \(exit code 9\), 3 times in a row"):
        run(executor, {}, {})


def test_a_factory_that_hangs_ends_the_run() -> None:
    executor = ProcessExecutor(WorkerStart(f"{FACTORIES}:hang"), 1, start_timeout_s=0.05)
    with pytest.raises(WorkerStartError, match=r"not ready within 0\.05 s, 3 times in a row"):
        run(executor, {})


def test_jobs_run_side_by_side_and_finish_in_any_order() -> None:
    with ProcessExecutor(START, 2) as executor:
        run(executor, {}, {})
        jobs = [Job(0, {"do": "sleep", "seconds": 1.0}), Job(1, {}), Job(2, {})]
        assert [job_id for job_id, _ in executor.run(jobs)] == [1, 2, 0]


def test_what_workers_print_stays_out_of_stdout(capfd: pytest.CaptureFixture[str]) -> None:
    with ProcessExecutor(START, 1) as executor:
        run(executor, {"do": "print"})
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "worker says hello" in captured.err


def test_workers_ignore_ctrl_c() -> None:
    with ProcessExecutor(START, 1) as executor:
        (first,) = run(executor, {})
        os.kill(first.details["pid"], signal.SIGINT)
        (second,) = run(executor, {})
        assert second.details["pid"] == first.details["pid"]


def test_closing_ends_the_workers() -> None:
    with ProcessExecutor(START, 2) as executor:
        pids = {result.details["pid"] for result in run(executor, *[{"do": "sleep", "seconds": 0.1}] * 4)}
        assert all(is_alive(pid) for pid in pids)
    assert not any(is_alive(pid) for pid in pids)


DRIVER = """
import sys
from spenser_gee.execution import Job, ProcessExecutor, WorkerStart
executor = ProcessExecutor(WorkerStart("spenser_gee.testing.evaluate_factories:make"), 2)
long = {"do": "sleep", "seconds": 60}
for _, evaluation in executor.run([Job(0, {}), Job(1, {}), Job(2, long), Job(3, long)]):
    print(evaluation.details["pid"], flush=True)
"""


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_driver_leaves_no_orphans_even_while_they_compute(kill: signal.Signals) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    assert driver.stdout is not None
    pids = {int(driver.stdout.readline()) for _ in range(2)}
    time.sleep(0.2)  # Both have gone on to their long jobs.
    assert all(is_alive(pid) for pid in pids)
    driver.send_signal(kill)
    driver.wait(10)
    driver.stdout.close()
    assert wait_until(lambda: not any(is_alive(pid) for pid in pids))


def test_500_jobs_leave_no_memory_descriptors_or_processes() -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    def children() -> list[str]:
        tasks = Path("/proc/self/task").glob("*/children")
        return [pid for task in tasks for pid in task.read_text().split()]

    def resident_pages() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1])

    fds, others = descriptors(), len(children())
    with ProcessExecutor(START, 2, recycle_after=100) as executor:
        run(executor, *[{}] * 20)
        begin = resident_pages()
        results = run(executor, *({"value": i} for i in range(500)))
        assert [result.objectives["fitness"] for result in results] == list(range(500))
        assert len(children()) - others <= 2
        assert descriptors() - fds <= 4
        del results
        assert (resident_pages() - begin) * os.sysconf("SC_PAGE_SIZE") < 20e6
    assert descriptors() == fds
    assert len(children()) == others
