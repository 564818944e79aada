"""The folder's files: what is there is used, what is damaged is named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from spenser_gee.comparison.contenders import Contender, entrants
from spenser_gee.comparison.folder import ComparisonFolder, Definition, load_results
from spenser_gee.errors import InputError
from spenser_gee.evaluation import Evaluation
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.layers import LIF, Conv, FullyConnected

SETTINGS: dict[str, Any] = {"budget": {"kind": "epochs", "amount": 1.0}, "common_recipe": None}
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


def test_trials_come_back(tmp_path: Path) -> None:
    evaluation = Evaluation(
        "complete", {"fitness": 0.5, "loss": 1.0}, {"training_steps": 3.0}, "", {"sops": 7.0}
    )
    failed = Evaluation("failed", reason='a "reason" with ümlauts')
    with ComparisonFolder.opened(tmp_path / "c", defined(2)) as folder:
        assert folder.trial("one", "own", 0) is None
        folder.write_trial("one", "own", 0, evaluation)
        folder.write_trial("one", "own", 1, failed)
    with ComparisonFolder.opened(tmp_path / "c", defined(1)) as folder:
        assert folder.trial("one", "own", 0) == evaluation
        assert folder.trial("one", "own", 1) == failed
        assert folder.definition == defined(2)


def test_only_one_process_writes(tmp_path: Path) -> None:
    with (
        ComparisonFolder.opened(tmp_path / "c", defined(1)),
        pytest.raises(InputError, match="another process is writing"),
        ComparisonFolder.opened(tmp_path / "c", defined(1)),
    ):
        pass


@pytest.mark.parametrize("text", ["", "{", "[]", '{"status": "great"}', '{"status": 3, "colour": 1}'])
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


def test_two_of_one_name_are_refused_a_twin_too() -> None:
    for second in ("one", "one-dense"):
        with pytest.raises(InputError, match=f'a second contender has the name "{second}"'):
            entrants([contender(), contender(second)], (1, 8, 8), 10)
