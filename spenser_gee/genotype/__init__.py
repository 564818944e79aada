"""Genotypes: their text, random ones, mutated ones, and old ones under a new grammar."""

from spenser_gee.genotype.genotype import (
    Genotype,
    Unit,
    canonicalise,
    genotype_from_sentence,
    sentence_of,
    unit_tokens,
)
from spenser_gee.genotype.mutate import DEFAULT_RATES, SPENSER_RATES, Mutant, Rates, mutate
from spenser_gee.genotype.reencode import grammar_difference, reencode
from spenser_gee.genotype.sample import sample_genotype

__all__ = [
    "DEFAULT_RATES",
    "SPENSER_RATES",
    "Genotype",
    "Mutant",
    "Rates",
    "Unit",
    "canonicalise",
    "genotype_from_sentence",
    "grammar_difference",
    "mutate",
    "reencode",
    "sample_genotype",
    "sentence_of",
    "unit_tokens",
]
