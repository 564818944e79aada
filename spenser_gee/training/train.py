"""Training a network within a budget, by backpropagation through time with surrogate gradients."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from spenser_gee.network.build import SpikingNetwork
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.training.liveness import NOT_FINITE, dead_reason, probe
from spenser_gee.training.losses import loss_value, needs_membrane
from spenser_gee.training.optimisers import make_optimiser, rate_factor

Outcome = Literal["complete", "dead", "not_finite", "timed_out"]


@dataclass(frozen=True)
class Budget:
    """How long to train: optimiser steps, or seconds of wall clock (exactly one)."""

    steps: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.seconds is None):
            raise ValueError("a budget has either steps or seconds")

    def progress(self, steps: int, seconds: float) -> float:
        """The share that is used up."""
        if self.steps is not None:
            return steps / self.steps if self.steps else 1.0
        assert self.seconds is not None
        return seconds / self.seconds


@dataclass(frozen=True)
class TrainingRecord:
    """What a training did. `curve` holds (step, mean loss since the last entry)."""

    outcome: Outcome
    steps: int
    seconds: float
    curve: tuple[tuple[int, float], ...]
    reason: str = ""


def train(
    network: SpikingNetwork,
    spec: NetworkSpec,
    batches: Iterator[tuple[Tensor, Tensor]],
    stimulus: Callable[[Tensor], Tensor],
    budget: Budget,
    *,
    deadline: float = math.inf,
    check_alive_after: int | None = None,
    curve_every: int = 20,
    on_step: Callable[[int, float], None] | None = None,
) -> TrainingRecord:
    """Trains `network` in place.

    Args:
        batches: endless (images (B, C, H, W), labels (B,)).
        stimulus: images -> (T, B, C, H, W).
        deadline: of `time.monotonic()`; past it the outcome is timed_out.
        check_alive_after: after so many steps, stop with outcome `dead` if the outputs ignore the input.
        curve_every: steps between entries of the curve, which are the only times that the device is waited for.
        on_step: called with (step, share done), for progress.
    """
    parameters = [p for p in network.parameters() if p.requires_grad]
    optimiser = make_optimiser(spec.optimiser, parameters)
    membrane = needs_membrane(spec.loss)
    network.train()
    begin = time.monotonic()
    curve: list[tuple[int, float]] = []
    total = torch.zeros((), device=parameters[0].device)
    step = counted = 0

    def record(outcome: Outcome, reason: str = "") -> TrainingRecord:
        return TrainingRecord(outcome, step, time.monotonic() - begin, tuple(curve), reason)

    while (progress := budget.progress(step, time.monotonic() - begin)) < 1.0:
        if time.monotonic() > deadline:
            return record("timed_out", f"training was at step {step}")
        images, labels = next(batches)
        signal = stimulus(images)
        if step == check_alive_after and (reason := dead_reason(probe(network, signal))):
            if broken := _not_finite(0.0, parameters):
                return record("not_finite", f"{broken} at step {step}")
            return record("not_finite" if reason == NOT_FINITE else "dead", reason)
        _set_rate(optimiser, spec.optimiser.lr * rate_factor(spec.schedule, progress))
        loss = loss_value(spec.loss, network(signal, membrane=membrane), labels)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if spec.clip is not None:
            nn.utils.clip_grad_norm_(parameters, spec.clip.norm)
        optimiser.step()
        total += loss.detach()
        step += 1
        counted += 1
        if on_step is not None:
            on_step(step, budget.progress(step, time.monotonic() - begin))
        if counted == curve_every:
            if reason := _not_finite(total.item() / counted, parameters):
                return record("not_finite", f"{reason} at step {step}")
            curve.append((step, total.item() / counted))
            total.zero_()
            counted = 0
    if counted:
        if reason := _not_finite(total.item() / counted, parameters):
            return record("not_finite", f"{reason} at step {step}")
        curve.append((step, total.item() / counted))
    return record("complete")


def _not_finite(loss: float, parameters: Sequence[nn.Parameter]) -> str | None:
    """What is not finite. Weights of NaN give no spikes, and so a finite loss of spike counts."""
    if not math.isfinite(loss):
        return f"the loss is {loss}"
    # One answer from the device, not one for each parameter.
    if not bool(torch.stack([torch.isfinite(p).all() for p in parameters]).all()):
        return "the weights are not finite"
    return None


def _set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate
