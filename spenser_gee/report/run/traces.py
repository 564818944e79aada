"""What a run's trained network does with real images: its answers, and the spikes and membranes behind some of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from spenser_gee.config import Config
from spenser_gee.data import Dataset, Identity, load_data, require_same, resolve_data
from spenser_gee.errors import input_error
from spenser_gee.fitness.task import make_task
from spenser_gee.network import layers
from spenser_gee.network.build import Output, SpikingNetwork
from spenser_gee.network.device import choose_device
from spenser_gee.network.lif import lif
from spenser_gee.rng import derive_seed
from spenser_gee.runs.origin import config_of, fitness_seed, test_seed
from spenser_gee.runs.queries import Final, best_standing, final_result
from spenser_gee.runs.store import RunFolder
from spenser_gee.training.losses import decision_values, needs_membrane
from spenser_gee.training.mode import Mode, evaluating, run_network
from spenser_gee.training.saved import SavedNetwork, load_network
from spenser_gee.training.source import Source, source_of


@dataclass(frozen=True, eq=False)
class Subject:
    """A trained network and the images that it may be shown.

    part: "Test" once the run has tested this very network, else "Fitness". recorded: its accuracy there as the run
    noted it. seed: of the spike noise that it was measured with. mode: memory and precision, as in the run.
    """

    saved: SavedNetwork
    mode: Mode
    data: Dataset
    images: Source
    part: str
    recorded: float | None
    seed: int


@dataclass(frozen=True, eq=False)
class Answers:
    """Over all images of a subject. confusion: (classes, classes), images of a class by the class they were taken for.
    rates: spikes per neuron and step of each LIF layer."""

    confusion: Tensor
    rates: tuple[float, ...]

    @property
    def accuracy(self) -> float:
        """In 0..1."""
        return int(self.confusion.trace()) / int(self.confusion.sum())


@dataclass(frozen=True, eq=False)
class Firing:
    """What the neurons of one layer did for a few images: spikes and membrane (T, B, neurons), after reset and input.

    index: in the plan.
    """

    index: int
    spikes: Tensor
    membrane: Tensor
    threshold: float


def find_subject(run: RunFolder, data_root: str | None) -> Subject | None:
    """The network that the run tested, with Test; before that the best one, with Fitness. None without weights.

    Raises InputError where data or weights are missing, damaged, or do not belong together.
    """
    config = config_of(run)
    tested = _tested(run)
    path = run.best_weights if tested is None else run.final_weights
    if not path.is_file():
        return None
    device = choose_device("cpu" if config.device == "cpu" else "auto")
    saved = load_network(path, device)
    # A report looks at what is there.
    settings = resolve_data(config.data, data_root).model_copy(update={"download": False})
    data = load_data(settings)
    require_same(run.data_record(), Identity.of(data), str(run.path))
    if (data.input_shape, data.class_count) != (saved.input_shape, saved.classes):
        raise input_error(
            settings.dataset,
            f"these data have {data.class_count} classes of images {data.input_shape}, the network was trained on "
            f"{saved.classes} of {saved.input_shape}",
            "Name the run's own data with --data-root.",
        )
    mode = Mode.of_settings(config.training)
    if tested is not None:
        images = source_of(data.test, settings, device)
        return Subject(saved, mode, data, images, "Test", tested.test_accuracy, test_seed(config))
    fitness = make_task(data.train, data.class_count, settings, config.seed, device).fitness
    recorded, seed = _last_fitness(run, config)
    return Subject(saved, mode, data, fitness, "Fitness", recorded, seed)


def _tested(run: RunFolder) -> Final | None:
    """The final result, if it is that of the network which is the best now."""
    found = final_result(run)
    best = best_standing(run)
    if found is None or best is None or (found.id, found.generation) != (best.id, best.trained):
        return None
    return found if run.final_weights.is_file() else None


def _last_fitness(run: RunFolder, config: Config) -> tuple[float | None, int]:
    """The accuracy of the best network's last training, and the seed of its spike noise."""
    best = best_standing(run)
    if best is None:
        return None, fitness_seed(config, 0)
    return best.latest.get("fitness"), fitness_seed(config, best.draw)


def answers(subject: Subject) -> Answers:
    """Shows the network all images once."""
    saved, classes = subject.saved, subject.saved.classes
    stimulus = subject.images.stimulus(saved.spec, subject.seed, augment=False)
    confusion = torch.zeros(classes * classes, dtype=torch.int64)
    rates: Tensor | float = 0.0
    with evaluating(saved.network):
        for images, labels in subject.images.once():
            output, guesses = _run(subject, stimulus(images))
            confusion += torch.bincount((labels * classes + guesses).cpu(), minlength=classes * classes)
            assert output.rates is not None
            rates = rates + output.rates.cpu() * len(labels)
    count = int(confusion.sum())
    return Answers(confusion.view(classes, classes), tuple((torch.as_tensor(rates) / count).tolist()))


def samples(subject: Subject, wanted: int) -> list[int]:
    """The first image of each of `wanted` classes (fewer, where there are no more), at equal distances among the
    classes: places in the whole data of `subject.images`."""
    indices = subject.images.indices.cpu()
    labels = subject.images.data.labels.cpu()[indices]
    present = sorted(set(labels.tolist()))
    chosen = [present[place] for place in evenly(len(present), wanted)]
    return [int(indices[int((labels == label).nonzero()[0])]) for label in chosen]


def evenly(count: int, most: int) -> list[int]:
    """At most `most` of 0..count-1, at equal distances."""
    number = min(count, most)
    return [count * k // number for k in range(number)]


def fire(subject: Subject, places: Sequence[int]) -> tuple[list[Firing], Tensor]:
    """What each LIF layer does for the images at `places`, and the classes (B,) that they are taken for."""
    saved = subject.saved
    data = subject.images.data
    chosen = torch.tensor(list(places), device=data.labels.device)
    source = Source(data, chosen, len(places), subject.images.coding_steps)
    stimulus = source.stimulus(saved.spec, derive_seed(subject.seed, "samples"), augment=False)
    images, _ = next(source.once())
    with evaluating(saved.network), _recording(saved.network) as firings:
        # With `rates` the neurons do no pooling beside them, which would hide their own spikes.
        _, guesses = _run(subject, stimulus(images))
    return firings, guesses.cpu()


def _run(subject: Subject, signal: Tensor) -> tuple[Output, Tensor]:
    """What the network gives, and the classes (B,) that it answers."""
    network, loss = subject.saved.network, subject.saved.spec.loss
    output = run_network(network, signal, subject.mode, membrane=needs_membrane(loss), rates=True)
    return output, decision_values(loss, output).argmax(1)


@contextmanager
def _recording(network: SpikingNetwork) -> Iterator[list[Firing]]:
    """Fills the list with the firing of every LIF layer while the network runs."""
    found: list[Firing] = []

    def record(index: int, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        assert isinstance(module, layers.LIF)
        currents, steps = inputs[0].float(), inputs[1]
        decay, threshold = module.decay(), module.threshold
        spikes, membrane = lif(
            currents, decay, threshold, module.surrogate, module.reset, membrane=True, steps=steps
        )
        assert membrane is not None
        found.append(Firing(index, spikes.flatten(2).cpu(), membrane.flatten(2).cpu(), float(threshold)))

    with ExitStack() as hooks:
        for index, layer in enumerate(network.layers):
            if isinstance(layer, layers.LIF):
                hook = layer.register_forward_pre_hook(
                    lambda module, inputs, index=index: record(index, module, inputs)
                )
                hooks.enter_context(hook)
        yield found
