"""Milliseconds a step along a training of hundreds of steps, with denormal numbers as they are and flushed to zero.

    python benchmarks/long_training.py runs/fmnist_small --data-root DATA [--steps 900] [--threads 2]

Each arm is a process of its own: threads keep how they were started. The network is the best of a run, with its weights.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

EVERY = 100


def measure(run: Path, root: str | None, steps: int, threads: int, flushed: bool) -> None:
    """Prints a line for every 100 steps."""
    import torch

    from spenser_gee.data import load_data, resolve_data
    from spenser_gee.network import denormals
    from spenser_gee.network.backends import use_backend
    from spenser_gee.network.memory import reuse_large_blocks
    from spenser_gee.runs.origin import changed_config
    from spenser_gee.training import train as training
    from spenser_gee.training.saved import load_network
    from spenser_gee.training.source import source_of

    torch.set_num_threads(threads)
    if flushed:
        denormals.start_threads()
    reuse_large_blocks()
    use_backend("native")
    section = resolve_data(changed_config(run, []).data, root)
    source = source_of(load_data(section).train, section, torch.device("cpu"))
    saved = load_network(run / "best.safetensors")
    train = training.train if flushed else training.train.__wrapped__
    begun = time.perf_counter()

    def note(step: int, share: float) -> None:
        nonlocal begun
        if step % EVERY == 0:
            now = time.perf_counter()
            print(f"  step {step:5d}: {1000 * (now - begun) / EVERY:7.1f} ms a step", flush=True)
            begun = now

    train(
        saved.network,
        saved.spec,
        source.training(1),
        source.stimulus(saved.spec, 2, augment=True),
        training.Budget(steps=steps),
        on_step=note,
    )


def main() -> None:
    """Both arms, one after the other."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--data-root")
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--arm", choices=("as they are", "flushed"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.arm is not None:
        measure(chosen.run, chosen.data_root, chosen.steps, chosen.threads, chosen.arm == "flushed")
        return
    for arm in ("as they are", "flushed"):
        print(f"denormal numbers {arm}", flush=True)
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "--arm", arm], check=True)


if __name__ == "__main__":
    main()
