"""Damaged run folders: `show`, `resume` and `train` end with a message and exit code 2, or they still work.

SPENSER_GEE_LONG_TESTS=1 tries ten times as many damages.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from test_cli_usage import cli_main

LONG = os.environ.get("SPENSER_GEE_LONG_TESTS") == "1"
FILES = ("config.yaml", "grammar.lark", "environment.json", "run.sqlite", "best.safetensors")
COLUMNS = {
    "meta": ("value",),
    "candidates": ("genotype_json", "parents_json", "origin_json", "sentence", "id", "phenotype_key"),
    "evaluations": ("status", "fitness", "objectives_json", "cost_json", "details_json", "recorded"),
    "generations": ("best_id", "best_fitness", "counts_json", "generation", "best_mean"),
    "state": ("state_json", "generation"),
    "final": ("result_json",),
    "events": ("kind", "time"),
    "inner": ("values_json",),
}
VALUES = (
    "",
    "x",
    "[]",
    "{}",
    "null",
    "3",
    "-1",
    "[[1]]",
    '{"elite": 3}',
    "NaN",
    "1e999",
    "{",
    None,
    7.5,
    b"\xff",
)
TEXTS = (
    b"",
    b"\0\0\0",
    b"\xff\xfe",
    b"[1",
    b"{",
    b"[]",
    b"3",
    b"a: &a [*a]",
    b"name: tiny\n",
    b"? [1]\n: 2\n",
    b"- " * 9,
)

Damage = Callable[[Path, random.Random], None]


def missing(run: Path, draw: random.Random) -> None:
    (run / draw.choice(FILES)).unlink()


def weights_gone(run: Path, draw: random.Random) -> None:
    shutil.rmtree(run / "weights")


def truncated(run: Path, draw: random.Random) -> None:
    path = run / draw.choice(FILES)
    path.write_bytes(path.read_bytes()[: draw.randrange(path.stat().st_size)])


def flipped(run: Path, draw: random.Random) -> None:
    path = draw.choice([*(run / name for name in FILES), *(run / "weights").iterdir()])
    data = bytearray(path.read_bytes())
    for _ in range(draw.randrange(1, 30)):
        data[draw.randrange(len(data))] = draw.randrange(256)
    path.write_bytes(data)


def replaced(run: Path, draw: random.Random) -> None:
    path = draw.choice([*(run / name for name in FILES), *(run / "weights").iterdir()])
    path.write_bytes(draw.choice([*TEXTS, draw.randbytes(3000)]))


def folders(run: Path, draw: random.Random) -> None:
    path = run / draw.choice((*FILES, "lock"))
    path.unlink()
    path.mkdir()


def lines(run: Path, draw: random.Random) -> None:
    """A line of a text file removed, doubled, or with a foreign value."""
    path = run / draw.choice(FILES[:3])
    text = path.read_text().splitlines()
    number = draw.randrange(len(text))
    key = text[number].partition(":")[0]
    text[number : number + 1] = draw.choice(
        [[], [text[number]] * 2, [f"{key}: -5"], [f"{key}: [x]"], [f"{key}:"]]
    )
    path.write_text("\n".join(text))


def foreign_values(run: Path, draw: random.Random) -> None:
    table = draw.choice(list(COLUMNS))
    _update(run, table, draw.choice(COLUMNS[table]), draw.choice(VALUES))


def foreign_state(run: Path, draw: random.Random) -> None:
    """A value in the state of the search is of another kind."""
    with sqlite3.connect(run / "run.sqlite") as connection:
        state = json.loads(connection.execute("SELECT state_json FROM state").fetchall()[-1][0])
    target = draw.choice([state, state["elite"], state["elite"]["candidate"]])
    key = draw.choice(list(target))
    if draw.random() < 0.3:
        del target[key]
    else:
        target[key] = draw.choice([None, "x", -3, [], {}, 2.5, [["x"]], 10**30])
    _update(run, "state", "state_json", json.dumps(state))


def foreign_tables(run: Path, draw: random.Random) -> None:
    with sqlite3.connect(run / "run.sqlite") as connection:
        table = draw.choice(list(COLUMNS))
        connection.execute(
            draw.choice([f"DROP TABLE {table}", f"DELETE FROM {table}", "PRAGMA application_id = 0"])
        )


def _update(run: Path, table: str, column: str, value: object) -> None:
    connection = sqlite3.connect(run / "run.sqlite")
    try:
        connection.execute(f"UPDATE {table} SET {column} = ?", (value,))
        connection.commit()
    except sqlite3.Error:  # the schema itself refuses this value
        pass
    finally:
        connection.close()


DAMAGES: tuple[Damage, ...] = (
    missing,
    weights_gone,
    truncated,
    flipped,
    replaced,
    folders,
    lines,
    foreign_values,
    foreign_values,
    foreign_state,
    foreign_tables,
)


@pytest.mark.parametrize("number", range(2000 if LONG else 200))
def test_a_damaged_run_never_gives_a_traceback(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, finished: Path, number: int
) -> None:
    draw = random.Random(number)
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    damage = DAMAGES[number % len(DAMAGES)]
    damage(run, draw)
    for arguments in (
        ["show", run],
        ["show", run, "--json"],
        ["show", run, "--csv"],
        ["resume", run, "--set", "search.generations=+1", "--set", "final.epochs=0"],
        ["train", run, "--epochs", "0"],
    ):
        # The commands are called as `main` calls them: any exception but InputError would come out here.
        code, output, errors = cli_main(capsys, *arguments)
        assert code in (0, 1, 2), (damage.__name__, arguments, errors)
        assert "Traceback" not in errors
        if code == 2:
            assert errors.count("error: ") == 1, errors
            if "--json" in arguments:
                assert output == ""


def test_an_untouched_copy_passes_all_of_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, finished: Path
) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    assert cli_main(capsys, "show", run)[0] == 0
    assert (
        cli_main(capsys, "resume", run, "--set", "search.generations=+1", "--set", "final.epochs=0")[0] == 0
    )
    assert cli_main(capsys, "train", run, "--epochs", "0")[0] == 0


@pytest.mark.parametrize(
    ("name", "commands"),
    [
        ("run.sqlite", ("show", "resume", "train")),
        ("config.yaml", ("resume", "train")),
        ("grammar.lark", ("resume", "train")),
        ("environment.json", ("resume",)),
        ("weights", ("resume",)),
    ],
)
def test_what_is_missing_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, finished: Path, name: str, commands: tuple[str, ...]
) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    shutil.rmtree(run / name) if name == "weights" else (run / name).unlink()
    for command in commands:
        code, output, errors = cli_main(capsys, command, run)
        assert (code, output) == (2, "")
        assert name in errors
