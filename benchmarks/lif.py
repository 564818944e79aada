"""The neuron alone: forward and backward over (T, N), against the bandwidth of the machine's memory.

    python benchmarks/lif.py --out docs/results/performance/lif.json

The least that a step in 32-bit numbers has to move is 20 bytes a neuron-step: read x, write s; read x, read the
gradient of s, write that of x. The bandwidth is measured beside it: the faster of a copy and a triad (a + c b), on
tensors of the same size. From T = 25, atan, subtract, constant scalars, one thing is varied at a time.
About 1 minute on two cores.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from measure import (
    QUICK,
    Pace,
    Samples,
    arguments,
    backends,
    interleave,
    save,
    summary,
    table,
    using,
)
from torch import Tensor

from spenser_gee.errors import run_script
from spenser_gee.network.lif import lif
from spenser_gee.network.memory import reuse_large_blocks
from spenser_gee.network.neurons import RESETS
from spenser_gee.network.surrogate import SURROGATES

CHANNELS = 64
NEURON_STEPS = {"cpu": 2**24, "cuda": 2**26}  # 64 and 256 MB a tensor: beyond the caches
FLOOR_BYTES = 20
BYTES = 4
PACE = Pace(5.0, least=5, most=25)


@dataclass(frozen=True)
class Case:
    """What is varied. parameters: "constant", "trained" or "trained, per channel" decay and threshold."""

    steps: int = 25
    surrogate: str = "atan"
    reset: str = "subtract"
    parameters: str = "constant"


def cases() -> list[Case]:
    """The base, and one change at a time."""
    base = Case()
    return list(
        dict.fromkeys(
            [
                base,
                *(replace(base, steps=steps) for steps in (4, 100)),
                *(replace(base, surrogate=name) for name in SURROGATES),
                *(replace(base, reset=name) for name in RESETS),
                *(replace(base, parameters=name) for name in ("trained", "trained, per channel")),
            ]
        )
    )


def inputs(case: Case, total: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Currents (T, B, C, H, W) that make about a tenth of the neurons fire, decay, threshold, spike gradient."""
    pixels = 16
    batch = max(1, total // (case.steps * CHANNELS * pixels))
    shape = (case.steps, batch, CHANNELS, 4, 4)
    generator = torch.Generator().manual_seed(0)
    currents = torch.randn(shape, generator=generator).mul_(0.5).to(device).requires_grad_()
    gradient = torch.randn(shape, generator=generator).to(device)
    size = (CHANNELS,) if case.parameters == "trained, per channel" else ()
    trained = case.parameters != "constant"
    beta = torch.full(size, 0.9, device=device, requires_grad=trained)
    threshold = torch.full(size, 1.0, device=device, requires_grad=trained)
    return currents, beta, threshold, gradient


def neuron(case: Case, total: int, device: torch.device) -> tuple[Callable[[], object], int]:
    """A call of forward and backward, and its number of neuron-steps."""
    currents, beta, threshold, gradient = inputs(case, total, device)

    leaves = [leaf for leaf in (currents, beta, threshold) if leaf.requires_grad]

    def run() -> object:
        spikes, _ = lif(currents, beta, threshold, case.surrogate, case.reset)
        return torch.autograd.grad(spikes, leaves, gradient)

    return run, currents.numel()


def streams(count: int, device: torch.device) -> dict[str, tuple[Callable[[], object], int]]:
    """Copy and triad on `count` numbers, and the bytes that they move (STREAM's way of counting)."""
    a, b, c = (torch.ones(count, device=device) for _ in range(3))
    return {
        "copy": (lambda: a.copy_(b), 2 * BYTES * count),
        "triad": (lambda: torch.add(b, c, alpha=3.0, out=a), 3 * BYTES * count),
    }


def measure_case(case: Case, total: int, pace: Pace, device: torch.device) -> list[dict[str, Any]]:
    """One row for each backend."""
    run, count = neuron(case, total, device)
    moved = streams(count, device)
    calls = {name: call for name, (call, _) in moved.items()}
    available = backends(device)
    samples = interleave({**calls, **{name: using(name, run) for name in available}}, pace, device)
    bandwidths = [
        max(size / seconds for (_, size), seconds in zip(moved.values(), pair, strict=True))
        for pair in zip(*(samples[name] for name in moved), strict=True)
    ]
    return [row(case, name, count, samples, bandwidths) for name in available]


def row(case: Case, name: str, count: int, samples: Samples, bandwidths: Sequence[float]) -> dict[str, Any]:
    """ns a neuron-step, and the byte floor's share of the bandwidth in the same round."""
    pairs = zip(samples[name], bandwidths, strict=True)
    return {
        **asdict(case),
        "backend": name,
        "neuron_steps": count,
        "ns": summary([1e9 * seconds / count for seconds in samples[name]]),
        "share_of_bandwidth": summary([FLOOR_BYTES * count / s / bandwidth for s, bandwidth in pairs]),
        "bandwidth_gb_s": statistics.median(bandwidths) / 1e9,
    }


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Measures all cases."""
    options = arguments(__doc__, argv)
    reuse_large_blocks()
    total = 2**14 if options.quick else NEURON_STEPS[options.device.type]
    chosen = [Case(), Case(parameters="trained")] if options.quick else cases()
    rows = [
        found
        for case in chosen
        for found in measure_case(case, total, QUICK if options.quick else PACE, options.device)
    ]
    results = save(options, "lif", "random currents", rows, floor_bytes=FLOOR_BYTES)
    print(tables(results))
    return results


def tables(results: dict[str, Any]) -> str:
    """In Markdown."""
    header = ["backend", "T", "surrogate", "reset", "decay and threshold", "ns a neuron-step"]
    return table(
        [*header, "quartiles", "share of bandwidth", "bandwidth, GB/s"],
        [
            [
                found["backend"],
                str(found["steps"]),
                found["surrogate"],
                found["reset"],
                found["parameters"],
                f"{found['ns']['median']:.2f}",
                "{:.2f} to {:.2f}".format(*found["ns"]["quartiles"]),
                f"{found['share_of_bandwidth']['median']:.0%}",
                f"{found['bandwidth_gb_s']:.1f}",
            ]
            for found in results["rows"]
        ],
    )


if __name__ == "__main__":
    run_script(main)
