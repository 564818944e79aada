"""Does the inner search pay? Its arms and their controls on Fashion-MNIST, and inheritance over a lineage.

    python experiments/inner_search.py --data-root DATA --out docs/results/inner_search.json

Nets: S has 4 and D has 9 gene-encoded 3x3 convolutions after an ordinary first one, without (0) and with (1) batch
norm; T = 4, g = 16, direct input coding. Every arm trains for the same number of steps from another start;
accuracy is measured on images that neither the search nor the training sees. Prints tables in Markdown.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from pathlib import Path
from typing import Any

import torch

from spenser_gee.atomic import write_json
from spenser_gee.config import Data
from spenser_gee.data import load_dataset
from spenser_gee.errors import run_script
from spenser_gee.fitness.evaluator import Task
from spenser_gee.fitness.task import make_task
from spenser_gee.initialisation.evolve import (
    FORWARD_COST,
    Initialisation,
    InnerRecord,
    ParentGenes,
    Trial,
    evolve_start,
)
from spenser_gee.initialisation.start import GeneStart, plain_start
from spenser_gee.network.build import SpikingNetwork, build_network
from spenser_gee.phenotype.plan import plan_network
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.keys import CLASSES
from spenser_gee.phenotype.words.layers import LIF, BatchNorm, Conv, FullyConnected, GlobalPool, Layer
from spenser_gee.phenotype.words.training import Adam, CEMembrane, CosineRate, Genes, Input
from spenser_gee.rng import derive_seed, stream
from spenser_gee.training.measure import measure
from spenser_gee.training.train import Budget, train

STEPS = 120
SEARCH = Initialisation(budget_share=None, guard_batches=0, inherit="none")
ARMS = {
    "N(0, 1): the paper's Random": SEARCH.model_copy(update={"terms": "random"}),
    "variance-preserving": SEARCH.model_copy(update={"terms": "off"}),
    "CMA-ES on L": SEARCH.model_copy(update={"terms": "L"}),
    "CMA-ES on L + r1": SEARCH.model_copy(update={"terms": "L+r1"}),
    "CMA-ES on L + r2": SEARCH.model_copy(update={"terms": "L+r2"}),
    "CMA-ES on L + r1 + r2": SEARCH.model_copy(update={"terms": "L+r1+r2"}),
    "CMA-ES on L + r1 + r2, guarded": SEARCH.model_copy(update={"guard_batches": 2}),
}
DRAWS = "best of 40 draws from variance-preserving, at equal compute"
LONGER = "variance-preserving, the search's compute spent on training"
DENSE = "dense twin (ordinary weights)"


def network_spec(
    channels: list[tuple[int, int]], norm: bool, weights: str = "gene", beta: float = 0.9
) -> NetworkSpec:
    """Units of conv - [batch norm] - LIF with (filters, stride), global pooling, classifier."""
    neuron = LIF(beta=beta)
    units: list[tuple[Layer, ...]] = []
    for filters, stride in [(16, 2), *channels]:
        conv = Conv(filters, 3, stride, bias=False, weights=weights)
        units.append((conv, BatchNorm(), neuron) if norm else (conv, neuron))
    units.append((GlobalPool(), FullyConnected(CLASSES), neuron))
    return NetworkSpec(
        tuple(units),
        Genes(16),
        Input("direct"),
        loss=CEMembrane(),
        optimiser=Adam(lr=0.01),
        schedule=CosineRate(),
    )


S = [(16, 1), (32, 2), (32, 1), (32, 1)]
D = [(16, 1), (16, 1), (16, 1), (32, 2), (32, 1), (32, 1), (32, 1), (32, 1), (32, 1)]
LINEAGES = [
    ("none", "off"),
    ("distribution", "L+r1+r2"),
    ("trained", "off"),
    ("trained", "L+r1+r2"),
    ("weights", "off"),
    ("weights", "L+r1+r2"),
]
# A short lineage: a unit is added, the decay changes, a unit is removed, the last units are widened.
LINEAGE = [
    (S, 0.9),
    ([*S[:2], (32, 1), *S[2:]], 0.9),
    ([*S[:2], (32, 1), *S[2:]], 0.7),
    (S, 0.7),
    ([*S[:3], (48, 1)], 0.7),
]


def train_and_measure(
    network: SpikingNetwork, spec: NetworkSpec, task: Task, steps: int, seed: int
) -> dict[str, float]:
    """Accuracy on the held-out images after `steps` of training."""
    record = train(
        network,
        spec,
        task.evo_train.training(seed),
        task.evo_train.stimulus(spec, seed, augment=False),
        Budget(steps=steps),
    )
    result = measure(network, spec, task.fitness.once(), task.fitness.stimulus(spec, seed, augment=False))
    return {"accuracy": result.accuracy, "loss": result.loss, "finite": float(record.outcome == "complete")}


def newborn(spec: NetworkSpec, task: Task, seed: int) -> SpikingNetwork:
    """The network before its genes are set."""
    plan = plan_network(spec, task.input_shape, task.classes)
    return build_network(plan, task.evo_train.time_steps, derive_seed(seed, "weights"))


def run_arm(arm: str, spec: NetworkSpec, task: Task, seed: int, search_cost: float) -> dict[str, Any]:
    """One training of one arm."""
    network = newborn(spec, task, seed)
    steps, cost, chosen = STEPS, 0.0, ""
    if arm in ARMS:
        record = evolve_start(network, task.evo_train, ARMS[arm], STEPS, derive_seed(seed, "start"))
        cost, chosen = record.cost, record.chosen
    elif arm == DRAWS:
        best_of_draws(network, task, derive_seed(seed, "start"))
        cost = search_cost
    elif arm == LONGER:
        evolve_start(
            network,
            task.evo_train,
            SEARCH.model_copy(update={"terms": "off"}),
            STEPS,
            derive_seed(seed, "start"),
        )
        steps += round(search_cost)
    return {
        "search_cost": cost,
        "steps": steps,
        "chosen": chosen,
        **train_and_measure(network, spec, task, steps, seed),
    }


def best_of_draws(network: SpikingNetwork, task: Task, seed: int) -> None:
    """The start with the lowest loss of as many independent draws as CMA-ES evaluates, on the same batches."""
    frame, first = plain_start(network.plan, seed)
    trial = Trial(network, task.evo_train, frame, SEARCH.steps, seed)
    draws: list[GeneStart] = []
    losses: list[float] = []
    for number in range(SEARCH.generations * SEARCH.population):
        draw_seed = derive_seed(seed, "draw", number)
        G = stream(draw_seed, "G").normal(0.0, frame.sigma_G, first.G.shape)
        draws.append(GeneStart(first.beta1, first.beta2, G, draw_seed))
        losses.append(trial.terms(draws[-1], derive_seed(seed, "draw batches"), batches=1).loss)
    trial.restore()
    frame.apply(network, draws[losses.index(min(losses))])


def run_lineage(mode: str, terms: str, norm: bool, task: Task, seed: int) -> list[float]:
    """Accuracies along the lineage, each network trained for STEPS from its parent's genes."""
    parent: ParentGenes | None = None
    accuracies = []
    for generation, (channels, beta) in enumerate(LINEAGE):
        spec = network_spec(channels, norm, beta=beta)
        network = newborn(spec, task, derive_seed(seed, "lineage", generation))
        settings = SEARCH.model_copy(update={"terms": terms, "inherit": mode, "guard_batches": 2})  # type: ignore[arg-type]
        record: InnerRecord = evolve_start(
            network,
            task.evo_train,
            settings,
            STEPS,
            derive_seed(seed, "start", generation),
            parent,
        )
        draw = derive_seed(seed, "lineage", generation)
        accuracies.append(train_and_measure(network, spec, task, STEPS, draw)["accuracy"])
        assert record.start is not None
        parent = ParentGenes(network.plan, record.start, network.state_dict())
    return accuracies


