"""Runs of a few seconds, and what of a run has to come out equal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import yaml

from spenser_gee.config import Config, load_config
from spenser_gee.runs.store import RunFolder
from spenser_gee.session import start_run

GRAMMAR = Path(__file__).with_name("tiny.lark")

# One thread: the order in which floats are summed is a part of the result.
TINY: dict[str, Any] = {
    "name": "tiny",
    "seed": 3,
    "grammar": str(GRAMMAR),
    "device": "cpu",
    "threads": 1,
    "data": {"dataset": "digits", "time_steps": 4, "batch_size": 32, "train_subset": 200},
    "search": {
        "strategy": "one-plus-lambda",
        "finalists": 0,
        "generations": 2,
        "offspring": 3,
        "sizes": {"features": [1], "classification": [0, 1]},
    },
    "initialisation": {
        "generations": 2,
        "population": 4,
        "steps": 1,
        "budget_share": None,
        "guard_batches": 1,
        # So that a run that goes on needs the weights of its parents.
        "inherit": "weights",
    },
    "training": {"steps": 6},
    "final": {"epochs": 1},
}


def write_tiny(folder: Path, name: str = "tiny.yaml") -> Path:
    """The configuration as a file."""
    path = folder / name
    path.write_text(yaml.safe_dump(TINY))
    return path


def tiny_config(folder: Path, *overrides: str) -> Config:
    """The configuration with `key=value` overrides."""
    return load_config(write_tiny(folder), overrides)


def tiny_run(folder: Path, name: str, *overrides: str) -> Path:
    """A whole run in this process; its folder."""
    start_run(tiny_config(folder, *overrides), folder / name)
    return folder / name


def environment() -> dict[str, str]:
    """For a process of its own: the package is importable, colours are not forced."""
    values = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "CLICOLOR_FORCE"):
        values.pop(name, None)
    return {**values, "OMP_NUM_THREADS": "1"}


def begin(arguments: Sequence[str | Path], cwd: Path | None = None) -> subprocess.Popen[str]:
    """The command line in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "spenser_gee", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        cwd=cwd,
    )


def command(*arguments: str | Path, cwd: Path | None = None) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command line in a process of its own."""
    with begin(arguments, cwd) as process:
        output, errors = process.communicate(timeout=240)
    return process.returncode, output, errors


def contents(path: Path) -> dict[str, Any]:
    """Everything in a run that follows from its configuration: all but times and places."""
    with RunFolder.open(path) as run:
        return {
            "candidates": run.rows("SELECT * FROM candidates ORDER BY id"),
            "evaluations": [
                {**row, "cost": _timeless(row["cost"]), "details": _timeless(row["details"])}
                for row in run.rows(
                    "SELECT candidate_id, generation, status, objectives_json, errors_json, measures_json,"
                    " cost_json, reason, details_json, curve_json, evaluated, same_as"
                    " FROM evaluations ORDER BY generation, candidate_id"
                )
            ],
            "inner": run.rows("SELECT * FROM inner ORDER BY generation, candidate_id, cma_generation"),
            "generations": run.rows(
                "SELECT generation, front_json, means_json, evaluations, counts_json FROM generations ORDER BY generation"
            ),
            "states": run.rows("SELECT * FROM state ORDER BY generation"),
            "final": _timeless(run.final() or {}),
        }


def _timeless(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if not key.endswith("seconds")}


def weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a weight file."""
    return safetensors.torch.load(path.read_bytes())


def assert_equal_runs(one: Path, other: Path, *, final: bool = True) -> None:
    """Equal candidates, fitnesses, inner histories, states and weights, bit for bit."""
    expected, found = contents(one), contents(other)
    if not final:
        expected.pop("final")
        found.pop("final")
    for part, values in expected.items():
        assert json.dumps(found[part]) == json.dumps(values), part
    for name in ("best.safetensors", *(["final.safetensors"] if final else [])):
        left, right = weights(one / name), weights(other / name)
        assert left.keys() == right.keys()
        assert all(torch.equal(left[key], right[key]) for key in left), name


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file of a folder with its bytes, and the database as its rows."""
    files = {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not file.name.startswith("run.sqlite")
    }
    with RunFolder.open(folder) as run:
        tables = run.rows("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        rows = {table["name"]: run.rows(f"SELECT * FROM {table['name']}") for table in tables}
    return {**files, "run.sqlite": json.dumps(rows, sort_keys=True).encode()}
