"""Times: what is timed, that they are sane, and that nothing is left behind."""

from __future__ import annotations

import json
import time
from dataclasses import asdict

import pytest
import torch
from tiny_networks import STEPS, gene_spec, network_of
from torch import Tensor, nn

from spenser_gee.assessment.latency import latency
from spenser_gee.errors import InputError
from spenser_gee.phenotype.words.training import Input

SPEC = gene_spec(input=Input("direct"))


def signal(samples: int = 3) -> Tensor:
    return torch.rand(1, samples, 1, 8, 8)


def test_what_is_run_and_how_often() -> None:
    network = network_of(SPEC).train()
    seen: list[tuple[Tensor, bool, bool]] = []
    handle = network.register_forward_pre_hook(
        lambda module, inputs: seen.append((inputs[0], module.training, torch.is_grad_enabled()))
    )
    given = signal(3)
    latency(network, given, batch_size=7, repetitions=4, warm_up=2)
    handle.remove()
    assert [values.shape[1] for values, _, _ in seen] == [1] * 6 + [7] * 6
    assert not any(training or gradients for _, training, gradients in seen)
    assert torch.equal(seen[0][0], given[:, :1])
    assert torch.equal(seen[-1][0], given[:, [0, 1, 2, 0, 1, 2, 0]])
    assert network.training


def test_a_network_that_takes_its_time() -> None:
    """10 ms a sample, 200 ms for a first pass that is not timed."""
    network = network_of(SPEC)
    passes = 0

    def slow(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        nonlocal passes
        passes += 1
        time.sleep(0.2 if passes == 1 else 0.01 * inputs[0].shape[1])

    handle = network.register_forward_pre_hook(slow)
    found = latency(network, signal(), batch_size=4, repetitions=5, warm_up=1)
    handle.remove()
    assert 0.01 < found.lower <= found.seconds <= found.upper < 0.1
    assert 10 < found.throughput < 100
    assert (found.batch_size, found.repetitions, found.device) == (4, 5, "cpu")
    assert found.threads == torch.get_num_threads()
    assert json.loads(json.dumps(asdict(found))) == asdict(found)


def test_signals_over_time() -> None:
    found = latency(network_of(SPEC), torch.rand(STEPS, 2, 1, 8, 8), batch_size=2, repetitions=2, warm_up=0)
    assert found.seconds > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "latency, batch_size: expected 1 or more, found 0"),
        ({"repetitions": 1}, "latency, repetitions: expected 2 or more"),
        ({"warm_up": -1}, "latency, warm_up: expected 0 or more"),
    ],
)
def test_numbers_that_are_too_small(options: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        latency(network_of(SPEC), signal(), **options)


def test_no_sample() -> None:
    with pytest.raises(InputError, match="latency, samples"):
        latency(network_of(SPEC), signal(0))
