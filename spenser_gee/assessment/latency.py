"""How long a network takes on this machine: one sample at a time, and many at once."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import torch
from torch import Tensor

from spenser_gee.errors import input_error
from spenser_gee.network.build import SpikingNetwork
from spenser_gee.training.mode import evaluating


@dataclass(frozen=True)
class Latency:
    """Wall-clock times of one forward pass over all T steps; the expansion of gene-coded weights is part of it.

    seconds: median at batch 1. lower, upper: quartiles.
    throughput: samples per second at `batch_size`, from the median time of a batch.
    threads: of torch on the CPU.
    """

    seconds: float
    lower: float
    upper: float
    throughput: float
    batch_size: int
    repetitions: int
    device: str
    threads: int


def latency(
    network: SpikingNetwork, signal: Tensor, *, batch_size: int = 128, repetitions: int = 30, warm_up: int = 5
) -> Latency:
    """Times `network` in evaluation mode.

    signal: (T or 1, B, C, H, W) with B >= 1, on the network's device: its first sample is timed alone, and all of
        them, repeated in turn to `batch_size`, for the throughput.
    repetitions: timed passes of either, at least 2. warm_up: passes before that are not timed.

    The network is left as it was. Raises InputError for numbers that are too small.
    """
    for name, value, least in (
        ("batch_size", batch_size, 1),
        ("repetitions", repetitions, 2),
        ("warm_up", warm_up, 0),
        ("samples", signal.shape[1], 1),
    ):
        if value < least:
            raise input_error(f"latency, {name}", f"expected {least} or more, found {value}")
    turns = torch.arange(batch_size, device=signal.device) % signal.shape[1]
    single, batch = signal[:, :1].contiguous(), signal.index_select(1, turns)
    with evaluating(network) as device:
        alone = _times(network, single, repetitions, warm_up, device)
        together = _times(network, batch, repetitions, warm_up, device)
    lower, middle, upper = statistics.quantiles(alone, n=4, method="inclusive")
    return Latency(
        seconds=middle,
        lower=lower,
        upper=upper,
        throughput=batch_size / statistics.median(together),
        batch_size=batch_size,
        repetitions=repetitions,
        device=str(device),
        threads=torch.get_num_threads(),
    )


def _times(
    network: SpikingNetwork, signal: Tensor, repetitions: int, warm_up: int, device: torch.device
) -> list[float]:
    """Seconds of each timed pass."""
    for _ in range(warm_up):
        network(signal)
    times = []
    for _ in range(repetitions):
        # What CUDA was given before must not be timed, and what is timed has to be done.
        _wait(device)
        start = time.perf_counter()
        network(signal)
        _wait(device)
        times.append(time.perf_counter() - start)
    return times


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
