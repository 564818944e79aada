"""Whole comparisons of a few seconds on real digits."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from spenser_gee.comparison import latencies as latencies_module
from spenser_gee.comparison.compare import ComparisonReporter
from spenser_gee.comparison.compare import compare as compare_typed
from spenser_gee.comparison.contenders import Contender
from spenser_gee.comparison.folder import load_results
from spenser_gee.comparison.ground import Ground
from spenser_gee.comparison.request import Allowance, Assessed, Evolved, Request
from spenser_gee.comparison.results import Results
from spenser_gee.comparison.schedule import Key
from spenser_gee.errors import InputError
from spenser_gee.evaluation import Evaluation
from spenser_gee.initialisation import from_birth
from spenser_gee.network.build import build_network
from spenser_gee.phenotype.recipe import COMMON_RECIPE
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.runs.typed import from_json, to_json
from spenser_gee.session import Silent

SMALL = """features conv filters=9 kernel=3 stride=2 padding=same bias=false weights=direct
    batch-norm over=time-batch no-pool no-skip
    lif beta=0.5 learn_beta=false threshold=1.0 learn_threshold=false surrogate=atan reset=subtract
  conv filters=8 kernel=3 stride=1 padding=same bias=false weights=gene
    batch-norm over=time-batch no-pool skip back=1 mode=add
    lif beta=0.5 learn_beta=false threshold=1.0 learn_threshold=false surrogate=atan reset=subtract
no-pool
classification
output
  fc units=classes bias=true weights=direct
    lif beta=0.5 learn_beta=false threshold=1.0 learn_threshold=false surrogate=atan reset=subtract
