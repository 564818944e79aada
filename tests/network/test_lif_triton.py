"""The Triton kernels against the equations in float64, autograd, and stepped snntorch.Leaky.

They run on a GPU where there is one. Everywhere they run in Triton's interpreter, in a process of its own
(`test_under_the_interpreter`), because the choice is made when Triton is imported; and they are compiled for GPUs
that need not be there.
"""

from __future__ import annotations

import importlib.util
import itertools
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import snntorch
import snntorch.surrogate
import torch
from torch import Tensor

if importlib.util.find_spec("triton") is None:
    pytest.skip("triton is not installed", allow_module_level=True)

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, CompiledKernel

from spenser_gee.network import lif_triton
from spenser_gee.network.lif_triton import TritonKernel, backward, forward
from spenser_gee.network.neurons import RESETS, Neurons

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"

runs = pytest.mark.skipif(
    not INTERPRETED and not torch.cuda.is_available(),
    reason="needs a CUDA device; test_under_the_interpreter runs it without",
)
compiles = pytest.mark.skipif(INTERPRETED, reason="the interpreter compiles nothing")

DERIVATIVES: dict[str, Callable[[Tensor], Tensor]] = {
    "atan": lambda u: 1 / (1 + (math.pi * u) ** 2),
    "fast_sigmoid": lambda u: 1 / (1 + 25 * u.abs()) ** 2,
    "sigmoid": lambda u: 25 * torch.sigmoid(25 * u) * torch.sigmoid(-25 * u),
    "triangular": lambda u: torch.where(u >= 0, -1.0, 1.0).to(u.dtype),
}
SURROGATES = sorted(DERIVATIVES)

CHANNELS, INNER = 3, 7
BETAS, LEVELS = [0.9, 0.5, 1.0], [0.7, -0.2, 0.4]


class _Fire(torch.autograd.Function):
    """Spikes that are given, with the surrogate derivative at u."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, spikes: Tensor, name: str) -> Tensor:
        ctx.save_for_backward(u)
        ctx.name = name
        return spikes.to(u.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return grad * DERIVATIVES[ctx.name](ctx.saved_tensors[0]), None, None


def reference(
    x: Tensor, steps: int, beta: Tensor, threshold: Tensor, surrogate: str, reset: str
) -> tuple[Tensor, Tensor, Tensor]:
    """Float32 spikes and membrane, and the float64 membrane for autograd, of (L, N) currents.

    The spikes are those of the float32 sums: in float64 a few would fall on the other side of the threshold, and
    what is compared then is another trajectory. The gradients follow them in float64.
    """
    v = torch.zeros_like(x[0], dtype=torch.float32)
    exact = torch.zeros_like(x[0], dtype=torch.float64)
    b, level = beta.detach().float(), threshold.detach().float()
    outputs = []
    for t in range(steps):
        current = x[0 if len(x) == 1 else t]
        fired = v > level
        v = b * torch.where(fired, 0.0, v) if reset == "zero" else b * v
        v = v + current.detach().float()
        exact = beta * (exact * ~fired if reset == "zero" else exact) + current
        if reset == "subtract":
            v = v - fired.float() * level
            exact = exact - fired.double() * threshold
        outputs.append((_Fire.apply(exact - threshold, v > level, surrogate), v, exact))
    spikes, trace, exacts = (torch.stack(parts) for parts in zip(*outputs, strict=True))
    return spikes, trace, exacts


def relative(found: Tensor, expected: Tensor) -> float:
    """||found - expected|| / ||expected||."""
    found, expected = found.detach().cpu().double(), expected.detach().double()
    assert found.shape == expected.shape
    return ((found - expected).norm() / expected.norm().clamp_min(1e-30)).item()


def parameters(per_channel: tuple[bool, bool]) -> list[Tensor]:
    return [
        torch.tensor(values if wide else values[:1])
        for values, wide in zip((BETAS, LEVELS), per_channel, strict=True)
    ]


def random(steps: int, count: int, seed: int = 5, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(steps, count, generator=torch.Generator().manual_seed(seed)).to(dtype)


def rounded(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Float32 values as a kernel stores them: a GPU rounds to the nearest, the interpreter cuts off bits."""
    if INTERPRETED and dtype == torch.bfloat16:
        values = (values.contiguous().view(torch.int32) & -(2**16)).view(torch.float32)
    return values.to(dtype)


