"""`export` on the command line: targets, wrong input, and what is printed where."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from sample_networks import spec_of, trained

from spenser_gee.cli import app as cli
from spenser_gee.phenotype.words.layers import LIF, FullyConnected, MaxPool
from spenser_gee.runs.store import RunFolder
from spenser_gee.training.saved import save_network

ZERO = spec_of((MaxPool(2), FullyConnected(units=0), LIF(reset="zero")), coding="rate")


def export(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    before = sys.argv
    sys.argv = ["spenser-gee", "export", *map(str, arguments)]
    try:
        with pytest.raises(SystemExit) as stop:
            cli.main()
    finally:
        sys.argv = before
    captured = capsys.readouterr()
    assert isinstance(stop.value.code, int)
    return stop.value.code, captured.out, captured.err


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder without weights."""
    path = tmp_path / "run"
    RunFolder.create(path, {}, "", "", "", {}).close()
    return path


def save(path: Path) -> None:
    save_network(path, trained(ZERO).network, "a sentence")


def test_the_final_network_before_the_best(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("nir")
    code, out, error = export(capsys, run, "--format", "nir")
    assert (code, out) == (2, "")
    assert "no trained network yet" in error
    save(run / "best.safetensors")
    code, out, error = export(capsys, run, "--format", "nir")
    assert (code, out) == (0, f"{run / 'best.nir'}\n")
    assert "layer 1 (pool-max): written as the sum" in error
    save(run / "final.safetensors")
    code, out, _ = export(capsys, run, "--format", "nir")
    assert (code, out) == (0, f"{run / 'final.nir'}\n")


def test_a_weight_file_and_a_target(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nir = pytest.importorskip("nir")
    save(tmp_path / "net.safetensors")
    arguments = (tmp_path / "net.safetensors", "--format", "nir", "--dt", "0.001", "-o", tmp_path / "x.nir")
    assert export(capsys, *arguments)[:2] == (0, f"{tmp_path / 'x.nir'}\n")
    assert nir.read(tmp_path / "x.nir").metadata["dt"] == 0.001
    code, out, error = export(capsys, *arguments)
    assert (code, out) == (2, "")
    assert "nothing is overwritten" in error


def test_state_dict_beside_the_weights(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(run / "best.safetensors")
    target = run / "best-pytorch"
    code, out, error = export(capsys, run, "--format", "state-dict")
    assert (code, out) == (0, f"{target}\n")
    assert "python network.py" in error
    assert sorted(p.name for p in target.iterdir()) == ["network.py", "weights.safetensors"]
    assert export(capsys, run, "--format", "state-dict")[0] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["net.safetensors"], "Missing option '--format'"),
        (["net.safetensors", "--format", "onnx"], "--format onnx: expected nir or state-dict"),
        (["net.safetensors", "--format", "statedict"], 'did you mean "state-dict"?'),
        (
            ["net.safetensors", "--format", "nir", "--subtract", "one"],
            "--subtract one: expected loop or zero",
        ),
        (["net.safetensors", "--format", "nir", "--dt", "0"], "--dt 0.0: expected seconds"),
        (
            ["net.safetensors", "--format", "state-dict", "--dt", "1"],
            "--dt and --subtract are for --format nir only",
        ),
        (
            ["net.safetensors", "--format", "nir", "-o", "no/x.nir"],
            "the file cannot be written here: No such file or directory\n",
        ),
        (
            ["net.safetensors", "--format", "state-dict", "-o", "net.safetensors/x"],
            "nothing can be read or made here: Not a directory",
        ),
        (["nothing.safetensors", "--format", "nir"], "cannot read the weights"),
        (["other.txt", "--format", "nir"], "cannot read the weights"),
        (["folder", "--format", "nir"], "not a run folder"),
    ],
)
def test_wrong_input(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("nir")
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "net.safetensors")
    (tmp_path / "other.txt").write_text("not weights")
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.rglob("*"))
    code, out, error = export(capsys, *arguments)
    assert (code, out) == (2, "")
    assert message in error
    assert "Traceback" not in error
    assert sorted(tmp_path.rglob("*")) == before


def test_without_nir(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "net.safetensors")
    monkeypatch.setitem(sys.modules, "nir", None)
    code, out, error = export(capsys, tmp_path / "net.safetensors", "--format", "nir")
    assert (code, out) == (2, "")
    assert 'pip install "spenser-gee[nir]"' in error
    assert error.count("error:") == 1
