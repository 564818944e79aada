"""Training on a GPU: nothing in it waits for the device, and what stops it is found one entry later. Skipped without
CUDA."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat

import pytest
import torch
from tiny_networks import SHAPE, STEPS, gene_spec, network_of
from torch import Tensor

from spenser_gee.network.build import SpikingNetwork
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.training import Adam, Clip
from spenser_gee.training.mode import PLAIN, Mode
from spenser_gee.training.train import Budget, TrainingRecord, train

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA GPU")

CLIPPED = gene_spec(optimiser=Adam(lr=0.01), clip=Clip(1.0))


def trained(
    spec: NetworkSpec, steps: int, mode: Mode = PLAIN, strict: bool = False
) -> tuple[SpikingNetwork, TrainingRecord]:
    """On one batch that lies on the device. strict: an operation that waits for the device is an error."""
    generator = torch.Generator().manual_seed(0)
    signal = torch.rand(STEPS, 16, *SHAPE, generator=generator).to("cuda")
    labels = torch.randint(10, (16,), generator=generator).to("cuda")
    batches: Iterator[tuple[Tensor, Tensor]] = repeat((signal, labels))
    network = network_of(spec).to("cuda")
    # What is set up once may wait.
    train(network, spec, batches, lambda x: x, Budget(steps=3), curve_every=1, mode=mode)
    torch.cuda.set_sync_debug_mode("error" if strict else "default")
    try:
        record = train(network, spec, batches, lambda x: x, Budget(steps=steps), curve_every=5, mode=mode)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return network, record


@pytest.mark.parametrize("mode", [PLAIN, Mode(precision="bfloat16")])
def test_nothing_waits_for_the_device(mode: Mode) -> None:
    _, record = trained(CLIPPED, 32, mode=mode, strict=True)
    assert record.outcome == "complete"
    assert [step for step, _, _ in record.curve] == [5, 10, 15, 20, 25, 30, 32]


def test_weights_that_are_not_finite_are_found() -> None:
    generator = torch.Generator().manual_seed(0)
    network = network_of(CLIPPED).to("cuda")
    signal = torch.rand(STEPS, 16, *SHAPE, generator=generator).to("cuda")
    labels = torch.zeros(16, dtype=torch.int64, device="cuda")
    with torch.no_grad():
        next(network.parameters()).fill_(float("nan"))
    record = train(network, CLIPPED, repeat((signal, labels)), lambda x: x, Budget(steps=7), curve_every=3)
    assert (record.outcome, record.steps) == ("not_finite", 6)
    assert "step 3" in record.reason
