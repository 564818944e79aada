"""Numbers and words of a NIR file: time constants, paddings, windows, notes."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from sample_networks import spec_of, trained

from spenser_gee.errors import InputError
from spenser_gee.export import nir_geometry as geometry
from spenser_gee.export.nir_file import write_nir
from spenser_gee.network.layers import convolve, resample, same_padding
from spenser_gee.phenotype.words.layers import LIF, Conv, FullyConnected
from spenser_gee.phenotype.words.training import CEMembrane

nir = pytest.importorskip("nir")


@pytest.mark.parametrize("dt", [1e-4, 1e-3, 0.5])
@pytest.mark.parametrize("beta", [0.0, 1e-3, 0.3, 0.5, 0.9, 0.95, 0.999, 1 - 2**-24])
def test_decay_and_gain_come_back(beta: float, dt: float, tmp_path: Path) -> None:
    """beta = 1 - dt / tau, computed in float32 as importers do; r = 1, and dt / tau times the weights are ours."""
    saved = trained(spec_of((FullyConnected(units=0), LIF(beta=beta, threshold=0.7, reset="zero"))))
    write_nir(saved, Path("net"), tmp_path / "net.nir", dt)
    nodes = nir.read(tmp_path / "net.nir").nodes
    node, weights = nodes["lif_2"], nodes["fc_1"]
    exact = float(np.float32(beta))
    back = 1 - np.float32(dt) / node.tau
    assert node.tau.dtype == node.r.dtype == np.float32
    # tau, dt and the quotient are rounded to float32: at most 2^-24 each, of dt / tau = 1 - beta.
    assert np.abs(back.astype(float) - exact).max() <= 3.1 * 2**-24 * (1 - exact) + 2**-25
    assert (node.r == 1.0).all()
    for name in ("weight", "bias"):
        ours = saved.network.layers[0].get_parameter(name).detach().double().numpy()
        theirs = getattr(weights, name)
        assert theirs.dtype == np.float32
        counted = dt / node.tau.astype(float).min() * theirs.astype(float)
        assert (counted <= ours).all()
        assert np.allclose(counted, ours, rtol=2**-23)
    assert node.metadata["beta"] == exact
    assert node.metadata["dt"] == dt
    assert np.unique(node.v_threshold) == np.float32(float(saved.network.layers[1].threshold))
    assert not node.v_leak.any()
    assert not node.v_reset.any()


def test_a_decay_of_1_is_an_integrator(tmp_path: Path) -> None:
    saved = trained(spec_of((FullyConnected(units=0), LIF(beta=1.0, reset="zero"))))
    write_nir(saved, Path("net"), tmp_path / "net.nir", 1e-3)
    node = nir.read(tmp_path / "net.nir").nodes["lif_2"]
    assert isinstance(node, nir.IF)
    assert np.allclose(node.r, 1000.0)


@pytest.mark.parametrize("dt", [0.0, -1.0, float("nan"), float("inf"), 1e-40])
def test_a_step_must_take_time(dt: float, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="seconds per time step"):
        write_nir(trained(spec_of((FullyConnected(units=0), LIF()))), Path("net"), tmp_path / "x.nir", dt)


sizes = st.integers(1, 17)


@given(sizes, sizes, st.integers(1, 7), st.integers(1, 5))
def test_symmetric_padding_is_same_padding(height: int, width: int, kernel: int, stride: int) -> None:
    out = (-(-height // stride), -(-width // stride))
    before = (same_padding(height, kernel, stride)[0], same_padding(width, kernel, stride)[0])
    window = geometry.window((height, width), out, kernel, (stride, stride), before)
    assert window is not None
    weight, x = torch.rand(2, 3, kernel, kernel).double(), torch.rand(1, 3, height, width).double()
    wide = torch.from_numpy(window.embed(weight.numpy()))
    assert wide.shape[2] == wide.shape[3] == window.wide
    ours = convolve(x, weight, None, stride, "same")
    assert torch.allclose(F.conv2d(x, wide, None, stride, window.padding), ours)


@given(sizes, st.integers(1, 17))
def test_a_subsample_is_a_stride_where_its_distances_are_even(size: int, count: int) -> None:
    count = min(count, size)
    stride = geometry.subsample_stride(size, count)
    chosen = [i * size // count for i in range(count)]
    steps = {b - a for a, b in pairwise(chosen)}
    assert (stride is None) == (len(steps) > 1)
    if stride is None or count == 1:
        return
    window = geometry.window((size, size), (count, count), 1, (stride, stride), (0, 0))
    assert window is not None
    x = torch.rand(1, 1, size, size).double()
    wide = torch.from_numpy(window.embed(np.ones((1, 1, 1, 1))))
    assert torch.equal(F.conv2d(x, wide, None, stride, window.padding), resample(x, (count, count)))


@given(sizes, sizes)
def test_adaptive_averages(size: int, count: int) -> None:
    count = min(count, size)
    x = torch.rand(1, 1, size, size).double()
    expected = F.adaptive_avg_pool2d(x, count)
    matrix = torch.from_numpy(geometry.average_matrix(size, count))
    assert torch.allclose(matrix @ x @ matrix.T, expected)
    window = geometry.average_windows(size, count)
    if window is not None:
        assert torch.allclose(F.avg_pool2d(x, window[0], window[1]), expected)
    assert window is not None or size % count


def test_notes_say_what_a_graph_cannot(tmp_path: Path) -> None:
    spec = spec_of(
        (Conv(filters=2), LIF(reset="zero")),
        (FullyConnected(units=0), LIF(reset="zero")),
        coding="latency",
        loss=CEMembrane(),
    )
    remarks = write_nir(trained(spec), Path("net"), tmp_path / "net.nir", 1e-3)
    notes = {
        k: v.decode() if isinstance(v, bytes) else v
        for k, v in nir.read(tmp_path / "net.nir").metadata.items()
    }
    assert notes["sentence"] == "a sentence"
    assert (notes["dt"], notes["time_steps"], notes["classes"]) == (1e-3, 4, 5)
    assert notes["program"].startswith("spenser_gee")
    assert "round((1 - x) * 3)" in notes["input"]
    assert "mean membrane" in notes["decision"]
    assert remarks[-2:] == [f"input: {notes['input']}", f"output: {notes['decision']}"]
