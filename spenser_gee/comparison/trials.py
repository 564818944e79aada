"""The trials of a comparison: which are due, and their way through the workers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

from spenser_gee.comparison.contenders import Contender
from spenser_gee.comparison.ground import Ground
from spenser_gee.comparison.recipes import Arm, arm_spec
from spenser_gee.comparison.request import Request
from spenser_gee.data import SharedSamples
from spenser_gee.evaluation import Evaluation
from spenser_gee.execution import Job, WorkerStart, open_executor
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.rng import derive_seed

Key = tuple[str, Arm, int]
"""Contender, recipe, number of the seed."""


@dataclass(frozen=True)
class Due:
    """One training to do, and all the trials that it is: with the common recipe as its own, a network has one result."""

    keys: tuple[Key, ...]
    payload: Mapping[str, Any]


def due_trials(
    contenders: Sequence[Contender],
    arms: Sequence[Arm],
    seeds: int,
    ground: Ground,
    done: Mapping[Key, Evaluation],
) -> list[Due]:
    """What is not trained yet.

    Seed by seed, so that early results are of all contenders, and the longest first, so that at the end none of
    them keeps the other workers waiting.
    """
    shape, classes = ground.data.input_shape, ground.data.class_count
    able = sorted((c for c in contenders if not c.problem), key=lambda c: -c.plan(shape, classes).macs)
    found = []
    for seed in range(seeds):
        equal: dict[NetworkSpec, list[Key]] = {}
        for contender, arm in product(able, arms):
            key: Key = (contender.name, arm, seed)
            if key not in done:
                equal.setdefault(arm_spec(contender.spec, arm), []).append(key)
        found += [Due(tuple(keys), _payload(spec, seed, ground)) for spec, keys in equal.items()]
    return found


def _payload(spec: NetworkSpec, seed: int, ground: Ground) -> dict[str, Any]:
    return {
        "spec": spec.to_dict(),
        # One draw for all contenders: the same order of batches, and the same noise.
        "seed": derive_seed(ground.config.seed, "comparison", seed),
        "steps": ground.steps,
        "seconds": ground.seconds,
    }


def carry_out(
    due: Sequence[Due], request: Request, ground: Ground
) -> Iterator[tuple[tuple[Key, ...], Evaluation]]:
    """The trials and the outcome of each training as it finishes."""
    if not due:
        return
    config, search = ground.config, ground.config.search
    # Held here for as long as workers start.
    train, test = SharedSamples(ground.data.train), SharedSamples(ground.data.test)
    start = WorkerStart(
        "spenser_gee.comparison.trial:make_evaluate",
        {
            "train": train.handle,
            "test": test.handle,
            "classes": ground.data.class_count,
            "data": ground.settings.model_dump(),
            "initialisation": config.initialisation.model_dump(),
            "training": config.training.model_dump(),
            "assessed": asdict(request.assessed),
            "device": str(ground.device),
            "backend": ground.backend,
            "threads": ground.threads,
        },
        (train.descriptor, test.descriptor),
    )
    jobs = [Job(number, training.payload) for number, training in enumerate(due)]
    with open_executor(start, search.workers, request.timeout, search.recycle) as executor:
        for number, evaluation in executor.run(jobs):
            yield due[number].keys, evaluation
