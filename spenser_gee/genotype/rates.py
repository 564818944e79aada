"""Mutation as in SPENSER: every part and every unit may change, each with its rate.

Operators and rates follow SPENSER (Branquinho, Lourenco, Costa: "SPENSER: Towards a NeuroEvolutionary
Approach for Convolutional Spiking Neural Networks", GECCO 2023) and DENSER; every departure is an option of
`Rates`, or, where the original behaviour makes no sense here, stated in `by_rates`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spenser_gee.genotype.genotype import Genotype, Unit
from spenser_gee.genotype.operations import Action, Key, Mutant, Operations, refuse_outside
from spenser_gee.grammar.model import Grammar, Part


@dataclass(frozen=True)
class Rates:
    """How strongly `mutate` changes a genotype. Raises InputError where a value is out of range.

    add: .25, the probability of each try to add a unit to a part (SPENSER).
    duplicate: .15, the probability that an added unit copies an existing one, else it is fresh (SPENSER).
    remove: .25, the probability of each try to remove a unit (SPENSER).
    unit: .15, the probability for each unit of a part of several units to have a gene changed (SPENSER).
    macro: .30, the same for a part of exactly one unit (learning and the like) (SPENSER).
    sigma: .15, the standard deviation of the noise on numbers (SPENSER).
    numeric: 2/3, the probability to change a number, not a choice, where a unit has both (SPENSER: 2:1).
    relative_perturbation: True, noise is a fraction of the range, in log space for log genes, and applies to
        whole numbers too. SPENSER adds it as it is (and redraws whole numbers): on a learning rate in
        0.0001..0.1 three in four mutations then end at a bound.
    frozen_parts: (), parts that are never changed. SPENSER never changes its output unit.
    attempts: 20, how often an unchanged child is mutated again before one change is forced, so that no
        evaluation is spent on a copy of the parent. 0 is SPENSER's: the child may equal its parent.
    """

    add: float = 0.25
    duplicate: float = 0.15
    remove: float = 0.25
    unit: float = 0.15
    macro: float = 0.30
    sigma: float = 0.15
    numeric: float = 2 / 3
    relative_perturbation: bool = True
    frozen_parts: tuple[str, ...] = ()
    attempts: int = 20

    def __post_init__(self) -> None:
        shares = ("add", "duplicate", "remove", "unit", "macro", "numeric")
        refuse_outside(self, dict.fromkeys(shares, (0, 1)) | {"sigma": (0, 1000), "attempts": (0, 1000)})


#: SPENSER's rates with relative noise, every part mutable, and no child equal to its parent.
RELATIVE_RATES = Rates()
#: As published: absolute noise, whole numbers redrawn, the output unit frozen, copies of the parent possible.
SPENSER_RATES = Rates(relative_perturbation=False, frozen_parts=("output",), attempts=0)


def by_rates(
    genotype: Genotype, grammar: Grammar, rates: Rates, rng: np.random.Generator, key: Key
) -> Mutant:
    """A mutated copy, after one pass of all operators.

    For each part: 1 or 2 tries to add a unit, 1 or 2 tries to remove one, within the part's bounds; then
    each unit may have one gene changed. A duplicate is an independent copy (in SPENSER both would mutate
    together). With `rates.attempts` above 0 the child differs from its parent by key wherever the grammar and
    the rates allow a difference at all.
    """
    mutator = _Mutator(grammar, rates, rng)
    if rates.attempts == 0:
        return mutator.child(genotype)
    same = key(genotype)
    for _ in range(rates.attempts):
        child = mutator.child(genotype)
        if key(child.genotype) != same:
            return child
    return mutator.forced(genotype, key) or Mutant(genotype, ())


class _Mutator:
    def __init__(self, grammar: Grammar, rates: Rates, rng: np.random.Generator) -> None:
        self.rates, self.rng = rates, rng
        self.parts = [part for part in grammar.parts if part.name not in rates.frozen_parts]
        self.operations = Operations(
            grammar,
            rng,
            duplicate=rates.duplicate,
            sigma=rates.sigma,
            numeric=rates.numeric,
            relative=rates.relative_perturbation,
        )

    def child(self, genotype: Genotype) -> Mutant:
        """One pass of all operators at their rates."""
        parts, changes = dict(genotype.parts), list[str]()
        for part in self.parts:
            units = list(parts.get(part.name, ()))
            if part.minimum != part.maximum:
                self._resize(part, units, changes)
            rate = self._gene_rate(part)
            for index in range(len(units)):
                if self.rng.random() < rate:
                    self.operations.change(part, index, units, changes)
            parts[part.name] = tuple(units)
        return Mutant(Genotype(parts), tuple(changes))

    def _resize(self, part: Part, units: list[Unit], changes: list[str]) -> None:
        for _ in range(self._tries()):
            if len(units) < part.maximum and self.rng.random() < self.rates.add:
                self.operations.add(part, units, changes)
        for _ in range(self._tries()):
            if len(units) > part.minimum and self.rng.random() < self.rates.remove:
                self.operations.remove(part, units, changes)

    def _tries(self) -> int:
        return 1 + int(self.rng.random() * 2)

    def _gene_rate(self, part: Part) -> float:
        return self.rates.macro if part.maximum == 1 else self.rates.unit

    def forced(self, genotype: Genotype, key: Key) -> Mutant | None:
        """One change, in random order of everything that the rates do not rule out; None if none works."""
        actions = [action for action in self.operations.actions(genotype) if self._may(action)]
        tried = self.operations.shuffled(actions, self.rates.attempts)
        return self.operations.first_new(genotype, tried, {key(genotype)}, key)

    def _may(self, action: Action) -> bool:
        rates = {"add": self.rates.add, "remove": self.rates.remove, "change": self._gene_rate(action.part)}
        return action.part in self.parts and rates[action.kind] > 0
