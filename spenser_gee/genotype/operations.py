"""Single changes of a genotype, which every mutation is made of: a unit more, a unit less, another value of a gene."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from spenser_gee.errors import Finding, InputError, Place
from spenser_gee.genotype.genotype import Genotype, Unit, expanded_unit
from spenser_gee.grammar.derive import Codon, Site, expansion_of, fill_random
from spenser_gee.grammar.model import Grammar, Part

#: What a genotype stands for: where two have equal keys, one is a copy of the other.
Key = Callable[[Genotype], Hashable]


@dataclass(frozen=True)
class Mutant:
    """A child and what was changed, e.g. "features: add unit 2", "learning 1: lr 0.001 -> 0.0021"."""

    genotype: Genotype
    changes: tuple[str, ...]


@dataclass(frozen=True)
class Action:
    """What can be done to a part: add or remove some unit, or change a gene of the unit `index` (from 0)."""

    kind: Literal["add", "remove", "change"]
    part: Part
    index: int = 0


def refuse_outside(settings: object, bounds: Mapping[str, tuple[float, float]]) -> None:
    """Raises InputError that names every setting which lies outside its bounds."""
    findings = []
    for name, (low, high) in bounds.items():
        value = getattr(settings, name)
        if not low <= value <= high:
            problem = f"{name} must lie in {low}..{high}, not {value}"
            findings.append(Finding(Place("mutation rates"), problem, "change the rate"))
    if findings:
        raise InputError(*findings)


class Operations:
    """The single changes, with one generator for all their draws.

    duplicate: probability that an added unit copies an existing one, else it is fresh.
    sigma, relative: of the noise on numbers (`Domain.perturb`).
    numeric: probability to change a number, not a choice, where a unit has both.
    """

    def __init__(
        self,
        grammar: Grammar,
        rng: np.random.Generator,
        *,
        duplicate: float,
        sigma: float,
        numeric: float,
        relative: bool,
    ) -> None:
        self.grammar, self.rng = grammar, rng
        self.duplicate, self.sigma, self.numeric, self.relative = duplicate, sigma, numeric, relative
        self.expansion = expansion_of(grammar)
        self.fill = fill_random(rng)

    # -- on the units of a part, in place; what was done is appended to `changes` -----------------------------

    def add(self, part: Part, units: list[Unit], changes: list[str]) -> None:
        at = int(self.rng.random() * (len(units) + 1))
        if units and self.rng.random() < self.duplicate:
            source = int(self.rng.random() * len(units))
            changes.append(f"{part.name}: add unit {at + 1}, a copy of unit {source + 1}")
            # Units are frozen values, so a shared reference is an independent copy.
            units.insert(at, units[source])
        else:
            changes.append(f"{part.name}: add unit {at + 1}")
            units.insert(at, expanded_unit(self.expansion, part.rule, {}, self.fill))

    def remove(self, part: Part, units: list[Unit], changes: list[str]) -> None:
        at = int(self.rng.random() * len(units))
        changes.append(f"{part.name}: remove unit {at + 1}")
        del units[at]

    def change(self, part: Part, index: int, units: list[Unit], changes: list[str]) -> None:
        """Changes one gene of a unit that has one to change."""
        unit = units[index]
        numbers, choices = self._free_genes(unit)
        if not numbers and not choices:
            return
        from_numbers = bool(numbers) and (not choices or self.rng.random() < self.numeric)
        genes = numbers if from_numbers else choices
        site, position = genes[int(self.rng.random() * len(genes))]
        old = unit.genes[site.name][position]
        new = self._number(site, old) if from_numbers else self._other(site, old)
        values = list(unit.genes[site.name])
        values[position] = new
        changed = {**unit.genes, site.name: tuple(values)}
        result = expanded_unit(self.expansion, part.rule, changed, self.fill)
        if result != unit:
            label = f"number of {site.label}" if site.kind == "count" else site.label
            changes.append(f"{part.name} {index + 1}: {label} {site.text(old)} -> {site.text(new)}")
            units[index] = result

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
        return site.domain.perturb(old, self.sigma, self.rng, self.relative)

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

    # -- on a genotype --------------------------------------------------------------------------------------

    def actions(self, genotype: Genotype) -> list[Action]:
        """All that the bounds of the parts allow."""
        actions: list[Action] = []
        for part in self.grammar.parts:
            count = len(genotype.parts.get(part.name, ()))
            actions += [Action("change", part, index) for index in range(count)]
            if count < part.maximum:
                actions.append(Action("add", part))
            if count > part.minimum:
                actions.append(Action("remove", part))
        return actions

    def shuffled(self, actions: list[Action], tries: int) -> Iterator[Action]:
        """All actions in random order, each as often as it may be tried: what it draws differs."""
        for at in self.rng.permutation(len(actions)):
            yield from [actions[int(at)]] * tries

    def first_new(
        self, genotype: Genotype, actions: Iterable[Action], known: set[Hashable], key: Key
    ) -> Mutant | None:
        """The first of the actions that leads to a key that is not known; that key is known from then on."""
        for action in actions:
            mutant = self._done(genotype, action)
            found = key(mutant.genotype)
            if found not in known:
                known.add(found)
                return mutant
        return None

    def _done(self, genotype: Genotype, action: Action) -> Mutant:
        part = action.part
        units, changes = list(genotype.parts.get(part.name, ())), list[str]()
        match action.kind:
            case "add":
                self.add(part, units, changes)
            case "remove":
                self.remove(part, units, changes)
            case "change":
                self.change(part, action.index, units, changes)
        return Mutant(Genotype({**genotype.parts, part.name: tuple(units)}), tuple(changes))
