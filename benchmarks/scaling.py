"""What a training step of the package costs as the network grows: time steps, width, depth, batch, genes.

    python benchmarks/scaling.py --out docs/results/performance/scaling.json

From one net (a convolution of stride 2, then units of conv 3 x 3 - LIF at 14 x 14, global pooling, classifier; width
32, depth 4, T = 10, batch 32, rate coding), one size is varied at a time; the net is gene-encoded where the genes are
varied. The exponent is the slope of log(seconds) over log(size), by least squares over all sizes, and between the
last two. About 2 minutes on two cores.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from measure import QUICK, Pace, arguments, backends, interleave, save, summary, table, using
from nets import Net, Step, our_step

from spenser_gee.errors import run_script
from spenser_gee.network.memory import reuse_large_blocks
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.keys import CLASSES
from spenser_gee.phenotype.words.layers import LIF, Conv, FullyConnected, GlobalPool, Layer
from spenser_gee.phenotype.words.training import Genes

PACE = Pace(15.0, least=5, most=25)


@dataclass(frozen=True)
class Size:
    """What is varied. genes: 0 for ordinary weights."""

    time_steps: int = 10
    width: int = 32
    depth: int = 4
    batch: int = 32
    genes: int = 0


AXES = {
    "time_steps": (5, 10, 20, 40, 80),
    "width": (8, 16, 32, 64, 128),
    "depth": (1, 2, 4, 8, 16),
    "batch": (8, 16, 32, 64, 128),
    "genes": (8, 16, 32, 64, 128),
}
TINY = Size(time_steps=2, width=4, depth=1, batch=2)


def sized_net(size: Size) -> Net:
    """The network of that size."""
    neuron, weights = LIF(), "gene" if size.genes else "direct"
    units: list[tuple[Layer, ...]] = [(Conv(size.width, stride=2), neuron)]
    units += [(Conv(size.width, weights=weights), neuron)] * size.depth
    units.append((GlobalPool(), FullyConnected(CLASSES), neuron))
    return Net("scaling", NetworkSpec(tuple(units), Genes(size.genes or 16)), size.time_steps, size.batch)


def step_of(size: Size, device: torch.device) -> Step:
    """A training step of a net of that size."""
    return using(backends(device)[0], our_step(sized_net(size), device))


def measure_axis(
    axis: str, values: Sequence[int], base: Size, pace: Pace, device: torch.device
) -> dict[str, Any]:
    """All sizes of one axis, interleaved, with the exponents."""
    sizes = [replace(base, **{axis: value}) for value in values]
    steps = {str(getattr(size, axis)): step_of(size, device) for size in sizes}
    seconds = [summary(found) for found in interleave(steps, pace, device).values()]
    medians = [found["median"] for found in seconds]
    return {
        "axis": axis,
        "base": asdict(base),
        "sizes": list(values),
        "seconds": seconds,
        "exponent": slope(values, medians),
        "last_exponent": slope(values[-2:], medians[-2:]),
    }


def slope(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """Of log(seconds) over log(size), by least squares."""
    return statistics.linear_regression([math.log(s) for s in sizes], [math.log(s) for s in seconds]).slope


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Measures all axes."""
    options = arguments(__doc__, argv)
    reuse_large_blocks()
    pace = QUICK if options.quick else PACE
    base = TINY if options.quick else Size()
    rows = [
        measure_axis(
            axis,
            values[:2] if options.quick else values,
            replace(base, genes=16) if axis == "genes" else base,
            pace,
            options.device,
        )
        for axis, values in AXES.items()
    ]
    results = save(options, "scaling", "random spikes, 28 x 28 x 1", rows)
    print(tables(results))
    return results


def tables(results: dict[str, Any]) -> str:
    """In Markdown."""
    lines = [
        [
            row["axis"].replace("_", " "),
            ", ".join(map(str, row["sizes"])),
            ", ".join(f"{1000 * found['median']:.1f}" for found in row["seconds"]),
            f"{row['exponent']:.2f}",
            f"{row['last_exponent']:.2f}",
        ]
        for row in results["rows"]
    ]
    return table(["varied", "sizes", "ms a step (medians)", "exponent", "of the last two"], lines)


if __name__ == "__main__":
    run_script(main)
