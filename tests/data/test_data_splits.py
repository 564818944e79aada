from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from spenser_gee.data import split
from spenser_gee.data.stratify import apportion
from spenser_gee.errors import InputError

sizes_of_classes = st.lists(st.integers(2, 40), min_size=1, max_size=8)
seeds = st.integers(0, 2**40)


def hamilton(total: int, sizes: list[int]) -> list[int]:
    """Largest remainders as the textbook has them, with exact fractions."""
    quotas = [Fraction(total * size, sum(sizes)) for size in sizes]
    shares = [quota.numerator // quota.denominator for quota in quotas]
    order = sorted(range(len(sizes)), key=lambda i: (-(quotas[i] - shares[i]), i))
    for i in order[: total - sum(shares)]:
        shares[i] += 1
    return shares


@given(sizes_of_classes, st.data())
def test_apportion_is_hamiltons_method(sizes: list[int], data: st.DataObject) -> None:
    total = data.draw(st.integers(0, sum(sizes)))
    assert apportion(total, sizes, [0] * len(sizes), sizes) == hamilton(total, sizes)


@given(sizes_of_classes, st.data())
def test_apportion_keeps_bounds_and_total(sizes: list[int], data: st.DataObject) -> None:
    lower = [data.draw(st.integers(0, size)) for size in sizes]
    upper = [data.draw(st.integers(low, size)) for low, size in zip(lower, sizes, strict=True)]
    total = data.draw(st.integers(sum(lower), sum(upper)))
    shares = apportion(total, sizes, lower, upper)
    assert sum(shares) == total
    assert all(low <= share <= up for low, share, up in zip(lower, shares, upper, strict=True))


def test_apportion_refuses_the_impossible() -> None:
    for total in (1, 5):
        with pytest.raises(ValueError, match="add up"):
            apportion(total, [2, 2], [1, 1], [2, 2])


def shuffled_labels(sizes: list[int], seed: int) -> torch.Tensor:
    # Label 3k: labels need not be consecutive.
    labels = np.repeat(np.arange(len(sizes)) * 3, sizes)
    return torch.from_numpy(np.random.default_rng(seed).permutation(labels))


@settings(deadline=None)
@given(sizes_of_classes, seeds, st.floats(0.05, 0.95), st.data())
def test_split_is_exact_disjoint_and_stratified(
    sizes: list[int], seed: int, share: float, data: st.DataObject
) -> None:
    labels = shuffled_labels(sizes, seed)
    subset = data.draw(st.none() | st.integers(2 * len(sizes), len(labels)))
    total = len(labels) if subset is None else subset
    assume(len(sizes) <= round(share * total) <= total - len(sizes))
    parts = split(labels, seed, share, subset)
    evo, fitness = parts.evo_train.tolist(), parts.fitness.tolist()
    assert len(fitness) == round(share * total)
    assert len(evo) == total - len(fitness)
    assert len({*evo, *fitness}) == total
    assert min(evo + fitness) >= 0
    assert max(evo + fitness) < len(labels)
    assert evo == sorted(evo)
    assert fitness == sorted(fitness)
    assert parts.evo_train.dtype == parts.fitness.dtype == torch.int64
    for label in labels.unique().tolist():
        in_evo = int((labels[parts.evo_train] == label).sum())
        in_fitness = int((labels[parts.fitness] == label).sum())
        assert in_evo >= 1
        assert in_fitness >= 1


@given(st.lists(st.integers(20, 60), min_size=1, max_size=6), seeds, st.floats(0.2, 0.8))
@settings(deadline=None)
def test_every_class_keeps_its_share(sizes: list[int], seed: int, share: float) -> None:
    labels = shuffled_labels(sizes, seed)
    fitness = labels[split(labels, seed, share).fitness]
    # Where no class is small, the counts are Hamilton's.
    counts = [int((fitness == 3 * i).sum()) for i in range(len(sizes))]
    assert counts == hamilton(round(share * len(labels)), sizes)


def test_known_counts() -> None:
    labels = torch.arange(10).repeat(6000)
    parts = split(labels, seed=1)
    assert labels[parts.fitness].bincount().tolist() == [1800] * 10
    assert labels[parts.evo_train].bincount().tolist() == [4200] * 10
    small = split(labels, seed=1, train_subset=1000)
    assert labels[small.fitness].bincount().tolist() == [30] * 10
    assert labels[small.evo_train].bincount().tolist() == [70] * 10


def test_the_seed_decides() -> None:
    labels = torch.arange(10).repeat(20)
    first, again, other = split(labels, 1), split(labels, 1), split(labels, 2)
    assert torch.equal(first.fitness, again.fitness)
    assert torch.equal(first.evo_train, again.evo_train)
    assert not torch.equal(first.fitness, other.fitness)


def test_draws_are_uniform_over_a_class() -> None:
    labels = torch.zeros(10, dtype=torch.int64)
    times = sum(torch.bincount(split(labels, seed).fitness, minlength=10) for seed in range(2000))
    # Binomial(2000, 0.3): standard deviation 20.5; five of them.
    assert isinstance(times, torch.Tensor)
    assert (times - 600).abs().max() < 103


@pytest.mark.parametrize(
    ("labels", "options", "problem"),
    [
        ([], {}, "found none"),
        ([0, 0, 1], {}, "class 1 has one image"),
        ([0, 0, 1, 1, 1, 1], {"fitness_share": 0.1}, "too few images"),
        ([0, 0, 1, 1], {"fitness_share": 0.9}, "too few images"),
        ([0, 0, 1, 1], {"fitness_share": 0.0}, "fitness share"),
        ([0, 0, 1, 1], {"fitness_share": 1.0}, "fitness share"),
        ([0, 0, 1, 1], {"fitness_share": float("nan")}, "fitness share"),
        ([0, 0, 1, 1], {"train_subset": 3}, "train_subset in 4..4"),
        ([0, 0, 1, 1], {"train_subset": 5}, "train_subset in 4..4"),
    ],
)
def test_errors(labels: list[int], options: dict[str, float], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        split(torch.tensor(labels, dtype=torch.int64), 0, **options)  # type: ignore[arg-type]
