"""Mutation by few changes, whose number has a heavy tail.

Most children differ from their parent in one thing, some in many, so that a search climbs in small steps and still
leaves a local optimum (Doerr, Le, Makhmara, Nguyen: "Fast genetic algorithms", GECCO 2017).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np

from spenser_gee.genotype.genotype import Genotype
from spenser_gee.genotype.operations import Action, Key, Mutant, Operations, refuse_outside
from spenser_gee.grammar.model import Grammar

TRIES = 20  # draws of one change that shows


@dataclass(frozen=True)
class FewChanges:
    """How `mutate` changes a genotype in few places. Raises InputError where a value is out of range.

    exponent, most: 1.5 and 8, the number k of changes has P(k) ~ k^-exponent on 1..most (Doerr et al.: 1.5).
    resize: .25, the probability that a change adds or removes a unit, else a gene of a unit changes.
    duplicate, sigma, numeric: as in `Rates`, with relative noise.
    """

    exponent: float = 1.5
    most: int = 8
    resize: float = 0.25
    duplicate: float = 0.15
    sigma: float = 0.15
    numeric: float = 2 / 3

    def __post_init__(self) -> None:
        shares = dict.fromkeys(("resize", "duplicate", "numeric"), (0, 1))
        refuse_outside(self, {"exponent": (0, 100), "most": (1, 100), "sigma": (0, 1000), **shares})

    def allow(self, action: Action) -> bool:
        """Whether `resize` leaves room for such an action."""
        return self.resize < 1 if action.kind == "change" else self.resize > 0

    def number(self, rng: np.random.Generator) -> int:
        """The number of changes of one child."""
        weights = np.arange(1.0, self.most + 1) ** -self.exponent
        return 1 + int(rng.choice(self.most, p=weights / weights.sum()))


def few_changes(
    genotype: Genotype, grammar: Grammar, settings: FewChanges, rng: np.random.Generator, key: Key
) -> Mutant:
    """A copy with `settings.number` changes, one after the other.

    Each leads to a key that neither the parent nor a step on the way has, so that all of them count and none takes
    another back. One that does not is drawn again, `TRIES` times; then the child has fewer changes, and none only
    where no action works at all.
    """
    operations = Operations(
        grammar,
        rng,
        duplicate=settings.duplicate,
        sigma=settings.sigma,
        numeric=settings.numeric,
        relative=True,
    )
    child, known = Mutant(genotype, ()), {key(genotype)}
    for _ in range(settings.number(rng)):
        actions = [action for action in operations.actions(child.genotype) if settings.allow(action)]
        tried = _drawn(actions, settings.resize, rng)
        if not child.changes:
            tried = chain(tried, operations.shuffled(actions, TRIES))
        step = operations.first_new(child.genotype, tried, known, key)
        if step is None:
            break
        child = Mutant(step.genotype, child.changes + step.changes)
    return child


def _drawn(actions: list[Action], resize: float, rng: np.random.Generator) -> Iterator[Action]:
    """`TRIES` actions: with probability `resize` a unit more or less with equal chance, else a unit to change."""
    kinds = ("add", "remove", "change")
    adding, removing, changing = ([a for a in actions if a.kind == kind] for kind in kinds)
    resizing = [group for group in (adding, removing) if group]
    for _ in range(TRIES if actions else 0):
        if resizing and (rng.random() < resize or not changing):
            group = resizing[int(rng.random() * len(resizing))]
        else:
            group = changing
        yield group[int(rng.random() * len(group))]
