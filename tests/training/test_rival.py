"""Giving a training up: at which accuracies, when, and against which point of the other curve."""

from __future__ import annotations

import math

import pytest
from tiny_networks import gene_spec, network_of, task

from spenser_gee.phenotype.words.training import Adam
from spenser_gee.training.meter import Entry
from spenser_gee.training.rival import ERRORS, Point, Rival
from spenser_gee.training.train import Budget, TrainingRecord, train

CURVE = [(20, 2.0, 0.3), (40, 1.0, 0.6), (60, 0.5, 0.8), (70, 0.4, 0.9)]


def entry(share: float, accuracy: float, images: int = 10**9) -> Entry:
    """By default of so many images that its standard error is nothing."""
    return Entry(1, share, 1.0, accuracy, images, True)


def test_points_of_a_curve() -> None:
    assert Rival.of_curve(CURVE, 8).points == (
        Point(20 / 70, 0.3, 160),
        Point(40 / 70, 0.6, 160),
        Point(60 / 70, 0.8, 160),
        Point(1.0, 0.9, 80),
    )


@pytest.mark.parametrize(
    ("share", "had"),
    [(0.3, 0.3), (0.5, 0.3), (40 / 70, 0.6), (0.6, 0.6), (0.99, 0.8)],
)
def test_it_is_compared_with_the_entry_before(share: float, had: float) -> None:
    rival = Rival.of_curve(CURVE, 10**9)
    below, above = had - rival.margin - 0.001, had - rival.margin + 0.001
    assert rival.reason_to_give_up(entry(share, below)).endswith(f"; the parent had {had:.2f}")
    assert rival.reason_to_give_up(entry(share, above)) == ""


def test_not_before_the_first_look_and_not_when_all_is_done() -> None:
    rival = Rival((Point(0.1, 1.0, 10**9),), first_look=0.4)
    assert [bool(rival.reason_to_give_up(entry(share, 0.0))) for share in (0.39, 0.4, 0.99, 1.0)] == [
        False,
        True,
        True,
        False,
    ]
    # Nothing of the rival's curve is known yet.
    assert Rival((Point(0.9, 1.0, 64),)).reason_to_give_up(entry(0.5, 0.0)) == ""


def test_few_images_are_given_the_benefit_of_the_doubt() -> None:
    # Two proportions of n images each: standard error sqrt(p (1 - p) / n + q (1 - q) / n).
    rival = Rival((Point(0.1, 0.9, 100),), margin=0.1)
    allowed = 0.1 + ERRORS * math.sqrt(0.9 * 0.1 / 100 + 0.7 * 0.3 / 100)
    assert allowed > 0.2
    assert rival.reason_to_give_up(entry(0.5, 0.7, 100)) == ""
    assert rival.reason_to_give_up(entry(0.5, 0.7, 10**6)) != ""
    worse = 0.9 - 0.1 - ERRORS * math.sqrt(0.9 * 0.1 / 100 + 0.65 * 0.35 / 100)
    assert bool(rival.reason_to_give_up(entry(0.5, 0.65, 100))) == (worse > 0.65)


def trained(budget: Budget, rival: Rival | None) -> TrainingRecord:
    spec, source = gene_spec(optimiser=Adam(lr=1e-6)), task().evo_train
    return train(
        network_of(spec),
        spec,
        source.training(0),
        source.stimulus(spec, 0, augment=True),
        budget,
        curve_every=10,
        rival=rival,
    )


def test_training_stops_at_the_first_entry_too_far_behind() -> None:
    rival = Rival.of_curve([(10, 0.0, 0.1), (30, 0.0, 0.1), (40, 0.0, 1.0), (60, 0.0, 1.0)], 16)
    record = trained(Budget(steps=60), rival)
    assert (record.outcome, record.steps) == ("abandoned", 40)
    assert record.reason.endswith("after 67% of the training; the parent had 1.00")
    whole = trained(Budget(steps=60), None)
    assert whole.curve[: len(record.curve)] == record.curve


def test_a_budget_of_seconds_is_given_up_by_its_share_too() -> None:
    record = trained(Budget(seconds=2.0), Rival((Point(0.1, 1.0, 10**6),)))
    assert record.outcome == "abandoned"
    assert 0.3 * 2.0 <= record.seconds < 2.0
