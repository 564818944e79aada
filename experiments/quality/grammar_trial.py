"""A grammar as Optuna's users write a search space: define-by-run, one parameter for each gene."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from optuna import Trial

from spenser_gee.genotype import Genotype, Unit
from spenser_gee.grammar import Grammar
from spenser_gee.grammar.derive import Codon, Site, expand, expansion_of
from spenser_gee.grammar.domains import IntDomain


def suggest_genotype(trial: Trial, grammar: Grammar, sizes: Mapping[str, Sequence[int]]) -> Genotype:
    """Every gene is a parameter, named by part, unit, site and how often the unit used the site before.

    The number of a part's units is a whole number between the least and the largest of `sizes`, or of the grammar. An
    alternative is offered as often as its weight says, so that random trials are drawn as our samples are.
    """
    expansion, parts = expansion_of(grammar), {}
    for part in grammar.parts:
        counts = sizes.get(part.name) or (part.minimum, part.maximum)
        units = [
            Unit(expand(expansion, part.rule, {}, _Fill(trial, f"{part.name}.{index}")).genes)
            for index in range(_whole(trial, f"{part.name}.units", min(counts), max(counts)))
        ]
        parts[part.name] = tuple(units)
    return Genotype(parts)


@dataclass
class _Fill:
    trial: Trial
    unit: str
    used: Counter[str] = field(default_factory=Counter)

    def __call__(self, site: Site, codons: tuple[int, ...]) -> Codon:
        name = f"{self.unit}.{site.name}.{self.used[site.name]}"
        self.used[site.name] += 1
        if site.domain is not None:
            low, high, log = site.domain.lo, site.domain.hi, site.domain.log
            if isinstance(site.domain, IntDomain):
                return _whole(self.trial, name, int(low), int(high), log)
            return float(low) if low == high else self.trial.suggest_float(name, low, high, log=log)
        if codons != site.allowed:
            name += ".end"  # beyond the depth cap there are fewer: a parameter has one set of choices
        if site.kind == "count":
            return _whole(self.trial, name, codons[0], codons[-1])
        slots = [codon for codon in codons for _ in range(site.weights[codon])]
        if len(codons) == 1:
            return codons[0]
        return slots[self.trial.suggest_categorical(name, list(range(len(slots))))]


def _whole(trial: Trial, name: str, low: int, high: int, log: bool = False) -> int:
    return low if low == high else trial.suggest_int(name, low, high, log=log)
