"""Training: it learns, it stops for each reason, it is reproducible, and its random streams are kept apart."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from itertools import count

import pytest
import torch
from tiny_networks import HEAD, STEPS, dropout_spec, equal_states, gene_spec, gene_unit, network_of, task
from torch import Tensor

from spenser_gee.network.build import SpikingNetwork
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.layers import LIF, Conv
from spenser_gee.phenotype.words.training import (
    SGD,
    TET,
    Adam,
    CEMembrane,
    Clip,
    Crop,
    Cutout,
    Flip,
    Input,
    MSECount,
    Shift,
    StepRate,
)
from spenser_gee.training.stimulus import Stimulus
from spenser_gee.training.train import Budget, TrainingRecord, train

CPU = torch.device("cpu")


def trained(
    spec: NetworkSpec, budget: Budget, seed: int = 0, **options: object
) -> tuple[SpikingNetwork, TrainingRecord]:
    network = network_of(spec)
    network.use_generator(torch.Generator().manual_seed(seed))
    source = task().evo_train
    record = train(
        network,
        spec,
        source.training(seed),
        source.stimulus(spec, seed, augment=True),
        budget,
        **options,  # type: ignore[arg-type]
    )
    return network, record


@pytest.mark.parametrize("loss", [MSECount(), CEMembrane(), TET()])
def test_the_loss_falls(loss: object) -> None:
    spec = gene_spec(loss=loss, input=Input("direct"), optimiser=Adam(lr=0.02))
    _, record = trained(spec, Budget(steps=60), curve_every=10)
    assert record.outcome == "complete"
    assert [step for step, _, _ in record.curve] == [10, 20, 30, 40, 50, 60]
    assert record.curve[-1][1] < 0.8 * record.curve[0][1]
    assert record.curve[-1][2] > record.curve[0][2] + 0.1


def test_same_seed_same_weights() -> None:
    spec = gene_spec(*dropout_spec().units[:-1], augmentation=(Shift(1), Cutout(2)), clip=Clip(1.0))
    first, record = trained(spec, Budget(steps=8), curve_every=3)
    second, again = trained(spec, Budget(steps=8), curve_every=3)
    assert equal_states(first, second)
    assert record.curve == again.curve
    other, _ = trained(spec, Budget(steps=8), seed=1)
    assert not equal_states(first, other)


def test_the_curve_holds_means_and_ends_at_the_end() -> None:
    spec = gene_spec()
    _, fine = trained(spec, Budget(steps=7), curve_every=1)
    _, coarse = trained(spec, Budget(steps=7), curve_every=3)
    assert [step for step, _, _ in coarse.curve] == [3, 6, 7]
    for column in (1, 2):  # losses, accuracies
        values = [entry[column] for entry in fine.curve]
        for entry, part in zip(coarse.curve, (values[:3], values[3:6], values[6:]), strict=True):
            assert entry[column] == pytest.approx(sum(part) / len(part), rel=1e-5)


def test_the_accuracy_is_that_of_the_outputs_it_was_trained_on() -> None:
    spec = gene_spec(loss=CEMembrane())
    network, source = network_of(spec), task().evo_train
    images, labels = next(source.training(0))
    with torch.no_grad():
        membrane = network.train()(source.stimulus(spec, 0, augment=True)(images), membrane=True).membrane
    right = int((membrane.mean(0).argmax(1) == labels).sum())
    _, record = trained(spec, Budget(steps=1))
    assert record.curve[0][2] == pytest.approx(right / len(labels))


def test_a_loss_that_is_not_finite_stops_it() -> None:
    spec = NetworkSpec((HEAD,), loss=CEMembrane(), input=Input("direct"))
    network = network_of(spec)
    images, labels = next(task().evo_train.training(0))
    poisoned = images.clone()
    poisoned[0, 0, 0, 0] = math.nan
    batches = ((poisoned if step == 4 else images, labels) for step in count())
    stimulus = Stimulus(spec, STEPS, 0, CPU, augment=False)
    record = train(network, spec, batches, stimulus, Budget(steps=50), curve_every=2)
    assert record.outcome == "not_finite"
    assert record.steps == 6
    assert "the loss is nan at step 6" in record.reason


@pytest.mark.parametrize("steps", [3, 20])
def test_weights_that_are_not_finite_stop_it_although_the_loss_is_finite(steps: int) -> None:
    # Neurons of a NaN membrane do not fire, so a loss of spike counts stays finite.
    spec = gene_spec(optimiser=SGD(lr=1.0), loss=MSECount())
    network = network_of(spec)
    for parameter in network.parameters():
        parameter.register_hook(lambda gradient: gradient * math.nan)
    source = task().evo_train
    stimulus = source.stimulus(spec, 0, augment=False)
    record = train(network, spec, source.training(0), stimulus, Budget(steps=steps), curve_every=10)
    assert record.outcome == "not_finite"
    assert "weights are not finite" in record.reason
    assert record.steps == min(steps, 10)


def test_the_deadline_stops_it() -> None:
    network, record = trained(gene_spec(), Budget(steps=10**6), deadline=time.monotonic() + 0.3)
    assert record.outcome == "timed_out"
    assert 0 < record.steps < 10**5
    assert record.reason == f"training was at step {record.steps}"
    assert network.training
    _, late = trained(gene_spec(), Budget(steps=5), deadline=time.monotonic() - 1)
    assert (late.outcome, late.steps) == ("timed_out", 0)


def test_a_budget_of_seconds_ends_complete() -> None:
    shares: list[float] = []
    _, record = trained(
        gene_spec(), Budget(seconds=0.4), on_step=lambda step, share: shares.append(share), curve_every=10**6
    )
    assert record.outcome == "complete"
    assert 0.4 <= record.seconds < 5
    assert record.steps == len(shares) == record.curve[-1][0]
    assert shares == sorted(shares)


def test_a_budget_is_steps_or_seconds() -> None:
    for wrong in ({}, {"steps": 1, "seconds": 1.0}):
        with pytest.raises(ValueError, match="either steps or seconds"):
            Budget(**wrong)
    assert Budget(steps=0).progress(0, 0.0) == 1.0
    assert trained(gene_spec(), Budget(steps=0))[1].steps == 0


def test_dead_networks_are_found_at_the_check_and_only_there() -> None:
    silent = gene_spec(gene_unit(5), (Conv(filters=4), LIF(threshold=100.0)))
    _, record = trained(silent, Budget(steps=10), check_alive_after=2)
    assert (record.outcome, record.steps) == ("dead", 2)
    assert record.reason == "silent: lif layer 2 of 3 never fires"
    assert trained(silent, Budget(steps=3))[1].outcome == "complete"
    assert trained(gene_spec(), Budget(steps=3), check_alive_after=0)[1].outcome == "complete"


def test_the_learning_rate_follows_the_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []
    plain = torch.optim.SGD.step

    def step(self: torch.optim.SGD, *args: object) -> object:
        rates.append(self.param_groups[0]["lr"])
        return plain(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(torch.optim.SGD, "step", step)
    trained(gene_spec(optimiser=SGD(lr=0.1), schedule=StepRate(1, 0.5)), Budget(steps=4))
    assert rates == pytest.approx([0.1, 0.1, 0.05, 0.05])


def test_gradients_are_clipped() -> None:
    def moved(clip: Clip | None) -> float:
        spec = gene_spec(optimiser=SGD(lr=1.0, momentum=0.0), clip=clip, loss=CEMembrane())
        before, (after, _) = network_of(spec), trained(spec, Budget(steps=1))
        squares = [
            (a - b).detach().square().sum()
            for a, b in zip(after.parameters(), before.parameters(), strict=True)
        ]
        return float(torch.stack(squares).sum().sqrt())

    assert moved(None) > 0.01
    assert moved(Clip(0.001)) == pytest.approx(0.001, rel=1e-3)


# --- random streams -----------------------------------------------------------------------------------


def signals(spec: NetworkSpec, images: Tensor, seed: int = 5, batches: int = 3) -> list[Tensor]:
    stimulus = Stimulus(spec, STEPS, seed, CPU, augment=True)
    return [stimulus(images) for _ in range(batches)]


def test_augmentation_does_not_change_the_spike_noise() -> None:
    plain = gene_spec()
    even = torch.full((6, 1, 1, 8, 8), 0.5)  # mirroring does not change it
    mirrored = gene_spec(augmentation=(Flip(0.5), Flip(0.5)))
    for a, b in zip(signals(plain, even), signals(mirrored, even), strict=True):
        assert torch.equal(a, b)
    cut = gene_spec(augmentation=(Cutout(3),))
    for a, b in zip(signals(plain, even), signals(cut, even), strict=True):
        inside = b.sum(0) > 0
        assert 0.5 < inside.float().mean() < 1
        assert torch.equal(a[:, inside], b[:, inside])


def test_augmentation_changes_images_and_only_in_training() -> None:
    images, _ = next(task().evo_train.training(0))
    for change in (Shift(2), Crop(2), Cutout(3), Flip(1.0)):
        spec = gene_spec(input=Input("direct"), augmentation=(change,))
        assert not torch.equal(signals(spec, images)[0][0], images[:, 0])
        assert torch.equal(Stimulus(spec, STEPS, 5, CPU, augment=False)(images)[0], images[:, 0])


def test_two_specs_see_the_same_batches_and_noise() -> None:
    source = task().evo_train

    def seen(spec: NetworkSpec) -> Iterator[Tensor]:
        stimulus, batches = source.stimulus(spec, 3, augment=True), source.training(3)
        for _ in range(source.steps_per_epoch + 2):
            yield stimulus(next(batches)[0])

    other = NetworkSpec((HEAD,), input=Input("rate"))
    for a, b in zip(seen(gene_spec()), seen(other), strict=True):
        assert torch.equal(a, b)