def main() -> None:
    """Runs everything that the output file does not have yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("docs/results/inner_search.json"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--nets", default="S1,D1,S0,D0")
    parser.add_argument("--lineages", default="S1")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = load_dataset("fashion-mnist", options.data_root)
    settings = Data(
        dataset="fashion-mnist", time_steps=4, batch_size=64, train_subset=15_000, fitness_share=0.2
    )
    results = json.loads(options.out.read_text()) if options.out.exists() else {"arms": [], "lineage": []}
    results["settings"] = {
        "steps": STEPS,
        "batch_size": 64,
        "time_steps": 4,
        "search": SEARCH.model_dump(),
        "held_out_images": 3000,
        "torch": torch.__version__,
        "machine": platform.machine(),
        "threads": 1,
    }
    done = {(r["net"], r["arm"], r["seed"]) for r in results["arms"]}
    lines = {(r["net"], r["mode"], r["terms"], r["seed"]) for r in results["lineage"]}
    cost = SEARCH.generations * SEARCH.population * (SEARCH.steps + FORWARD_COST)
    for seed in range(options.seeds):
        task = make_task(data.train, data.class_count, settings, seed, torch.device("cpu"))
        for net in options.nets.split(","):
            norm = net.endswith("1")
            for arm in [*ARMS, DRAWS, LONGER, DENSE]:
                if (net, arm, seed) in done:
                    continue
                weights = "direct" if arm == DENSE else "gene"
                spec = network_spec(S if net[0] == "S" else D, norm, weights)
                begun = time.monotonic()
                row = run_arm(arm, spec, task, derive_seed(seed, "inner search benchmark"), cost)
                results["arms"].append(
                    {"net": net, "arm": arm, "seed": seed, **row, "seconds": time.monotonic() - begun}
                )
                write_json(options.out, results)
            for mode, terms in LINEAGES:
                if net not in options.lineages.split(",") or (net, mode, terms, seed) in lines:
                    continue
                accuracies = run_lineage(mode, terms, norm, task, derive_seed(seed, "lineage benchmark"))
                results["lineage"].append(
                    {"net": net, "mode": mode, "terms": terms, "seed": seed, "accuracies": accuracies}
                )
                write_json(options.out, results)
    print(tables(results))


def tables(results: dict[str, Any]) -> str:
    """The two tables in Markdown: mean accuracy in per cent over the seeds, and its standard deviation."""
    nets = list(dict.fromkeys(r["net"] for r in results["arms"]))
    text = ["| start | " + " | ".join(nets) + " |", "|---|" + "---|" * len(nets)]
    for arm in [*ARMS, DRAWS, LONGER, DENSE]:
        cells = [
            _cell([r["accuracy"] for r in results["arms"] if (r["net"], r["arm"]) == (net, arm)])
            for net in nets
        ]
        text.append(f"| {arm} | " + " | ".join(cells) + " |")
    text += [
        "",
        "| inherit | search | net | " + " | ".join(f"generation {i}" for i in range(len(LINEAGE))) + " |",
        "|---|---|---|" + "---|" * len(LINEAGE),
    ]
    for key in dict.fromkeys((r["net"], r["mode"], r["terms"]) for r in results["lineage"]):
        rows = [r["accuracies"] for r in results["lineage"] if (r["net"], r["mode"], r["terms"]) == key]
        cells = [_cell([row[i] for row in rows]) for i in range(len(LINEAGE))]
        text.append(f"| {key[1]} | {key[2]} | {key[0]} | " + " | ".join(cells) + " |")
    return "\n".join(text)


def _cell(values: list[float]) -> str:
    if not values:
        return "-"
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{100 * statistics.mean(values):.1f} ± {100 * spread:.1f}"


if __name__ == "__main__":
    run_script(main)
