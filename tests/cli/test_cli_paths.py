"""Paths on the command line and in a configuration: `~`, bytes that are no text, and what nothing can be called."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from test_cli_usage import cli_main
from tiny_runs import GRAMMAR, TINY, command, write_tiny

import spenser_gee.session.start as session
from spenser_gee.cli.runs import run_command
from spenser_gee.runs import store

Captured = pytest.CaptureFixture[str]

NOTHING = ("--set", "search.generations=0")  # a run folder without a search: exit code 1


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder, and another one to work in."""
    (tmp_path / "home").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home"


def image_folder(root: Path) -> Path:
    """Two classes of four images."""
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        for shade, name in enumerate(("dark", "light")):
            (root / part / name).mkdir(parents=True)
            for number in range(4):
                pixels = rng.integers(90 * shade, 160 + 90 * shade, (8, 8), dtype=np.uint8)
                Image.fromarray(pixels).save(root / part / name / f"{number}.png")
    return root


def test_a_tilde_is_the_home_folder_in_every_option(capsys: Captured, home: Path, finished: Path) -> None:
    config = write_tiny(home)
    code, _, errors = cli_main(capsys, "run", "~/tiny.yaml", "--out=~/x", *NOTHING)
    assert code == 1, errors
    assert (home / "x" / "run.sqlite").is_file()
    assert cli_main(capsys, "show", "~/x")[0] == 0
    os.symlink(finished, home / "done")
    assert cli_main(capsys, "export", "~/done", "--format=state-dict", "--out=~/exported")[0] == 0
    assert (home / "exported" / "network.py").is_file()
    (home / "own.lark").write_text(GRAMMAR.read_text())
    assert cli_main(capsys, "grammar", "check", "~/own.lark")[0] == 0
    for key in ("grammar=~/own.lark", "grammar=own.lark"):
        assert cli_main(capsys, "config", "check", config, "--set", key)[0] == 0
    code, output, _ = cli_main(capsys, "config", "check", config, "--set", "data.root=~/pictures", "--json")
    assert f'"root": "{home}/pictures"' in output
    assert os.listdir() == []


def test_data_beside_the_configuration(capsys: Captured, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPENSER_GEE_DATA", raising=False)
    root = image_folder(home / "pictures")
    data = {"dataset": "image-folder", "root": "pictures", "time_steps": 4, "batch_size": 4}
    (home / "own.yaml").write_text(yaml.safe_dump({**TINY, "data": data}))
    code, _, errors = cli_main(capsys, "run", home / "own.yaml", "--out", "run", *NOTHING)
    assert code == 1, errors
    assert "8 training and 8 test images" in errors
    recorded = yaml.safe_load(Path("run/config.yaml").read_text())
    assert recorded["data"]["root"] == str(root)


def test_names_that_are_not_utf8(home: Path) -> None:
    """What is read may have them, and is found again; what is written may not."""
    strange = Path(os.fsdecode(os.fsencode(home) + b"/\xff"))
    root = image_folder(strange / "pictures")
    (strange / "own.lark").write_text(GRAMMAR.read_text())
    data = {"dataset": "image-folder", "root": "pictures", "time_steps": 4, "batch_size": 4}
    search = {**TINY["search"], "generations": 1, "workers": 1}
    values = {**TINY, "grammar": "own.lark", "data": data, "search": search}
    config = strange / "own.yaml"
    config.write_text(yaml.safe_dump(values))
    code, output, errors = command("run", config, "--out", strange / "run", "--data-root", root)
    assert (code, output) == (2, "")
    assert errors.endswith("\\udcff/run: the name is not UTF-8\n    Choose another for what is written.\n")
    assert sorted(os.listdir(strange)) == ["own.lark", "own.yaml", "pictures"]
    code, _, errors = command("run", config, "--out", "run", "--data-root", root)
    assert code == 0, errors
    code, _, errors = command("resume", "run", "--set", "final.epochs=2")
    assert code == 0, errors
    with store.RunFolder.open("run") as folder:
        assert folder.config()["data"]["root"] == str(root)
        assert str(root) in folder.environment()["command"]


def test_half_a_run_folder_is_taken_away(
    capsys: Captured, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "create_database", full)
    write_tiny(home)
    for out in ((), ("--out", "a/b/c"), ("--out", home / "empty")):
        (home / "empty").mkdir(exist_ok=True)
        code, output, errors = cli_main(capsys, "run", home / "tiny.yaml", *out)
        assert (code, output) == (2, "")
        assert errors.splitlines()[-1].endswith("the run folder cannot be written: No space left on device")
        assert os.listdir() == []
        assert os.listdir(home / "empty") == []


@pytest.mark.parametrize("out", ["", "x" * 300, "file/run", "~nobody-of-this-name/run", "file"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "CONFIG", "--out"],
        ["run", "CONFIG", "--data-root"],
        ["resume", "RUN", "--grammar"],
        ["compare", "RUN", "--out"],
        ["report", "RUN", "--out"],
        ["train", "RUN", "--out"],
        ["export", "RUN", "--format", "nir", "--out"],
        ["export", "RUN", "--format", "state-dict", "--out"],
        ["show"],
        ["config", "check"],
        ["grammar", "check"],
        ["init"],
    ],
)
def test_what_no_path_can_be_is_one_message(
    capsys: Captured, home: Path, finished: Path, arguments: list[str], out: str
) -> None:
    Path("file").write_text("x")
    words = {"CONFIG": str(write_tiny(home)), "RUN": str(finished)}
    data = ("--set", "data.dataset=image-folder") if "--data-root" in arguments else ()
    before = sorted(os.listdir())
    code, output, errors = cli_main(capsys, *[words.get(word, word) for word in arguments], out, *data)
    assert (code, output) == (2, ""), errors
    assert errors.count("error: ") == 1
    assert sorted(os.listdir()) == before


