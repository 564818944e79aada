"""Training one network from its birth on all of Train, and one test: a run's best anew, or a hand-written one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from spenser_gee.errors import input_error
from spenser_gee.genotype import Genotype, sentence_of
from spenser_gee.initialisation.evolve import InnerSettings, evolve_start
from spenser_gee.initialisation.parent import start_to_save
from spenser_gee.network.backends import use_backend
from spenser_gee.network.build import build_network
from spenser_gee.phenotype.decode import decode
from spenser_gee.phenotype.plan import plan_network
from spenser_gee.phenotype.words.site import Infeasible
from spenser_gee.rng import derive_seed
from spenser_gee.session.final import train_and_test, train_source, training_mode
from spenser_gee.session.setup import Setup
from spenser_gee.training.saved import SavedNetwork


def retrain(
    setup: Setup, genotype: Genotype, name: str, epochs: int, target: Path, progress: Callable[[float], None]
) -> dict[str, Any]:
    """Evolves the start of the network, trains it for `epochs` and tests it; a JSON-able result.

    Raises InputError where the network cannot be built for the data (`name` says which it is).
    """
    spec = decode(genotype, setup.grammar)
    data, config = setup.data, setup.config
    try:
        plan = plan_network(spec, data.input_shape, data.class_count)
    except Infeasible as error:
        raise input_error(name, f"this network cannot be built for {data.name}: {error}") from None
    torch.set_num_threads(setup.training_threads)
    use_backend(setup.backend)
    seed = derive_seed(config.seed, "retrain")
    network = build_network(plan, config.data.time_steps, derive_seed(seed, "weights")).to(setup.device)
    network.use_generator(torch.Generator(setup.device).manual_seed(derive_seed(seed, "start dropout")))
    source = train_source(setup)
    inner = InnerSettings(**config.initialisation.model_dump())
    steps = epochs * source.steps_per_epoch
    record = evolve_start(
        network, plan, source, inner, steps, derive_seed(seed, "start"), mode=training_mode(setup)
    )
    tensors, notes = start_to_save(record.start)
    sentence = sentence_of(genotype, setup.grammar)
    saved = SavedNetwork(
        network, spec, sentence, data.input_shape, data.class_count, config.data.time_steps, tensors, notes
    )
    result = train_and_test(setup, saved, epochs, target, progress)
    return {"sentence": sentence, "weights": str(target), **record.to_dict(), **result}