genes count=8
input coding=direct
ce-rate no-augment adam lr=0.01 beta1=0.9 beta2=0.999 decay=0.000001 amsgrad=false lr-constant no-clip
"""
USUAL = """ce-membrane no-augment
adamw lr=0.001 beta1=0.9 beta2=0.999 decay=0.0001 amsgrad=false lr-cosine warmup=0.05 no-clip
"""
COLLAPSES = SMALL.replace(
    "padding=same bias=false weights=gene", "padding=valid bias=false weights=gene"
).replace("filters=8 kernel=3", "filters=8 kernel=5")
BOUNDED = ["initialisation.budget_share=0.6"]
SHORT = Allowance("samples", 1600.0)
QUICK = Assessed(images=60, noise=(0.5,), drop=(0.5,))


class Heard:
    """A reporter that remembers."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.search = Silent()
        self.due: int | None = None
        self.keys: list[Key] = []
        self._stop_after = stop_after

    def announce(self, ground: Ground, contenders: Sequence[Contender], due: int) -> None:
        self.due = due

    def training(self, keys: Sequence[Key], evaluation: Evaluation) -> None:
        self.keys += keys
        if self._stop_after is not None and len(self.keys) >= self._stop_after:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def backbones(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("nets")
    (folder / "small.net").write_text(SMALL)
    (folder / "collapses.net").write_text(COLLAPSES)
    return [folder / "small.net", folder / "collapses.net"]


def request(
    finished: Path,
    backbones: Sequence[Path],
    out: Path,
    *,
    seeds: int = 2,
    budget: Allowance = SHORT,
    random: int = 0,
) -> Request:
    return Request([Evolved(finished)], backbones, out, seeds, budget, random, assessed=QUICK)


def compare(
    asked: Request, overrides: Sequence[str], data_root: str | None, heard: ComparisonReporter
) -> dict[str, Any]:
    """The results as their file has them, so that its format is what is tested here."""
    return compare_typed(asked, overrides, data_root, heard).to_dict()


def timeless(value: Any) -> Any:
    """Without what differs between two calls: times."""
    if isinstance(value, dict):
        gone = ("seconds", "latency", "environment", "start_seconds")
        return {key: timeless(inner) for key, inner in value.items() if key not in gone}
    return [timeless(inner) for inner in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def compared(
    finished: Path, backbones: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """A finished comparison. Not to be changed."""
    out = tmp_path_factory.mktemp("comparisons") / "one"
    return out, compare(request(finished, backbones, out), BOUNDED, None, Heard())


def named(results: dict[str, Any]) -> dict[str, Any]:
    return {row["name"]: row for row in results["contenders"]}


def test_results_are_whole(compared: tuple[Path, dict[str, Any]]) -> None:
    out, results = compared
    assert load_results(out) == Results.from_dict(results)
    assert json.loads((out / "results.json").read_text()) == json.loads(json.dumps(results))
    assert results["finished"]
    assert (results["reference"], results["seeds"], results["arms"]) == ("evolved", [0, 1], ["own", "common"])
    rows = named(results)
    assert {"evolved", "small", "small-dense", "collapses"} <= set(rows)
    small, twin = rows["small"], rows["small-dense"]
    assert small["dense_parameters"] == twin["parameters"]
    assert small["ratio"] == small["parameters"] / twin["parameters"]
    assert (small["twin"], twin["twin"], twin["ratio"]) == (False, True, 1.0)
    assert small["dense_macs"] == twin["dense_macs"]
    assert rows["evolved"]["search"]["steps"] > 0
    assert small["search"] is None
    for name, row in rows.items():
        if name == "collapses":
            continue
        assert row["latency"]["single_ms"] > 0
        for arm in row["arms"].values():
            assert [trial["status"] for trial in arm["trials"]] == ["complete"] * 2
            accuracies = [trial["accuracy"] for trial in arm["trials"]]
            assert arm["accuracy"]["mean"] == pytest.approx(sum(accuracies) / 2)
            assert arm["robustness"]["noise"][0][0] == 0.0
            assert [level for level, _ in arm["robustness"]["spike_drop"]] == [0.0, 0.5]
            assert arm["energy_with_memory_nj"]["mean"] > arm["energy_operations_nj"]["mean"] > 0
            assert 0 <= arm["firing_rate"]["mean"] <= 1
            # 1,600 samples are 50 batches of 32; what the inner search took is a part of them.
            for trial in arm["trials"]:
                assert trial["steps"] == 50 - math.ceil(trial["start_steps"])
    assert any(trial["start_steps"] > 0 for trial in small["arms"]["own"]["trials"])
    assert all(trial["start_steps"] == 0 for trial in twin["arms"]["own"]["trials"])


def test_an_inner_search_without_bound_is_refused(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="budget_share is null"):
        compare(request(finished, [], tmp_path / "unbounded"), [], None, Heard())
    assert not (tmp_path / "unbounded").exists()


def test_differences_are_paired_with_the_evolved_one(compared: tuple[Path, dict[str, Any]]) -> None:
    rows = named(compared[1])
    for arm in ("own", "common"):
        assert rows["evolved"]["arms"][arm]["against_reference"] is None
        mine = [trial["accuracy"] for trial in rows["small"]["arms"][arm]["trials"]]
        reference = [trial["accuracy"] for trial in rows["evolved"]["arms"][arm]["trials"]]
        against = rows["small"]["arms"][arm]["against_reference"]
        assert against["n"] == 2
        assert against["difference"] == pytest.approx(sum(mine) / 2 - sum(reference) / 2)
        assert against["p"] is None or against["p_holm"] >= against["p"]


def test_what_cannot_be_built_is_left_out_with_its_reason(compared: tuple[Path, dict[str, Any]]) -> None:
    row = named(compared[1])["collapses"]
    assert row["arms"] == {}
    assert "padding=valid leaves nothing of" in row["problem"]


def test_a_common_recipe_replaces_the_own_one(compared: tuple[Path, dict[str, Any]]) -> None:
    rows = named(compared[1])
    assert compared[1]["common_recipe"] == str(COMMON_RECIPE)
    for row in rows.values():
        if row["arms"]:
            assert row["arms"]["common"]["recipe"] == str(COMMON_RECIPE)
    assert rows["small"]["arms"]["own"]["recipe"].startswith("ce-rate adam lr=0.01 ")


def test_with_the_common_recipe_as_its_own_a_network_is_trained_once(finished: Path, tmp_path: Path) -> None:
    net, out, heard = tmp_path / "usual.net", tmp_path / "usual", Heard()
    head = SMALL.partition("ce-rate")[0]
    net.write_text(head + USUAL)
    results = compare(request(finished, [net], out, seeds=1), BOUNDED, None, heard)
    assert heard.due == len(heard.keys) - 2  # the network and its twin
    usual = named(results)["usual"]["arms"]
    assert usual["own"]["trials"] == usual["common"]["trials"]
    assert usual["own"]["recipe"] == usual["common"]["recipe"] == str(COMMON_RECIPE)


def test_a_second_call_trains_nothing_again(
    compared: tuple[Path, dict[str, Any]], finished: Path, backbones: list[Path]
) -> None:
    out, results = compared
    heard = Heard()
    again = compare(request(finished, backbones, out), BOUNDED, None, heard)
    assert heard.due == 0
    assert timeless(again) == timeless(results)
    assert {row["name"]: row["latency"] for row in again["contenders"]} == {
        row["name"]: row["latency"] for row in results["contenders"]
    }


def test_interrupted_it_goes_on_to_the_same_results(
    compared: tuple[Path, dict[str, Any]], finished: Path, backbones: list[Path], tmp_path: Path
) -> None:
    whole = compared[1]
    out, first, second = tmp_path / "cut", Heard(stop_after=3), Heard()
    with pytest.raises(KeyboardInterrupt):
        compare(request(finished, backbones, out), BOUNDED, None, first)
    assert not load_results(out).finished
    results = compare(request(finished, backbones, out), BOUNDED, None, second)
    assert not set(first.keys) & set(second.keys)
    assert timeless(results) == timeless(whole)


def test_the_number_of_workers_changes_nothing(
    compared: tuple[Path, dict[str, Any]], finished: Path, backbones: list[Path], tmp_path: Path
) -> None:
    results = compare(
        request(finished, backbones, tmp_path / "two", seeds=1), [*BOUNDED, "search.workers=2"], None, Heard()
    )
    one = {key: [t for t in arm["trials"] if t["seed"] == 0] for key, arm in arms(compared[1]).items()}
    assert timeless({key: arm["trials"] for key, arm in arms(results).items()}) == timeless(one)


def arms(results: dict[str, Any]) -> dict[tuple[str, str], Any]:
    return {
        (row["name"], arm): values for row in results["contenders"] for arm, values in row["arms"].items()
    }


def test_seeds_and_contenders_may_be_added(finished: Path, backbones: list[Path], tmp_path: Path) -> None:
    out, heard = tmp_path / "grows", Heard()
    compare(request(finished, [], out, seeds=1), BOUNDED, None, Heard())
    results = compare(request(finished, backbones[:1], out, seeds=2), BOUNDED, None, heard)
    assert ("small", "own", 0) in heard.keys
    assert ("evolved", "own", 1) in heard.keys
    assert ("evolved", "own", 0) not in heard.keys
    assert results["finished"]


@pytest.mark.parametrize(
    ("change", "said"),
    [({"budget": Allowance("samples", 3200.0)}, "budget"), ({}, "initialisation")],
)
def test_other_settings_need_another_folder(
    change: dict[str, Any],
    said: str,
    compared: tuple[Path, dict[str, Any]],
    finished: Path,
    backbones: list[Path],
) -> None:
    overrides = BOUNDED if change else ["initialisation.terms=random"]
    with pytest.raises(InputError, match=f"had other settings.*{said}"):
        compare(request(finished, backbones, compared[0], **change), overrides, None, Heard())


def test_another_network_of_the_same_name_needs_another_folder(
    compared: tuple[Path, dict[str, Any]], finished: Path, tmp_path: Path
) -> None:
    other = tmp_path / "small.net"
    other.write_text(SMALL.replace("filters=9", "filters=10"))
    with pytest.raises(InputError, match='"small" is another network now'):
        compare(request(finished, [other], compared[0]), BOUNDED, None, Heard())


def test_a_folder_of_something_else_is_not_touched(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("important")
    with pytest.raises(InputError, match="holds no comparison"):
        compare(request(finished, [], tmp_path), BOUNDED, None, Heard())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_one_bad_contender_does_not_end_it(
    finished: Path, backbones: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(plan: Any, steps: int, seed: int) -> Any:
        if plan.layers[0].output[0] == 9 and not plan.encodings:  # the dense twin of the backbone
            raise RuntimeError("no such luck")
        return build_network(plan, steps, seed)

    monkeypatch.setattr(from_birth, "build_network", failing)
    monkeypatch.setattr(latencies_module, "build_network", failing)
    out = tmp_path / "bad"
    results = compare(
        request(finished, backbones[:1], out, seeds=1), [*BOUNDED, "search.workers=0"], None, Heard()
    )
    rows = named(results)
    for arm in rows["small-dense"]["arms"].values():
        assert [(t["status"], t["reason"]) for t in arm["trials"]] == [
            ("failed", "RuntimeError: no such luck")
        ]
        assert (arm["accuracy"], arm["against_reference"], arm["robustness"]) == (None, None, None)
    assert rows["small-dense"]["latency"] is None
    assert rows["small"]["latency"]["single_ms"] > 0
    assert rows["small"]["arms"]["own"]["accuracy"]["n"] == 1
    assert results["finished"]


def test_random_search_takes_part_and_is_not_repeated(finished: Path, tmp_path: Path) -> None:
    from spenser_gee.runs.store import RunFolder
    from spenser_gee.runs.summary import summarise

    out = tmp_path / "random"
    results = compare(request(finished, [], out, seeds=1, random=2), BOUNDED, None, Heard())
    rows = named(results)
    assert {"random-1", "random-2"} <= set(rows)
    with RunFolder.open(finished) as run:
        evaluations = summarise(run).evaluations
    sentences = set()
    for name in ("random-1", "random-2"):
        with RunFolder.open(out / name) as run:
            summary = summarise(run).to_dict()
            steps = [row["cost"] for row in run.rows("SELECT cost_json FROM evaluations WHERE evaluated")]
        assert abs(summary["evaluations"] - evaluations) <= 1
        assert summary["best"]["sentence"] == rows[name]["sentence"]
        assert rows[name]["search"]["evaluations"] == summary["evaluations"] == len(steps)
        assert rows[name]["search"]["steps"] == sum(s["training_steps"] + s["start_steps"] for s in steps)
        sentences.add(rows[name]["sentence"])
    assert len(sentences) == 2
    with RunFolder.open(finished) as run, RunFolder.open(out / "random-1") as other:
        mine, its = run.config(), other.config()
    # What is overridden for the comparison's trainings is not for the search that is to be equal.
    assert its["initialisation"] == mine["initialisation"]
    assert its["training"] == mine["training"]
    assert {key for key in mine["search"] if mine["search"][key] != its["search"][key]} <= {
        "strategy",
        "generations",
        "evaluations",
    }
    before = (out / "random-1" / "run.sqlite").stat().st_mtime_ns
    heard = Heard()
    compare(request(finished, [], out, seeds=1, random=2), BOUNDED, None, heard)
    assert heard.due == 0
    assert (out / "random-1" / "run.sqlite").stat().st_mtime_ns == before


def test_a_budget_in_seconds_bounds_the_training(finished: Path, tmp_path: Path) -> None:
    results = compare(
        request(finished, [], tmp_path / "timed", seeds=1, budget=Allowance("seconds", 0.5)),
        BOUNDED,
        None,
        Heard(),
    )
    for arm in arms(results).values():
        for trial in arm["trials"]:
            assert trial["seconds"] >= 0.5
            assert trial["steps"] > 0


def test_on_fashion_mnist_networks_learn_and_bear_a_little_noise(tmp_path: Path) -> None:
    from test_real_data_runs import fashion_root
    from tiny_runs import tiny_run

    root = fashion_root()
    small = [
        "data.dataset=fashion-mnist",
        f"data.root={root}",
        "data.train_subset=600",
        "search.generations=1",
    ]
    run = tiny_run(tmp_path, "run", *small, "search.limits.macs=1000000", "final.epochs=0")
    lenet = Path(__file__).parents[2] / "configs" / "backbones" / "lenet.net"
    asked = Request(
        [Evolved(run)], [lenet], tmp_path / "c", 1, Allowance("samples", 3200.0), common=False, assessed=QUICK
    )
    rows = named(compare(asked, ["initialisation.terms=off"], root, Heard()))
    for name in ("lenet", "lenet-dense"):
        arm = rows[name]["arms"]["own"]
        # Ten classes: chance is 0.1.
        assert arm["accuracy"]["mean"] > 0.4
        assert [trial["steps"] for trial in arm["trials"]] == [100]
        assert arm["robustness"]["images"] == 60
    # The analogue image is read once, by 25 x 20 weights at 24 x 24 places, and pixels of 0 cost nothing; all other
    # layers read spikes.
    assert 0 < rows["lenet"]["arms"]["own"]["macs"]["mean"] < 25 * 20 * 24 * 24


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA GPU")
def test_a_comparison_on_a_gpu(finished: Path, backbones: list[Path], tmp_path: Path) -> None:
    asked = request(finished, backbones, tmp_path / "gpu", seeds=1)
    results = compare(asked, [*BOUNDED, "device=cuda"], None, Heard())
    for row in results["contenders"]:
        if not row["problem"]:
            assert row["latency"]["device"].startswith("cuda")
            assert all(arm["accuracy"] is not None for arm in row["arms"].values())


def test_equal_seeds_see_equal_data() -> None:
    """Two contenders of one seed are trained on the same batches in the same order: it is what pairs them."""
    from spenser_gee.data import Samples
    from spenser_gee.training.source import Source

    data = Samples.of_images(
        torch.arange(64, dtype=torch.uint8).view(64, 1, 1, 1), torch.zeros(64, dtype=torch.int64)
    )
    sources = [Source(data, torch.arange(64), 16, 4) for _ in range(2)]
    batches = [source.training(7) for source in sources]
    for _ in range(6):
        one, two = (next(source)[0] for source in batches)
        assert torch.equal(one, two)


def test_contenders_survive_json(compared: tuple[Path, dict[str, Any]]) -> None:
    stored = json.loads((compared[0] / "comparison.json").read_text())["contenders"]
    for values in stored:
        contender = from_json(Contender, values)
        assert isinstance(contender.spec, NetworkSpec)
        assert json.loads(json.dumps(to_json(contender))) == values
