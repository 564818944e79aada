"""Atomic files, and the description of the environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from spenser_gee.atomic import atomic_path, write_bytes, write_json, write_text
from spenser_gee.runs.environment import describe_environment


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    write_bytes(tmp_path / "b", b"\x00\xff")
    write_text(tmp_path / "t", "é\n")
    write_json(tmp_path / "j", {"b": [1, "é"], "a": None})
    assert (tmp_path / "b").read_bytes() == b"\x00\xff"
    assert (tmp_path / "t").read_text(encoding="utf-8") == "é\n"
    assert list(json.loads((tmp_path / "j").read_text(encoding="utf-8")).items()) == [
        ("b", [1, "é"]),
        ("a", None),
    ]
    assert len(list(tmp_path.iterdir())) == 3


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "x"
    write_text(file, "old")

    def interrupted() -> None:
        with atomic_path(file) as temporary:
            temporary.write_text("half of the n")
            assert file.read_text() == "old"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_write_replaces_and_has_the_usual_permissions(tmp_path: Path) -> None:
    write_text(tmp_path / "x", "old")
    write_text(tmp_path / "x", "new")
    (tmp_path / "plain").write_text("")
    assert (tmp_path / "x").read_text() == "new"
    assert os.stat(tmp_path / "x").st_mode == os.stat(tmp_path / "plain").st_mode


def test_json_without_a_value_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x", float("nan"))
    assert list(tmp_path.iterdir()) == []


def test_the_environment_names_versions_commit_hardware_seed_and_command() -> None:
    facts = describe_environment(17, ["spenser-gee", "run"])
    assert json.loads(json.dumps(facts)) == facts
    assert (facts["seed"], facts["command"]) == (17, ["spenser-gee", "run"])
    assert facts["python"] == ".".join(map(str, sys.version_info[:3]))
    import numpy

    assert facts["packages"]["numpy"] == numpy.__version__
    assert facts["hardware"]["cpus"] == os.cpu_count()
    root = Path(__file__).parent.parent
    if (root / ".git").exists():
        head = subprocess.run(["git", "-C", root, "rev-parse", "HEAD"], capture_output=True, text=True)
        assert facts["git"]["commit"] == head.stdout.strip()


def test_neither_the_run_folder_nor_the_search_nor_the_executors_import_torch() -> None:
    code = (
        "import sys, spenser_gee.runs.summary, spenser_gee.search, spenser_gee.execution.worker\n"
        "import spenser_gee.runs.environment as e; e.describe_environment(1)\n"
        "sys.exit('torch' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, timeout=60).returncode == 0