def spread(parameter: Tensor, count: int) -> Tensor:
    """The value of a parameter for each of `count` neurons, in float64, to be differentiated."""
    rows = parameter.double()[:, None].expand(-1, INNER).reshape(-1)
    return rows.repeat(-(-count // len(rows)))[:count].requires_grad_()


def check_sum(found: Tensor | None, parts: Tensor, parameter: Tensor) -> None:
    """The gradient of a parameter against the parts that it has for each neuron.

    The parts cancel, so what a float32 sum can be held to is their size, not that of the sum.
    """
    assert found is not None
    assert found.shape == parameter.shape
    assert found.dtype == torch.float32
    expected = parts.view(-1, len(parameter), INNER if len(parameter) > 1 else 1).sum((0, 2))
    assert (found.cpu().double() - expected).norm() <= 1e-5 * parts.norm()


def compare(
    steps: int,
    surrogate: str,
    reset: str,
    per_channel: tuple[bool, bool] = (False, False),
    gradients: tuple[bool, bool] = (True, False),
    static: bool = False,
    dtype: torch.dtype = torch.float32,
    count: int = 9 * CHANNELS * INNER,
) -> None:
    """Both passes against the reference; `gradients` says whether spikes and membrane have one."""
    x = random(1 if static else steps, count, dtype=dtype) * 0.6 + 0.2
    weights = [
        random(steps, count, seed, dtype) if on else None for seed, on in zip((6, 7), gradients, strict=True)
    ]
    beta, level = parameters(per_channel)

    inputs = [x.double().requires_grad_(), spread(beta, count), spread(level, count)]
    spikes, trace, exact = reference(inputs[0], steps, inputs[1], inputs[2], surrogate, reset)
    loss = sum(
        (out * w.double()).sum() for out, w in zip((spikes, exact), weights, strict=True) if w is not None
    )
    assert isinstance(loss, Tensor)
    x_parts, beta_parts, level_parts = torch.autograd.grad(loss, inputs, materialize_grads=True)

    x_, beta_, level_ = x.to(DEVICE), beta.to(DEVICE), level.to(DEVICE)
    weights = [None if w is None else w.to(DEVICE) for w in weights]
    found = forward(x_, steps, beta_, level_, CHANNELS, INNER, reset, gradients[1])
    assert found[0].dtype == dtype
    assert torch.equal(found[0].cpu().double(), spikes.detach())
    assert (found[1] is not None) == gradients[1]
    if found[1] is not None:
        assert torch.equal(found[1].cpu(), rounded(trace, dtype))
    x_grad, beta_grad, level_grad = backward(
        x_, weights[0], weights[1], steps, beta_, level_, CHANNELS, INNER, surrogate, reset, True, True
    )
    # Only this gradient is in bfloat16, which has 8 significant bits.
    assert x_grad.dtype == dtype
    assert relative(x_grad, x_parts) < (1e-5 if dtype == torch.float32 else 2**-8)
    check_sum(beta_grad, beta_parts, beta)
    check_sum(level_grad, level_parts, level)


@runs
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("surrogate", SURROGATES)
def test_every_surrogate_and_reset(surrogate: str, reset: str) -> None:
    for per_channel, gradients in itertools.product(
        [(False, False), (True, True)], [(True, False), (True, True)]
    ):
        compare(7, surrogate, reset, per_channel, gradients)


@runs
@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("steps", [1, 2, 8, 32, 33, 40])
def test_every_number_of_steps(steps: int, reset: str, static: bool) -> None:
    # The segments of the backward pass: 1, 2 and 3 of them, the last one short or whole.
    compare(steps, "atan", reset, (True, False), (True, True), static, count=CHANNELS * INNER)


@runs
@pytest.mark.parametrize("gradients", [(True, False), (False, True), (True, True)])
@pytest.mark.parametrize("per_channel", list(itertools.product([False, True], repeat=2)))
def test_one_value_or_one_for_each_channel(
    per_channel: tuple[bool, bool], gradients: tuple[bool, bool]
) -> None:
    # An odd number of neurons, in 2 programs forward and 3 backward; the last ones are partly empty.
    for reset, static in (("subtract", False), ("zero", True)):
        compare(10, "fast_sigmoid", reset, per_channel, gradients, static, count=27 * CHANNELS * INNER)


@runs
@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("reset", RESETS)
def test_bfloat16_has_a_float32_state(reset: str, static: bool) -> None:
    compare(7, "atan", reset, (True, True), (True, True), static, torch.bfloat16)


@runs
@pytest.mark.parametrize("surrogate", SURROGATES)
@pytest.mark.parametrize("reset", RESETS)
def test_equals_snntorch(surrogate: str, reset: str) -> None:
    steps, count = 25, 201
    x = (random(steps, count) * 0.4 + 0.2).requires_grad_()
    weights = random(steps, count, seed=6)
    neuron = snntorch.Leaky(
        beta=torch.tensor(0.85),
        threshold=torch.tensor(0.7),
        spike_grad=getattr(snntorch.surrogate, surrogate)(),
        reset_mechanism=reset,
        learn_beta=True,
        learn_threshold=True,
    )
    memory, outputs = torch.zeros(count), []
    for current in x:
        spike, memory = neuron(current, memory)
        outputs.append(spike)
    spikes = torch.stack(outputs)
    expected = torch.autograd.grad((spikes * weights).sum(), [x, neuron.beta, neuron.threshold])

    beta, level = (torch.tensor([value], device=DEVICE) for value in (0.85, 0.7))
    x_ = x.detach().to(DEVICE)
    found, membrane = forward(x_, steps, beta, level, 1, 1, reset, False)
    assert membrane is None
    assert torch.equal(found.cpu(), spikes.detach())
    assert 0.02 < found.float().mean().item() < 0.9
    grads = backward(x_, weights.to(DEVICE), None, steps, beta, level, 1, 1, surrogate, reset, True, True)
    for mine, their in zip(grads, expected, strict=True):
        assert mine is not None
        # Where the terms of a sum cancel, snnTorch's float32 sum is the less exact one.
        assert relative(mine.reshape(their.shape), their) < 1e-5 or (mine.cpu() - their).abs().max() < 2e-5


TRACES = {
    # x = 1 at every step, beta 0.5, threshold 1: 1 is not above 1, so the first spike comes at step 1.
    "subtract": ([1.0, 1.5, 0.75, 1.375, 0.6875], [0, 1, 0, 1, 0]),
    "zero": ([1.0, 1.5, 1.0, 1.5, 1.0], [0, 1, 0, 1, 0]),
    "none": ([1.0, 1.5, 1.75, 1.875, 1.9375], [0, 1, 1, 1, 1]),
}


@runs
@pytest.mark.parametrize("reset", RESETS)
def test_hand_computed_trace(reset: str) -> None:
    beta, level = (torch.tensor([value], device=DEVICE) for value in (0.5, 1.0))
    x = torch.ones(5, 1, device=DEVICE)
    spikes, membrane = forward(x, 5, beta, level, 1, 1, reset, True)
    assert membrane is not None
    assert membrane[:, 0].tolist() == TRACES[reset][0]
    assert spikes[:, 0].tolist() == TRACES[reset][1]
    # At the threshold snnTorch's triangular is -1 already; the gradient of the last spike alone shows it.
    if reset == "zero":
        last = torch.tensor([[0.0], [0], [0], [0], [1]], device=DEVICE)
        grad, _, _ = backward(x, last, None, 5, beta, level, 1, 1, "triangular", reset, False, False)
        assert grad[:, 0].tolist() == [0, 0, 0, 0, -1]


@runs
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("surrogate", SURROGATES)
def test_silent_and_huge_currents(surrogate: str, reset: str) -> None:
    steps, count = 3, 5
    beta, level = (torch.tensor([value], device=DEVICE) for value in (0.5, 1.0))
    ones = torch.ones(steps, count, device=DEVICE)
    for scale in (0.0, 1e30, -1e30):
        spikes, _ = forward(ones * scale, steps, beta, level, 1, 1, reset, False)
        grads = backward(ones * scale, ones, None, steps, beta, level, 1, 1, surrogate, reset, True, True)
        # 1e30 stays above the threshold whatever is subtracted from it; reset to zero, the next current is as large.
        assert spikes.unique().tolist() == [float(scale > 0)]
        for grad in grads:
            assert grad is not None
            assert grad.isfinite().all()


@runs
def test_only_what_is_wanted_and_the_same_twice() -> None:
    x, weights = random(5, 1001).to(DEVICE), random(5, 1001, seed=6).to(DEVICE)
    beta, level = (torch.tensor([value], device=DEVICE) for value in (0.5, 1.0))
    settings = (x, weights, None, 5, beta, level, 1, 1, "atan", "subtract")
    both, again = backward(*settings, True, True), backward(*settings, True, True)
    for wanted in itertools.product([False, True], repeat=2):
        found = backward(*settings, *wanted)
        for mine, first, second, want in zip(found, both, again, (True, *wanted), strict=True):
            assert (mine is not None) == want
            assert first is not None
            assert second is not None
            assert torch.equal(first, second)
            assert mine is None or torch.equal(mine, first)


@runs
def test_no_neurons_and_other_types() -> None:
    beta, level = (torch.full((CHANNELS,), value, device=DEVICE) for value in (0.5, 1.0))
    x = torch.zeros(4, 0, device=DEVICE)
    spikes, membrane = forward(x, 4, beta, level, CHANNELS, INNER, "zero", True)
    assert membrane is not None
    assert spikes.shape == membrane.shape == (4, 0)
    grads = backward(x, spikes, None, 4, beta, level, CHANNELS, INNER, "atan", "zero", True, True)
    assert [None if g is None else g.tolist() for g in grads] == [[[]] * 4, [0.0] * 3, [0.0] * 3]
    with pytest.raises(TypeError, match=r"take float32 or bfloat16, not torch\.float64"):
        forward(x.double(), 4, beta, level, CHANNELS, INNER, "zero", True)
    with pytest.raises(TypeError, match=r"take float32 or bfloat16, not torch\.float64"):
        backward(x.double(), spikes, None, 4, beta, level, CHANNELS, INNER, "atan", "zero", True, True)


@runs
@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("channels_last", [False, True])
def test_layers_in_both_memory_layouts(channels_last: bool, fixed: bool) -> None:
    shape = (1 if fixed else 4, 2, CHANNELS, 5, 3)
    x = random(shape[0], math.prod(shape[1:])).view(shape)
    weights = random(4, math.prod(shape[1:]), seed=6).view(4, *shape[1:])
    beta, level = parameters((True, True))
    inputs = [value.double().requires_grad_() for value in (x, beta, level)]
    wide = [value.view(CHANNELS, 1, 1).expand(shape[1:]) for value in inputs[1:]]
    spikes, trace, exact = reference(inputs[0], 4, wide[0], wide[1], "atan", "subtract")
    expected = torch.autograd.grad(((spikes + exact) * weights).sum(), inputs)

    if channels_last:
        x = x.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)
    neurons, kernel = Neurons(4, "atan", "subtract", membrane=True), TritonKernel()
    x_, beta_, level_, weights_ = (value.to(DEVICE) for value in (x, beta, level, weights))
    found, membrane = kernel.forward(x_, beta_, level_, neurons)
    assert membrane is not None
    assert torch.equal(found.cpu().double(), spikes.detach())
    assert torch.equal(membrane.cpu(), trace)
    assert found.stride()[1:] == membrane.stride()[1:] == x.stride()[1:]
    grads = kernel.backward(x_, beta_, level_, weights_, weights_, neurons, (True, True))
    for mine, their in zip(grads, expected, strict=True):
        assert mine is not None
        assert relative(mine, their) < 1e-5


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.skipif(INTERPRETED, reason="too much for the interpreter")
def test_more_than_two_to_the_31_neuron_steps() -> None:
    count, steps = 2**30 + 17, 3
    # Spikes and the gradient of the spikes (2 bytes each), currents and their gradient, and room to spare.
    if torch.cuda.mem_get_info()[0] < 2 * count * (2 * steps + 3):
        pytest.skip("not enough memory on the GPU")
    beta, level = (torch.tensor([value], device="cuda") for value in (0.5, 1.0))
    x = torch.ones(1, count, device="cuda", dtype=torch.bfloat16)
    spikes, _ = forward(x, steps, beta, level, 1, 1, "subtract", False)
    assert spikes[:, [0, -1]].T.tolist() == [[0, 1, 0]] * 2
    assert spikes.amin(1).tolist() == spikes.amax(1).tolist() == [0, 1, 0]
    grad, _, _ = backward(x, spikes, None, steps, beta, level, 1, 1, "triangular", "none", False, False)
    # Without a reset v = 1, 1.5, 1.75: the slope at the one spike with a gradient is -1, and x_0 reaches it halved.
    assert grad.amin().item() == grad.amax().item() == -1.5


@compiles
def test_under_the_interpreter(tmp_path: Path) -> None:
    environment = {**os.environ, "TRITON_INTERPRET": "1", "TRITON_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "pytest", __file__, "-p", "no:cacheprovider", "-p", "no:xdist", "-rs"]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    # As many as are skipped here where there is no GPU: it did not skip them too.
    passed = re.search(r"(\d+) passed", run.stdout)
    assert passed is not None
    assert int(passed[1]) > 80, run.stdout


def compiled(
    kernel: Any, arguments: tuple[Any, ...], options: dict[str, Any], capability: int
) -> CompiledKernel:
    """The kernel as Triton compiles it at a launch with these arguments, for a GPU that need not be there."""
    settings = {name: options.pop(name) for name in ("num_warps", "enable_fp_fusion")}
    values = dict(zip(kernel.arg_names, arguments, strict=False)) | options
    signature, constants, hints = {}, {}, {}
    for place, name in enumerate(kernel.arg_names):
        value = values[name]
        if name in options or value is None or (isinstance(value, int) and value == 1):
            signature[name], constants[name] = "constexpr", value
            continue
        signature[name] = "i32" if isinstance(value, int) else {4: "*fp32", 2: "*bf16"}[value.element_size()]
        if isinstance(value, Tensor) or value % 16 == 0:
            hints[(place,)] = [["tt.divisibility", 16]]
    source = ASTSource(kernel, signature, constants, hints)
    return triton.compile(source, target=GPUTarget("cuda", capability, 32), options=settings)


class _Compiler:
    """Stands in for a kernel: what would be launched is compiled and kept."""

    def __init__(self, kernel: Any, capability: int) -> None:
        self.kernel, self.capability, self.made = kernel, capability, None

    def __getitem__(self, grid: tuple[int, ...]) -> Callable[..., None]:
        def launch(*arguments: Any, **options: Any) -> None:
            self.made = compiled(self.kernel, arguments, options, self.capability)

        return launch


# Steps, whether the current is the same at every step, type, neurons (Triton makes other code of multiples of 16).
SHAPES = [
    (1, False, torch.float32, 1600),
    (2, True, torch.bfloat16, 1617),
    (7, False, torch.float32, 1617),
    (8, True, torch.float32, 1600),
    (10, False, torch.bfloat16, 1600),
    (25, False, torch.float32, 1600),
    (40, False, torch.bfloat16, 1600),
    (48, True, torch.float32, 1617),
]


@compiles
@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("index", range(len(SHAPES)))
def test_compiles_for_a_gpu(
    index: int, capability: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # All settings come up over the shapes; the two GPUs take different ones.
    steps, static, dtype, count = SHAPES[index]
    turn = index + (capability == 90)
    surrogate, reset = SURROGATES[turn % 4], RESETS[turn % 3]
    spikes, membrane = [(True, False), (True, True), (False, True)][turn // 2 % 3]
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    kernels = [
        _Compiler(getattr(lif_triton, name), capability) for name in ("_forward_kernel", "_backward_kernel")
    ]
    for name, kernel in zip(("_forward_kernel", "_backward_kernel"), kernels, strict=True):
        monkeypatch.setattr(lif_triton, name, kernel)
    x, grad = torch.zeros(1 if static else steps, count, dtype=dtype), torch.zeros(steps, count, dtype=dtype)
    beta, level = torch.ones(1), torch.ones(CHANNELS if turn % 2 and count == 1617 else 1)
    forward(x, steps, beta, level, CHANNELS, INNER, reset, membrane)
    backward(
        x, grad if spikes else None, grad if membrane else None,
        steps, beta, level, CHANNELS, INNER, surrogate, reset, bool(turn % 2), bool(turn % 3),
    )  # fmt: skip
    for kernel in kernels:
        assert kernel.made is not None
        code = kernel.made.asm["ptx"]
        assert f".target sm_{capability}" in code
        assert len(kernel.made.asm["cubin"]) > 1000
        # A fused multiply-add would round once where snnTorch rounds twice: other spikes.
        assert not re.search(r"\b(fma|mad)\.[a-z.]*f32", code)
        # No sum depends on which program comes first.
        assert not re.search(r"\b(atom|red)\.", code)
