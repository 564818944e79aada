"""`init`: what it writes runs at once."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest
from test_cli_usage import cli_main

from spenser_gee.config import load_config

Captured = pytest.CaptureFixture[str]
ROOT = Path(__file__).parents[2]


def test_the_printed_commands_work(capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, output, errors = cli_main(capsys, "init", "my first/search")
    assert (code, errors) == (0, "")
    folder = tmp_path / "my first" / "search"
    assert sorted(os.listdir(folder)) == ["config.yaml", "grammar.lark"]
    commands = [shlex.split(line) for line in output.splitlines() if line.startswith("  ")]
    assert [words[:3] for words in commands] == [["python", "-m", "spenser_gee"]] * 3
    run, *checks = (words[3:] for words in commands)
    for words in checks:
        assert cli_main(capsys, *words)[0] == 0
    short = ("search.generations=1", "search.offspring=1", "search.workers=0", "training={steps: 5}")
    settings = [word for setting in (*short, "final.epochs=0") for word in ("--set", setting)]
    code, output, errors = cli_main(capsys, *run, *settings)
    assert code == 0, errors
    assert "test accuracy" in output


def test_it_is_the_shipped_configuration_with_a_grammar_of_its_own(capsys: Captured, tmp_path: Path) -> None:
    cli_main(capsys, "init", tmp_path / "new")
    own, shipped = (
        load_config(tmp_path / "new" / "config.yaml"),
        load_config(ROOT / "configs" / "digits.yaml"),
    )
    assert own.grammar == str(tmp_path / "new" / "grammar.lark")
    assert own.model_copy(update={"grammar": shipped.grammar}) == shipped
    text = (tmp_path / "new" / "grammar.lark").read_text()
    assert text == (ROOT / "grammars" / "digits.lark").read_text()


def test_a_folder_that_holds_something_is_refused(capsys: Captured, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    code, output, errors = cli_main(capsys, "init", tmp_path)
    assert (code, output) == (2, "")
    assert "the folder is not empty" in errors
    assert os.listdir(tmp_path) == ["mine"]
    cli_main(capsys, "init", tmp_path / "new")
    code, output, errors = cli_main(capsys, "show", tmp_path / "new")
    assert "remove the folder" not in errors
    code, output, errors = cli_main(capsys, "init", tmp_path / "mine")
    assert (code, output) == (2, "")
    assert errors.count("error: ") == 1
