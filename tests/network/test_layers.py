"""Layers over folded time, against naive or stepped references."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from spenser_gee.network import layers
from spenser_gee.phenotype.words.layers import LIF
from spenser_gee.phenotype.words.site import Join


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
def test_same_padding_at_stride_1_equals_torch(kernel: int) -> None:
    x, weight = draw(2, 3, 7, 6), draw(4, 3, kernel, kernel, seed=1)
    theirs = torch.nn.functional.conv2d(x, weight, padding="same")
    torch.testing.assert_close(layers.convolve(x, weight, None, 1, "same"), theirs)


@pytest.mark.parametrize("stride", [1, 2, 3, 5])
@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("size", [1, 4, 7])
def test_same_padding_equals_a_naive_loop(kernel: int, stride: int, size: int) -> None:
    x, weight = draw(1, 2, size, size), draw(1, 2, kernel, kernel, seed=1)
    found = layers.convolve(x, weight, None, stride, "same")
    out = math.ceil(size / stride)
    assert found.shape == (1, 1, out, out)
    before = max((out - 1) * stride + kernel - size, 0) // 2
    for i in range(out):
        for j in range(out):
            total = 0.0
            for c in range(2):
                for a in range(kernel):
                    for b in range(kernel):
                        y, z = i * stride + a - before, j * stride + b - before
                        if 0 <= y < size and 0 <= z < size:
                            total += float(x[0, c, y, z] * weight[0, c, a, b])
            assert found[0, 0, i, j].item() == pytest.approx(total, abs=1e-5)


def test_pools() -> None:
    x = draw(4, 3, 7, 7)
    torch.testing.assert_close(layers.Pool("max", 3)(x, 1), nn.MaxPool2d(3)(x))
    torch.testing.assert_close(layers.Pool("avg", 2)(x, 1), nn.AvgPool2d(2)(x))
    torch.testing.assert_close(layers.Pool("adaptive", 4)(x, 1), nn.AdaptiveAvgPool2d(4)(x))
    torch.testing.assert_close(layers.Pool("adaptive", 9)(x, 1), x)
    torch.testing.assert_close(layers.Pool("global")(x, 1), x.mean((2, 3), keepdim=True))


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_over_time_and_batch_equals_torch(training: bool) -> None:
    ours, theirs = layers.BatchNorm(3).train(training), nn.BatchNorm2d(3).train(training)
    for seed in range(3):
        x = draw(8, 3, 4, 4, seed=seed) * 2 + 1
        torch.testing.assert_close(ours(x, 4), theirs(x))
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_var, theirs.running_var)


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_of_each_step_equals_one_module_a_step(training: bool) -> None:
    steps, batch = 3, 4
    ours = layers.StepBatchNorm(2, steps).train(training)
    apart = [nn.BatchNorm2d(2).train(training) for _ in range(steps)]
    with torch.no_grad():
        ours.weight.copy_(torch.tensor([2.0, 0.5]))
        ours.bias.copy_(torch.tensor([0.3, -1.0]))
    for norm in apart:
        norm.weight, norm.bias = ours.weight, ours.bias
    for seed in range(2):
        x = draw(steps * batch, 2, 3, 3, seed=seed) * 3 - 1
        theirs = torch.cat([apart[t](x[t * batch : (t + 1) * batch]) for t in range(steps)])
        torch.testing.assert_close(ours(x, steps), theirs)
    for t in range(steps):
        torch.testing.assert_close(ours.running_mean[t], apart[t].running_mean)
        torch.testing.assert_close(ours.running_var[t], apart[t].running_var)


def test_dropout_masks() -> None:
    x = torch.ones(5 * 40, 8, 3, 3)
    for layer, per_step in ((layers.Dropout(0.3), False), (layers.StepDropout(0.3), True)):
        layer.generator = torch.Generator().manual_seed(2)
        out = layer(x, 5).view(5, 40, 8, 3, 3)
        torch.testing.assert_close(out.unique(), torch.tensor([0.0, 1 / 0.7]))
        assert (out == 0).float().mean().item() == pytest.approx(0.3, abs=0.02)
        assert torch.equal(out[0], out[1]) is not per_step
        assert not torch.equal(out[:, 0], out[:, 1])
        layer.generator = torch.Generator().manual_seed(2)
        assert torch.equal(layer(x, 5).view_as(out), out)
        assert layer.eval()(x, 5) is x


@pytest.mark.parametrize(("had", "wanted"), [(8, 4), (7, 4), (9, 3), (5, 5), (10, 4), (3, 2)])
def test_resample_reads_the_nearest(had: int, wanted: int) -> None:
    x = draw(2, 3, had, had + 1)
    found = layers.resample(x, (wanted, wanted))
    assert found.shape == (2, 3, wanted, wanted)
    for i in range(wanted):
        for j in range(wanted):
            assert torch.equal(found[:, :, i, j], x[:, :, i * had // wanted, j * (had + 1) // wanted])


def test_resample_to_one_position_is_the_mean() -> None:
    x = draw(2, 3, 4, 5)
    torch.testing.assert_close(layers.resample(x, (1, 1)), x.mean((2, 3), keepdim=True))


def test_skip_joins() -> None:
    here, there = draw(2, 5, 4, 4), draw(2, 3, 8, 8, seed=1)
    add = layers.SkipJoin(Join(0, (3, 8, 8), (4, 4), project=True), "add", (5, 4, 4), seed=1)
    assert add.weight is not None
    projected = torch.einsum("oc,nchw->nohw", add.weight[:, :, 0, 0], there[:, :, ::2, ::2])
    torch.testing.assert_close(add(here, there), here + projected)
    concat = layers.SkipJoin(Join(0, (3, 8, 8), (4, 4), project=False), "concat", (5, 4, 4), seed=1)
    torch.testing.assert_close(concat(here, there), torch.cat((here, there[:, :, ::2, ::2]), 1))
    plain = layers.SkipJoin(Join(0, (5, 4, 4), None, project=False), "add", (5, 4, 4), seed=1)
    assert plain.weight is None
    torch.testing.assert_close(plain(here, here), 2 * here)


def test_direct_weights_start_kaiming() -> None:
    weighted = layers.Weighted((64, 32, 3, 3), 288, True, False, 3, 1, "same")
    assert weighted.weight is not None
    assert weighted.bias is not None
    assert weighted.weight.std().item() == pytest.approx(math.sqrt(2 / 288), rel=0.03)
    assert weighted.weight.mean().item() == pytest.approx(0.0, abs=0.003)
    assert not weighted.bias.any()


@pytest.mark.parametrize(("learn", "trained"), [("false", []), ("true", ["beta"]), ("plif", ["a"])])
def test_decay_is_the_one_asked_for(learn: str, trained: list[str]) -> None:
    for beta in (0.0, 0.35, 1.0):
        neurons = layers.LIF(LIF(beta=beta, learn_beta=learn))
        assert neurons.decay().item() == pytest.approx(beta, abs=1.1e-4)
        assert [name for name, _ in neurons.named_parameters()] == trained
        spikes, _ = neurons((draw(3, 2, 1, 1, 4) + 1).requires_grad_())
        spikes.sum().backward()
        assert all(p.grad is not None and torch.isfinite(p.grad) for p in neurons.parameters())
    assert layers.LIF(LIF(learn_threshold=True)).threshold.requires_grad


def last_in_memory(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("shape", [(4, 3, 5, 7), (4, 1, 5, 7), (4, 3, 1, 1), (1, 3, 2, 2)])
def test_layers_give_the_same_in_both_layouts(shape: tuple[int, ...]) -> None:
    x, wide = draw(*shape), draw(6, math.prod(shape[1:]), seed=1)
    bias, slope = draw(6, seed=2), draw(shape[0], 6, seed=3)
    found = []
    for signal in (x, last_in_memory(x)):
        signal, weight = signal.detach().requires_grad_(), wide.detach().requires_grad_()
        output = layers.connect(signal, weight, bias)
        (output * slope).sum().backward()
        found.append((output, signal.grad, weight.grad, layers.spatial_mean(signal)))
    for ours, theirs in zip(found[1], found[0], strict=True):
        torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(found[0][0], x.flatten(1) @ wide.T + bias)
