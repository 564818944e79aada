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
from spenser_gee.network.denormals import flushed_denormals
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.training.chunks import samples_at_once
from spenser_gee.training.liveness import NOT_FINITE, dead_reason, probe
from spenser_gee.training.losses import decision_values, loss_value, needs_membrane
from spenser_gee.training.meter import Entry, Meter, all_finite
from spenser_gee.training.mode import PLAIN, Mode, run_network
from spenser_gee.training.optimisers import make_optimiser, rate_factor

Outcome = Literal["complete", "dead", "not_finite", "timed_out"]

NO_WEIGHTS = "the weights are not finite"


@dataclass(frozen=True)
class Budget:
    """How long to train: optimiser steps, or seconds of wall clock (exactly one)."""

    steps: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.seconds is None):
            raise ValueError("a budget has either steps or seconds")

    def times(self, factor: float) -> Budget:
        """So many times as long."""
        if self.steps is not None:
            return Budget(steps=round(self.steps * factor))
        assert self.seconds is not None
        return Budget(seconds=self.seconds * factor)

    def progress(self, steps: int, seconds: float) -> float:
        """The share that is used up."""
        if self.steps is not None:
            return steps / self.steps if self.steps else 1.0
        assert self.seconds is not None
        return seconds / self.seconds


@dataclass(frozen=True)
class TrainingRecord:
    """What a training did. `curve` holds (step, mean loss and accuracy since the last entry)."""

    outcome: Outcome
    steps: int
    seconds: float
    curve: tuple[tuple[int, float, float], ...]
    reason: str = ""


@flushed_denormals()
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
    mode: Mode = PLAIN,
    on_step: Callable[[int, float], None] | None = None,
) -> TrainingRecord:
    """Trains `network` in place.

    Args:
        batches: endless (inputs (B, T', C, H, W), labels (B,)).
        stimulus: inputs -> (T, B, C, H, W).
        deadline: of `time.monotonic()`; past it the outcome is timed_out.
        check_alive_after: after so many steps, stop with outcome `dead` if the outputs ignore the input.
        curve_every: steps between entries of the curve, which are the only times that a CPU is asked for numbers;
            a GPU is not waited for even then.
        mode: memory (the batch is cut into chunks that fit; the gradient is the whole batch's) and precision.
        on_step: called with (step, share done), for progress.
    """
    parameters = [p for p in network.parameters() if p.requires_grad]
    optimiser = make_optimiser(spec.optimiser, parameters)
    network.train()
    begin = time.monotonic()
    curve: list[tuple[int, float, float]] = []
    meter = Meter(parameters, curve_every)
    step = 0

    def share() -> float:
        return budget.progress(step, time.monotonic() - begin)

    def record(outcome: Outcome, reason: str = "") -> TrainingRecord:
        return TrainingRecord(outcome, step, time.monotonic() - begin, tuple(curve), reason)

    def stop(entries: Sequence[Entry]) -> TrainingRecord | None:
        """Notes the entries; the record of the training if one of them ends it."""
        for entry in entries:
            if reason := _not_finite(entry):
                return record("not_finite", f"{reason} at step {entry.step}")
            curve.append((entry.step, entry.loss, entry.accuracy))
        return None

    while (progress := share()) < 1.0:
        if time.monotonic() > deadline:
            return record("timed_out", f"training was at step {step}")
        inputs, labels = next(batches)
        signal = stimulus(inputs)
        if step == check_alive_after and (reason := dead_reason(probe(network, signal))):
            if not bool(all_finite(parameters)):
                return record("not_finite", f"{NO_WEIGHTS} at step {step}")
            return record("not_finite" if reason == NOT_FINITE else "dead", reason)
        _set_rate(optimiser, spec.optimiser.lr * rate_factor(spec.schedule, progress))
        optimiser.zero_grad(set_to_none=True)
        meter.add(*_gradients(network, spec, signal, labels, mode), len(labels))
        if spec.clip is not None:
            nn.utils.clip_grad_norm_(parameters, spec.clip.norm)
        optimiser.step()
        step += 1
        if on_step is not None:
            on_step(step, share())
        if ended := stop(meter.read(step)):
            return ended
    return stop(meter.rest(step)) or record("complete")


def _gradients(
    network: SpikingNetwork,
    spec: NetworkSpec,
    signal: Tensor,
    labels: Tensor,
    mode: Mode,
) -> tuple[Tensor, Tensor]:
    """Adds the gradient of the batch's mean loss to the weights; that loss and the number of correct answers.

    All losses are means over the samples, so chunks count by their sizes.
    """
    size = len(labels)
    at_once = samples_at_once(network.plan, network.time_steps, mode.memory, len(signal))
    passes = math.ceil(size / (at_once or size))
    chunk = math.ceil(size / passes)
    losses, right = [], []
    for some, wanted in zip(torch.split(signal, chunk, 1), torch.split(labels, chunk), strict=True):
        output = run_network(network, some, mode, membrane=needs_membrane(spec.loss))
        loss = loss_value(spec.loss, output, wanted)
        if len(wanted) < size:
            loss = loss * (len(wanted) / size)
        loss.backward()  # type: ignore[no-untyped-call]
        losses.append(loss.detach())
        right.append((decision_values(spec.loss, output).detach().argmax(1) == wanted).sum())
    return torch.stack(losses).sum(), torch.stack(right).sum()


def _not_finite(entry: Entry) -> str:
    """What is not finite. Weights of NaN give no spikes, and so a finite loss of spike counts."""
    if not math.isfinite(entry.loss):
        return f"the loss is {entry.loss}"
    return "" if entry.finite else NO_WEIGHTS


def _set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate
