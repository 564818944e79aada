"""What NIR cannot say is refused in words, all of it at once, and nothing is written."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import torch
from sample_networks import SHAPE, spec_of, trained

from spenser_gee.errors import InputError
from spenser_gee.export.nir_file import write_nir
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.layers import (
    LIF,
    AdaptivePool,
    AvgPool,
    BatchNorm,
    Conv,
    FullyConnected,
    Layer,
    MaxPool,
    Skip,
)
from spenser_gee.training.saved import SavedNetwork

ZERO = LIF(reset="zero")
HEAD = (FullyConnected(units=0), ZERO)
CONV = Conv(filters=4, kernel=3)


def complaint(saved: SavedNetwork | NetworkSpec, folder: Path, subtract: str | None = None) -> InputError:
    saved = saved if isinstance(saved, SavedNetwork) else trained(saved)
    with pytest.raises(InputError) as error:
        write_nir(saved, Path("best.safetensors"), folder / "net.nir", subtract=subtract)
    assert not list(folder.iterdir())
    return error.value


REFUSED: dict[str, tuple[tuple[Layer, ...], str]] = {
    "max pool of currents": ((CONV, MaxPool(2), ZERO), r"layer 2 \(pool-max\): NIR has no maximum"),
    "max pool of averages": (
        (CONV, ZERO, AvgPool(2), MaxPool(2)),
        r"layer 4 \(pool-max\): NIR has no maximum",
    ),
    "max pool of an image": ((MaxPool(2), CONV, ZERO), r"layer 1 \(pool-max\): NIR has no maximum"),
    "max pool of sums": (
        (CONV, ZERO, Skip(back=1), MaxPool(2)),
        r"layer 4 \(pool-max\): NIR has no maximum",
    ),
    "statistics of steps": (
        (CONV, BatchNorm(over="step"), ZERO),
        r"layer 2 \(batch-norm\): its statistics differ between the 4 time steps",
    ),
    "uneven windows": (
        (CONV, AdaptivePool(5), ZERO),
        r"layer 2 \(pool-adaptive\): its windows differ in size",
    ),
    "uneven windows that a skip reads": (
        (CONV, ZERO, AdaptivePool(5)),
        r"layer 3 \(pool-adaptive\): its windows differ in size \(12 x 12 to 5 x 5\)",
    ),
    "uneven subsample": (
        (Conv(filters=4, kernel=3, padding="valid"), Skip(back=1), ZERO),
        r"layer 2 \(skip\): it picks 10 x 10 of 12 x 12 positions at uneven distances",
    ),
    "uneven subsample to concatenate": (
        (Conv(filters=4, kernel=3, padding="valid"), Skip(back=1, mode="concat"), BatchNorm(), ZERO),
        r"layer 2 \(skip\): it picks 10 x 10 of 12 x 12 positions at uneven distances",
    ),
    "subtraction": ((CONV, LIF()), r"layer 2 \(lif\): reset=subtract: NIR's LIF is set to v_reset"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str, tmp_path: Path) -> None:
    first, words = REFUSED[name]
    behind = ((Skip(back=1), *HEAD),) if "a skip reads" in name else (HEAD,)
    error = complaint(spec_of(first, *behind), tmp_path)
    assert len(error.findings) == 1
    finding = error.findings[0]
    message = f"{finding.place}: {finding.problem}"
    assert message.startswith("best.safetensors, layer ")
    assert re.search(words, message), message
    assert finding.remedy


def test_steps_that_agree_are_written(tmp_path: Path) -> None:
    spec = spec_of((CONV, BatchNorm(over="step"), ZERO), HEAD)
    complaint(trained(spec), tmp_path)
    write_nir(trained(spec, same_steps=True), Path("net"), tmp_path / "net.nir")


def test_everything_is_said_at_once(tmp_path: Path) -> None:
    spec = spec_of(
        (CONV, MaxPool(2), BatchNorm(over="step"), LIF()),
        (Conv(filters=4, kernel=3, padding="valid"), Skip(back=1), LIF()),
        (AdaptivePool(3), CONV, LIF()),
        HEAD,
    )
    places = [
        str(finding.place) for finding in complaint(trained(spec, shape=(2, 20, 20)), tmp_path).findings
    ]
    assert places == [
        f"best.safetensors, layer {number} ({word})"
        for number, word in [
            (2, "pool-max"),
            (3, "batch-norm"),
            (4, "lif"),
            (6, "skip"),
            (7, "lif"),
            (8, "pool-adaptive"),
            (10, "lif"),
        ]
    ]


def test_a_threshold_below_0_in_a_loop(tmp_path: Path) -> None:
    saved = trained(spec_of((CONV, LIF(learn_threshold=True)), HEAD))
    with torch.no_grad():
        saved.network.layers[1].threshold.fill_(-0.25)
    (finding,) = complaint(saved, tmp_path, "loop").findings
    assert "its threshold is -0.25" in finding.problem


def test_changed_spikes_are_said(tmp_path: Path) -> None:
    saved = trained(spec_of((CONV, LIF()), HEAD))
    remarks = write_nir(saved, Path("net"), tmp_path / "zero.nir", subtract="zero")
    assert any("layer 2 (lif)" in remark and "CHANGES ITS SPIKES" in remark for remark in remarks)
    remarks = write_nir(saved, Path("net"), tmp_path / "loop.nir", subtract="loop")
    assert not any("CHANGES" in remark for remark in remarks)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    target = tmp_path / "net.nir"
    target.write_text("mine")
    with pytest.raises(InputError, match="nothing is overwritten"):
        write_nir(trained(spec_of(HEAD), shape=SHAPE), Path("net"), target)
    assert target.read_text() == "mine"


def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nir", None)
    with pytest.raises(InputError, match=r'pip install "spenser-gee\[nir\]"'):
        write_nir(trained(spec_of(HEAD)), Path("net"), tmp_path / "net.nir")
