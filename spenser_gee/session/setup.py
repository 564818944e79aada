"""From a configuration to the parts of a run. All that can be wrong with the input is found here, before
anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spenser_gee.config import FITNESS_KINDS, Config, FitnessKind, Mutation
from spenser_gee.data import Dataset, Identity, SharedSamples, load_data, open_data, resolve_data, split
from spenser_gee.errors import input_error
from spenser_gee.execution import WorkerStart
from spenser_gee.genotype import (
    RELATIVE_RATES,
    SPENSER_RATES,
    FewChanges,
    Genotype,
    Rates,
    cross,
    genotype_from_sentence,
    mutate,
    sample_genotype,
    sentence_of,
)
from spenser_gee.genotype.sample import check_sizes
from spenser_gee.grammar import Grammar
from spenser_gee.network.backends import resolve_backend
from spenser_gee.network.denormals import start_threads
from spenser_gee.network.device import choose_device
from spenser_gee.phenotype.decode import decode
from spenser_gee.phenotype.features import features, species
from spenser_gee.phenotype.plan import Plan, plan_network
from spenser_gee.phenotype.space import check_size
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.site import Infeasible
from spenser_gee.search import STRATEGIES, Described, Frame, Space, Strategy, make_strategy
from spenser_gee.text import read_text

# As this process began: the cores that it may use, or what OMP_NUM_THREADS says. A search in this process
# changes the number.
_ALL_THREADS = torch.get_num_threads()


@dataclass(frozen=True, eq=False)
class Phenotype:
    """What a genotype stands for, worked out once: the payload of candidates."""

    spec: NetworkSpec
    plan: Plan


@dataclass(frozen=True, eq=False)
class Setup:
    """Everything that a run is made of.

    identity: of `data`.
    shared: the training images of `data` for workers, who read the same memory.
    config: its section on data has its root resolved.
    backend: of the neurons, resolved.
    """

    config: Config
    grammar: Grammar
    data: Dataset
    identity: Identity
    shared: SharedSamples
    device: torch.device
    backend: str
    space: Space[Genotype]
    strategy: Strategy[Any, Genotype]

    @property
    def threads(self) -> int:
        """Of each process that evaluates candidates.

        The number decides in which order floats are summed, so it must not follow from the number of workers.
        Workers with one thread each are also faster than threads within an operation.
        """
        return self.config.threads or 1

    @property
    def training_threads(self) -> int:
        """Of the training after the search."""
        return self.config.threads or _ALL_THREADS

    def evaluations_from(self, generation: int) -> int:
        """Of the search from this generation on, at most; those of finalists not among them."""
        search = self.config.search
        repeats = STRATEGIES[search.strategy.kind].repeats
        left = max(0, search.generations - generation)
        return left * (search.offspring + repeats) - (repeats if left and generation == 0 else 0)

    @property
    def finalists(self) -> int:
        """Networks that are trained longer in the end, at most."""
        found = self.config.search.finalists
        return found if found > 1 else 0

    @property
    def fitness(self) -> FitnessKind:
        """How candidates are evaluated."""
        return FITNESS_KINDS[self.config.fitness.kind]

    @property
    def worker_start(self) -> WorkerStart:
        """How a worker begins. It needs this object for as long as workers start."""
        return WorkerStart(
            "spenser_gee.fitness.worker:make_evaluate",
            {
                "config": self.config.to_dict(),
                "samples": self.shared.handle,
                "classes": self.data.class_count,
                "device": str(self.device),
                "backend": self.backend,
                "threads": self.threads,
            },
            (self.shared.descriptor,),
        )


def set_up(config: Config, grammar: Grammar, data_root: str | None = None) -> Setup:
    """Loads the data and checks everything. Raises InputError."""
    start_threads()
    config = config.model_copy(update={"data": resolve_data(config.data, data_root)})
    device = choose_device(config.device)
    # Here, not in the workers: it may take seconds the first time, for a build that all of them use.
    backend = resolve_backend(config.backend, device)
    check_sizes(grammar, config.search.sizes)
    data = load_data(config.data)
    # Workers split for themselves: here it is only tried, before anything is written.
    split(data.train.labels, config.seed, config.data.fitness_share, config.data.train_subset)
    # In memory once for all processes, this one too.
    shared = SharedSamples(data.train)
    data = replace(data, train=open_data(shared.handle))
    space = make_space(config, grammar, data)
    start = _start_genotype(config, grammar, space)
    search = config.search
    frame = Frame(
        space,
        config.seed,
        search.offspring,
        start,
        search.redraws,
        config.strives_for,
        search.finalists,
        inherits=config.initialisation.inherit != "none",
    )
    strategy = make_strategy(search.strategy, frame)
    return Setup(config, grammar, data, Identity.of(data), shared, device, backend, space, strategy)


def make_space(config: Config, grammar: Grammar, data: Dataset) -> Space[Genotype]:
    """The search space of a grammar for these data."""
    mutation = mutation_settings(config.search.mutation)
    sizes = dict(config.search.sizes)

    def key(genotype: Genotype) -> NetworkSpec:
        return decode(genotype, grammar)

    def change(genotype: Genotype, rng: np.random.Generator) -> tuple[Genotype, Sequence[str]]:
        mutant = mutate(genotype, grammar, mutation, rng, key)
        return mutant.genotype, mutant.changes

    def mix(first: Genotype, second: Genotype, rng: np.random.Generator) -> tuple[Genotype, Sequence[str]]:
        child = cross(first, second, grammar, rng)
        return child.genotype, child.changes

    def describe(genotype: Genotype) -> Described:
        spec, plan, reason = decode(genotype, grammar), None, None
        try:
            plan = plan_network(spec, data.input_shape, data.class_count)
            check_size(plan, config.search.limits)
        except Infeasible as error:
            reason = str(error)
        found = None if plan is None else Phenotype(spec, plan)
        return Described(sentence_of(genotype, grammar), spec.key(), reason, found)

    return Space(
        sample=lambda rng: sample_genotype(grammar, rng, sizes),
        mutate=change,
        describe=describe,
        to_json=Genotype.to_json,
        from_json=Genotype.from_json,
        cross=mix,
        features=lambda genotype, phenotype: features(genotype, phenotype.plan),
        species=lambda phenotype: species(phenotype.plan),
    )


_PRESETS: dict[str, Rates | FewChanges] = {
    "few-changes": FewChanges(),
    "spenser": SPENSER_RATES,
    "spenser-relative": RELATIVE_RATES,
}


def mutation_settings(section: Mutation) -> Rates | FewChanges:
    """The preset with the configuration's own keys in it."""
    return replace(_PRESETS[section.preset], **section.model_dump(exclude={"preset"}, exclude_none=True))


def _start_genotype(config: Config, grammar: Grammar, space: Space[Genotype]) -> Genotype | None:
    path = config.search.start
    if path is None:
        return None
    genotype = read_sentence(path, grammar)
    reason = space.describe(genotype).infeasible_reason
    if reason is not None:
        raise input_error(path, f"this network cannot be the first parent: {reason}")
    return genotype


def read_sentence(path: str | Path, grammar: Grammar) -> Genotype:
    """The genotype of a hand-written network. Raises InputError with the place in the file."""
    return genotype_from_sentence(grammar, read_text(path, "network"), str(path))
