"""How long the contenders take on this machine: one after the other, when no worker runs."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from spenser_gee.assessment.latency import latency
from spenser_gee.comparison.contenders import Contender
from spenser_gee.comparison.folder import ComparisonFolder
from spenser_gee.comparison.ground import Ground
from spenser_gee.comparison.results import LatencyResults
from spenser_gee.network.backends import use_backend
from spenser_gee.network.build import build_network
from spenser_gee.network.memory import reuse_large_blocks
from spenser_gee.training.source import source_of

BATCH = 64  # of the throughput


def measure_latencies(folder: ComparisonFolder, contenders: Sequence[Contender], ground: Ground) -> None:
    """Of those that have none yet. The time of a network does not depend on its weights: they are as at birth.

    None where a network does not run here, for want of memory above all: that ends nothing.
    """
    known = folder.latencies()
    missing = [c for c in contenders if not c.problem and c.name not in known]
    if not missing:
        return
    reuse_large_blocks()
    use_backend(ground.backend)
    torch.set_num_threads(ground.threads)
    for contender in missing:
        try:
            known[contender.name] = _measure(contender, ground)
        except (RuntimeError, MemoryError):  # torch's want of memory is a RuntimeError
            known[contender.name] = None
        folder.write_latencies(known)


def _measure(contender: Contender, ground: Ground) -> LatencyResults:
    source = source_of(ground.data.test, ground.settings, ground.device, BATCH)
    plan = contender.plan(ground.data.input_shape, ground.data.class_count)
    network = build_network(plan, source.time_steps, seed=0).to(ground.device)
    images, _ = next(source.once())
    signal = source.stimulus(contender.spec, 0, augment=False)(images)
    found = latency(network, signal, batch_size=BATCH)
    return LatencyResults(
        single_ms=1000 * found.seconds,
        single_ms_quartiles=(1000 * found.lower, 1000 * found.upper),
        batch=found.batch_size,
        throughput=found.throughput,
        threads=found.threads,
        device=found.device,
    )
