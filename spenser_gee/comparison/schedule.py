"""The trials of a comparison: which are due, and their way through the workers."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from spenser_gee.comparison.contenders import Contender
from spenser_gee.comparison.ground import Ground
from spenser_gee.comparison.orders import TrialOrder, TrialStart
from spenser_gee.comparison.recipes import Arm, arm_spec
from spenser_gee.comparison.settings import Settings
from spenser_gee.data import SharedSamples
from spenser_gee.evaluation import Evaluation
from spenser_gee.execution import Job, WorkerStart, open_executor
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.rng import derive_seed
from spenser_gee.runs.typed import to_json
from spenser_gee.training.mode import Mode

Key = tuple[str, Arm, int]
"""Contender, recipe, number of the seed."""


@dataclass(frozen=True)
class Due:
    """One training to do, and all the trials that it is: with the common recipe as its own, a network has one result."""

    keys: tuple[Key, ...]
    order: TrialOrder


def due_trials(
    contenders: Sequence[Contender],
    arms: Sequence[Arm],
    seeds: int,
    ground: Ground,
    done: Container[Key],
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
        # One draw for all contenders: the same order of batches, and the same noise.
        drawn = derive_seed(ground.config.seed, "comparison", seed)
        for spec, keys in equal.items():
            found.append(Due(tuple(keys), TrialOrder(spec, drawn, ground.steps, ground.seconds)))
    return found


def carry_out(
    due: Sequence[Due], settings: Settings, ground: Ground, timeout: float | None
) -> Iterator[tuple[tuple[Key, ...], Evaluation]]:
    """The trials and the outcome of each training as it finishes."""
    if not due:
        return
    search = ground.config.search
    # Held here for as long as workers start.
    train, test = SharedSamples(ground.data.train), SharedSamples(ground.data.test)
    start = TrialStart(
        train=train.handle,
        test=test.handle,
        classes=ground.data.class_count,
        data=ground.settings,
        mode=Mode.of_settings(ground.config.training),
        settings=settings,
    )
    worker = WorkerStart(
        "spenser_gee.comparison.trial:make_trial", to_json(start), (train.descriptor, test.descriptor)
    )
    jobs = [Job(number, to_json(training.order)) for number, training in enumerate(due)]
    with open_executor(worker, search.workers, timeout, search.recycle) as executor:
        for number, evaluation in executor.run(jobs):
            yield due[number].keys, evaluation
