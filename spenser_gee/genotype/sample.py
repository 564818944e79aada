"""Random genotypes: the number of units of each part, then every unit by random expansion."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spenser_gee.errors import Finding, InputError, Place, nearest
from spenser_gee.genotype.genotype import Genotype, expanded_unit
from spenser_gee.grammar.derive import expansion_of, fill_random
from spenser_gee.grammar.model import Grammar


def check_sizes(grammar: Grammar, sizes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises InputError where `sizes` names an unknown part or a number of units that it cannot have."""
    findings = []
    place = Place("search.sizes")
    names = [part.name for part in grammar.parts]
    if unknown := [name for name in sizes if name not in names]:
        shown = ", ".join(f'"{name}"' for name in unknown)
        problem = f"the grammar has no part {shown}{nearest(unknown[0], names)}"
        remedy = f"use its parts ({', '.join(names)}), or --set search.sizes={{}} for any number of units"
        findings.append(Finding(place, problem, remedy))
    for name in (name for name in sizes if name in names):
        counts = sizes[name]
        part = grammar.part(name)
        wrong = [n for n in counts if type(n) is not int or not part.minimum <= n <= part.maximum]
        if wrong or not counts:
            found = ", ".join(map(str, wrong)) or "an empty list"
            problem = f'"{name}" has {part.minimum} to {part.maximum} units; found {found}'
            findings.append(Finding(place, problem, "change the list, or the grammar's start rule"))
    if findings:
        raise InputError(*findings)


def sample_genotype(
    grammar: Grammar, rng: np.random.Generator, sizes: Mapping[str, tuple[int, ...]] | None = None
) -> Genotype:
    """A random genotype: alternatives by their weights, counts uniformly, numbers from their domains; beyond the
    depth cap only what leads to an end.

    Args:
        grammar: the search space.
        rng: of all draws.
        sizes: part name -> the numbers of units to draw from, uniformly (SPENSER: features 1, 3 or 5,
            classification 1); a part that is not named has a uniform number within its bounds.

    Returns:
        A genotype with exactly the genes that it uses.

    Raises:
        InputError: `sizes` does not fit the grammar.
    """
    sizes = sizes or {}
    check_sizes(grammar, sizes)
    expansion, fill = expansion_of(grammar), fill_random(rng)
    parts = {}
    for part in grammar.parts:
        counts = sizes.get(part.name) or range(part.minimum, part.maximum + 1)
        count = counts[int(rng.random() * len(counts))]
        parts[part.name] = tuple(expanded_unit(expansion, part.rule, {}, fill) for _ in range(count))
    return Genotype(parts)
