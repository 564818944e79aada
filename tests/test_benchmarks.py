"""The benchmarks run on tiny sizes, compare the networks that they say they compare, and count right."""

from __future__ import annotations

import importlib
import json
import math
import mmap
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spenser_gee.config import load_config
from spenser_gee.errors import InputError
from spenser_gee.evaluation import Evaluation, Execution
from spenser_gee.runs.store import RunFolder
from spenser_gee.search import Candidate, GenerationSummary

pytest.importorskip("matplotlib")

ROOT = Path(__file__).resolve().parent.parent
QUICK = ("lif", "step", "memory", "scaling", "inner", "epoch")
CPU = torch.device("cpu")


@pytest.fixture(autouse=True, scope="module")
def _benchmarks() -> Iterator[None]:
    """Their modules are found as they are when one of them is run; the threads stay as they were."""
    threads = torch.get_num_threads()
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield
    sys.path.remove(str(ROOT / "benchmarks"))
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def results(_benchmarks: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what every --quick run wrote."""
    folder = tmp_path_factory.mktemp("results")
    for name in QUICK:
        importlib.import_module(name).main(["--quick", "--out", str(folder / f"{name}.json")])
    return folder


@pytest.fixture
def page(results: Path, tmp_path: Path) -> Path:
    """The page, with results that pass for whole ones."""
    for name in QUICK:
        values = json.loads((results / f"{name}.json").read_text())
        (tmp_path / f"{name}.json").write_text(json.dumps({**values, "quick": False}))
    page = tmp_path / "performance.md"
    page.write_text((ROOT / "docs" / "performance.md").read_text())
    return page


@pytest.mark.parametrize("name", QUICK)
def test_a_quick_run_writes_its_results(results: Path, name: str) -> None:
    text = (results / f"{name}.json").read_text()
    values = json.loads(text)
    assert values["benchmark"] == name
    assert values["quick"] is True
    assert values["rows"]
    assert values["environment"]["packages"]["torch"]
    # Results are published: they name no folder of whoever made them.
    assert str(ROOT) not in text
    assert str(results) not in text


@pytest.mark.parametrize("name", ["A", "A-pool-first"])
def test_the_loop_and_the_package_fire_the_same_spikes(name: str) -> None:
    nets = importlib.import_module("nets")
    chosen = nets.net(name, quick=True)
    signal, _ = chosen.signal(CPU)
    ours, loop = nets.our_network(chosen, CPU)(signal).spikes, nets.Loop(chosen)(signal)
    assert ours.sum() > 0
    torch.testing.assert_close(ours, loop, rtol=0, atol=0)


@pytest.mark.parametrize("name", ["A", "B", "A-pool-first", "A-norm"])
def test_all_variants_have_the_same_sizes(name: str) -> None:
    nets = importlib.import_module("nets")
    chosen = nets.net(name)
    layers = [*nets.Loop(chosen).layers], [*nets.Folded(chosen, lambda _: torch.nn.ReLU()).layers]
    wanted = [p.numel() for p in nets.our_network(chosen, CPU).parameters()]
    for modules in layers:
        assert [p.numel() for module in modules for p in module.parameters()] == wanted
        signal = torch.zeros(2, *nets.INPUT)
        for module, planned in zip(modules, chosen.plan.layers, strict=True):
            signal = module(signal)[0] if type(module).__name__ == "Leaky" else module(signal)
            assert signal[0].numel() == math.prod(planned.output)


def test_interleaving_goes_back_and_forth() -> None:
    measure = importlib.import_module("measure")
    calls: list[str] = []

    def slow(name: str) -> None:
        calls.append(name)
        # Longer than a sample has to be: one call a sample.
        time.sleep(1.2 * measure.LEAST_SAMPLE_S)

    variants = {"a": lambda: slow("a"), "b": lambda: slow("b")}
    samples = measure.interleave(variants, measure.Pace(0.0, least=3))
    assert "".join(calls) == "aabb" + "ab" + "ba" + "ab"
    assert [len(values) for values in samples.values()] == [3, 3]
    assert min(samples["a"] + samples["b"]) >= 1.2 * measure.LEAST_SAMPLE_S


def test_statistics_against_numpy() -> None:
    measure = importlib.import_module("measure")
    values = [3.0, 1.0, 4.0, 1.5, 9.0, 2.6]
    found = measure.summary(values)
    assert found["median"] == np.median(values)
    np.testing.assert_allclose(found["quartiles"], np.quantile(values, [0.25, 0.75]))
    assert (found["range"], found["count"]) == ([1.0, 9.0], 6)
    assert measure.summary([2.0])["quartiles"] == [2.0, 2.0]
    assert measure.ratios({"a": [2.0, 9.0], "b": [1.0, 3.0]}, "a", "b") == [2.0, 3.0]


def test_the_slope_is_the_exponent() -> None:
    sizes = [5, 10, 20, 40]
    found = importlib.import_module("scaling").slope(sizes, [0.3 * size**1.7 for size in sizes])
    assert found == pytest.approx(1.7)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_growth_of_memory_is_what_was_allocated() -> None:
    memory = importlib.import_module("memory")
    size = 300 * 2**20

    def use() -> None:
        # Straight from the system: the heap may have as much left over from before.
        with mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as block:
            block[:: mmap.PAGESIZE] = b"1" * len(block[:: mmap.PAGESIZE])

    assert memory.peak_growth(use, CPU) == pytest.approx(size, rel=0.1)
    assert memory.peak_growth(lambda: None, CPU) < 0.05 * size


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunFolder]:
    """Two generations of 10 s and 8 s with two workers, at made-up times."""
    now = 1000.0
    monkeypatch.setattr("spenser_gee.runs.store.time.time", lambda: now)
    config = {"data": {"dataset": "digits"}, "search": {"workers": 2}}
    with RunFolder.create(tmp_path / "run", config, "start: é", "start: é", "digest", {}) as folder:
        folder.event("start")
        times = [(0, 1, 9), (0, 1, 7), (1, 10.5, 17.5), (1, 10.5, 17.5)]
        for number, (generation, started, finished) in enumerate(times):
            cost = {"training_seconds": 4.0, "start_seconds": 1.0, "measuring_seconds": 0.5}
            execution = Execution(1000 + started, 1000 + finished, str(number % 2))
            evaluation = Evaluation("complete", {"fitness": 0.5}, cost, execution=execution)
            folder.evaluation(
                Candidate(number, None, (), (), f"s{number}", f"k{number}"), generation, evaluation
            )
        for generation, (seconds, end) in enumerate([(10.0, 10.0), (8.0, 18.0)]):
            now = 1000.0 + end
            folder.generation(
                GenerationSummary(generation, (), {"fitness": 0.5}, 2, {}, seconds),
                {"generation": generation},
            )
        yield folder


def test_the_time_of_a_search_is_accounted_for(run: RunFolder) -> None:
    found = importlib.import_module("search").account(run)
    assert (found["workers"], found["evaluations"], found["total_seconds"]) == (2, 4, 36.0)
    assert found["seconds"] == pytest.approx(
        {
            "training": 16.0,
            "inner search": 4.0,
            "measuring": 2.0,
            "building and saving networks": 28.0 - 22.0,  # evaluations took 8 + 6 + 7 + 7
            "starting workers": 2.0,  # both from 0 to 1
            "proposing and recording": 4.0,  # both from 9 to 10.5 and from 17.5 to 18
            "waiting": 2.0,  # one from 7 to 9
        }
    )
    assert found["overhead"] == pytest.approx(12 / 36)
    assert found["overhead_with_waiting"] == pytest.approx(14 / 36)
    assert found["overhead_at_goal_seconds"] == pytest.approx(3 / 13)


def test_a_resumed_run_is_refused(run: RunFolder) -> None:
    run.event("resume")
    with pytest.raises(InputError, match="resumed"):
        importlib.import_module("search").account(run)


def test_the_report_fills_every_table_of_the_page(page: Path) -> None:
    importlib.import_module("report").main(["--results", str(page.parent), "--page", str(page)])
    text = page.read_text()
    # All that is left is what was not measured: a search, and everything on a GPU.
    assert text.count("Not measured yet.") == 1 + 9
    assert text.count("| search overhead") == 1
    assert all((page.parent / name).stat().st_size > 1000 for name in ("lif.svg", "step.svg", "scaling.svg"))
    before = page.read_bytes(), (page.parent / "step.svg").read_bytes()
    importlib.import_module("report").main(["--results", str(page.parent), "--page", str(page)])
    assert (page.read_bytes(), (page.parent / "step.svg").read_bytes()) == before


def test_the_report_refuses_quick_results_and_unknown_markers(results: Path, page: Path) -> None:
    report = importlib.import_module("report")
    with pytest.raises(InputError, match="--quick"):
        report.read_results(results, "cpu")
    with pytest.raises(InputError, match="unknown marker"):
        report.filled("<!-- begin nothing -->x<!-- end nothing -->", {}, "page")


def test_every_table_has_its_place_on_the_page(tmp_path: Path) -> None:
    report, page = importlib.import_module("report"), ROOT / "docs" / "performance.md"
    for name in report.sections(tmp_path, page):
        assert page.read_text().count(f"<!-- begin {name} -->") == 1


def test_goals_are_judged() -> None:
    goals = importlib.import_module("goals")
    step: dict[str, Any] = {
        "net": "A",
        "threads": 1,
        "times_of_ours": {
            "loop": {"median": 1.95},
            "floor": {"median": 0.8},
            "floor-channels-last": {"median": 1.25},
        },
    }
    found = {"step": {"rows": [step], "first_step_extra_seconds": {"median": 0.2}}}
    lines = {goal.text: goal.line(found)[2:] for goal in goals.goals("cpu")}
    assert lines["step against the loop: A, 1 thread"] == ["1.95 x", "yes"]
    assert lines["step's time in floors: A"] == ["1.25 x", "**no**"]  # of the faster floor
    assert lines["step against the loop: B, 1 thread"] == ["not measured", ""]
    assert lines["first step of a new network, beyond a later one"] == ["0.200 s", "**no**"]


def test_memory_goal_takes_only_chunks_that_are_not_slow() -> None:
    goals = importlib.import_module("goals")
    row = {
        "net": "A",
        "time_of_whole": {"whole": {"median": 1.0}, "8": {"median": 1.07}, "4": {"median": 1.2}},
        "share_of_loop": {"loop": 1.0, "whole": 0.3, "8": 0.09, "4": 0.05},
    }
    assert goals.memory("A")({"memory": {"rows": [row]}}) == 0.09
    assert goals.memory("B")({"memory": {"rows": [row]}}) is None


def test_everything_that_is_run_together_exists(tmp_path: Path) -> None:
    everything = importlib.import_module("all")
    made = everything.commands(tmp_path, tmp_path, "cpu", tmp_path / "run")
    del made["a run for search"]
    assert sorted(made) == sorted(importlib.import_module("report").BENCHMARKS)
    assert all(Path(arguments[0]) == ROOT / "benchmarks" / f"{name}.py" for name, arguments in made.items())
    assert all(Path(arguments[0]).is_file() for arguments in made.values())
    config = load_config(everything.CONFIG, [f"{key}={value}" for key, value in everything.SEARCH.items()])
    assert config.training.seconds == 10.0
    assert config.final.epochs == 0
