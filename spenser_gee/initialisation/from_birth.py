"""The one way from a network's birth to its training's end: build it, evolve its start, train it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from spenser_gee.config import Initialisation
from spenser_gee.initialisation.evolve import InnerRecord, ParentGenes, evolve_start
from spenser_gee.network.build import SpikingNetwork, build_network
from spenser_gee.phenotype.plan import Plan
from spenser_gee.rng import derive_seed
from spenser_gee.training.mode import PLAIN, Mode
from spenser_gee.training.pace import expected_steps
from spenser_gee.training.source import Source
from spenser_gee.training.train import Budget, TrainingRecord, train


@dataclass(frozen=True, eq=False)
class Grown:
    """A network after its training, which may have ended badly: see `training.outcome`.

    start_seconds: of building and of the inner search.
    """

    network: SpikingNetwork
    start: InnerRecord
    training: TrainingRecord
    start_seconds: float

    @property
    def cost(self) -> dict[str, float]:
        """Steps and seconds of both phases."""
        return {
            "start_seconds": self.start_seconds,
            "training_seconds": self.training.seconds,
            "training_steps": float(self.training.steps),
            "start_steps": self.start.cost,
        }


def train_from_birth(
    plan: Plan,
    source: Source,
    budget: Budget,
    inner: Initialisation,
    seed: int,
    *,
    parent: ParentGenes | None = None,
    mode: Mode = PLAIN,
    deadline: float = math.inf,
    start_is_paid: bool = False,
    check_alive_at: float | None = None,
    on_step: Callable[[int, float], None] | None = None,
) -> Grown:
    """Evolves the start of the planned network and trains it on `source`.

    Everything that is random follows from `seed`; networks that are given the same seed see the same batches and the
    same spike noise.

    Args:
        budget: of the training; with `start_is_paid`, what the inner search takes is a part of it.
        parent: as in `evolve_start`.
        deadline: of `time.monotonic()`.
        check_alive_at: the share of the training after which a dead network is given up.
        on_step: called with (step, share of the training done).
    """
    begin = time.monotonic()
    spec = plan.spec
    network = build_network(plan, source.time_steps, derive_seed(seed, "weights")).to(source.device)
    network.use_generator(torch.Generator(source.device).manual_seed(derive_seed(seed, "start dropout")))
    steps = expected_steps(network, spec, source, budget, derive_seed(seed, "pace"), mode)
    start = evolve_start(
        network, source, inner, steps, derive_seed(seed, "start"), parent, mode=mode, deadline=deadline
    )
    # After the inner search, which draws masks of its own.
    network.use_generator(torch.Generator(source.device).manual_seed(derive_seed(seed, "dropout")))
    start_seconds = time.monotonic() - begin
    record = train(
        network,
        spec,
        source.training(seed),
        source.stimulus(spec, derive_seed(seed, "training"), augment=True),
        _rest(budget, start.cost, start_seconds) if start_is_paid else budget,
        deadline=deadline,
        check_alive_after=None if check_alive_at is None else int(steps * check_alive_at),
        mode=mode,
        on_step=on_step,
    )
    return Grown(network, start, record, start_seconds)


def _rest(budget: Budget, steps: float, seconds: float) -> Budget:
    if budget.steps is None:
        return Budget(seconds=max(0.0, (budget.seconds or 0.0) - seconds))
    return Budget(steps=max(0, budget.steps - math.ceil(steps)))
