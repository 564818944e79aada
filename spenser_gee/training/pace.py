"""How long a training step takes: budgets in seconds are turned into steps where shares of them are needed."""

from __future__ import annotations

import copy
import time

import torch

from spenser_gee.network.build import SpikingNetwork
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.training.mode import PLAIN, Mode
from spenser_gee.training.source import Source
from spenser_gee.training.train import Budget, train


def expected_steps(
    network: SpikingNetwork,
    spec: NetworkSpec,
    source: Source,
    budget: Budget,
    seed: int,
    mode: Mode = PLAIN,
) -> int:
    """The steps of a budget: its own, or about as many as its seconds allow at the pace of a copy's steps."""
    if budget.steps is not None:
        return budget.steps
    assert budget.seconds is not None
    batches, stimulus = source.training(seed), source.stimulus(spec, seed, augment=True)
    trial = copy.deepcopy(network)
    # The first step also pays for what is set up once.
    train(trial, spec, batches, stimulus, Budget(steps=1), mode=mode)
    begun = time.monotonic()
    train(trial, spec, batches, stimulus, Budget(steps=2), mode=mode)
    if source.device.type == "cuda":
        torch.cuda.synchronize(source.device)
    return max(1, int(budget.seconds / max((time.monotonic() - begun) / 2, 1e-6)))
