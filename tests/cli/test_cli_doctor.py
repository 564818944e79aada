"""`doctor`, and what is said where a run meets another backend than it began with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from test_cli_usage import cli_main
from tiny_runs import write_tiny

from spenser_gee.network.backends import describe_backends


def test_doctor_shows_versions_backends_and_a_check(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = cli_main(capsys, "doctor")
    assert code == 0
    for word in (
        "python:",
        "torch:",
        "device:",
        "native:",
        "triton:",
        "plain: yes",
        "backend in use:",
        "spikes equal",
    ):
        assert word in out
    code, out, _ = cli_main(capsys, "doctor", "--json")
    facts = json.loads(out)
    assert facts["backends"] == describe_backends()
    assert facts["check"].startswith(facts["backend in use"])


def test_a_backend_that_is_not_there_is_refused_before_anything_is_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    code, _, err = cli_main(
        capsys, "run", write_tiny(tmp_path), "--set", "backend=triton", "--device", "cpu", "--out", folder
    )
    assert code == 2
    assert "backend: triton does not work here: it is for CUDA GPUs, the device is cpu" in err
    assert "Use backend: auto" in err
    assert not folder.exists()


def test_a_run_names_its_backend_and_resume_says_where_it_changed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, finished: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    facts = json.loads((run / "environment.json").read_text())
    assert describe_backends()[facts["backend"]].startswith("yes")
    facts["backend"] = "triton"
    (run / "environment.json").write_text(json.dumps(facts))
    code, _, err = cli_main(capsys, "resume", run)
    assert code == 0
    assert "ran on the triton backend when this run began" in err
