"""Help, wrong usage and wrong input: one message, the right exit code, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_runs import GRAMMAR, environment, write_tiny

from spenser_gee.cli import app as cli

HELP = """
import sys
at_start = set(sys.modules)
from spenser_gee.cli.app import app
alone = [[word] for word in ("run", "resume", "show", "compare", "report", "train", "export", "grammar", "config")]
for command in ([], *alone, ["grammar", "check"]):
    assert app([*command, "--help"], standalone_mode=False) == 0
packages = {name.partition(".")[0] for name in sys.modules.keys() - at_start} - sys.stdlib_module_names
print(*sorted(packages), file=sys.stderr)
"""


def cli_main(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command line in this process."""
    before = sys.argv
    sys.argv = ["spenser-gee", *map(str, arguments)]
    try:
        with pytest.raises(SystemExit) as stop:
            cli.main()
    finally:
        sys.argv = before
    captured = capsys.readouterr()
    assert isinstance(stop.value.code, int)
    return stop.value.code, captured.out, captured.err


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HELP], capture_output=True, text=True, env=environment(), check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout
    assert "\x1b" not in done.stdout
    # What takes its time to import is not here: torch, numpy, lark, sklearn and others.
    settings = {"pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"}
    command_line = {"typer", "click", "shellingham", "annotated_doc"}
    packages = {name for name in done.stderr.split() if not name.startswith("_")}
    assert packages <= {"spenser_gee"} | settings | command_line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bogus"], "No such command 'bogus'"),
        (["run"], "Missing argument"),
        (["run", "--bogus", "x.yaml"], "No such option: --bogus"),
        (["run", "x.yaml", "--workers", "many"], "--workers"),
        (["show"], "Missing argument"),
        (["show", "a", "b"], "unexpected extra argument"),
        (["train", "x", "--epochs", "-1"], "--epochs"),
        (["grammar", "sample", "x.lark", "-n", "0"], "--number"),
        (["grammar", "bogus"], "No such command 'bogus'"),
    ],
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    code, output, errors = cli_main(capsys, *arguments)
    assert (code, output) == (2, "")
    assert errors.startswith("error: ")
    assert message in errors


@pytest.mark.parametrize("arguments", [[], ["grammar"], ["config"]])
def test_no_command_gives_the_help(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    code, output, errors = cli_main(capsys, *arguments)
    assert (code, output) == (2, "")
    assert errors.startswith("Usage:")
    assert "error" not in errors.splitlines()[0]


@pytest.fixture
def bad(tmp_path: Path) -> dict[str, Path]:
    """Paths that hold nothing usable."""
    binary = tmp_path / "binary"
    binary.write_bytes(os.urandom(2000) + b"\xff\x00")
    unreadable = tmp_path / "unreadable.lark"
    unreadable.write_text("start: (")
    (tmp_path / "folder").mkdir()
    return {"missing": tmp_path / "no", "folder": tmp_path / "folder", "binary": binary, "broken": unreadable}


@pytest.mark.parametrize("kind", ["missing", "folder", "binary", "broken"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "BAD"],
        ["config", "check", "BAD"],
        ["run", "GOOD", "--set", "grammar=BAD"],
        ["run", "GOOD", "--set", "search.start=BAD"],
        ["resume", "BAD"],
        ["show", "BAD"],
        ["train", "BAD"],
        ["train", "BAD", "--config", "GOOD"],
        ["train", "GOOD", "--config", "BAD"],
        ["grammar", "check", "BAD"],
        ["grammar", "sample", "BAD"],
        ["grammar", "parse", "BAD", "--grammar", "GRAMMAR"],
        ["grammar", "parse", "GOOD", "--grammar", "BAD"],
    ],
)
def test_wrong_input(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, bad: dict[str, Path], kind: str, arguments: list[str]
) -> None:
    words = {"BAD": str(bad[kind]), "GOOD": str(write_tiny(tmp_path)), "GRAMMAR": str(GRAMMAR)}
    filled = [words.get(a, a.replace("BAD", words["BAD"])) for a in arguments]
    code, output, errors = cli_main(
        capsys, *filled, *(["--out", tmp_path / "run"] if arguments[0] == "run" else [])
    )
    assert (code, output) == (2, ""), errors
    assert errors.count("error: ") == 1
    assert bad[kind].name in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("search.generation=3", 'did you mean "generations"'),
        ("search.generations=x", "--set search.generations=x"),
        ("search.generations", "expected key=value"),
        ("search.generations=[1", "not YAML"),
        ("search.generations=2024-13-45", "not YAML"),
        ("name.x=1", "not a section"),
    ],
)
@pytest.mark.parametrize("command", ["run", "check"])
def test_wrong_settings(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str, override: str, message: str
) -> None:
    words = ["run"] if command == "run" else ["config", "check"]
    code, output, errors = cli_main(capsys, *words, write_tiny(tmp_path), "--set", override)
    assert (code, output) == (2, "")
    assert message in errors


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed=1", "cannot change it"),
        ("search.generations", "expected key=value"),
        ("search.generations=[1", "not YAML"),
        ("search.generations=2024-13-45", "not YAML"),
        ("search.generations=+x", "--set search.generations=+x"),
        ("search.generations=1.5", "--set search.generations=1.5"),
        ("=3", "expected key=value"),
        ("search.generations=&a [*a]", "nested too deeply"),
    ],
)
def test_wrong_settings_of_a_resumed_run(
    capsys: pytest.CaptureFixture[str], finished: Path, override: str, message: str
) -> None:
    code, output, errors = cli_main(capsys, "resume", finished, "--set", override)
    assert (code, output) == (2, "")
    assert message in errors


def test_names_that_are_no_text_and_places_that_look_like_emojis(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from spenser_gee.cli.console import output, say

    say("grammar.lark:100:3: [bold]no markup[/bold]")
    output.print(":100:", markup=False)
    captured = capfd.readouterr()
    assert captured.err == "grammar.lark:100:3: [bold]no markup[/bold]\n"
    assert captured.out == ":100:\n"
    strange = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.lark")
    Path(strange).write_text(GRAMMAR.read_text())
    done = subprocess.run(
        [sys.executable, "-m", "spenser_gee", "grammar", "check", strange],
        capture_output=True,
        env={**environment(), "PYTHONIOENCODING": "utf-8:strict"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"no errors" in done.stdout


def test_a_reader_that_goes_away_is_no_error() -> None:
    for number in ("2", "2000"):  # less and more than a pipe holds
        with subprocess.Popen(
            [sys.executable, "-m", "spenser_gee", "grammar", "sample", str(GRAMMAR), "-n", number],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            errors = process.stderr.read()
            assert (process.wait(60), errors) == (0, "")
