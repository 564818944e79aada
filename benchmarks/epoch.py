"""Training on real Fashion-MNIST with the data pipeline: the package against SPENSER's manner, on the whole machine.

    python benchmarks/epoch.py --data-root DATA --out docs/results/performance/epoch.json

spenser: torchvision's data set with ToTensor for each image, DataLoader, spikegen.rate on each batch, snn.Leaky
modules stepped in Python, snnTorch's count loss, Adam; all cores as threads. ours: the package's `train` with its
batches and its coding; all cores as threads of one process, or as one-thread workers, which is how a search runs.
Every variant is a process of its own that waits while another one is timed. An epoch is 937 batches of 64; about 60
of them (A) and 300 (B) are timed, in interleaved blocks, and the epoch is extrapolated. Without --data-root (only
with --quick) the images are random. About 4 minutes on two cores.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from measure import Samples, arguments, ratios, save, summary, table
from nets import INPUT, Loop, Net, net, our_network
from snntorch import functional as snn_functional
from snntorch import spikegen
from torch.utils.data import DataLoader

from spenser_gee.config import Training
from spenser_gee.data import Samples as LabelledSamples
from spenser_gee.data import import_torchvision, load_dataset
from spenser_gee.errors import input_error, run_script
from spenser_gee.network.memory import reuse_large_blocks
from spenser_gee.training.mode import Mode
from spenser_gee.training.source import Source
from spenser_gee.training.train import Budget, train

BLOCKS = {"A": (3, 20), "B": (5, 60)}  # how many, of about so many batches
GPU_WORKERS = 4
EPOCH = 60_000 // 64
THEIRS, OURS, WORKERS = "spenser", "ours", "ours, one-thread workers"

Train = Callable[[int], None]  # trains so many batches


def spenser_training(chosen: Net, root: str | None, device: torch.device) -> Train:
    """SPENSER's manner."""
    vision: Any = import_torchvision()
    change = vision.transforms.ToTensor()
    if root is None:
        images = vision.datasets.FakeData(256, INPUT, 10, transform=change)
    else:
        images = vision.datasets.FashionMNIST(root, train=True, transform=change)
    loader: Any = DataLoader(images, chosen.batch, shuffle=True, drop_last=True)
    network = Loop(chosen).to(device).train()
    optimiser = torch.optim.Adam(network.parameters())
    loss_of = snn_functional.mse_count_loss(correct_rate=1.0, incorrect_rate=0.0)

    def endless() -> Iterator[Any]:
        while True:
            yield from loader

    batches = endless()

    def run(count: int) -> None:
        for _ in range(count):
            pictures, labels = (part.to(device) for part in next(batches))
            loss = loss_of(network(spikegen.rate(pictures, num_steps=chosen.time_steps)), labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    return run


def our_training(chosen: Net, root: str | None, device: torch.device) -> Train:
    """The package's own training."""
    reuse_large_blocks()
    if root is None:
        generator = torch.Generator().manual_seed(0)
        images = torch.randint(256, (256, *INPUT), generator=generator).to(torch.uint8)
        data = LabelledSamples.of_images(images, torch.arange(256) % 10)
    else:
        data = load_dataset("fashion-mnist", Path(root)).train
    source = Source(data.to(device), torch.arange(len(data), device=device), chosen.batch, chosen.time_steps)
    network = our_network(chosen, device)
    batches = source.training(0)
    stimulus = source.stimulus(chosen.spec, 0, augment=False)
    mode = Mode.of_settings(Training(epochs=1))  # what a run has without further settings

    def run(count: int) -> None:
        train(network, chosen.spec, batches, stimulus, Budget(steps=count), mode=mode)

    return run


def serve(
    connection: Connection, kind: str, name: str, root: str | None, device: str, threads: int, quick: bool
) -> None:
    """A process that trains as many batches as it is told, again and again."""
    torch.set_num_threads(threads)
    make = spenser_training if kind == THEIRS else our_training
    run = make(net(name, quick), root, torch.device(device))
    run(1)
    connection.send("ready")
    while count := connection.recv():
        run(count)
        if device == "cuda":
            torch.cuda.synchronize()
        connection.send("done")


class Team:
    """The processes of one variant; `run` divides the batches among them."""

    def __init__(self, kind: str, size: int, *values: Any) -> None:
        context = get_context("spawn")
        self._ends, self._processes = [], []
        for _ in range(size):
            ours, theirs = context.Pipe()
            process = context.Process(target=serve, args=(theirs, kind, *values), daemon=True)
            process.start()
            theirs.close()
            self._ends.append(ours)
            self._processes.append(process)

    def wait(self) -> None:
        """Returns when all have done what they were last told. Raises EOFError if a process has ended."""
        for end in self._ends:
            end.recv()

    def run(self, batches: int) -> None:
        """Returns when all are done, see `wait`."""
        for end in self._ends:
            end.send(batches // len(self._ends))
        self.wait()

    def close(self) -> None:
        """Ends the processes; one that has failed has ended already."""
        for end in self._ends:
            with suppress(OSError):
                end.send(0)
        for process in self._processes:
            process.join()


def measure_net(name: str, options: Any, cores: int, workers: int) -> dict[str, Any]:
    """Seconds a batch of the three variants, in interleaved blocks."""
    root = None if options.data_root is None else str(options.data_root)
    shared = (name, root, options.device.type)
    blocks, wanted = (1, 1) if options.quick else BLOCKS[name]
    block = workers * max(1, wanted // workers)  # each has as many
    samples: Samples = {}
    with ExitStack() as stack:
        # (processes, threads of each); --quick spares itself a process that does the same as the workers.
        sizes = {THEIRS: (1, cores), OURS: (1, cores), WORKERS: (workers, 1)}
        if options.quick:
            del sizes[OURS]
        teams = {}
        for variant, (size, threads) in sizes.items():
            teams[variant] = Team(variant, size, *shared, threads, options.quick)
            stack.callback(teams[variant].close)
        for team in teams.values():
            team.wait()
        for number in range(blocks):
            for variant in list(teams) if number % 2 == 0 else reversed(list(teams)):
                begun = time.perf_counter()
                teams[variant].run(block)
                samples.setdefault(variant, []).append((time.perf_counter() - begun) / block)
    return {
        "net": name,
        "cores": cores,
        "workers": workers,
        "batch": net(name, options.quick).batch,
        "batches": blocks * block,
        "seconds_a_batch": {variant: summary(values) for variant, values in samples.items()},
        "times_faster": {
            variant: summary(ratios(samples, THEIRS, variant)) for variant in samples if variant != THEIRS
        },
    }


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Measures nets A and B."""
    extra = ("--data-root", {"type": Path, "help": "folder that holds FashionMNIST/raw"})
    options = arguments(__doc__, argv, extra)
    if options.data_root is None and not options.quick:
        raise input_error("--data-root", "missing", "Name the folder that holds FashionMNIST/raw.")
    # All cores whatever --threads says: this is about the whole machine.
    cores = 1 if options.quick else (os.cpu_count() or 1)
    workers = GPU_WORKERS if options.device.type == "cuda" else cores
    rows = [measure_net(name, options, cores, workers) for name in (("B",) if options.quick else ("A", "B"))]
    data = "random images" if options.data_root is None else "Fashion-MNIST, training part"
    results = save(options, "epoch", data, rows, batches_an_epoch=EPOCH)
    print(tables(results))
    return results


def tables(results: dict[str, Any]) -> str:
    """In Markdown."""
    lines = []
    for row in results["rows"]:
        for variant, seconds in row["seconds_a_batch"].items():
            faster = row["times_faster"].get(variant)
            lines.append(
                [
                    row["net"],
                    variant,
                    f"{1000 * seconds['median']:.1f}",
                    "{:.1f} to {:.1f}".format(*(1000 * value for value in seconds["range"])),
                    f"{row['batch'] / seconds['median']:.0f}",
                    f"{seconds['median'] * results['batches_an_epoch']:.0f}",
                    f"{faster['median']:.2f}" if faster else "",
                ]
            )
    header = ["net", "variant", "ms a batch", "range", "images a second", "s an epoch", "times faster"]
    return table(header, lines)


if __name__ == "__main__":
    run_script(main)
