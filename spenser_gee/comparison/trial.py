"""One contender trained once and measured: what a worker of the comparison does."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from spenser_gee.assessment.energy import energy
from spenser_gee.assessment.operations import count_operations
from spenser_gee.assessment.robustness import robustness
from spenser_gee.comparison.request import Assessed
from spenser_gee.config import Data
from spenser_gee.data import DataHandle, open_data
from spenser_gee.evaluation import Evaluation, Status
from spenser_gee.initialisation.evolve import InnerSettings, evolve_start
from spenser_gee.network.backends import use_backend
from spenser_gee.network.build import SpikingNetwork, build_network
from spenser_gee.network.device import choose_device
from spenser_gee.network.memory import bound_primitive_cache, reuse_large_blocks
from spenser_gee.phenotype.plan import plan_network
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.rng import derive_seed
from spenser_gee.training.measure import measure
from spenser_gee.training.mode import Mode
from spenser_gee.training.pace import expected_steps
from spenser_gee.training.source import Source, source_of
from spenser_gee.training.train import Budget, TrainingRecord, train


@dataclass(frozen=True, eq=False)
class _Bench:
    """What all trials of a worker have in common."""

    learned: Source
    tested: Source
    assessed_on: Source
    inner: InnerSettings
    mode: Mode
    assessed: Assessed
    classes: int


def make_evaluate(
    train: DataHandle,
    test: DataHandle,
    classes: int,
    data: Mapping[str, Any],
    initialisation: Mapping[str, Any],
    training: Mapping[str, Any],
    assessed: Mapping[str, Any],
    device: str,
    backend: str,
    threads: int,
) -> Callable[[Mapping[str, Any], float], Evaluation]:
    """Opens the data; returns evaluate(payload, deadline).

    The payload: spec, seed (of all draws), steps or seconds (the budget; what the inner search takes is a part of
    it). The fitness of the evaluation is the accuracy on Test.
    """
    reuse_large_blocks()
    bound_primitive_cache()
    use_backend(backend)
    torch.set_num_threads(threads)
    place, settings, wanted = choose_device(device), Data(**data), Assessed(**assessed)
    tested = open_data(test)
    bench = _Bench(
        source_of(open_data(train), settings, place),
        source_of(tested, settings, place),
        source_of(tested, settings, place, wanted.images),
        InnerSettings(**initialisation),
        Mode.of_settings(training),
        wanted,
        classes,
    )

    def run(payload: Mapping[str, Any], deadline: float) -> Evaluation:
        return _trial(payload, bench, deadline)

    return run


def _trial(payload: Mapping[str, Any], bench: _Bench, deadline: float) -> Evaluation:
    spec, seed = NetworkSpec.from_dict(payload["spec"]), int(payload["seed"])
    plan = plan_network(spec, bench.learned.data.input_shape, bench.classes)
    source = bench.learned
    network = build_network(plan, source.time_steps, derive_seed(seed, "weights")).to(source.device)
    budget = Budget(payload["steps"], payload["seconds"])
    record, cost = _train(network, spec, bench, budget, seed, deadline)
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
    details["curve"] = [list(point) for point in record.curve]
    return Evaluation("complete", {"fitness": result.accuracy, "loss": result.loss}, cost, details=details)


def _train(
    network: SpikingNetwork, spec: NetworkSpec, bench: _Bench, budget: Budget, seed: int, deadline: float
) -> tuple[TrainingRecord, dict[str, float]]:
    """From birth, within the budget: the inner search pays for its steps (or seconds) with those of the training."""
    begin = time.monotonic()
    source, mode = bench.learned, bench.mode
    network.use_generator(torch.Generator(source.device).manual_seed(derive_seed(seed, "start dropout")))
    steps = expected_steps(network, spec, source, budget, derive_seed(seed, "pace"), mode)
    start = evolve_start(
        network,
        network.plan,
        source,
        bench.inner,
        steps,
        derive_seed(seed, "start"),
        mode=mode,
        deadline=deadline,
    )
    left = (
        Budget(seconds=max(0.0, (budget.seconds or 0.0) - (time.monotonic() - begin)))
        if budget.steps is None
        else Budget(steps=max(0, budget.steps - math.ceil(start.cost)))
    )
    network.use_generator(torch.Generator(source.device).manual_seed(derive_seed(seed, "dropout")))
    record = train(
        network,
        spec,
        source.training(seed),
        source.stimulus(spec, derive_seed(seed, "training"), augment=True),
        left,
        deadline=deadline,
        mode=mode,
    )
    cost = {
        "start_steps": start.cost,
        "training_steps": float(record.steps),
        "training_seconds": time.monotonic() - begin,
    }
    return record, cost


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
