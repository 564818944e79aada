"""Crossover: units of one part, or whole parts, from two parents."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from search_spaces import NASTY_GRAMMAR, SPENSER_GRAMMAR, TAIL

from spenser_gee.genotype import Genotype, canonicalise, cross, genotype_from_sentence, sample_genotype
from spenser_gee.genotype import sentence_of as said
from spenser_gee.grammar import parse_grammar


def told(first: Genotype, second: Genotype, changes: tuple[str, ...]) -> Genotype:
    """The child that the words describe."""
    parts = dict(first.parts)
    for change in changes:
        if ": units " not in change:
            names = change.removesuffix(" of the other").split(", ")
            parts |= {name: second.parts[name] for name in names}
            continue
        part, _, pieces = change.partition(": units ")
        parts[part] = ()
        for low, high, whose in re.findall(r"(\d+)-(\d+) of the (one|other)", pieces):
            source = first if whose == "one" else second
            parts[part] += source.parts[part][int(low) - 1 : int(high)]
    return Genotype(parts)


@pytest.mark.parametrize("grammar", [SPENSER_GRAMMAR, NASTY_GRAMMAR], ids=["spenser", "nasty"])
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_children_are_what_is_told_canonical_and_within_bounds(grammar, seed) -> None:
    rng = np.random.default_rng(seed)
    first, second = (sample_genotype(grammar, rng) for _ in range(2))
    before = first.to_json(), second.to_json()
    child, again = (cross(first, second, grammar, np.random.default_rng(seed)) for _ in range(2))
    assert child == again
    assert (first.to_json(), second.to_json()) == before
    assert child.genotype == told(first, second, child.changes)
    assert canonicalise(child.genotype, grammar) == child.genotype
    for part in grammar.parts:
        units = child.genotype.parts[part.name]
        assert part.minimum <= len(units) <= part.maximum
        assert set(units) <= {*first.parts[part.name], *second.parts[part.name]}


def test_both_modes_are_drawn_alike() -> None:
    rng = np.random.default_rng(60)
    first, second = (sample_genotype(SPENSER_GRAMMAR, rng) for _ in range(2))
    changes = [cross(first, second, SPENSER_GRAMMAR, rng).changes for _ in range(2000)]
    points = [change[0] for change in changes if change and ": units " in change[0]]
    assert len(points) == pytest.approx(1000, abs=90)  # four standard errors
    assert sum(p.startswith("features") for p in points) == pytest.approx(500, abs=80)
    masks = [change[0] if change else "" for change in changes if not change or ": units " not in change[0]]
    for part in SPENSER_GRAMMAR.parts:
        assert sum(part.name in mask for mask in masks) == pytest.approx(500, abs=80)


def test_every_pair_of_cuts_within_the_bounds() -> None:
    grammar = parse_grammar('start: "f" a~1..2\na: "x" | "y" | "z"' + TAIL)
    first, second = (genotype_from_sentence(grammar, text) for text in ("f x y", "f z"))
    rng = np.random.default_rng(61)
    children = [cross(first, second, grammar, rng) for _ in range(200)]
    assert {said(child.genotype, grammar) for child in children} == {"f x", "f x y", "f x z", "f z"}
    words = {change: said(child.genotype, grammar) for child in children for change in child.changes}
    assert words["a: units 1-1 of the one, 1-1 of the other"] == "f x z"


def test_a_part_may_end_empty() -> None:
    grammar = parse_grammar('start: "f" a~0..2\na: "x" | "y"' + TAIL)
    first, second = (genotype_from_sentence(grammar, text) for text in ("f x", "f y"))
    rng = np.random.default_rng(62)
    children = [cross(first, second, grammar, rng) for _ in range(100)]
    assert {child.changes for child in children if not child.genotype.parts["a"]} == {("a: units of none",)}


def test_without_parts_of_variable_size_parts_come_whole() -> None:
    grammar = parse_grammar('start: "f" a "g" b\na: "x" | "y"\nb: "v" | "w"' + TAIL)
    first, second = (genotype_from_sentence(grammar, text) for text in ("f x g v", "f y g w"))
    rng = np.random.default_rng(63)
    found = {cross(first, second, grammar, rng).changes for _ in range(100)}
    assert found == {(), ("a of the other",), ("b of the other",), ("a, b of the other",)}
