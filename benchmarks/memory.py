"""How much memory a training step takes, and what it costs in time to bound it.

    python benchmarks/memory.py --out docs/results/performance/memory.json

Each variant runs in a fresh process: the growth of its peak resident memory over two training steps, from the moment
when network, optimiser and batch are there, and a tiny network has been trained before. On a GPU: the peak of torch's
allocated memory, less what was allocated before. In chunks: the batch in parts, as `training.memory_mb` cuts it.
Linux. About 4 minutes on two cores.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from measure import (
    QUICK,
    Pace,
    arguments,
    in_fresh_process,
    interleave,
    ratios,
    save,
    summary,
    table,
)
from nets import Net, Step, floor_step, loop_step, net, our_network

from spenser_gee.errors import input_error, run_script
from spenser_gee.network.memory import reuse_large_blocks
from spenser_gee.training.chunks import kept_bytes
from spenser_gee.training.mode import Mode
from spenser_gee.training.train import Budget, train

PARTS = (2, 4, 8, 16)
REPEATS = 2
PACE = Pace(30.0, least=5, most=15)


def our_training(chosen: Net, device: torch.device, chunk: int | None) -> Step:
    """Two steps of the package's `train`, the batch in chunks of so many images (None: whole)."""
    network = our_network(chosen, device)
    mode = Mode(None if chunk is None else chunk * kept_bytes(chosen.plan, chosen.time_steps))
    signal, labels = chosen.signal(device)

    def run() -> None:
        train(
            network,
            chosen.spec,
            itertools.repeat((signal[0], labels)),
            lambda images: signal,
            Budget(steps=2),
            mode=mode,
        )

    return run


def twice(step: Step) -> Step:
    """Two steps: the optimiser's state comes with the first one."""

    def run() -> None:
        step()
        step()

    return run


def growth(variant: str, name: str, device: str, threads: int, quick: bool) -> int:
    """Bytes; to be called in a fresh process. variant: "loop", "floor", "ours" or "ours, N images"."""
    torch.set_num_threads(threads)
    place = torch.device(device)
    if variant.startswith("ours"):
        reuse_large_blocks()
    # What torch and the kernels load when they are first used is not the step's.
    two_steps(variant, net(name, quick=True), place)()
    return peak_growth(two_steps(variant, net(name, quick), place), place)


def two_steps(variant: str, chosen: Net, device: torch.device) -> Step:
    """Of a variant."""
    if variant.startswith("ours"):
        return our_training(chosen, device, chunk_of(variant))
    return twice(
        loop_step(chosen, device) if variant == "loop" else floor_step(chosen, device, channels_last=True)
    )


def chunk_of(variant: str) -> int | None:
    """Images of a chunk: 16 for "ours, 16 images"; None for the whole batch."""
    _, _, chunk = variant.partition(", ")
    return int(chunk.split()[0]) if chunk else None


def peak_growth(run: Step, device: torch.device) -> int:
    """How far the peak of memory during `run` lies above what is in use before it, in bytes."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        return torch.cuda.max_memory_allocated(device) - before
    try:
        # Sets the peak, VmHWM, back to what is resident now (proc(5)).
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        raise input_error("memory", "the peak of a process can be read under Linux only") from None
    before = resident_bytes("VmRSS")
    run()
    return resident_bytes("VmHWM") - before


def resident_bytes(field: str) -> int:
    """VmRSS (now) or VmHWM (peak) of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def variants(chosen: Net) -> tuple[str, ...]:
    """What is measured: the chunks hold a half to a sixteenth of the batch."""
    return ("loop", "floor", "ours", *(f"ours, {max(1, chosen.batch // parts)} images" for parts in PARTS))


def budget_mb(chosen: Net, variant: str) -> float:
    """The `training.memory_mb` that gives these chunks."""
    return kept_bytes(chosen.plan, chosen.time_steps) * (chunk_of(variant) or chosen.batch) / 2**20


def measure_net(name: str, options: Any) -> dict[str, Any]:
    """Growth of each variant, and the time of ours in chunks against the whole batch."""
    chosen, device = net(name, options.quick), options.device
    names = ("loop", "ours") if options.quick else variants(chosen)
    repeats = 1 if options.quick else REPEATS
    grown: dict[str, list[int]] = {variant: [] for variant in names}
    for _ in range(repeats):
        for variant in names:
            grown[variant].append(
                in_fresh_process(growth, variant, name, device.type, options.threads, options.quick)
            )
    runs = {
        variant: our_training(chosen, device, chunk_of(variant))
        for variant in variants(chosen)
        if variant.startswith("ours")
    }
    samples = interleave(runs, QUICK if options.quick else PACE, device)
    loop = max(1.0, statistics.median(grown["loop"]))  # a tiny step may need no new memory
    return {
        "net": name,
        "budget_mb": {variant: budget_mb(chosen, variant) for variant in runs},
        "growth_bytes": {variant: summary(values) for variant, values in grown.items()},
        "share_of_loop": {variant: statistics.median(values) / loop for variant, values in grown.items()},
        "time_of_whole": {variant: summary(ratios(samples, variant, "ours")) for variant in runs},
    }


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Measures nets A and B."""
    options = arguments(__doc__, argv)
    reuse_large_blocks()
    rows = [measure_net(name, options) for name in (("B",) if options.quick else ("A", "B"))]
    results = save(options, "memory", "random spikes, 28 x 28 x 1", rows)
    print(tables(results))
    return results


def tables(results: dict[str, Any]) -> str:
    """In Markdown."""
    lines = []
    for row in results["rows"]:
        for variant, grown in row["growth_bytes"].items():
            time, budget = row["time_of_whole"].get(variant), row["budget_mb"].get(variant)
            lines.append(
                [
                    row["net"],
                    variant,
                    f"{budget:.0f}" if budget else "",
                    f"{grown['median'] / 1e6:.0f}",
                    "{:.0f} to {:.0f}".format(*(q / 1e6 for q in grown["range"])),
                    f"{row['share_of_loop'][variant]:.3f}",
                    f"{time['median']:.3f}" if time else "",
                ]
            )
    header = [
        "net",
        "variant",
        "`memory_mb`",
        "growth, MB",
        "range",
        "share of the loop's",
        "time, whole batch = 1",
    ]
    return table(header, lines)


if __name__ == "__main__":
    run_script(main)
