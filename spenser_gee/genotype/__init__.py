"""Genotypes: their text, random ones, mutated and crossed ones, and old ones under a new grammar."""

from spenser_gee.genotype.crossover import cross
from spenser_gee.genotype.few_changes import FewChanges
from spenser_gee.genotype.genotype import (
    Genotype,
    Unit,
    canonicalise,
    genotype_from_sentence,
    sentence_of,
    unit_tokens,
)
from spenser_gee.genotype.mutate import mutate
from spenser_gee.genotype.operations import Mutant
from spenser_gee.genotype.rates import RELATIVE_RATES, SPENSER_RATES, Rates
from spenser_gee.genotype.reencode import grammar_difference, reencode
from spenser_gee.genotype.sample import sample_genotype

__all__ = [
    "RELATIVE_RATES",
    "SPENSER_RATES",
    "FewChanges",
    "Genotype",
    "Mutant",
    "Rates",
    "Unit",
    "canonicalise",
    "cross",
    "genotype_from_sentence",
    "grammar_difference",
    "mutate",
    "reencode",
    "sample_genotype",
    "sentence_of",
    "unit_tokens",
]
