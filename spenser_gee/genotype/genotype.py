"""The genotype: per part its units, per unit the genes its expansion uses; and its text.

A genotype made here is canonical: a unit holds exactly the genes that its expansion uses, in the order of
their use. So a sentence has one genotype, and genotype -> sentence -> genotype gives back an equal one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spenser_gee.errors import input_error
from spenser_gee.grammar.derive import Codon, Derivation, Expansion, Fill, expand, expansion_of
from spenser_gee.grammar.model import Grammar
from spenser_gee.grammar.sentence import join_tokens, parse_sentence


@dataclass(frozen=True)
class Unit:
    """One unit of a part. genes: site name -> the codons (alternative or count) or numbers used there."""

    genes: Mapping[str, tuple[Codon, ...]]

    def __hash__(self) -> int:
        return hash(frozenset(self.genes.items()))


@dataclass(frozen=True)
class Genotype:
    """parts: part name -> its units, in the order of the grammar's start rule."""

    parts: Mapping[str, tuple[Unit, ...]]

    def __hash__(self) -> int:
        return hash(frozenset(self.parts.items()))

    def to_json(self) -> dict[str, Any]:
        """JSON-able values: {part: [{site: [codons]}]}."""
        return {
            name: [{site: list(values) for site, values in unit.genes.items()} for unit in units]
            for name, units in self.parts.items()
        }

    @classmethod
    def from_json(cls, values: Any, name: str = "<genotype>") -> Genotype:
        """The genotype that `to_json` gave. Raises InputError where the values are something else."""
        if not isinstance(values, dict):
            raise input_error(name, "a genotype is an object", _FORM)
        return cls({part: _units(units, part, name) for part, units in values.items()})


_FORM = 'expected  {"part": [{"rule.choice": [0, 1], "rule.number": [0.5]}]}'


def _units(units: object, part: str, name: str) -> tuple[Unit, ...]:
    if not isinstance(units, list) or not all(isinstance(unit, dict) for unit in units):
        raise input_error(name, f'"{part}" must hold a list of units', _FORM)
    return tuple(
        Unit({site: _codons(values, f"{part} {index + 1}: {site}", name) for site, values in unit.items()})
        for index, unit in enumerate(units)
    )


def _codons(values: object, where: str, name: str) -> tuple[Codon, ...]:
    if not isinstance(values, list):
        raise input_error(name, f"{where} must hold a list of numbers", _FORM)
    for value in values:
        # bool is an int to Python, and json.loads reads NaN and Infinity.
        if type(value) not in (int, float) or not (type(value) is int or math.isfinite(value)):
            raise input_error(name, f"{where}: {str(value)[:40]} is not a finite number", _FORM)
    return tuple(values)


def _derivations(genotype: Genotype, grammar: Grammar) -> list[tuple[str, tuple[Derivation, ...]]]:
    """Every unit expanded. Total: missing units take first alternatives, surplus units are dropped."""
    expansion = expansion_of(grammar)
    result = []
    for part in grammar.parts:
        units = list(genotype.parts.get(part.name, ()))[: part.maximum]
        units += [Unit({})] * (part.minimum - len(units))
        result.append((part.name, tuple(_expanded(expansion, part.rule, unit) for unit in units)))
    return result


def _expanded(expansion: Expansion, rule: str, unit: Unit) -> Derivation:
    """Kept with the unit: a mutant shares most of its units with its parent, and is expanded for its key, its sentence and
    its plan. By identity, since 1 and 1.0 are equal units of different meaning."""
    kept: dict[tuple[Expansion, str], Derivation] = unit.__dict__.setdefault("_expanded", {})
    if (expansion, rule) not in kept:
        kept[expansion, rule] = expand(expansion, rule, unit.genes)
    return kept[expansion, rule]


def expanded_unit(
    expansion: Expansion, rule: str, genes: Mapping[str, tuple[Codon, ...]], fill: Fill
) -> Unit:
    """A unit with exactly the genes that it uses: missing and impossible ones are filled, surplus ones dropped."""
    derivation = expand(expansion, rule, genes, fill)
    unit = Unit(derivation.genes)
    # Its own genes expand to the same.
    unit.__dict__["_expanded"] = {(expansion, rule): derivation}
    return unit


def canonicalise(genotype: Genotype, grammar: Grammar) -> Genotype:
    """The same network with exactly the genes it uses: missing genes filled (first alternative, lowest
    bound), impossible ones replaced in the same way, surplus ones dropped."""
    derived = _derivations(genotype, grammar)
    return Genotype({name: tuple(Unit(unit.genes) for unit in units) for name, units in derived})


def unit_tokens(genotype: Genotype, grammar: Grammar) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """(part name, words and printed numbers) of every unit, in order, without the section words of start.

    This is what a network is built from. Pure and total: a missing or impossible gene takes the first
    alternative or the lowest bound, surplus genes are ignored. Numbers are printed by `repr`.
    """
    derived = _derivations(genotype, grammar)
    return tuple((name, unit.tokens) for name, units in derived for unit in units)


def sentence_of(genotype: Genotype, grammar: Grammar) -> str:
    """The network as one line of text: `features conv filters=32 kernel=3 ...`.

    Args:
        genotype: of the grammar; missing genes take the first alternative or the lowest bound.
        grammar: whose words are written.

    Returns:
        A sentence of the grammar, which `genotype_from_sentence` reads back.
    """
    return join_tokens(grammar, unit_tokens(genotype, grammar))


def genotype_from_sentence(grammar: Grammar, text: str, name: str = "<sentence>") -> Genotype:
    """The genotype of a sentence, which may spread over lines and hold what the grammar ignores (comments).

    Args:
        grammar: whose sentence it is.
        text: the sentence.
        name: of the text in messages, for example its file.

    Returns:
        The one genotype of that sentence.

    Raises:
        InputError: at the place where the text leaves the grammar or a number its range.
    """
    parsed = parse_sentence(grammar, text, name)
    return Genotype({part: tuple(Unit(genes) for genes in units) for part, units in parsed})
