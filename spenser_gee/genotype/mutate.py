"""Mutation: a child of one genotype, by rates or by few changes."""

from __future__ import annotations

import numpy as np

from spenser_gee.genotype.few_changes import FewChanges, few_changes
from spenser_gee.genotype.genotype import Genotype
from spenser_gee.genotype.operations import Key, Mutant
from spenser_gee.genotype.rates import Rates, by_rates
from spenser_gee.grammar.model import Grammar


def mutate(
    genotype: Genotype,
    grammar: Grammar,
    settings: Rates | FewChanges,
    rng: np.random.Generator,
    key: Key = lambda genotype: genotype,
) -> Mutant:
    """A mutated copy of a canonical genotype of `grammar`.

    A changed choice never keeps its alternative (the others are drawn by their weights); genes that it newly
    needs are drawn, those it no longer uses are dropped.

    Args:
        genotype: the parent; it is not changed.
        grammar: that it belongs to.
        settings: `FewChanges`, or `Rates`: `SPENSER_RATES` (Table 2 of the paper) or `RELATIVE_RATES`.
        rng: of all draws.
        key: what the network is; a child with its parent's key is a copy, whatever its genes. Without it, genes
            decide.

    Returns:
        The child and what was changed, in words. It is a copy only with `SPENSER_RATES`, or where nothing else
        is possible.
    """
    if isinstance(settings, FewChanges):
        return few_changes(genotype, grammar, settings, rng, key)
    return by_rates(genotype, grammar, settings, rng, key)
