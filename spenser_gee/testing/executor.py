"""What every executor promises."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping

import pytest

from spenser_gee.errors import InputError
from spenser_gee.evaluation import Evaluation
from spenser_gee.execution import Executor, Job, WorkerStart, WorkerStartError

Open = Callable[[WorkerStart, float | None], Executor]
OpenOne = Callable[..., Executor]
FACTORIES = "spenser_gee.testing.evaluate_factories"


def run(executor: Executor, *payloads: Mapping[str, object]) -> list[Evaluation]:
    """The evaluations in the order of the payloads."""
    results = dict(executor.run([Job(10 + i, payload) for i, payload in enumerate(payloads)]))
    assert sorted(results) == [10 + i for i in range(len(payloads))]
    return [results[10 + i] for i in range(len(payloads))]


class ExecutorContract:
    """Override `open`: an executor from how its workers begin and the seconds that one evaluation may take."""

    @pytest.fixture
    def open(self) -> Open:
        raise NotImplementedError

    @pytest.fixture
    def open_one(self, open: Open) -> Iterator[OpenOne]:
        """Opens an executor for one of `evaluate_factories`, with its arguments, and closes it in the end."""
        opened: list[Executor] = []

        def open_one(
            factory: str = "make",
            timeout_s: float | None = 30.0,
            descriptors: tuple[int, ...] = (),
            **arguments: object,
        ) -> Executor:
            opened.append(open(WorkerStart(f"{FACTORIES}:{factory}", arguments, descriptors), timeout_s))
            return opened[-1]

        yield open_one
        for executor in opened:
            executor.close()

    def test_every_job_yields_its_evaluation_with_the_factorys_arguments(self, open_one: OpenOne) -> None:
        before = time.time()
        results = run(open_one(offset=100.0), *({"value": i} for i in range(5)))
        assert [r.objectives["fitness"] for r in results] == [100.0, 101.0, 102.0, 103.0, 104.0]
        assert all(r.cost == {"seconds": 0.5} and r.details["pair"] == [1, 2] for r in results)
        for result in results:
            execution = result.execution
            assert execution is not None
            assert before <= execution.started <= execution.finished <= time.time()

    def test_the_factory_is_called_once_and_serves_later_runs(self, open_one: OpenOne) -> None:
        executor = open_one()
        calls: dict[int, list[int]] = {}
        for _ in range(2):
            for result in run(executor, {}, {}, {}):
                calls.setdefault(result.details["pid"], []).append(result.details["calls"])
        assert sum(len(counts) for counts in calls.values()) == 6
        assert all(counts == list(range(1, len(counts) + 1)) for counts in calls.values())

    @pytest.mark.parametrize(
        ("action", "reason"),
        [
            ("raise", "ValueError: line one"),
            ("memory", "out of memory: MemoryError: no message"),
            ("gpu-memory", "out of memory: OutOfMemoryError: CUDA out of memory"),
            ("exit", "SystemExit: 3"),
            ("nonsense", "TypeError: evaluate returned str, not an Evaluation"),
            ("not-json", "TypeError: object is not JSON-able"),
        ],
    )
    def test_an_exception_is_a_failed_evaluation_and_the_run_goes_on(
        self, open_one: OpenOne, action: str, reason: str
    ) -> None:
        failed, good = run(open_one(), {"do": action}, {"value": 1.0})
        assert (failed.status, failed.reason) == ("failed", reason)
        assert "Traceback" in failed.details["traceback"]
        assert good.objectives["fitness"] == 1.0

    def test_the_evaluate_function_can_keep_its_deadline(self, open_one: OpenOne) -> None:
        begun = time.monotonic()
        late, good = run(open_one(timeout_s=0.3), {"do": "until-deadline"}, {"value": 1.0})
        assert (late.status, late.reason) == ("timed_out", "stopped of its own accord")
        assert good.status == "complete"
        assert time.monotonic() - begun < 10

    def test_without_a_time_limit_the_deadline_is_never(self, open_one: OpenOne) -> None:
        (result,) = run(open_one(timeout_s=None), {"do": "sleep", "seconds": 0.05})
        assert result.status == "complete"

    def test_the_factory_gets_an_open_file_of_this_process(self, open_one: OpenOne) -> None:
        with tempfile.TemporaryFile() as file:
            file.write(b"42.5")
            file.flush()
            executor = open_one("make_reader", descriptors=(file.fileno(),), descriptor=file.fileno())
            assert [result.objectives["fitness"] for result in run(executor, {}, {}, {})] == [42.5] * 3

    def test_no_jobs_no_results(self, open_one: OpenOne) -> None:
        assert list(open_one().run([])) == []

    def test_equal_ids_are_refused(self, open_one: OpenOne) -> None:
        with pytest.raises(ValueError, match="unique ids"):
            list(open_one().run([Job(1, {}), Job(1, {})]))

    @pytest.mark.parametrize(
        ("factory", "expected"),
        [
            ("refuse", "evaluations cannot start: FileNotFoundError: no data set here"),
            ("absent", "module 'spenser_gee.testing.evaluate_factories' has no attribute 'absent'"),
        ],
    )
    def test_a_worker_that_cannot_start_ends_the_run(
        self, open_one: OpenOne, factory: str, expected: str
    ) -> None:
        with pytest.raises(WorkerStartError) as caught:
            run(open_one(factory), {}, {})
        assert expected in str(caught.value)
        assert "Traceback" in caught.value.traceback_text

    def test_a_located_error_of_the_factory_arrives_whole(self, open_one: OpenOne) -> None:
        with pytest.raises(InputError) as caught:
            run(open_one("refuse_input"), {})
        (finding,) = caught.value.findings
        assert dataclasses.astuple(finding.place) == ("my.yaml", 3, 5, "  x: 1")
        assert (finding.problem, finding.remedy) == ("x is not known", "remove it")

    def test_an_abandoned_run_leaves_no_results_to_the_next(self, open_one: OpenOne) -> None:
        executor = open_one()
        results = executor.run([Job(i, {"value": i}) for i in range(4)])
        next(results)
        del results
        assert dict(executor.run([Job(7, {"value": 70.0})]))[7].objectives["fitness"] == 70.0

    def test_closing_twice_is_fine(self, open_one: OpenOne) -> None:
        executor = open_one()
        run(executor, {})
        with executor:
            pass
        executor.close()
