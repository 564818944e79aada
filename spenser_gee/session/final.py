"""The final training on all of Train, and the one test on Test."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from spenser_gee.data import Samples
from spenser_gee.errors import input_error
from spenser_gee.genotype import Genotype, genotype_from_sentence, sentence_of
from spenser_gee.initialisation.from_birth import train_from_birth
from spenser_gee.initialisation.parent import start_to_save
from spenser_gee.network.backends import use_backend
from spenser_gee.network.build import SpikingNetwork
from spenser_gee.network.memory import reuse_large_blocks
from spenser_gee.phenotype.decode import decode
from spenser_gee.phenotype.plan import plan_network
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.site import Infeasible
from spenser_gee.rng import derive_seed
from spenser_gee.runs.origin import final_seed, retraining_seed, test_seed
from spenser_gee.runs.queries import candidate
from spenser_gee.runs.store import RunFolder
from spenser_gee.search import Trained
from spenser_gee.session.setup import Setup
from spenser_gee.training.measure import measure
from spenser_gee.training.mode import Mode
from spenser_gee.training.saved import load_network, save_network
from spenser_gee.training.source import Source, source_of
from spenser_gee.training.train import Budget, TrainingRecord, train


def final_training(
    setup: Setup, folder: RunFolder, best: Trained, progress: Callable[[float], None]
) -> dict[str, Any]:
    """The best network of a search trained for the configuration's final epochs, and tested; a JSON-able result.

    It goes on from the weights of its last evaluation, or, where the kind of fitness trains nothing, from its birth.
    """
    epochs, target = setup.config.final.epochs, folder.final_weights
    if setup.fitness.trains:
        return train_further(setup, folder.weights_path(*best), epochs, target, progress)
    grammar = setup.grammar
    name = f"{folder.path}: candidate {best[0]}"
    genotype = genotype_from_sentence(grammar, candidate(folder, best[0]).sentence, name)
    return retrain(setup, genotype, name, epochs, target, progress)


def train_further(
    setup: Setup, path: Path, epochs: int, target: Path, progress: Callable[[float], None]
) -> dict[str, Any]:
    """Trains the network in the file `path` on all training images, and measures it on the test images.

    The weights go to `target`. Test plays no part in the training: not in its length, not in the choice of an
    epoch.
    """
    _prepare(setup)
    saved = load_network(path, setup.device)
    network, spec = saved.network, saved.spec
    seed, source = final_seed(setup.config), _source(setup, setup.data.train)
    network.use_generator(torch.Generator(source.device).manual_seed(derive_seed(seed, "dropout")))
    record = train(
        network,
        spec,
        source.training(seed),
        source.stimulus(spec, derive_seed(seed, "training"), augment=True),
        Budget(steps=epochs * source.steps_per_epoch),
        mode=Mode.of_settings(setup.config.training),
        on_step=lambda step, share: progress(share),
    )
    _require_complete(record, target)
    save_network(target, network, saved.sentence, dict(saved.extra), dict(saved.notes))
    return _tested(setup, network, spec, epochs, record)


def retrain(
    setup: Setup, genotype: Genotype, name: str, epochs: int, target: Path, progress: Callable[[float], None]
) -> dict[str, Any]:
    """Evolves the start of a network, trains it on all training images for `epochs`, and tests it; a JSON-able result.

    Raises InputError where the network cannot be built for the data (`name` says which it is).
    """
    _prepare(setup)
    spec, data = decode(genotype, setup.grammar), setup.data
    try:
        plan = plan_network(spec, data.input_shape, data.class_count)
    except Infeasible as error:
        raise input_error(name, f"this network cannot be built for {data.name}: {error}") from None
    source = _source(setup, setup.data.train)
    grown = train_from_birth(
        plan,
        source,
        Budget(steps=epochs * source.steps_per_epoch),
        setup.config.initialisation,
        retraining_seed(setup.config),
        mode=Mode.of_settings(setup.config.training),
        on_step=lambda step, share: progress(share),
    )
    _require_complete(grown.training, target)
    sentence = sentence_of(genotype, setup.grammar)
    save_network(target, grown.network, sentence, *start_to_save(grown.start.start))
    about = {"sentence": sentence, "weights": str(target), "start": grown.start.remarks()}
    inner = [dict(row) for row in grown.start.history]
    return {**about, "inner": inner, **_tested(setup, grown.network, spec, epochs, grown.training)}


def _prepare(setup: Setup) -> None:
    reuse_large_blocks()
    torch.set_num_threads(setup.training_threads)
    use_backend(setup.backend)


def _require_complete(record: TrainingRecord, target: Path) -> None:
    if record.outcome != "complete":
        raise input_error(
            str(target.parent),
            f"the final training failed: {record.reason}",
            "What the search found is kept. Try fewer epochs: --set final.epochs=N (train: --epochs N).",
        )


def _tested(
    setup: Setup, network: SpikingNetwork, spec: NetworkSpec, epochs: int, record: TrainingRecord
) -> dict[str, Any]:
    begun = time.monotonic()
    source = _source(setup, setup.data.test)
    stimulus = source.stimulus(spec, test_seed(setup.config), augment=False)
    result = measure(network, spec, source.once(), stimulus, Mode.of_settings(setup.config.training))
    return {
        "test_accuracy": result.accuracy,
        "test_standard_error": result.standard_error,
        "test_images": result.count,
        "test_loss": result.loss,
        "firing_rates": list(result.firing_rates),
        "epochs": epochs,
        "training_seconds": record.seconds,
        "test_seconds": time.monotonic() - begun,
        "curve": [list(point) for point in record.curve],
        "parameters": network.plan.parameters,
        "dense_parameters": network.plan.dense_parameters,
    }


def _source(setup: Setup, part: Samples) -> Source:
    return source_of(part, setup.config.data, setup.device)