def test_a_zero_byte_is_named_with_its_line(capsys: Captured, home: Path) -> None:
    for key in ("data.root", "grammar", "search.start"):
        code, _, errors = cli_main(capsys, "config", "check", write_tiny(home), "--set", f'{key}="a\\0b"')
        assert code == 2
        assert errors.startswith(f"error: --set {key}=")
        assert "a path cannot hold a zero byte" in errors


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["run", "confg.yaml"], 'did you mean "config.yaml"?'),
        (["show", "runs/digts"], 'did you mean "runs/digits"?'),
        (["resume", "runs/digits2"], 'did you mean "runs/digits"?'),
        (["config", "check", "config.yaml", "--set", "grammar=gramar.lark"], 'did you mean "grammar.lark"?'),
    ],
)
def test_a_name_that_is_nearly_right(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], hint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli_main(capsys, "init", ".")[0] == 0
    (tmp_path / "runs" / "digits").mkdir(parents=True)
    code, output, errors = cli_main(capsys, *arguments)
    assert (code, output) == (2, "")
    assert hint in errors


def test_runs_at_once_have_folders_of_their_own(
    capsys: Captured, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another two begin while the first one reads its data."""
    begun, set_up = [], session.set_up
    config = write_tiny(home)

    def slow(*arguments: Any) -> Any:
        begun.append(1)
        if len(begun) < 3:
            run_command(config, ["search.generations=0"], None, None, True)
        return set_up(*arguments)

    monkeypatch.setattr(session, "set_up", slow)
    code, _, errors = cli_main(capsys, "run", config, *NOTHING)
    assert code == 1, errors
    assert sorted(path.parent.name for path in Path("runs").glob("*/run.sqlite")) == [
        "tiny",
        "tiny-2",
        "tiny-3",
    ]


def test_a_refused_run_leaves_no_folder(capsys: Captured, home: Path) -> None:
    code, _, _ = cli_main(capsys, "run", write_tiny(home), "--set", "data.dataset=none")
    assert code == 2
    assert os.listdir() == []
    Path("runs").write_text("a file")
    code, _, errors = cli_main(capsys, "run", write_tiny(home))
    assert code == 2
    assert errors.startswith("error: runs/tiny: no folder can be made here")
