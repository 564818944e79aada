"""Mutation: units are added, duplicated and removed, and genes of a unit are changed.

Operators and rates follow SPENSER (Branquinho, Lourenco, Costa: "SPENSER: Towards a NeuroEvolutionary
Approach for Convolutional Spiking Neural Networks", GECCO 2023) and DENSER; every departure is an option of
`Rates`, or, where the original behaviour makes no sense here, stated in `mutate`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial

import numpy as np

from spenser_gee.errors import Finding, InputError, Place
from spenser_gee.genotype.genotype import Genotype, Unit
from spenser_gee.grammar.derive import Codon, Expansion, Site, expand, expansion_of, fill_random
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
        findings = []
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name in ("relative_perturbation", "frozen_parts"):
                continue
            top = 1 if item.name not in ("sigma", "attempts") else 1000
            if not 0 <= value <= top:
                problem = f"{item.name} must lie in 0..{top}, not {value}"
                findings.append(Finding(Place("mutation rates"), problem, "change the rate"))
        if findings:
            raise InputError(*findings)


#: Ours: SPENSER's rates with relative noise, every part mutable, and no child equal to its parent.
DEFAULT_RATES = Rates()
#: As published: absolute noise, whole numbers redrawn, the output unit frozen, copies of the parent possible.
SPENSER_RATES = Rates(relative_perturbation=False, frozen_parts=("output",), attempts=0)


@dataclass(frozen=True)
class Mutant:
    """A child and what was changed, e.g. "features: add unit 2", "learning 1: lr 0.001 -> 0.0021"."""

    genotype: Genotype
    changes: tuple[str, ...]


def mutate(genotype: Genotype, grammar: Grammar, rates: Rates, rng: np.random.Generator) -> Mutant:
    """A mutated copy of a canonical genotype of `grammar`.

    For each part: 1 or 2 tries to add a unit, 1 or 2 tries to remove one, within the part's bounds; then
    each unit may have one gene changed. A changed choice never keeps its alternative (the others are drawn
    by their weights); genes that it newly needs are drawn, those it no longer uses are dropped. A duplicate
    is an independent copy (in SPENSER both would mutate together). With `rates.attempts` above 0 the child
    differs from its parent wherever the grammar and the rates allow a difference at all.

    Args:
        genotype: the parent; it is not changed.
        grammar: that it belongs to.
        rates: of the operators, `SPENSER_RATES` (Table 2 of the paper) or `DEFAULT_RATES`.
        rng: of all draws.

    Returns:
        The child and what was changed, in words.
    """
    mutator = _Mutator(grammar, rates, rng)
    for _ in range(max(1, rates.attempts)):
        child = mutator.child(genotype)
        if child.genotype != genotype or rates.attempts == 0:
            return child
    return mutator.forced(genotype) or Mutant(genotype, ())


class _Mutator:
    def __init__(self, grammar: Grammar, rates: Rates, rng: np.random.Generator) -> None:
        self.rates, self.rng = rates, rng
        self.expansion: Expansion = expansion_of(grammar)
        self.parts = [part for part in grammar.parts if part.name not in rates.frozen_parts]
        self.fill = fill_random(rng)

    def child(self, genotype: Genotype) -> Mutant:
        """One pass of all operators at their rates."""
        parts, changes = dict(genotype.parts), list[str]()
        for part in self.parts:
            units = list(parts.get(part.name, ()))
            if part.minimum != part.maximum:
                self._resize(part, units, changes)
            rate = self.rates.macro if part.maximum == 1 else self.rates.unit
            for index, unit in enumerate(units):
                if self.rng.random() < rate:
                    units[index] = self._change(part, index, unit, changes)
            parts[part.name] = tuple(units)
        return Mutant(Genotype(parts), tuple(changes))

    def _resize(self, part: Part, units: list[Unit], changes: list[str]) -> None:
        for _ in range(self._tries()):
            if len(units) < part.maximum and self.rng.random() < self.rates.add:
                self._add(part, units, changes)
        for _ in range(self._tries()):
            if len(units) > part.minimum and self.rng.random() < self.rates.remove:
                self._remove(part, units, changes)

    def _tries(self) -> int:
        return 1 + int(self.rng.random() * 2)

    def _add(self, part: Part, units: list[Unit], changes: list[str]) -> None:
        at = int(self.rng.random() * (len(units) + 1))
        if units and self.rng.random() < self.rates.duplicate:
            source = int(self.rng.random() * len(units))
            changes.append(f"{part.name}: add unit {at + 1}, a copy of unit {source + 1}")
            # Units are frozen values, so a shared reference is an independent copy.
            units.insert(at, units[source])
        else:
            changes.append(f"{part.name}: add unit {at + 1}")
            units.insert(at, Unit(expand(self.expansion, part.rule, {}, self.fill).genes))

    def _remove(self, part: Part, units: list[Unit], changes: list[str]) -> None:
        at = int(self.rng.random() * len(units))
        changes.append(f"{part.name}: remove unit {at + 1}")
        del units[at]

    # -- genes -------------------------------------------------------------------------------------------

    def _change(self, part: Part, index: int, unit: Unit, changes: list[str]) -> Unit:
        """The unit with one gene changed, or itself where it has none to change."""
        numbers, choices = self._free_genes(unit)
        if not numbers and not choices:
            return unit
        from_numbers = bool(numbers) and (not choices or self.rng.random() < self.rates.numeric)
        genes = numbers if from_numbers else choices
        site, position = genes[int(self.rng.random() * len(genes))]
        old = unit.genes[site.name][position]
        new = self._number(site, old) if from_numbers else self._other(site, old)
        values = list(unit.genes[site.name])
        values[position] = new
        changed = {**unit.genes, site.name: tuple(values)}
        result = Unit(expand(self.expansion, part.rule, changed, self.fill).genes)
        if result != unit:
            label = f"number of {site.label}" if site.kind == "count" else site.label
            changes.append(f"{part.name} {index + 1}: {label} {site.text(old)} -> {site.text(new)}")
        return result

    def _free_genes(self, unit: Unit) -> tuple[list[tuple[Site, int]], list[tuple[Site, int]]]:
        """The genes of a unit with more than one value: numbers, and choices with counts."""
        numbers: list[tuple[Site, int]] = []
        choices: list[tuple[Site, int]] = []
        for name, values in unit.genes.items():
            site = self.expansion.sites.get(name)
            if site is not None and site.free:
                target = numbers if site.kind == "number" else choices
                target.extend((site, position) for position in range(len(values)))
        return numbers, choices

    def _number(self, site: Site, old: Codon) -> Codon:
        assert site.domain is not None
        return site.domain.perturb(old, self.rates.sigma, self.rng, self.rates.relative_perturbation)

    def _other(self, site: Site, old: Codon) -> Codon:
        """Another alternative by weight, or another count uniformly."""
        others = [codon for codon in site.allowed if codon != old]
        if site.kind == "count":
            return others[int(self.rng.random() * len(others))]
        draw = self.rng.random() * sum(site.weights[codon] for codon in others)
        for codon in others:
            draw -= site.weights[codon]
            if draw < 0:
                return codon
        return others[-1]

    # -- the guarantee -----------------------------------------------------------------------------------

    def forced(self, genotype: Genotype) -> Mutant | None:
        """One change, in random order of everything that the rates do not rule out; None if none works."""
        actions = self._actions(genotype)
        for at in self.rng.permutation(len(actions)):
            part, action = actions[int(at)]
            units, changes = list(genotype.parts.get(part.name, ())), list[str]()
            action(units, changes)
            child = Genotype({**genotype.parts, part.name: tuple(units)})
            if child != genotype:
                return Mutant(child, tuple(changes))
        return None

    def _actions(self, genotype: Genotype) -> list[tuple[Part, Callable[[list[Unit], list[str]], None]]]:
        actions: list[tuple[Part, Callable[[list[Unit], list[str]], None]]] = []
        for part in self.parts:
            count = len(genotype.parts.get(part.name, ()))
            if (self.rates.macro if part.maximum == 1 else self.rates.unit) > 0:
                actions += [(part, partial(self._change_any, part, index)) for index in range(count)]
            if count < part.maximum and self.rates.add > 0:
                actions.append((part, partial(self._add, part)))
            if count > part.minimum and self.rates.remove > 0:
                actions.append((part, partial(self._remove, part)))
        return actions

    def _change_any(self, part: Part, index: int, units: list[Unit], changes: list[str]) -> None:
        # A few draws, since noise can round away or push against a bound.
        for _ in range(max(1, self.rates.attempts)):
            unit = self._change(part, index, units[index], changes)
            if unit != units[index]:
                units[index] = unit
                return
