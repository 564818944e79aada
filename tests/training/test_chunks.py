"""Chunks of a batch: the gradient is the whole batch's, the memory is not."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from tiny_networks import HEAD, STEPS, dropout_spec, equal_states, gene_spec, network_of, plan_of, task
from torch import Tensor, nn

from spenser_gee.network.backends import backend
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.layers import (
    LIF,
    AdaptivePool,
    AvgPool,
    Conv,
    FullyConnected,
    GlobalPool,
    Layer,
    MaxPool,
    Skip,
)
from spenser_gee.phenotype.words.training import TET, CECount, CEMembrane, CERate, Input, MSECount
from spenser_gee.training.chunks import kept_bytes, samples_at_once
from spenser_gee.training.mode import PLAIN, Mode
from spenser_gee.training.train import Budget, TrainingRecord, train

NEURON = LIF(beta=0.7, threshold=0.5)


def unit(filters: int = 6, stride: int = 1, *more: Layer, weights: str = "gene") -> tuple[Layer, ...]:
    """A convolution without batch norm."""
    return (Conv(filters=filters, kernel=3, stride=stride, weights=weights), *more, NEURON)


PLAIN_NET = gene_spec(unit(5), unit(6, 2))
POOLED = gene_spec(unit(8), (MaxPool(size=2),), unit(6), (AvgPool(size=2),))
WIDE_INPUT = gene_spec(unit(16), unit(16), input=Input("direct"))
JOINED = gene_spec(unit(5), unit(7, 1, Skip(1, "add")), unit(5, 2, Skip(1, "concat")), input=Input("direct"))
FULL = gene_spec(
    unit(4), (AdaptivePool(size=4),), (FullyConnected(units=40), NEURON), (FullyConnected(units=30), NEURON)
)
ENDING = gene_spec(unit(12), unit(12), (GlobalPool(),))
NETS = {
    "plain": PLAIN_NET,
    "pooled": POOLED,
    "direct": WIDE_INPUT,
    "joined": JOINED,
    "full": FULL,
    "global": ENDING,
}


class Kept:
    """Bytes that autograd keeps for the backward pass: now, and at most. Weights do not count."""

    def __init__(self, network: nn.Module) -> None:
        self._skip = {p.untyped_storage().data_ptr() for p in [*network.parameters(), *network.buffers()]}
        self._users: dict[int, int] = {}
        self.now = self.peak = 0

    def measuring(self) -> Any:
        return torch.autograd.graph.saved_tensors_hooks(self._pack, lambda box: box.tensor)

    def _pack(self, tensor: Tensor) -> Any:
        box, storage = _Box(tensor), tensor.untyped_storage()
        place = storage.data_ptr()
        if place not in self._skip:
            # A slice of the signal keeps its own part; what is expanded keeps less than it shows.
            size = min(storage.nbytes(), tensor.nbytes)
            if place not in self._users:
                self.now += size
                self.peak = max(self.peak, self.now)
            self._users[place] = self._users.get(place, 0) + 1
            weakref.finalize(box, self._free, place, size)
        return box

    def _free(self, place: int, size: int) -> None:
        self._users[place] -= 1
        if self._users[place] == 0:
            del self._users[place]
            self.now -= size


class _Box:
    """What stands for a tensor until the backward pass."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


def batch(spec: NetworkSpec, size: int) -> tuple[Tensor, Tensor]:
    """Signal and labels of `size` digits."""
    source = task().evo_train
    indices = source.indices[:size]
    images = source.data.inputs[indices].float() / 255
    return source.stimulus(spec, 0, augment=False)(images), source.data.labels[indices]


def one_step(spec: NetworkSpec, mode: Mode, size: int = 24) -> tuple[dict[str, Tensor], TrainingRecord, int]:
    """The gradients of one batch, the record, and the peak of what was kept."""
    network = network_of(spec)
    signal, labels = batch(spec, size)
    seen: dict[str, Tensor] = {}
    kept = Kept(network)
    with pytest.MonkeyPatch.context() as patch, kept.measuring():
        patch.setattr(torch.optim.Adam, "step", _noting(seen, network))
        record = train(network, spec, iter([(signal, labels)]), lambda x: x, Budget(steps=1), mode=mode)
    return seen, record, kept.peak


def _noting(seen: dict[str, Tensor], network: nn.Module) -> Callable[..., None]:
    def step(*arguments: Any) -> None:
        seen.update({name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None})

    return step


def memory_for(spec: NetworkSpec, samples: int) -> int:
    return samples * kept_bytes(plan_of(spec), STEPS)


# --- the gradient -------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [MSECount(), CECount(), CERate(), CEMembrane(), TET()])
@pytest.mark.parametrize("samples", [1, 7, 12])
def test_the_gradient_is_that_of_the_whole_batch(loss: Any, samples: int) -> None:
    spec = gene_spec(unit(5), unit(6, 2), loss=loss)
    whole, record, _ = one_step(spec, PLAIN)
    parts, chunked, _ = one_step(spec, Mode(memory=memory_for(spec, samples)))
    assert whole.keys() == parts.keys()
    for name, gradient in whole.items():
        assert gradient.abs().max() > 0
        torch.testing.assert_close(parts[name], gradient, rtol=1e-5, atol=1e-5 * float(gradient.abs().max()))
    assert chunked.curve[0][1] == pytest.approx(record.curve[0][1], rel=1e-6)
    assert chunked.curve[0][2] == record.curve[0][2]


def test_enough_memory_is_no_chunks_bit_for_bit() -> None:
    source = task().evo_train

    def trained(mode: Mode) -> nn.Module:
        network = network_of(PLAIN_NET)
        stimulus = source.stimulus(PLAIN_NET, 0, augment=True)
        train(network, PLAIN_NET, source.training(0), stimulus, Budget(steps=5), mode=mode)
        return network

    enough = Mode(memory=memory_for(PLAIN_NET, source.batch_size))
    assert equal_states(trained(PLAIN), trained(enough))
    assert not equal_states(trained(PLAIN), trained(Mode(memory=1)))


def test_networks_whose_samples_see_each_other_are_never_cut() -> None:
    assert samples_at_once(plan_of(gene_spec()), STEPS, 1) is None  # batch norm
    no_norm = NetworkSpec(((Conv(filters=4), NEURON), *dropout_spec().units[1:2], HEAD))
    assert samples_at_once(plan_of(no_norm), STEPS, 1) is None  # dropout
    assert samples_at_once(plan_of(PLAIN_NET), STEPS, None) is None
    assert samples_at_once(plan_of(PLAIN_NET), STEPS, 1) == 1
    assert samples_at_once(plan_of(PLAIN_NET), STEPS, memory_for(PLAIN_NET, 5)) == 5
    assert samples_at_once(plan_of(PLAIN_NET), STEPS, memory_for(PLAIN_NET, 6) - 1) == 5


# --- the memory ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETS)
def test_the_estimate_is_near_what_is_kept(name: str) -> None:
    spec = NETS[name]
    with backend("plain"):
        _, _, peak = one_step(spec, PLAIN)
    estimate = memory_for(spec, 24)
    assert peak / 1.5 < estimate < peak * 1.5
    # Fused neurons keep no more than that.
    _, _, fused = one_step(spec, PLAIN)
    assert fused < 1.5 * estimate


@pytest.mark.parametrize("name", NETS)
def test_memory_falls_with_the_size_of_the_chunks(name: str) -> None:
    spec = NETS[name]
    _, _, whole = one_step(spec, PLAIN)
    _, _, parts = one_step(spec, Mode(memory=memory_for(spec, 6)))
    assert parts < 1.2 * whole / 4
