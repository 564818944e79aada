"""A whole training step, forward, loss, backward and Adam, against the same networks built otherwise.

    python benchmarks/step.py --threads 1 2 --out docs/results/performance/step.json

loop: SPENSER's manner, snn.Leaky modules stepped in Python. spikingjelly: its multi-step mode. floor: the same
convolutions and pools on the same T * B images with ReLU for neurons. ours, ours-plain: the package, with its
fastest neurons and with those in plain PyTorch. All get the package's setting of the C library's malloc, which
SPENSER does not have. About 6 minutes on two cores.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any

import torch
from measure import (
    QUICK,
    Pace,
    Samples,
    arguments,
    backends,
    interleave,
    ratios,
    save,
    seconds_of,
    summary,
    table,
    using,
)
from nets import Net, Step, floor_step, loop_step, net, our_step, spikingjelly_step

from spenser_gee.errors import run_script
from spenser_gee.network.memory import reuse_large_blocks
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.keys import CLASSES
from spenser_gee.phenotype.words.layers import LIF, Conv, FullyConnected, MaxPool

EVERYTHING = ("loop", "spikingjelly", "floor", "floor-channels-last", "ours", "ours-plain")
# Net and what it is compared with; the variants of A ask one question each.
COMPARISONS = {
    "A": EVERYTHING,
    "B": EVERYTHING,
    "A-pool-first": ("loop", "floor-channels-last", "ours"),
    "A-gene": ("ours", "ours-direct"),
    "A-norm": ("loop", "floor-channels-last", "ours"),
}
NEW_SIZES = (17, 23, 31, 37, 41, 47, 53)  # channels of networks that were not there before
PACES = {"A": Pace(75.0, least=5, most=15)}
PACE = Pace(20.0, least=5, most=25)


def steps(chosen: Net, names: Sequence[str], device: torch.device, quick: bool) -> dict[str, Step]:
    """The training steps of a comparison; one that is not installed here is left out."""
    fastest = backends(device)[0]
    makers: dict[str, Callable[[], Step | None]] = {
        "loop": lambda: loop_step(chosen, device),
        "spikingjelly": lambda: spikingjelly_step(chosen, device),
        "floor": lambda: floor_step(chosen, device, channels_last=False),
        "floor-channels-last": lambda: floor_step(chosen, device, channels_last=True),
        "ours": lambda: using(fastest, our_step(chosen, device)),
        "ours-plain": lambda: using("plain", our_step(chosen, device)),
        "ours-direct": lambda: using(fastest, our_step(net("A", quick), device)),
    }
    made = {name: makers[name]() for name in names}
    for name in [name for name, step in made.items() if step is None]:
        print(f"{name} is not installed: left out")
    return {name: step for name, step in made.items() if step is not None}


def compare(name: str, threads: int, device: torch.device, quick: bool) -> dict[str, Any]:
    """One comparison at one number of threads."""
    torch.set_num_threads(threads)
    chosen = net(name, quick)
    pace = QUICK if quick else PACES.get(name, PACE)
    samples = interleave(steps(chosen, COMPARISONS[name], device, quick), pace, device)
    return {
        "net": name,
        "threads": threads,
        "time_steps": chosen.time_steps,
        "batch": chosen.batch,
        "neuron_steps": chosen.plan.neurons * chosen.time_steps * chosen.batch,
        "seconds": {variant: summary(values) for variant, values in samples.items()},
        "times_of_ours": times_of_ours(samples),
    }


def times_of_ours(samples: Samples) -> dict[str, Any]:
    """For each other variant, its time in times of ours: above 1 where ours is faster."""
    return {name: summary(ratios(samples, name, "ours")) for name in samples if name != "ours"}


def first_steps(device: torch.device, quick: bool) -> list[float]:
    """Seconds that the first step of a network of new sizes takes beyond the median of its next five: what is compiled
    or set up for each architecture shows here."""
    extra = []
    for filters in NEW_SIZES[:2] if quick else NEW_SIZES:
        neuron = LIF()
        units = (
            (Conv(filters), neuron, MaxPool(2)),
            (FullyConnected(3 * filters), neuron),
            (FullyConnected(CLASSES), neuron),
        )
        step = using(backends(device)[0], our_step(Net("new", NetworkSpec(units), 5), device))
        first, *later = [seconds_of(step, 1, device) for _ in range(6)]
        extra.append(first - statistics.median(later))
    return extra


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Measures all comparisons."""
    options = arguments(__doc__, argv, many_threads=True)
    reuse_large_blocks()
    rows = [
        compare(name, threads, options.device, options.quick)
        for threads in options.threads
        for name in COMPARISONS
    ]
    torch.set_num_threads(options.threads[0])
    extra = summary(first_steps(options.device, options.quick))
    results = save(options, "step", "random spikes, 28 x 28 x 1", rows, first_step_extra_seconds=extra)
    print(tables(results))
    return results


def tables(results: dict[str, Any]) -> str:
    """In Markdown."""
    lines = []
    for row in results["rows"]:
        for variant, seconds in row["seconds"].items():
            ratio = row["times_of_ours"].get(variant)
            lines.append(
                [
                    row["net"],
                    str(row["threads"]),
                    variant,
                    f"{1000 * seconds['median']:.1f}",
                    "{:.1f} to {:.1f}".format(*(1000 * q for q in seconds["quartiles"])),
                    f"{ratio['median']:.2f}" if ratio else "",
                    "{:.2f} to {:.2f}".format(*ratio["quartiles"]) if ratio else "",
                ]
            )
    header = ["net", "threads", "variant", "ms a step", "quartiles", "times of ours", "quartiles"]
    return table(header, lines)


if __name__ == "__main__":
    run_script(main)
