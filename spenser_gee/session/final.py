"""After the search: the best network is trained further on all of Train, and tested once on Test."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from spenser_gee.errors import input_error
from spenser_gee.network.backends import use_backend
from spenser_gee.network.memory import reuse_large_blocks
from spenser_gee.rng import derive_seed
from spenser_gee.session.setup import Setup
from spenser_gee.training.measure import Measurement, measure
from spenser_gee.training.mode import Mode
from spenser_gee.training.saved import SavedNetwork, load_network, save_network
from spenser_gee.training.source import Source, source_of
from spenser_gee.training.train import Budget, train


def train_and_test(
    setup: Setup, saved: SavedNetwork, epochs: int, target: Path, progress: Callable[[float], None]
) -> dict[str, Any]:
    """Trains `saved` on all training images and measures it on the test images; a JSON-able result.

    The weights go to `target`. Test plays no part in the training: not in its length, not in the choice of an
    epoch.
    """
    reuse_large_blocks()
    torch.set_num_threads(setup.training_threads)
    use_backend(setup.backend)
    seed = derive_seed(setup.config.seed, "final")
    source = train_source(setup)
    network = saved.network
    network.use_generator(torch.Generator(source.device).manual_seed(derive_seed(seed, "dropout")))
    record = train(
        network,
        saved.spec,
        source.training(seed),
        source.stimulus(saved.spec, derive_seed(seed, "training"), augment=True),
        Budget(steps=epochs * source.steps_per_epoch),
        mode=training_mode(setup),
        on_step=lambda step, share: progress(share),
    )
    if record.outcome != "complete":
        raise input_error(
            str(target.parent),
            f"the final training failed: {record.reason}",
            "What the search found is kept. Try fewer epochs: --set final.epochs=N (train: --epochs N).",
        )
    begun = time.monotonic()
    result = measure_on_test(setup, saved)
    save_network(target, network, saved.sentence, dict(saved.extra), dict(saved.notes))
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


def measure_on_test(setup: Setup, saved: SavedNetwork) -> Measurement:
    """Accuracy on the test images."""
    source = source_of(setup.data.test, setup.data_settings, setup.device)
    seed = derive_seed(setup.config.seed, "test")
    stimulus = source.stimulus(saved.spec, seed, augment=False)
    return measure(saved.network, saved.spec, source.once(), stimulus, training_mode(setup))


def train_source(setup: Setup) -> Source:
    """All training images."""
    return source_of(setup.data.train, setup.data_settings, setup.device)


def training_mode(setup: Setup) -> Mode:
    """Memory and precision, as in the search."""
    return Mode.of_settings(setup.config.training.model_dump())


def load_best(setup: Setup, path: Path) -> SavedNetwork:
    """The best network's weights on the run's device."""
    return load_network(path, setup.device)
