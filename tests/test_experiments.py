"""The studies run on tiny sizes: what they use of the package is still there."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tiny_networks
from scipy.stats import spearmanr

from spenser_gee.errors import InputError
from spenser_gee.genotype import canonicalise, genotype_from_sentence, sentence_of
from spenser_gee.grammar.load import load_grammar
from spenser_gee.search.evolution import EvolutionSettings

sys.path.insert(0, str(Path(__file__).parent / "session"))

from tiny_runs import write_tiny


def study(name: str, monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "experiments"))
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    return importlib.import_module(name)


def test_inner_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results.json"
    options = ("--data-root", tmp_path, "--out", out, "--seeds", "1", "--nets", "S1", "--lineages", "S1")
    inner_search = study("inner_search", monkeypatch, *options)
    small = {"generations": 1, "population": 2, "steps": 1}
    monkeypatch.setattr(inner_search, "STEPS", 2)
    monkeypatch.setattr(inner_search, "SEARCH", inner_search.SEARCH.model_copy(update=small))
    arms = {name: settings.model_copy(update=small) for name, settings in inner_search.ARMS.items()}
    monkeypatch.setattr(inner_search, "ARMS", arms)
    monkeypatch.setattr(inner_search, "LINEAGES", inner_search.LINEAGES[-1:])
    monkeypatch.setattr(inner_search, "LINEAGE", inner_search.LINEAGE[:3])
    monkeypatch.setattr(inner_search, "load_dataset", lambda name, root: tiny_networks.digits())
    monkeypatch.setattr(inner_search, "make_task", lambda *rest: tiny_networks.task())
    inner_search.main()
    results = json.loads(out.read_text())
    assert len(results["arms"]) == len(inner_search.ARMS) + 3
    assert [len(row["accuracies"]) for row in results["lineage"]] == [3]
    assert all(0.0 <= row["accuracy"] <= 1.0 for row in results["arms"])
    said = capsys.readouterr().out
    assert all(f"| {row['arm']} |" in said for row in results["arms"])


def table_file(folder: Path) -> Path:
    """Random accuracies of all 15,625 cells after 10 and 40 epochs; the test accuracy is what 40 epochs gave."""
    rng = np.random.default_rng(0)
    validation = rng.uniform(10, 90, (5**6, 2)).astype(np.float32)
    path = folder / "table.npz"
    arrays = {"epochs": np.array([10, 40]), "validation": validation, "test": validation[:, 1]}
    np.savez(path, **arrays, parameters=np.arange(1, 5**6 + 1))
    return path


def search_quality(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str | Path) -> dict[str, Any]:
    out = folder / "results.json"
    study("search_quality", monkeypatch, *arguments, "--out", out).main()
    results: dict[str, Any] = json.loads(out.read_text())
    return results


def test_search_quality_on_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = table_file(tmp_path)
    figure = tmp_path / "figure.png"
    arms = ("random", "one-plus-lambda", 'two={"strategy": "optuna-random", "finalists": 2}', "optuna-tpe")
    options = (
        "table",
        "--table",
        path,
        "--evaluations",
        "20",
        "--arms",
        *arms,
        "--figure",
        figure,
        "--seeds",
        "0",
    )
    first = search_quality(monkeypatch, tmp_path, *options, "1")
    results = search_quality(monkeypatch, tmp_path, *options, "2")
    rows = results["rows"]
    assert rows[:4] == first["rows"]  # not made again
    assert sorted((row["arm"], row["seed"]) for row in rows) == sorted(
        (name, seed) for name in ("random", "one-plus-lambda", "two", "optuna-tpe") for seed in (0, 1)
    )
    with np.load(path) as table:
        validation, test = table["validation"] / 100, table["test"] / 100
    for row in rows:
        number = sum(int(digit) * 5**edge for edge, digit in enumerate(row["sentence"].split()))
        assert row["fitness"] == pytest.approx(validation[number, int(row["arm"] == "two")])
        assert row["endpoints"] == pytest.approx([test[number]])
        assert row["units"] == (20 if row["arm"] in ("two", "optuna-tpe") else 17)  # 8 + 9: nearest to 20
        assert row["evaluations"] == (14 if row["arm"] == "two" else row["units"])
    assert figure.stat().st_size > 1000
    assert "| two | random | 2 |" in capsys.readouterr().out
    changed = ("--arms", 'two={"strategy": "random"}')
    with pytest.raises(InputError, match="another one"):
        search_quality(monkeypatch, tmp_path, "table", "--table", path, "--evaluations", "20", *changed)


def test_bad_input_to_a_script_is_one_message_and_exit_code_2(tmp_path: Path) -> None:
    script = Path(__file__).parent.parent / "experiments" / "search_quality.py"
    (tmp_path / "text.npz").write_text("no table")
    for name, found in (("none.npz", "No such file"), ("text.npz", "not an npz")):
        command = [sys.executable, str(script), "table", "--table", name, "--out", "results.json"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert found in done.stderr
        assert "Traceback" not in done.stderr


def test_searches_spread_over_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ("table", "--table", table_file(tmp_path), "--evaluations", "20", "--seeds", "0", "3")
    here = search_quality(monkeypatch, tmp_path, *options)
    (tmp_path / "results.json").unlink()
    there = search_quality(monkeypatch, tmp_path, *options, "--workers", "2")
    facts = [
        sorted((row["arm"], row["seed"], row["sentence"], row["endpoints"][0]) for row in rows)
        for rows in (here["rows"], there["rows"])
    ]
    assert facts[0] == facts[1]


def test_every_arm_searches_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table_file(tmp_path)
    study("search_quality", monkeypatch)
    arms = [name for name in importlib.import_module("quality.arms").ARMS if "optuna" not in name]
    options = ("table", "--table", path, "--evaluations", "60", "--seeds", "0", "1", "--arms", *arms)
    rows = search_quality(monkeypatch, tmp_path, *options)["rows"]
    assert [row["arm"] for row in rows] == arms
    with np.load(path) as table:
        validation = table["validation"] / 100
    for row in rows:
        number = sum(int(digit) * 5**edge for edge, digit in enumerate(row["sentence"].split()))
        long = row["finalists"] > 0
        assert row["fitness"] == pytest.approx(validation[number, int(long)])
        assert abs(row["units"] - 60) <= 5  # half a generation, with the one evaluated again
        assert row["units"] == row["evaluations"] + (3 * 5 if long else 0)


def test_an_arm_is_recorded_with_what_it_does_not_name(monkeypatch: pytest.MonkeyPatch) -> None:
    study("search_quality", monkeypatch)
    arms = importlib.import_module("quality.arms")
    recorded = arms.as_json(arms.ARMS["evolution-ageing"])
    # So that rows of another default are not taken for the same arm's.
    assert recorded["strategy"] == {**EvolutionSettings().model_dump(), **arms.AGEING}
    assert recorded["mutation"]["preset"] == "few-changes"
    assert arms.as_json(arms.ARMS["optuna-tpe"])["strategy"] == "optuna-tpe"


def test_genes_changed_on_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study("search_quality", monkeypatch)
    from quality import table

    rng = np.random.default_rng(0)
    counts = np.zeros(6)
    for _ in range(4000):
        counts[table.heavy_tailed(rng) - 1] += 1
    expected = np.arange(1, 7) ** -1.5 / sum(k**-1.5 for k in range(1, 7))
    assert counts / 4000 == pytest.approx(expected, abs=0.03)
    cell = (0, 1, 2, 3, 4, 0)
    for count in range(1, 7):
        child, _ = table.changed(cell, count, rng)
        assert sum(a != b for a, b in zip(cell, child, strict=True)) == count
        assert all(0 <= digit < 5 for digit in child)
    space = table.TableRequest(table_file(tmp_path), 10).ground().space(arm_of("random"))
    assert space.features is not None
    features = space.features(cell, space.describe(cell).payload)
    assert features["operation 0"] == 2
    assert features["edge 4 is 4"] == 1
    assert features["edge 4 is 3"] == 0


def arm_of(name: str) -> Any:
    return importlib.import_module("quality.arms").ARMS[name]


def test_search_quality_by_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = (
        "--images",
        "200",
        "--steps",
        "2",
        "--final-steps",
        "3",
        "--evaluations",
        "3",
        "--seeds",
        "0",
        "1",
        "--batch",
        "8",
        "--activations",
        "2000",
    )
    small = '={"strategy": "random", "offspring": 2}'
    options = (
        "real",
        "--dataset",
        "digits",
        *sizes,
        "--arms",
        f"random{small}",
        f"again{small}",
        "optuna-random",
    )
    trained, settings = [], []
    study("search_quality", monkeypatch)
    real = importlib.import_module("quality.real")
    evaluate = real.evaluate

    def counted(config: Any, task: Any, candidacy: Any) -> Any:
        trained.append(config.training.steps)
        settings.append((config.data.batch_size, config.search.limits.activations))
        return evaluate(config, task, candidacy)

    monkeypatch.setattr(real, "evaluate", counted)
    results = search_quality(monkeypatch, tmp_path, *options)
    by_arm = {row["arm"]: row for row in results["rows"]}
    assert by_arm["random"]["sentence"] == by_arm["again"]["sentence"]
    assert by_arm["random"]["evaluations"] == by_arm["again"]["evaluations"]
    # What `again` shares with `random` is trained once, and counted twice.
    assert trained.count(2) == by_arm["random"]["evaluations"] + by_arm["optuna-random"]["evaluations"]
    assert set(settings) == {(8, 2000)}
    assert all(row["steps"] == 2 * row["units"] for row in results["rows"])
    assert all(
        "2 steps of 8," in row["ground"] and "2,000 activations" in row["ground"] for row in results["rows"]
    )
    assert all(0.0 <= value <= 1.0 for row in results["rows"] for value in row["endpoints"])


def test_optuna_suggests_genotypes_of_the_grammar(monkeypatch: pytest.MonkeyPatch) -> None:
    optuna = pytest.importorskip("optuna")
    study("search_quality", monkeypatch)
    suggest = importlib.import_module("quality.grammar_trial").suggest_genotype
    grammar = load_grammar(Path(__file__).parents[1] / "grammars" / "spenser_gee.lark")
    sizes = {"features": (1, 3), "classification": (0, 2)}
    trials = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    units = set()
    for _ in range(60):
        trial = trials.ask()
        genotype = suggest(trial, grammar, sizes)
        trials.tell(trial, 0.0)
        assert (
            canonicalise(genotype, grammar) == genotype
        )  # no gene is missing, outside its domain, or too many
        assert genotype_from_sentence(grammar, sentence_of(genotype, grammar)) == genotype
        units.add((len(genotype.parts["features"]), len(genotype.parts["classification"])))
    assert units == {(f, c) for f in (1, 2, 3) for c in (0, 1, 2)}
    # dropout is one of four alternatives: its weight is kept
    kinds = [t.params["features.0.features.choice.0"] for t in trials.trials]
    assert set(kinds) == {0, 1, 2, 3}


def test_paired_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    study("search_quality", monkeypatch)
    paired = importlib.import_module("quality.analysis").paired
    values, reference = [0.5, 0.7, 0.6, 0.9, 0.4], [0.4, 0.5, 0.6, 0.6, 0.8]
    found = paired(values, reference)
    # Differences .1 .2 0 .3 -.4: ranks 1 2 - 3 of the positive, 4 of the negative.
    assert found["difference"] == pytest.approx(0.04)
    assert found["effect"] == pytest.approx((1 + 2 + 3 - 4) / 10)
    # Of the 16 sign patterns of 4 ranks, W+ >= 6 or <= 4: exactly 5 is the other case, two of them {1, 4}, {2, 3}.
    assert found["p"] == pytest.approx(14 / 16)
    assert found["n"] == 5
    equal = paired(values, values)
    assert (equal["difference"], equal["p"], equal["effect"]) == (0.0, None, None)


def test_fidelity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "fidelity.json"
    options = (write_tiny(tmp_path), "--networks", "4", "--budget", "1", "--terms", "off", "--out", out)
    fidelity = study("fidelity", monkeypatch, *options)
    fidelity.main()
    results = json.loads(out.read_text())
    assert sorted((row["network"], row["steps"]) for row in results["rows"]) == [
        (network, steps) for network in range(4) for steps in (1, 6, 24)
    ]
    assert "| **6** | 24 | 4 |" in capsys.readouterr().out
    monkeypatch.setattr(fidelity, "evaluate", lambda *rest: pytest.fail("trained again"))
    fidelity.main()
    assert json.loads(out.read_text()) == results


def test_rank_agreement(monkeypatch: pytest.MonkeyPatch) -> None:
    agreement = study("fidelity", monkeypatch).rank_agreement
    short, long = [0.1, 0.2, 0.4, 0.3, None, None], [0.5, 0.6, 0.7, 0.8, 0.9, None]
    found = agreement(short, long)
    assert (found["networks"], found["dead_short"], found["dead_long"]) == (6, 2 / 6, 1 / 6)
    # Alive in both: ranks 1 2 4 3 and 1 2 3 4, rho = 1 - 6 * 2 / (4 * 15).
    assert found["alive"][0] == pytest.approx(0.8)
    assert found["all"][0] == pytest.approx(spearmanr([3, 4, 6, 5, 1.5, 1.5], [2, 3, 4, 5, 6, 1]).statistic)
    assert found["alive"][1] <= 0.8 <= found["alive"][2]
    assert agreement([None, 0.2], [0.1, 0.2])["alive"] is None


def test_gene_front(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "front.json"
    config = Path(__file__).parents[1] / "configs" / "digits.yaml"
    small = ("training.epochs=null", "training.steps=4", "search.workers=0", "search.offspring=3")
    sizes = ("--seeds", "1", "--generations", "2", "--epochs", "1")
    options = (config, *sizes, "--out", out, "--figure", tmp_path / "front.png", "--set", *small)
    gene_front = study("gene_front", monkeypatch, *options)
    gene_front.main()
    searches = json.loads(out.read_text())["searches"]
    assert [row["space"] for row in searches] == list(gene_front.SPACES)
    members = [member for row in searches for member in row["front"]]
    assert all(0 <= member["test_accuracy"] <= 1 for member in members)
    assert all(member["gene"] or member["parameters"] == member["dense_parameters"] for member in members)
    assert not any(member["gene"] for member in searches[1]["front"])
    assert "| with gene encoding | 1 |" in capsys.readouterr().out
    monkeypatch.setattr(gene_front, "searched", lambda *rest: pytest.fail("searched again"))
    gene_front.main()


def test_best_within_a_limit_of_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    gene_front = study("gene_front", monkeypatch)

    def front(*members: tuple[int, float]) -> list[dict[str, Any]]:
        return [{"parameters": n, "test_accuracy": accuracy, "gene": n < 600} for n, accuracy in members]

    space = "with gene encoding"
    searches = [
        {"space": space, "seed": 0, "front": front((400, 0.5), (900, 0.7), (3000, 0.6))},
        {"space": space, "seed": 1, "front": front((800, 0.9), (5000, 0.95))},
    ]
    row = gene_front.table(searches).splitlines()[2]
    assert row.startswith("| with gene encoding | 2 | 5 | 20 % | 50.0 ± 0.0 (1) | 80.0 ± 10.0 (2) | 80.0 ±")
