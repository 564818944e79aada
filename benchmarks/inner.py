"""One generation of the inner search: P starts one by one, side by side, and as the package chooses between them.

    python benchmarks/inner.py --out docs/results/performance/inner.json

tiny: two gene-encoded convolutions of 8 channels on 8 x 8 digits, batch 16. medium: four of 16 and 32 channels on
28 x 28 random images, batch 64. T = 4, g = 16, direct coding, 4 training steps a start. About 1 minute on two cores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from measure import QUICK, Pace, arguments, interleave, ratios, save, summary, table

from spenser_gee.config import Training
from spenser_gee.data import Samples, load_dataset
from spenser_gee.errors import run_script
from spenser_gee.initialisation.evolve import Trial
from spenser_gee.initialisation.objective import Terms
from spenser_gee.initialisation.start import GeneStart, plain_start
from spenser_gee.network.build import build_network
from spenser_gee.network.memory import reuse_large_blocks
from spenser_gee.phenotype.plan import plan_network
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.keys import CLASSES
from spenser_gee.phenotype.words.layers import LIF, BatchNorm, Conv, FullyConnected, GlobalPool, Layer
from spenser_gee.phenotype.words.training import CEMembrane, Genes, Input
from spenser_gee.rng import derive_seed, stream
from spenser_gee.training.mode import Mode
from spenser_gee.training.source import Source

TIME_STEPS, TRAINING_STEPS = 4, 4
POPULATIONS = (4, 8, 16)
ONE_BY_ONE, SIDE_BY_SIDE, CHOSEN = "one by one", "side by side", "as chosen"
PACE = Pace(8.0, least=5, most=15)


@dataclass(frozen=True)
class Size:
    """Gene-encoded convolutions as (filters, stride), and the batch."""

    convolutions: tuple[tuple[int, int], ...]
    batch: int


NETS = {
    "tiny": Size(((8, 1), (8, 2)), 16),
    "medium": Size(((16, 2), (16, 1), (32, 2), (32, 1)), 64),
}


def data_of(name: str, device: torch.device) -> Samples:
    """Digits for the tiny net, random images for the medium one."""
    if name == "tiny":
        return load_dataset("digits", None).train.to(device)
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (2048, 1, 28, 28), generator=generator).to(torch.uint8)
    return Samples.of_images(images, torch.arange(2048) % 10).to(device)


def network_spec(size: Size) -> NetworkSpec:
    """Units of conv - batch norm - LIF, global pooling, classifier."""
    neuron = LIF()
    units: list[tuple[Layer, ...]] = [
        (Conv(filters, 3, stride, bias=False, weights="gene"), BatchNorm(), neuron)
        for filters, stride in size.convolutions
    ]
    units.append((GlobalPool(), FullyConnected(CLASSES), neuron))
    return NetworkSpec(tuple(units), Genes(16), Input("direct"), loss=CEMembrane())


def trial_of(name: str, device: torch.device) -> tuple[Trial, list[GeneStart]]:
    """A trial of a net, and as many different starts as the largest population."""
    size, data = NETS[name], data_of(name, device)
    shape = data.images.shape
    plan = plan_network(network_spec(size), (int(shape[1]), int(shape[2]), int(shape[3])), 10)
    network = build_network(plan, TIME_STEPS, seed=0).to(device)
    source = Source(data, torch.arange(len(data), device=device), size.batch, TIME_STEPS)
    frame, first = plain_start(plan, seed=0)
    starts = []
    for number in range(max(POPULATIONS)):
        seed = derive_seed(0, "benchmark", number)
        G = stream(seed, "G").normal(0.0, frame.sigma_G, first.G.shape)
        starts.append(replace(first, G=G, seed=seed))
    mode = Mode.of_settings(Training(epochs=1))  # what a run has without further settings
    return Trial(network, source, frame, TRAINING_STEPS, seed=0, mode=mode), starts


def variants(trial: Trial, starts: Sequence[GeneStart]) -> dict[str, Callable[[], list[Terms]]]:
    """The ways to the terms of these starts."""

    def generation(at_once: int | None) -> Callable[[], list[Terms]]:
        def run() -> list[Terms]:
            trial.at_once = at_once
            return trial.generation(starts, 0)

        return run

    return {
        ONE_BY_ONE: generation(1),
        SIDE_BY_SIDE: generation(len(starts)),
        CHOSEN: generation(None),
    }


def measure_net(
    name: str, populations: Sequence[int], pace: Pace, device: torch.device
) -> list[dict[str, Any]]:
    """One row for each population."""
    trial, starts = trial_of(name, device)
    rows = []
    for population in populations:
        runs = variants(trial, starts[:population])
        # A dead start is not trained: its time would say nothing.
        dead = sum(terms.dead for terms in runs[ONE_BY_ONE]())
        samples = interleave(runs, pace, device)
        rows.append(
            {
                "net": name,
                "population": population,
                "dead": dead,
                "seconds": {variant: summary(values) for variant, values in samples.items()},
                "times_faster": {
                    variant: summary(ratios(samples, ONE_BY_ONE, variant))
                    for variant in (SIDE_BY_SIDE, CHOSEN)
                },
            }
        )
    return rows


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Measures both nets."""
    options = arguments(__doc__, argv)
    reuse_large_blocks()
    rows = []
    for name in ("tiny",) if options.quick else NETS:
        populations = (2,) if options.quick else POPULATIONS
        rows += measure_net(name, populations, QUICK if options.quick else PACE, options.device)
    results = save(options, "inner", "digits (tiny), random images (medium)", rows)
    print(tables(results))
    return results


def tables(results: dict[str, Any]) -> str:
    """In Markdown."""
    lines = [
        [
            row["net"],
            str(row["population"]),
            str(row["dead"]),
            f"{1000 * row['seconds'][ONE_BY_ONE]['median']:.0f}",
            variant,
            f"{1000 * row['seconds'][variant]['median']:.0f}",
            f"{faster['median']:.2f}",
            "{:.2f} to {:.2f}".format(*faster["quartiles"]),
        ]
        for row in results["rows"]
        for variant, faster in row["times_faster"].items()
    ]
    header = [
        "net",
        "P",
        "dead starts",
        "one by one, ms",
        "variant",
        "ms",
        "times faster",
        "quartiles",
    ]
    return table(header, lines)


if __name__ == "__main__":
    run_script(main)
