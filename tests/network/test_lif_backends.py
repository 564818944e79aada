"""The contract of all backends of the neurons: what the fused ones compute is what the plain one does.

The plain one is held against snntorch.Leaky and float64 in test_lif.py. Numbers on a coarse grid are exact in float32,
so that spikes must be equal bit for bit whatever the order of operations; then only sums can differ, by roundings.
"""

from __future__ import annotations

import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from spenser_gee.errors import InputError
from spenser_gee.network import native_build
from spenser_gee.network.backends import backend, describe_backends, kernel_for, resolve_backend, use_backend
from spenser_gee.network.lif import lif
from spenser_gee.network.neurons import RESETS, Pooling
from spenser_gee.network.self_check import deviation
from spenser_gee.network.surrogate import SURROGATES

NATIVE = describe_backends()["native"]
needs_native = pytest.mark.skipif(NATIVE.startswith("no"), reason=f"the native backend: {NATIVE}")


def grid(*shape: int, seed: int = 0, spread: int = 40) -> Tensor:
    """Multiples of 1/32 between -spread/32 and spread/32."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-spread, spread + 1, shape, generator=generator) / 32


def channels_last(x: Tensor) -> Tensor:
    return x.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)


def run(
    name: str, currents: Tensor, beta: Tensor, threshold: Tensor, slope: Tensor | None = None, **options: Any
) -> dict[str, Tensor]:
    """Outputs and gradients of a weighted sum of them."""
    x = currents.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    b, h = (p.detach().clone().requires_grad_() for p in (beta, threshold))
    with backend(name):
        spikes, membrane = lif(x, b, h, **options)
        weights = grid(*spikes.shape, seed=9) if slope is None else slope
        loss = (spikes.float() * weights).sum()
        if membrane is not None:
            loss = loss + (membrane.float() * grid(*membrane.shape, seed=8)).sum()
        loss.backward()
    found = {"spikes": spikes.detach(), "currents": x.grad, "beta": b.grad, "threshold": h.grad}
    if membrane is not None:
        found["membrane"] = membrane.detach()
    return {key: value for key, value in found.items() if value is not None}


def assert_same(ours: dict[str, Tensor], theirs: dict[str, Tensor], tolerance: float = 1e-5) -> None:
    assert ours.keys() == theirs.keys()
    assert torch.equal(ours["spikes"], theirs["spikes"])
    for key in ours.keys() - {"spikes"}:
        mine, their = ours[key].double(), theirs[key].double()
        assert mine.shape == their.shape
        scale = max(float(their.norm()), 1e-6 * their.numel() ** 0.5)
        assert float((mine - their).norm()) <= tolerance * scale + 2e-5 * (key in ("beta", "threshold")), key


@needs_native
@pytest.mark.parametrize(("surrogate", "reset"), list(product(sorted(SURROGATES), RESETS)))
def test_native_equals_plain(surrogate: str, reset: str) -> None:
    for steps, membrane, by_channel, last in product((1, 2, 9), (False, True), (False, True), (False, True)):
        x = grid(steps, 3, 5, 3, 7)
        x = channels_last(x) if last else x
        beta, threshold = torch.tensor(0.75), torch.tensor(0.5)
        if by_channel:
            beta, threshold = grid(5, spread=8).abs() + 0.5, grid(5, seed=1, spread=16)
        options = {"surrogate": surrogate, "reset": reset, "membrane": membrane}
        ours, theirs = (run(name, x, beta, threshold, **options) for name in ("native", "plain"))
        assert_same(ours, theirs)
        assert ours["spikes"].stride() == x.stride()


@needs_native
@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("last", [True, False])
def test_fused_pooling_equals_pooling_apart(kind: str, first: bool, size: int, last: bool) -> None:
    # On the grid there are many equal currents in a window: the gradient goes to the first of the largest.
    for shape, reset, by_channel in product([(8, 8), (7, 10), (4, 5)], ("subtract", "zero"), (False, True)):
        x = grid(6, 2, 20, *shape, spread=12)
        x = channels_last(x) if last else x
        beta, threshold = torch.tensor(0.5), torch.tensor(0.25)
        if by_channel:
            beta, threshold = grid(20, spread=8).abs() + 0.5, grid(20, seed=1, spread=8).abs()
        options = {"reset": reset, "pooling": Pooling(kind, size, first), "membrane": first}
        ours, theirs = (run(name, x, beta, threshold, **options) for name in ("native", "plain"))
        # A window of nine currents has a mean that is no number of the grid: spikes may differ there.
        if size == 3 and first and kind == "avg":
            assert (ours["spikes"] != theirs["spikes"]).float().mean() < 0.01
        else:
            assert_same(ours, theirs)


@needs_native
@pytest.mark.parametrize(
    "pooling", [None, Pooling("max", 2, True), Pooling("max", 2, False), Pooling("avg", 2, True)]
)
@pytest.mark.parametrize("last", [True, False])
def test_a_current_of_one_step_equals_its_repetition(pooling: Pooling | None, last: bool) -> None:
    x = grid(1, 3, 4, 6, 6)
    x = channels_last(x) if last else x
    beta, threshold = torch.tensor(0.75), torch.tensor(0.5)
    once = run("native", x, beta, threshold, steps=7, pooling=pooling)
    repeated = run("plain", x.expand(7, -1, -1, -1, -1).contiguous(), beta, threshold, pooling=pooling)
    repeated["currents"] = repeated["currents"].sum(0, keepdim=True)
    assert_same(once, repeated)
    assert_same(run("plain", x, beta, threshold, steps=7, pooling=pooling), repeated)


@needs_native
@settings(max_examples=60, deadline=None)
@given(
    steps=st.integers(1, 12),
    shape=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    surrogate=st.sampled_from(sorted(SURROGATES)),
    reset=st.sampled_from(RESETS),
    beta=st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.5, -0.5]),
    threshold=st.sampled_from([-0.5, 0.0, 0.25, 1.0]),
    data=st.data(),
)
def test_native_equals_plain_on_any_shape(
    steps: int,
    shape: list[int],
    surrogate: str,
    reset: str,
    beta: float,
    threshold: float,
    data: st.DataObject,
) -> None:
    x = grid(steps, *shape, seed=data.draw(st.integers(0, 99)))
    options = {"surrogate": surrogate, "reset": reset, "membrane": data.draw(st.booleans())}
    parameters = torch.tensor(beta), torch.tensor(threshold)
    assert_same(run("native", x, *parameters, **options), run("plain", x, *parameters, **options))


@needs_native
def test_tiles_and_threads_change_nothing() -> None:
    """Sizes around those of a tile, on one thread and two."""
    beta, threshold = torch.tensor(0.75), torch.tensor(0.5)
    before = torch.get_num_threads()
    try:
        for count in (2047, 2048, 2049, 6145):
            x = grid(3, 1, count)
            theirs = run("plain", x, beta, threshold)
            for threads in (1, 2):
                torch.set_num_threads(threads)
                assert_same(run("native", x, beta, threshold), theirs)
    finally:
        torch.set_num_threads(before)


@needs_native
@pytest.mark.parametrize(
    "pooling", [None, Pooling("max", 2, True), Pooling("max", 2, False), Pooling("avg", 2, False)]
)
def test_bfloat16_keeps_its_state_in_float32(pooling: Pooling | None) -> None:
    x = grid(6, 2, 3, 6, 6).to(torch.bfloat16)
    beta, threshold = torch.tensor(0.75), torch.tensor(0.5)
    for currents, options in ((x, {}), (channels_last(x), {}), (x[:1], {"steps": 6})):
        for name in ("native", "plain"):
            half = run(name, currents, beta, threshold, pooling=pooling, **options)
            full = run("plain", currents.float(), beta, threshold, pooling=pooling, **options)
            assert half["spikes"].dtype == torch.bfloat16
            assert torch.equal(half["spikes"].float(), full["spikes"])
            difference = (half["currents"].float() - full["currents"]).norm() / full["currents"].norm()
            assert difference < 4e-3  # half a unit in the last of eight bits


@needs_native
@pytest.mark.parametrize(
    ("shape", "pooling"),
    [
        ((3, 1, 2800001), None),  # rows that do not begin where vectors do
        ((2, 4, 64, 136, 128), Pooling("max", 2, False)),
        ((2, 4, 64, 136, 128), Pooling("max", 2, True)),
        ((2, 2, 64, 264, 264), None),
    ],
)
def test_results_that_are_written_past_the_caches(shape: tuple[int, ...], pooling: Pooling | None) -> None:
    """From 8 MB on."""
    x = grid(*shape)
    assert x.numel() * 4 > 8 << 20
    x = channels_last(x) if x.dim() == 5 else x
    beta, threshold = torch.tensor(0.75), torch.tensor(0.5)
    ours, theirs = (run(name, x, beta, threshold, pooling=pooling) for name in ("native", "plain"))
    assert_same(ours, theirs, tolerance=1e-4)


@needs_native
def test_extremes() -> None:
    beta, threshold = torch.tensor(0.5), torch.tensor(1.0)
    for scale in (0.0, 1e-30, 1e30):
        x = grid(5, 2, 33) * scale
        for surrogate, reset in product(SURROGATES, RESETS):
            ours, theirs = (
                run(name, x, beta, threshold, surrogate=surrogate, reset=reset)
                for name in ("native", "plain")
            )
            for sums in ("beta", "threshold"):  # of numbers that cancel
                assert torch.isfinite(ours.pop(sums)).all() == torch.isfinite(theirs.pop(sums)).all()
            assert torch.isfinite(ours["currents"]).all()
            assert_same(ours, theirs)
    for shape in ((0, 3), (4, 0)):
        empty = run("native", torch.zeros(5, *shape), beta, threshold)
        assert empty["spikes"].shape == (5, *shape)
        assert empty["beta"] == 0


@needs_native
def test_sigmoid_of_the_kernel_is_exact_enough() -> None:
    """Its exponential is a polynomial of its own: against float64 over all that matters."""
    u = torch.linspace(-3.4, 3.4, 20001)  # beyond, it is below 1e-35
    beta, threshold = torch.tensor(0.0), torch.tensor(0.0)
    found = run("native", u[None], beta, threshold, torch.ones(1, len(u)), surrogate="sigmoid", reset="none")
    # From the argument as it is rounded to float32: at 80, half a unit in its last place is 4e-6 of e^-80.
    decay = (-(u.abs() * 25)).double().exp()
    exact = 25 * decay / (1 + decay) ** 2
    assert float(((found["currents"][0] - exact).abs() / exact).max()) < 2e-6


@needs_native
def test_slopes_of_any_layout() -> None:
    """A gradient may come transposed, or as one number for all."""
    x = grid(4, 2, 3, 6, 6)
    beta, threshold = torch.tensor(0.75), torch.tensor(0.5)
    for currents in (x, channels_last(x)):
        for slope in (
            grid(4, 2, 3, 6, 6),
            channels_last(grid(4, 2, 3, 6, 6)),
            torch.ones(()).expand(x.shape),
        ):
            assert_same(*(run(name, currents, beta, threshold, slope) for name in ("native", "plain")))


@needs_native
def test_no_gradient_is_computed_for_what_wants_none() -> None:
    x = grid(4, 2, 3).requires_grad_()
    with backend("native"):
        spikes, membrane = lif(x, torch.tensor(0.5), torch.tensor(0.5))
        assert membrane is None
        spikes.sum().backward()
        frozen, _ = lif(x.detach(), torch.tensor(0.5), torch.tensor(0.5))
    assert x.grad is not None
    assert not frozen.requires_grad


@needs_native
def test_choice() -> None:
    currents = torch.zeros(2, 3)
    with backend("auto"):
        assert kernel_for(currents).name == "native"
        assert kernel_for(currents.double()).name == "plain"
    with backend("plain"):
        assert kernel_for(currents).name == "plain"
    assert resolve_backend("auto", torch.device("cpu")) == "native"
    assert "equal" in deviation("native", torch.device("cpu"))


def test_choices_that_do_not_work_are_refused() -> None:
    with pytest.raises(ValueError, match="backend 'cuda' is not one of auto, native, triton, plain"):
        use_backend("cuda")
    with pytest.raises(InputError, match="triton does not work here: it is for CUDA GPUs, the device is cpu"):
        resolve_backend("triton", torch.device("cpu"))
    assert resolve_backend("plain", torch.device("cpu")) == "plain"


def _doctor(environment: dict[str, str]) -> str:
    import os

    script = (
        "import torch; from spenser_gee.network.backends import *; print(describe_backends()['native']);"
        "print(resolve_backend('auto', torch.device('cpu')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize(
    ("environment", "note"),
    [
        ({"CC": "no-such-compiler"}, "no: no C compiler found"),
        ({"CC": "false"}, "no: false failed"),
    ],
)
def test_without_a_compiler_the_plain_one_runs(
    environment: dict[str, str], note: str, tmp_path: Path
) -> None:
    output = _doctor({**environment, "SPENSER_GEE_CACHE": str(tmp_path)})
    assert output.startswith(note)
    assert output.splitlines()[1] == "plain"


@needs_native
def test_a_build_is_kept_and_a_damaged_one_is_replaced(tmp_path: Path) -> None:
    environment = {"SPENSER_GEE_CACHE": str(tmp_path)}
    assert "yes" in _doctor(environment)
    (built,) = tmp_path.iterdir()
    stamp = built.stat().st_mtime_ns
    assert "yes" in _doctor(environment)
    assert built.stat().st_mtime_ns == stamp
    built.write_bytes(b"not a library")
    assert "yes" in _doctor(environment)
    assert built.stat().st_size > 1000


@needs_native
def test_a_folder_that_cannot_be_written_costs_a_build_only(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    output = _doctor({"SPENSER_GEE_CACHE": str(blocked / "below")})
    assert "for this process only" in output
    assert output.splitlines()[1] == "native"


@needs_native
def test_a_folder_that_may_only_be_read_costs_a_build_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SPENSER_GEE_CACHE", str(tmp_path))
    compiler = native_build._compiler()
    assert compiler is not None
    monkeypatch.setattr(native_build.os, "access", lambda *_: False)
    built = native_build._from_cache_or_built(compiler)
    assert built.library is not None
    assert "for this process only" in built.note
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["plain", "native"])
@pytest.mark.parametrize("first", [True, False])
def test_a_pooling_that_leaves_nothing_is_refused(name: str, first: bool) -> None:
    beta = torch.tensor(0.5)
    with backend(name), pytest.raises(ValueError, match="pooling of size 4 leaves nothing of"):
        lif(channels_last(grid(2, 1, 3, 3, 5)), beta, beta, pooling=Pooling("max", 4, first))


def test_the_key_of_a_build_follows_its_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = native_build._key(["cc"])
    other = tmp_path / "lif_native.c"
    other.write_bytes(native_build.SOURCE.read_bytes() + b"\n")
    monkeypatch.setattr(native_build, "SOURCE", other)
    assert native_build._key(["cc"]) != before
