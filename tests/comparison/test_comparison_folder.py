"""The folder's files: what is there is used, what is damaged is named."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from spenser_gee.assessment.operations import LayerOperations, NeuronOperations, Operations
from spenser_gee.comparison.contenders import Contender, backbone, entrants
from spenser_gee.comparison.finished import Disturbed, Finished, Measured
from spenser_gee.comparison.folder import ComparisonFolder, Definition, load_results
from spenser_gee.comparison.request import Allowance, Assessed
from spenser_gee.comparison.results import LatencyResults, Results
from spenser_gee.comparison.settings import Settings
from spenser_gee.config import Initialisation
from spenser_gee.errors import InputError
from spenser_gee.evaluation import Evaluation
from spenser_gee.paths import shipped_folder
from spenser_gee.phenotype.check import open_grammar
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.layers import LIF, Conv, FullyConnected
from spenser_gee.runs.typed import from_json, to_json

SETTINGS = Settings(
    data={"dataset": "digits", "time_steps": 4, "batch_size": 32, "images": [1438, 1, 8, 8]},
    seed=0,
    budget=Allowance("epochs", 1.0),
    initialisation=Initialisation(terms="off"),
    training={"memory_mb": 1024, "precision": "float32"},
    common_recipe=None,
    assessed=Assessed(),
    device="cpu",
    backend="plain",
    threads=1,
)
SPEC = NetworkSpec(
    units=(
        (Conv(filters=4), LIF()),
        (Conv(filters=5, weights="gene"), LIF()),
        (FullyConnected(units=0), LIF()),
    )
)


def contender(name: str = "one", spec: NetworkSpec = SPEC) -> Contender:
    return Contender(name, "backbone", False, f"{name}.net", "conv ...", spec)


def defined(seeds: int) -> Definition:
    return Definition(SETTINGS, seeds, (contender(),))


def measured() -> Measured:
    layer = LayerOperations(0, "conv", (1, 8, 8), (4, 8, 8), 36, 2304, True, "graded", 0.4, 0.0, 512.5)
    return Measured(
        operations=Operations(50, 4, (layer,), (NeuronOperations(0, 256, 1024, 81.25),)),
        sops=7.0,
        macs=512.5,
        spikes=81.25,
        firing_rate=81.25 / 1024,
        energy_gee_eq17_nj=1.5,
        energy_operations_nj=2.5,
        energy_with_memory_nj=9.0,
        energy_dense_ann_nj=3.0,
        robustness=Disturbed(((0.0, 0.5), (0.1, 0.25)), ((0.0, 0.5),), 50),
        layer_rates=(0.1, 1 / 3),
        curve=((20, 2.25, 0.125), (40, 1.5, 0.5)),
    )


def test_trials_come_back(tmp_path: Path) -> None:
    found = measured()
    objectives, cost = {"fitness": 0.5, "loss": 1.0}, {"training_steps": 3.0}
    evaluation = Evaluation(
        "complete", objectives, cost, "", {**to_json(found), "execution": {"worker": "0"}}
    )
    failed = Evaluation("failed", reason='a "reason" with ümlauts')
    with ComparisonFolder.opened(tmp_path / "c", defined(2)) as folder:
        assert folder.trial("one", "own", 0) is None
        folder.write_trial("one", "own", 0, evaluation)
        folder.write_trial("one", "own", 1, failed)
    with ComparisonFolder.opened(tmp_path / "c", defined(1)) as folder:
        outcome = folder.trial("one", "own", 0)
        assert outcome == Finished.of(evaluation, 0)
        assert outcome is not None
        assert outcome.measured == found
        assert (outcome.trial.accuracy, outcome.trial.loss, outcome.trial.steps) == (0.5, 1.0, 3.0)
        outcome = folder.trial("one", "own", 1)
        assert outcome is not None
        assert (outcome.trial.status, outcome.trial.reason) == ("failed", failed.reason)
        assert (outcome.trial.accuracy, outcome.measured) == (None, None)
        assert folder.definition == defined(2)


def test_latencies_come_back(tmp_path: Path) -> None:
    known = {"one": LatencyResults(1.5, (1.25, 1.75), 64, 900.0, 1, "cpu"), "two": None}
    with ComparisonFolder.opened(tmp_path / "c", defined(1)) as folder:
        assert folder.latencies() == {}
        folder.write_latencies(known)
        assert folder.latencies() == known
        (tmp_path / "c" / "latency.json").write_text('{"one": {"single_ms": "fast"}}')
        with pytest.raises(InputError, match=r"latency\.json.*cannot be read[\s\S]*Remove it"):
            folder.latencies()


def test_an_earlier_folder_opens_and_keeps_its_format(tmp_path: Path) -> None:
    """`earlier_folder` was written when the values between the files of comparison/ had no types."""
    path = tmp_path / "c"
    shutil.copytree(Path(__file__).parent / "earlier_folder", path)
    before = json.loads((path / "comparison.json").read_text())
    definition = from_json(Definition, before)
    before["settings"]["identity"] = None  # what its data were was not recorded
    with ComparisonFolder.opened(path, definition) as folder:
        assert folder.definition == definition
        assert json.loads((path / "comparison.json").read_text()) == before
        trial, late = folder.trial("evolved", "own", 0), folder.trial("digits_mlp", "own", 0)
        latencies = folder.latencies()
    assert trial is not None
    assert late is not None
    details = json.loads((path / "trials" / "evolved.own.0.json").read_text())["details"]
    assert {**to_json(trial.measured), "execution": details["execution"]} == details
    assert (late.trial.status, late.trial.steps, late.measured) == ("timed_out", 3.0, None)
    assert {name: to_json(found) for name, found in latencies.items()} == json.loads(
        (path / "latency.json").read_text()
    )


def test_earlier_results_are_read_whole() -> None:
    file = Path(__file__).parents[2] / "docs" / "results" / "comparison" / "results.json"
    values = json.loads(file.read_text())
    results = Results.from_dict(values)
    assert json.loads(json.dumps(results.to_dict())) == values
    assert results.contenders[0].arms["own"].trials[0].seed == 0


def test_only_one_process_writes(tmp_path: Path) -> None:
    with (
        ComparisonFolder.opened(tmp_path / "c", defined(1)),
        pytest.raises(InputError, match="another process is writing"),
        ComparisonFolder.opened(tmp_path / "c", defined(1)),
    ):
        pass


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"status": "great"}',
        '{"status": 3, "colour": 1}',
        '{"status": "complete", "objectives": {"fitness": 0.5}, "details": {"sops": 7.0}}',
    ],
)
def test_a_damaged_trial_is_named_with_its_remedy(text: str, tmp_path: Path) -> None:
    with ComparisonFolder.opened(tmp_path / "c", defined(1)) as folder:
        folder.write_trial("one", "own", 0, Evaluation("failed", reason="x"))
        file = tmp_path / "c" / "trials" / "one.own.0.json"
        file.write_text(text)
        with pytest.raises(InputError, match=r"one\.own\.0\.json.*cannot be read[\s\S]*Remove it"):
            folder.trial("one", "own", 0)


@pytest.mark.parametrize(
    "text", ["", "[1]", "{}", '{"settings": 3}', '{"settings": {}, "seeds": "x", "contenders": []}']
)
def test_a_damaged_definition_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "c"
    with ComparisonFolder.opened(path, defined(1)):
        pass
    (path / "comparison.json").write_text(text)
    with (
        pytest.raises(InputError, match=r"comparison\.json"),
        ComparisonFolder.opened(path, defined(1)),
    ):
        pass


def test_no_results_and_foreign_ones_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no results"):
        load_results(tmp_path)
    (tmp_path / "results.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(InputError, match="expected format 1, found 99"):
        load_results(tmp_path)
    (tmp_path / "results.json").write_text('{"format": 1, "finished": "perhaps"}')
    with pytest.raises(InputError, match=r"results\.json: cannot be read"):
        load_results(tmp_path)


def test_the_time_of_earlier_calls_counts(tmp_path: Path) -> None:
    file = Path(__file__).parents[2] / "docs" / "results" / "comparison" / "results.json"
    with ComparisonFolder.opened(tmp_path / "c", defined(1)) as folder:
        assert folder.seconds_spent() == 0.0
        shutil.copy(file, tmp_path / "c" / "results.json")
        assert folder.seconds_spent() == json.loads(file.read_text())["seconds"] > 0
        (tmp_path / "c" / "results.json").write_text('{"format": 1}')
        with pytest.raises(InputError, match=r"results\.json.*cannot be read[\s\S]*Remove it"):
            folder.seconds_spent()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match="this is a file"),
        ComparisonFolder.opened(tmp_path / "file", defined(1)),
    ):
        pass


def test_entrants_have_twins_unless_they_are_ordinary_or_cannot_be_built() -> None:
    ordinary = contender("dense", replace(SPEC, units=(SPEC.units[0], SPEC.units[2])))
    collapses = contender(
        "tiny", replace(SPEC, units=((Conv(kernel=15, padding="valid"), LIF()), SPEC.units[1]))
    )
    found = entrants([contender(), ordinary, collapses], (1, 8, 8), 10)
    assert [(c.name, c.twin, bool(c.problem)) for c in found] == [
        ("one", False, False),
        ("one-dense", True, False),
        ("dense", False, False),
        ("tiny", False, True),
    ]
    assert "kernel=15 padding=valid leaves nothing of 1 x 8 x 8" in found[3].problem


@pytest.mark.parametrize("name", ["digits_cnn", "digits_mlp"])
def test_the_digits_have_backbones_of_their_own(name: str) -> None:
    path = shipped_folder("configs") / "backbones" / f"{name}.net"
    network = backbone(path, open_grammar(shipped_folder("grammars") / "spenser_gee.lark"))
    found = entrants([network], (1, 8, 8), 10)
    assert [(c.name, c.problem) for c in found] == [(name, ""), (f"{name}-dense", "")]
    encoded, dense = (c.plan((1, 8, 8), 10).parameters for c in found)
    assert encoded < 0.6 * dense < 25_000


def test_two_of_one_name_are_refused_a_twin_too() -> None:
    for second in ("one", "one-dense"):
        with pytest.raises(InputError, match=f'a second contender has the name "{second}"'):
            entrants([contender(), contender(second)], (1, 8, 8), 10)
