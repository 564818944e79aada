"""One contender trained once and measured: what a worker of the comparison does."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from spenser_gee.assessment.energy import energy
from spenser_gee.assessment.operations import count_operations
from spenser_gee.assessment.robustness import robustness
from spenser_gee.comparison.finished import Disturbed, Measured
from spenser_gee.comparison.orders import TrialOrder, TrialStart
from spenser_gee.data import open_data
from spenser_gee.evaluation import Evaluation, Status
from spenser_gee.execution import Evaluate
from spenser_gee.initialisation.from_birth import train_from_birth
from spenser_gee.network.backends import use_backend
from spenser_gee.network.build import SpikingNetwork
from spenser_gee.network.denormals import start_threads
from spenser_gee.network.device import choose_device
from spenser_gee.network.memory import bound_primitive_cache, reuse_large_blocks
from spenser_gee.phenotype.plan import plan_network
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.rng import derive_seed
from spenser_gee.runs.typed import from_json, to_json
from spenser_gee.training.measure import Measurement, measure
from spenser_gee.training.source import Source, source_of
from spenser_gee.training.train import Budget, TrainingRecord


@dataclass(frozen=True, eq=False)
class _Bench:
    """What all trials of a worker have in common."""

    told: TrialStart
    learned: Source
    tested: Source
    assessed_on: Source


def make_trial(**start: Any) -> Evaluate:
    """Maps the images; returns evaluate(payload, deadline). start, payload: a `TrialStart` and a `TrialOrder` as JSON.

    The fitness of an evaluation is the accuracy on Test; its details are what was `Measured`.
    """
    told = from_json(TrialStart, start)
    settings = told.settings
    reuse_large_blocks()
    bound_primitive_cache()
    use_backend(settings.backend)
    torch.set_num_threads(settings.threads)
    start_threads()
    place, test = choose_device(settings.device), open_data(told.test)
    bench = _Bench(
        told,
        source_of(open_data(told.train), told.data, place),
        source_of(test, told.data, place),
        source_of(test, told.data, place, settings.assessed.images),
    )

    def run(payload: Mapping[str, Any], deadline: float) -> Evaluation:
        return _trial(from_json(TrialOrder, payload), bench, deadline)

    return run


def _trial(order: TrialOrder, bench: _Bench, deadline: float) -> Evaluation:
    spec, seed, source, told = order.spec, order.seed, bench.learned, bench.told
    plan = plan_network(spec, source.data.input_shape, told.classes)
    grown = train_from_birth(
        plan,
        source,
        Budget(order.steps, order.seconds),
        told.settings.initialisation,
        seed,
        mode=told.mode,
        deadline=deadline,
        start_is_paid=True,
    )
    network, record = grown.network, grown.training
    cost = {**grown.cost, "training_seconds": grown.start_seconds + record.seconds}
    if record.outcome != "complete":
        status: Status = "timed_out" if record.outcome == "timed_out" else "failed"
        return Evaluation(status, cost=cost, reason=record.reason)
    result = measure(
        network,
        spec,
        bench.tested.once(),
        bench.tested.stimulus(spec, derive_seed(seed, "test"), augment=False),
        told.mode,
    )
    if not math.isfinite(result.loss):
        return Evaluation("failed", cost=cost, reason=f"the loss on Test is {result.loss}")
    measured = _assess(network, spec, bench, seed, result, record)
    objectives = {"fitness": result.accuracy, "loss": result.loss}
    return Evaluation("complete", objectives, cost, details=to_json(measured))


def _assess(
    network: SpikingNetwork,
    spec: NetworkSpec,
    bench: _Bench,
    seed: int,
    result: Measurement,
    record: TrainingRecord,
) -> Measured:
    """Operations, energies and robustness on the first test images, beside what training and test have told."""
    source, assessed = bench.assessed_on, bench.told.settings.assessed
    stimulus = source.stimulus(spec, derive_seed(seed, "operations"), augment=False)
    counted = count_operations(network, (stimulus(images) for images, _ in source.once()))
    picojoules = energy(counted)
    found = robustness(
        network,
        spec,
        source.once,
        derive_seed(seed, "robustness"),
        noise=assessed.noise,
        drop=assessed.drop,
        mode=bench.told.mode,
    )
    clean = (0.0, found.clean)
    return Measured(
        operations=counted,
        sops=counted.sops,
        macs=counted.macs,
        spikes=counted.spikes,
        firing_rate=counted.spikes / counted.neuron_updates,
        energy_gee_eq17_nj=picojoules.gee_eq17 / 1000,
        energy_operations_nj=picojoules.operations / 1000,
        energy_with_memory_nj=picojoules.with_memory / 1000,
        energy_dense_ann_nj=picojoules.dense_ann / 1000,
        robustness=Disturbed(
            noise=(clean, *((x.level, x.accuracy) for x in found.noise)),
            spike_drop=(clean, *((x.level, x.accuracy) for x in found.drop)),
            images=found.count,
        ),
        layer_rates=result.firing_rates,
        curve=record.curve,
    )
