"""Crossover as in DENSER: a child takes units of one part, or whole parts, from two parents.

Assuncao, Lourenco, Machado, Ribeiro: "DENSER: deep evolutionary network structured representation", 2019.
"""

from __future__ import annotations

import numpy as np

from spenser_gee.genotype.genotype import Genotype
from spenser_gee.genotype.operations import Mutant
from spenser_gee.grammar.model import Grammar, Part


def cross(first: Genotype, second: Genotype, grammar: Grammar, rng: np.random.Generator) -> Mutant:
    """A child of two canonical genotypes of `grammar`, canonical too; it may equal one of them.

    With equal chance: one part of variable size is made of the first's units before a cut and the second's after a
    cut, and the rest is the first's; or each part comes whole from one of both, by a bit mask.

    Args:
        first: "the one" in the changes.
        second: "the other".
        grammar: that both belong to.
        rng: of all draws.

    Returns:
        The child and what came from whom, in words.
    """
    variable = [part for part in grammar.parts if part.minimum != part.maximum]
    if variable and rng.random() < 0.5:
        return _one_point(first, second, variable[int(rng.random() * len(variable))], rng)
    names = [part.name for part in grammar.parts if rng.random() < 0.5]
    child = Genotype({**first.parts, **{name: second.parts[name] for name in names}})
    return Mutant(child, (f"{', '.join(names)} of the other",) if names else ())


def _one_point(first: Genotype, second: Genotype, part: Part, rng: np.random.Generator) -> Mutant:
    """The part's units up to a cut of the first and from a cut of the second on: any two cuts that keep its bounds."""
    ours, theirs = first.parts[part.name], second.parts[part.name]
    cuts = [
        (end, start)
        for end in range(len(ours) + 1)
        for start in range(len(theirs) + 1)
        if part.minimum <= end + len(theirs) - start <= part.maximum
    ]
    end, start = cuts[int(rng.random() * len(cuts))]
    child = Genotype({**first.parts, part.name: ours[:end] + theirs[start:]})
    pieces = [(1, end, "the one"), (start + 1, len(theirs), "the other")]
    words = [f"{low}-{high} of {whose}" for low, high, whose in pieces if low <= high]
    return Mutant(child, (f"{part.name}: units {', '.join(words) or 'of none'}",))
