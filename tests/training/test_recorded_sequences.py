"""Recorded sequences go from the data to a trained network with the time that they have."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from moving_dots import SIZE, STEPS, moving_dots
from tiny_networks import SETTINGS
from torch import Tensor

from spenser_gee.assessment.robustness import noisy_images
from spenser_gee.config import Initialisation
from spenser_gee.data import Samples
from spenser_gee.fitness.task import make_task
from spenser_gee.fitness.trained import evaluate
from spenser_gee.network.build import build_network
from spenser_gee.phenotype.plan import plan_network
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.layers import LIF, Conv, FullyConnected
from spenser_gee.phenotype.words.training import (
    Adam,
    CEMembrane,
    Crop,
    Cutout,
    Flip,
    Genes,
    Input,
    MSECount,
    Shift,
)
from spenser_gee.rng import stream
from spenser_gee.training.chunks import kept_bytes
from spenser_gee.training.measure import measure
from spenser_gee.training.source import Source
from spenser_gee.training.train import Budget, train

CODED = 3  # steps of a coding: what images would have
CPU = torch.device("cpu")


def spec_of(coding: str = "rate", **parts: object) -> NetworkSpec:
    units = (
        (Conv(filters=6, kernel=3, stride=1), LIF(beta=0.9, threshold=0.3)),
        (FullyConnected(units=16), LIF(beta=0.9, threshold=0.3)),
        (FullyConnected(units=0), LIF(beta=0.9)),
    )
    spec = NetworkSpec(units, input=Input(coding), loss=CEMembrane(), optimiser=Adam(lr=0.01))
    return dataclasses.replace(spec, **parts)  # type: ignore[arg-type]


def source_of_dots(data: Samples, batch_size: int = 16) -> Source:
    return Source(data, torch.arange(len(data)), batch_size, CODED)


def test_the_time_of_the_data_counts_and_not_that_of_the_coding() -> None:
    assert source_of_dots(moving_dots(4)).time_steps == STEPS
    images = Samples.of_images(torch.zeros(4, 1, SIZE, SIZE, dtype=torch.uint8), torch.zeros(4).long())
    assert source_of_dots(images).time_steps == CODED


@pytest.mark.parametrize("coding", ["rate", "latency", "direct"])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_sequences_pass_as_they_are_whatever_the_coding(coding: str, dtype: torch.dtype) -> None:
    data = moving_dots(6, dtype=dtype)
    data.inputs.mul_(3)  # counts, which no coding would leave as they are
    source = source_of_dots(data)
    inputs, _ = next(source.once())
    signal = source.stimulus(spec_of(coding), 0, augment=False)(inputs)
    assert signal.shape == (STEPS, 6, 1, SIZE, SIZE)
    assert torch.equal(signal, data.inputs.transpose(0, 1).float())


@pytest.mark.parametrize("change", [Shift(2), Crop(2), Flip(0.5), Cutout(4)])
def test_all_steps_of_a_sample_move_alike(change: Shift | Crop | Flip | Cutout) -> None:
    # The same picture at every step, another for each sample.
    pictures = torch.rand(20, 1, 2, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    data = Samples(pictures.expand(20, STEPS, 2, SIZE, SIZE).contiguous(), torch.zeros(20).long())
    source = source_of_dots(data, 20)
    signal = source.stimulus(spec_of(augmentation=(change,)), 0, augment=True)(data.inputs)
    assert not torch.equal(signal, data.inputs.transpose(0, 1))
    assert all(torch.equal(step, signal[0]) for step in signal)
    # The draws are those of images.
    direct = spec_of("direct", augmentation=(change,))
    assert torch.equal(source.stimulus(direct, 0, augment=True)(pictures)[0], signal[0])


def test_noise_on_sequences_has_the_wanted_norm_and_is_not_cut() -> None:
    inputs = 5 * torch.rand(4, STEPS, 1, SIZE, SIZE)
    noise = noisy_images(inputs, spec_of("rate"), 0.5, stream(0, "noise")) - inputs

    def norms(x: Tensor) -> Tensor:
        return x.flatten(1).norm(dim=1)

    assert torch.allclose(norms(noise), 0.5 * norms(inputs))


def test_what_a_pass_keeps_is_counted_over_all_steps() -> None:
    plan = plan_network(spec_of("direct"), (1, SIZE, SIZE), 2)
    rate = plan_network(spec_of("rate"), (1, SIZE, SIZE), 2)
    assert kept_bytes(plan, STEPS) < kept_bytes(plan, STEPS, STEPS) == kept_bytes(rate, STEPS)


def test_a_network_learns_the_order_of_the_steps() -> None:
    spec = spec_of()
    source, held_out = source_of_dots(moving_dots(200)), source_of_dots(moving_dots(100, seed=1))
    network = build_network(plan_network(spec, source.data.input_shape, 2), source.time_steps, seed=0)
    stimulus = source.stimulus(spec, 0, augment=True)
    record = train(network, spec, source.training(0), stimulus, Budget(steps=80))
    assert record.outcome == "complete"
    found = measure(network, spec, held_out.once(), held_out.stimulus(spec, 0, augment=False))
    assert found.accuracy > 0.9


def test_a_whole_evaluation_with_its_inner_search() -> None:
    units = (
        (Conv(filters=4, kernel=3), LIF(threshold=0.3)),
        (Conv(filters=4, kernel=3, weights="gene"), LIF(threshold=0.3)),
        (FullyConnected(units=0), LIF()),
    )
    spec = NetworkSpec(units, Genes(3), Input("direct"), loss=MSECount(), optimiser=Adam(lr=0.01))
    settings = SETTINGS.model_copy(update={"train_subset": None})
    task = make_task(moving_dots(80), 2, settings, 0, CPU)
    assert task.input_shape == (1, SIZE, SIZE)
    inner = Initialisation(generations=1, population=4, steps=2, budget_share=None)
    done = evaluate(spec, task, Budget(steps=5), inner, seed=0)
    assert done.evaluation.status == "complete", done.evaluation.reason
    assert done.network is not None
    assert done.network.time_steps == STEPS
