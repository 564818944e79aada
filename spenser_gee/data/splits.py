"""The two parts of the training data: one trains candidates, the other gives their fitness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from spenser_gee.data.stratify import apportion
from spenser_gee.errors import Finding, InputError, Place, input_error
from spenser_gee.rng import stream


@dataclass(frozen=True, eq=False)
class Split:
    """Indices into the training data, int64, ascending, on the CPU; the two share no index."""

    evo_train: torch.Tensor
    fitness: torch.Tensor


def split(
    labels: torch.Tensor, seed: int, fitness_share: float = 0.3, train_subset: int | None = None
) -> Split:
    """A random split, stratified by class: a function of (labels, seed, shares) and of nothing else.

    `round(fitness_share * n)` indices go to `fitness` and the rest to `evo_train`, each class in proportion
    to its size (largest remainders, so both totals are exact), with at least one image of it in either part.

    Args:
        labels: int64 (N,).
        seed: the run's seed; the draws come from its stream "split".
        fitness_share: between 0 and 1, both excluded.
        train_subset: first take so many images, stratified; both parts come out of these. None: take all.

    Raises:
        InputError: a share or subset out of range, a class with one image, or too few images for the
            classes to be in both parts.
    """
    classes, counts = np.unique(labels.cpu().numpy(), return_counts=True)
    sizes = [int(count) for count in counts]
    _check(classes.tolist(), sizes, fitness_share, train_subset)
    taken = sizes if train_subset is None else apportion(train_subset, sizes, [2] * len(sizes), sizes)
    total = sum(taken)
    fitness_total = round(fitness_share * total)
    if not len(taken) <= fitness_total <= total - len(taken):
        raise input_error(
            "split",
            f"too few images: with {fitness_total} of {total} for fitness, one part lacks one of the "
            f"{len(taken)} classes",
            "Use more training images (train_subset), or a fitness share nearer to one half.",
        )
    shares = apportion(fitness_total, taken, [1] * len(taken), [count - 1 for count in taken])
    rng = stream(seed, "split")
    evo_train, fitness = [], []
    for label, count, share in zip(classes, taken, shares, strict=True):
        drawn = rng.permutation(np.flatnonzero(labels.cpu().numpy() == label))[:count]
        fitness.append(drawn[:share])
        evo_train.append(drawn[share:])
    return Split(_ascending(evo_train), _ascending(fitness))


def _check(classes: list[int], sizes: list[int], fitness_share: float, train_subset: int | None) -> None:
    if not sizes:
        raise input_error("split", "expected labelled images, found none")
    if not 0 < fitness_share < 1:
        raise input_error(
            "split", f"expected a fitness share between 0 and 1 (both excluded), found {fitness_share}"
        )
    single = [label for label, size in zip(classes, sizes, strict=True) if size < 2]
    if single:
        findings = (
            Finding(
                Place("split"), f"class {label} has one image, and each part needs one of it", "Add images."
            )
            for label in single
        )
        raise InputError(*findings)
    if train_subset is not None and not 2 * len(sizes) <= train_subset <= sum(sizes):
        raise input_error(
            "split",
            f"expected train_subset in {2 * len(sizes)}..{sum(sizes)} (two images a class, up to all), "
            f"found {train_subset}",
        )


def _ascending(parts: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.sort(np.concatenate(parts)).astype(np.int64))
