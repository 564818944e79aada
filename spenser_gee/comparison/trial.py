"""One contender trained once and measured: what a worker of the comparison does."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from spenser_gee.assessment.energy import energy
from spenser_gee.assessment.operations import count_operations
from spenser_gee.assessment.robustness import robustness
from spenser_gee.comparison.request import Assessed
from spenser_gee.config import Initialisation, Training
from spenser_gee.data import map_images
from spenser_gee.evaluation import Evaluation, Status
from spenser_gee.fitness.task import DataSettings, choose_device, source_of
from spenser_gee.initialisation.from_birth import train_from_birth
from spenser_gee.network.backends import use_backend
from spenser_gee.network.build import SpikingNetwork
from spenser_gee.network.memory import bound_primitive_cache, reuse_large_blocks
from spenser_gee.phenotype.plan import plan_network
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.rng import derive_seed
from spenser_gee.training.measure import measure
from spenser_gee.training.mode import Mode
from spenser_gee.training.source import Source
from spenser_gee.training.train import Budget


@dataclass(frozen=True, eq=False)
class _Bench:
    """What all trials of a worker have in common."""

    learned: Source
    tested: Source
    assessed_on: Source
    inner: Initialisation
    mode: Mode
    assessed: Assessed
    classes: int


def make_evaluate(
    train_images: Mapping[str, Any],
    test_images: Mapping[str, Any],
    classes: int,
    data: Mapping[str, Any],
    initialisation: Mapping[str, Any],
    training: Mapping[str, Any],
    assessed: Mapping[str, Any],
    device: str,
    backend: str,
    threads: int,
) -> Callable[[Mapping[str, Any], float], Evaluation]:
    """Maps the images (`SharedImages.address`); returns evaluate(payload, deadline).

    The payload: spec, seed (of all draws), steps or seconds (the budget; what the inner search takes is a part of
    it). The fitness of the evaluation is the accuracy on Test.
    """
    reuse_large_blocks()
    bound_primitive_cache()
    use_backend(backend)
    torch.set_num_threads(threads)
    place, settings, wanted = choose_device(device), DataSettings(**data), Assessed(**assessed)
    test = map_images(**test_images)
    bench = _Bench(
        source_of(map_images(**train_images), settings, place),
        source_of(test, settings, place),
        source_of(test, settings, place, wanted.images),
        Initialisation(**initialisation),
        Mode.of_settings(Training(**training)),
        wanted,
        classes,
    )

    def run(payload: Mapping[str, Any], deadline: float) -> Evaluation:
        return _trial(payload, bench, deadline)

    return run


def _trial(payload: Mapping[str, Any], bench: _Bench, deadline: float) -> Evaluation:
    spec, seed = NetworkSpec.from_dict(payload["spec"]), int(payload["seed"])
    channels, height, width = bench.learned.data.images.shape[1:]
    plan = plan_network(spec, (channels, height, width), bench.classes)
    grown = train_from_birth(
        plan,
        bench.learned,
        Budget(payload["steps"], payload["seconds"]),
        bench.inner,
        seed,
        mode=bench.mode,
        deadline=deadline,
        start_is_paid=True,
    )
    network, record, cost = grown.network, grown.training, grown.cost
    if record.outcome != "complete":
        status: Status = "timed_out" if record.outcome == "timed_out" else "failed"
        return Evaluation(status, cost=cost, reason=record.reason)
    result = measure(
        network,
        spec,
        bench.tested.once(),
        bench.tested.stimulus(spec, derive_seed(seed, "test"), augment=False),
        bench.mode,
    )
    if not math.isfinite(result.loss):
        return Evaluation("failed", cost=cost, reason=f"the loss on Test is {result.loss}")
    details = _assess(network, spec, bench, seed)
    details["layer_rates"] = list(result.firing_rates)
    return Evaluation(
        "complete",
        {"fitness": result.accuracy},
        cost,
        details=details,
        measures={"loss": result.loss},
        curve=record.curve,
    )


def _assess(network: SpikingNetwork, spec: NetworkSpec, bench: _Bench, seed: int) -> dict[str, Any]:
    """Operations, energies and robustness on the first test images; JSON-able."""
    source = bench.assessed_on
    stimulus = source.stimulus(spec, derive_seed(seed, "operations"), augment=False)
    counted = count_operations(network, (stimulus(images) for images, _ in source.once()))
    picojoules = energy(counted)
    found = robustness(
        network,
        spec,
        source.once,
        derive_seed(seed, "robustness"),
        noise=bench.assessed.noise,
        drop=bench.assessed.drop,
        mode=bench.mode,
    )
    return {
        "operations": counted.to_dict(),
        "sops": counted.sops,
        "macs": counted.macs,
        "spikes": counted.spikes,
        "firing_rate": counted.spikes / counted.neuron_updates,
        **{f"energy_{name}_nj": value / 1000 for name, value in picojoules.to_dict().items()},
        "robustness": {
            "noise": [[0.0, found.clean], *([x.level, x.accuracy] for x in found.noise)],
            "spike_drop": [[0.0, found.clean], *([x.level, x.accuracy] for x in found.drop)],
            "images": found.count,
        },
    }
