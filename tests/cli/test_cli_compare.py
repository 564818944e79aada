"""`compare` from the command line."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest
from test_cli_usage import cli_main
from tiny_runs import command

from spenser_gee.cli.compare import budget_of, print_results, sorted_paths
from spenser_gee.comparison.folder import load_results
from spenser_gee.comparison.request import Allowance, Evolved
from spenser_gee.errors import InputError

Captured = pytest.CaptureFixture[str]

QUICK = ["--seeds", "1", "--samples", "320", "--images", "50", "--set", "initialisation.terms=off"]
BACKBONE = Path(__file__).parents[2] / "configs" / "backbones" / "digits_mlp.net"


def test_a_comparison_in_a_process_of_its_own(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "c"
    code, output, errors = command(
        "compare", finished, "--backbones", BACKBONE, *QUICK, "--out", out, cwd=tmp_path
    )
    assert code == 0, errors
    assert "\x1b" not in output + errors
    for line in (
        "data       digits",
        "contenders ",
        "trainings  ",
        "own recipe, seed 0: test accuracy",
        "common recipe, seed 0: test accuracy",
    ):
        assert line in errors
    assert "each with its own recipe:" in output
    assert "all with ce-membrane adamw" in output
    assert ", 1 seed; difference: to evolved" in output
    for name in ("evolved", "digits_mlp", "digits_mlp-dense"):
        # Once a recipe, whole: the table is not wrapped.
        rows = [line.split() for line in output.splitlines() if line.split()[:1] == [name]]
        assert [len(row) for row in rows] == ([9, 9] if name == "evolved" else [11, 11])
    code, again, errors = command("compare", finished, BACKBONE, *QUICK, "--out", out, "--json", cwd=tmp_path)
    assert code == 0, errors
    assert "trainings  0 to do" in errors
    assert json.loads(again)["finished"] is True


def test_what_a_shell_expands_behind_backbones_is_a_backbone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("b.net", "a.net", "c.txt"):
        (tmp_path / name).write_text("")
    words = [Path("runs/one"), Path("b.net"), Path("runs/two"), Path("a.net")]
    assert sorted_paths(words) == ([Evolved(words[0]), Evolved(words[2])], [words[1], words[3]])
    assert sorted_paths([Path("run"), Path("*.net")]) == (
        [Evolved(Path("run"))],
        [Path("a.net"), Path("b.net")],
    )
    assert sorted_paths([Path("run"), tmp_path / "?.net"])[1] == [tmp_path / "a.net", tmp_path / "b.net"]
    with pytest.raises(InputError, match="no file matches"):
        sorted_paths([Path("*.lark")])
    with pytest.raises(InputError, match="not a pattern"):
        sorted_paths([Path("**.net")])
    (tmp_path / "a[1]").mkdir()
    assert sorted_paths([Path("a[1]")]) == ([Evolved(Path("a[1]"))], [])


def test_one_budget() -> None:
    assert budget_of(None, None, None) is None
    assert budget_of(2, None, None) == Allowance("epochs", 2.0)
    assert budget_of(None, None, 640) == Allowance("samples", 640.0)
    with pytest.raises(InputError, match="--epochs --seconds: a comparison has one budget"):
        budget_of(1, 2, None)
    with pytest.raises(InputError, match="--epochs inf: a budget has an end"):
        budget_of(math.inf, None, None)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "nowhere: no such folder"),
        (["{empty}"], "not a run folder"),
        (["{run}", "--epochs", "1", "--samples", "3"], "a comparison has one budget"),
        (["{run}", "--epochs", "0"], "--epochs 0: the budget is not enough for one training step"),
        (["{run}", "--seconds", "0"], "--seconds 0: the budget is not enough"),
        (["{run}", "missing.net"], "missing.net: cannot read the network"),
        (["{run}", "{bad}"], "bad.net:1:1: expected"),
        (["{bad}"], "compare: no run folder among its arguments"),
        (["{run}", "--set", "search.worker=2"], 'did you mean "workers"'),
        (["{run}", "--set", "search.generations=2"], "--set search.generations=2: this has no meaning"),
        (["{run}", "--set", "data.dataset=nope"], 'unknown name "nope"'),
        (["{run}", "--grammar", "missing.lark", "{net}"], "missing.lark"),
        (["{run}", "--seeds", "0"], "--seeds"),
    ],
)
def test_wrong_input_is_one_message_and_nothing_is_written(
    arguments: list[str],
    said: str,
    finished: Path,
    tmp_path: Path,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.net").write_text("what is this")
    places = {"run": finished, "empty": "empty", "bad": "bad.net", "net": BACKBONE}
    code, _, errors = cli_main(
        capsys, "compare", *[word.format(**places) for word in arguments], *QUICK[-2:], "--out", "c"
    )
    assert code == 2
    assert said in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "c").exists()


def test_a_name_is_printed_as_it_is(capfd: pytest.CaptureFixture[str]) -> None:
    folder = Path(__file__).parents[2] / "docs" / "results" / "comparison"
    results = load_results(folder)
    named = dataclasses.replace(results.contenders[0], name="[bold]:100:[/]")
    print_results(dataclasses.replace(results, contenders=(named, *results.contenders[1:])), folder)
    assert "\n[bold]:100:[/] " in capfd.readouterr().out
