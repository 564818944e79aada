"""Candidates of a run by their id: `train --candidate`, `export --candidate`, `compare RUN:ID`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from test_cli_usage import cli_main

from spenser_gee.cli.compare import sorted_paths
from spenser_gee.comparison.folder import load_results
from spenser_gee.comparison.request import Evolved
from spenser_gee.runs import queries
from spenser_gee.runs.store import RunFolder
from spenser_gee.training.saved import load_network

Captured = pytest.CaptureFixture[str]

HUGE = str(10**30)


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "copied"))


def ids(path: Path) -> tuple[int, int, str]:
    """Of a run: its best, a complete candidate that is not, and the sentence of that."""
    with RunFolder.open(path) as run:
        best = queries.best_candidate(run)
        assert best is not None
        other = next(
            each.candidate_id
            for each in queries.evaluations(run)
            if each.own_value is not None and each.candidate_id != best
        )
        return best, other, queries.candidate(run, other).sentence


def test_train_another_candidate(capsys: Captured, copied: Path) -> None:
    _, other, sentence = ids(copied)
    code, output, errors = cli_main(
        capsys, "train", copied, "--candidate", str(other), "--epochs", "1", "--json"
    )
    assert code == 0, errors
    assert f"training {copied}: candidate {other} for 1 epochs" in errors
    assert json.loads(output)["sentence"] == sentence
    assert load_network(copied / f"retrained-{other}.safetensors").sentence == sentence
    assert not (copied / "retrained.safetensors").exists()


@pytest.mark.parametrize("command", ["train", "export"])
def test_an_unknown_candidate(capsys: Captured, finished: Path, tmp_path: Path, command: str) -> None:
    options = ("--format", "state-dict") if command == "export" else ()
    for number in ("99", HUGE):
        code, output, errors = cli_main(capsys, command, finished, "--candidate", number, *options)
        assert (code, output) == (2, "")
        assert f"{finished}: no candidate {number}: ids go from 0 to " in errors
    net = tmp_path / "a.net"
    net.write_text("")
    code, output, errors = cli_main(capsys, command, net, "--candidate", "0", *options)
    assert (code, output) == (2, "")
    assert "only a run has candidates" in errors


def test_export_of_a_candidate(capsys: Captured, copied: Path) -> None:
    best, other, _ = ids(copied)
    code, output, errors = cli_main(
        capsys, "export", copied, "--candidate", str(best), "--format", "state-dict"
    )
    # In the run's folder: what lies among the weights goes when the search goes on.
    target = copied / f"candidate-{best}-pytorch"
    assert (code, output) == (0, f"{target}\n"), errors
    assert (target / "weights.safetensors").is_file()
    code, output, errors = cli_main(
        capsys, "export", copied, "--candidate", str(other), "--format", "state-dict"
    )
    assert (code, output) == (2, "")
    assert f"{copied}: candidate {other}: its weights are not kept" in errors
    assert f"train {copied} --candidate {other}" in errors


def test_the_newest_weights_of_a_candidate(copied: Path) -> None:
    with RunFolder.open(copied) as run:
        for generation in (3, 12):
            run.weights_path(70, generation).touch()
        run.weights_path(7, 99).touch()
        assert run.newest_weights(70) == run.weights_path(70, 12)
        assert run.newest_weights(71) is None


def test_a_run_and_a_candidate_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("run", "old:5"):
        (tmp_path / name).mkdir()
    words = ["run", "run:3", "run:12", "old:5", "old:5:5", "run:", "run:-1", "x.net"]
    found, sentences = sorted_paths([Path(word) for word in words])
    run, old = Path("run"), Path("old:5")
    assert found == [
        Evolved(run),
        Evolved(run, 3),
        Evolved(run, 12),
        Evolved(old),
        Evolved(old, 5),
        Evolved(Path("run:")),
        Evolved(Path("run:-1")),
    ]
    assert sentences == [Path("x.net")]


def test_compare_candidates_of_a_run(capsys: Captured, finished: Path, tmp_path: Path) -> None:
    best, other, sentence = ids(finished)
    out = tmp_path / "c"
    quick = ["--seeds", "1", "--samples", "64", "--images", "20", "--no-common"]
    quick += ["--set", "initialisation.terms=off", "--out", str(out)]
    words = (f"{finished}:{other}", f"{finished}:{best}", str(finished))
    code, output, errors = cli_main(capsys, "compare", *words, *quick)
    assert code == 0, errors
    results = load_results(out)
    rows = {row.name: row for row in results.contenders}
    assert results.reference == f"evolved-candidate-{other}"
    assert {f"evolved-candidate-{best}", "evolved"} < rows.keys()
    assert rows[f"evolved-candidate-{other}"].sentence == sentence
    # One network under two names: equal trainings.
    same = [rows[name].arms["own"].accuracy for name in (f"evolved-candidate-{best}", "evolved")]
    assert same[0] is not None
    assert same[0] == same[1]
    assert f"evolved-candidate-{other}" in output
    code, output, errors = cli_main(capsys, "compare", f"{finished}:{HUGE}", *quick)
    assert (code, output) == (2, "")
    assert f"no candidate {HUGE}" in errors
