from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from search_spaces import NASTY_GRAMMAR, SPENSER_GRAMMAR, TAIL

from spenser_gee.errors import InputError
from spenser_gee.genotype import (
    RELATIVE_RATES,
    SPENSER_RATES,
    Genotype,
    Rates,
    canonicalise,
    genotype_from_sentence,
    mutate,
    sample_genotype,
    sentence_of,
)
from spenser_gee.grammar import parse_grammar

GRAMMARS = {"spenser": SPENSER_GRAMMAR, "nasty": NASTY_GRAMMAR}
NOTHING = Rates(add=0, duplicate=0, remove=0, unit=0, macro=0)


@pytest.mark.parametrize("name", GRAMMARS)
@pytest.mark.parametrize("rates", [RELATIVE_RATES, SPENSER_RATES], ids=["ours", "spenser"])
def test_two_thousand_mutations_round_trip(name, rates):
    grammar, rng = GRAMMARS[name], np.random.default_rng(21)
    rates = dataclasses.replace(rates, frozen_parts=tuple(n for n in rates.frozen_parts if name == "spenser"))
    genotype = sample_genotype(grammar, rng)
    for step in range(1000):
        before = genotype.to_json()
        mutation = mutate(genotype, grammar, rates, rng)
        child = mutation.genotype
        assert genotype.to_json() == before
        assert canonicalise(child, grammar) == child
        assert genotype_from_sentence(grammar, sentence_of(child, grammar)) == child
        assert bool(mutation.changes) or child == genotype
        if rates is RELATIVE_RATES:
            assert child != genotype, step
        for part in grammar.parts:
            assert part.minimum <= len(child.parts[part.name]) <= part.maximum
        genotype = child


def parents(count, seed, sizes=None):
    rng = np.random.default_rng(seed)
    return rng, [sample_genotype(SPENSER_GRAMMAR, rng, sizes) for _ in range(count)]


def rate_of(hits, count, expected):
    """Within four standard errors of the expected rate."""
    return abs(hits / count - expected) < 4 * math.sqrt(expected * (1 - expected) / count)


def test_rate_of_gene_changes_in_units():
    rates = dataclasses.replace(NOTHING, unit=0.15, attempts=0)
    rng, made = parents(600, 22, {"features": (5,)})
    changed = total = 0
    for parent in made:
        child = mutate(parent, SPENSER_GRAMMAR, rates, rng).genotype
        pairs = list(zip(parent.parts["features"], child.parts["features"], strict=True))
        changed += sum(a != b for a, b in pairs)
        total += len(pairs)
        assert child.parts["learning"] == parent.parts["learning"]
        assert child.parts["output"] == parent.parts["output"]
    assert rate_of(changed, total, 0.15)


def test_rate_of_gene_changes_in_macro_parts():
    rates = dataclasses.replace(NOTHING, macro=0.30, attempts=0)
    rng, made = parents(1500, 23)
    children = [mutate(parent, SPENSER_GRAMMAR, rates, rng).genotype for parent in made]
    for name in ("learning", "output"):
        changed = sum(a.parts[name] != b.parts[name] for a, b in zip(made, children, strict=True))
        assert rate_of(changed, len(made), 0.30), name


def test_rates_of_adding_and_removing():
    rng, made = parents(3000, 24, {"features": (3,), "classification": (2,)})
    add = dataclasses.replace(NOTHING, add=0.25, attempts=0)
    grown = [len(mutate(p, SPENSER_GRAMMAR, add, rng).genotype.parts["features"]) - 3 for p in made]
    # One try or two, with equal chance: none is added with .5 * .75 + .5 * .75 ** 2.
    assert rate_of(grown.count(0), len(made), 0.5 * 0.75 + 0.5 * 0.75**2)
    assert rate_of(grown.count(2), len(made), 0.5 * 0.25**2)
    remove = dataclasses.replace(NOTHING, remove=0.25, attempts=0)
    shrunk = [3 - len(mutate(p, SPENSER_GRAMMAR, remove, rng).genotype.parts["features"]) for p in made]
    assert rate_of(shrunk.count(0), len(made), 0.5 * 0.75 + 0.5 * 0.75**2)
    assert rate_of(shrunk.count(2), len(made), 0.5 * 0.25**2)


def test_rate_of_duplicates_and_their_independence():
    rates = dataclasses.replace(NOTHING, add=1.0, duplicate=0.15, attempts=0)
    rng, made = parents(1500, 25, {"features": (1,), "classification": (1,)})
    copies = total = 0
    for parent in made:
        mutation = mutate(parent, SPENSER_GRAMMAR, rates, rng)
        first = next(c for c in mutation.changes if c.startswith("features: add"))
        total += 1
        copies += "a copy of unit 1" in first
    assert rate_of(copies, total, 0.15)
    always = dataclasses.replace(rates, duplicate=1.0)
    parent = next(p for p in made if "filters.number" in p.parts["features"][0].genes)
    twins = mutate(parent, SPENSER_GRAMMAR, always, rng).genotype
    assert len(set(twins.parts["features"])) == 1
    one = dataclasses.replace(NOTHING, unit=0.2)
    grown = [mutate(twins, SPENSER_GRAMMAR, one, rng).genotype.parts["features"] for _ in range(200)]
    # A change of one twin alone happens only if the copy is independent.
    assert any(len(set(units)) == 2 and twins.parts["features"][0] in units for units in grown)


def test_numbers_are_preferred_two_to_one():
    rates = dataclasses.replace(NOTHING, macro=1.0, frozen_parts=("learning",))
    rng, made = parents(1500, 26)
    changes = [mutate(p, SPENSER_GRAMMAR, rates, rng).changes for p in made]
    assert all(len(c) == 1 and c[0].startswith("output 1: ") for c in changes)
    numbers = sum(c[0].startswith(("output 1: beta ", "output 1: threshold ")) for c in changes)
    assert rate_of(numbers, len(changes), 2 / 3)


def test_another_alternative_is_drawn_by_weight_and_never_the_same():
    grammar = parse_grammar('start: "f" a\na: "x" | "y" | "y" | "y" | "z"' + TAIL)
    rng, parent = np.random.default_rng(27), genotype_from_sentence(grammar, "f x")
    rates = dataclasses.replace(NOTHING, macro=1.0, attempts=0)
    words = [sentence_of(mutate(parent, grammar, rates, rng).genotype, grammar) for _ in range(2000)]
    assert "f x" not in words
    assert rate_of(words.count("f y"), len(words), 0.75)


def test_changes_are_told_in_words():
    grammar = parse_grammar('start: "f" a~1..2 "g" b\na: "x" "=" int{"1", "2"}\nb: "p" "q"~0..1' + TAIL)
    rng, parent = np.random.default_rng(28), genotype_from_sentence(grammar, "f x=1 g p q")
    seen = {change for _ in range(300) for change in mutate(parent, grammar, RELATIVE_RATES, rng).changes}
    assert {
        "a: add unit 1",
        "a: add unit 2, a copy of unit 1",
        "a: remove unit 1",
        "a 1: x 1 -> 2",
        "b 1: number of q 1 -> 0",
    } <= seen


def test_spenser_absolute_noise_mostly_ends_at_a_bound_and_ours_does_not():
    rng, made = parents(400, 29)
    at_bound = {}
    for name, relative in (("spenser", False), ("ours", True)):
        rates = dataclasses.replace(
            NOTHING, macro=1.0, numeric=1.0, attempts=0, relative_perturbation=relative
        )
        found = []
        for parent in made:
            child = mutate(parent, SPENSER_GRAMMAR, rates, rng).genotype
            before, after = (g.parts["learning"][0].genes["decay.number"][0] for g in (parent, child))
            if before != after:
                found.append(after in (1e-6, 1e-3))
        at_bound[name] = np.mean(found)
    assert at_bound["spenser"] > 0.95
    assert at_bound["ours"] < 0.3


def test_frozen_parts_never_change():
    rng, made = parents(100, 30)
    for parent in made:
        child = mutate(parent, SPENSER_GRAMMAR, SPENSER_RATES, rng).genotype
        assert child.parts["output"] == parent.parts["output"]


def test_the_child_differs_wherever_it_can():
    """Tiny rates: the forced change must step in; where nothing can change, the parent comes back."""
    rng, made = parents(100, 31)
    rare = Rates(add=1e-9, duplicate=0, remove=1e-9, unit=1e-9, macro=1e-9)
    for parent in made:
        mutation = mutate(parent, SPENSER_GRAMMAR, rare, rng)
        assert mutation.genotype != parent
        assert len(mutation.changes) == 1
    assert mutate(made[0], SPENSER_GRAMMAR, NOTHING, rng) == dataclasses.replace(
        mutation, genotype=made[0], changes=()
    )
    fixed = parse_grammar('start: "f" a\na: "x" int{"3", "3"}' + TAIL)
    parent = genotype_from_sentence(fixed, "f x 3")
    assert mutate(parent, fixed, RELATIVE_RATES, rng).genotype == parent
    only_size = parse_grammar('start: "f" a~1..2\na: "x"' + TAIL)
    parent = genotype_from_sentence(only_size, "f x")
    assert all(
        len(mutate(parent, only_size, RELATIVE_RATES, rng).genotype.parts["a"]) == 2 for _ in range(20)
    )


def test_the_same_stream_gives_the_same_child():
    _, (parent,) = parents(1, 32)
    children = [mutate(parent, SPENSER_GRAMMAR, RELATIVE_RATES, np.random.default_rng(7)) for _ in range(2)]
    assert children[0] == children[1]


@pytest.mark.parametrize("bad", [{"add": -0.1}, {"unit": 1.5}, {"sigma": math.nan}, {"attempts": -1}])
def test_impossible_rates_are_refused(bad):
    with pytest.raises(InputError, match=f"mutation rates: {next(iter(bad))} must lie in"):
        Rates(**bad)


def test_a_parent_with_missing_genes_is_repaired_not_crashed():
    child = mutate(Genotype({}), SPENSER_GRAMMAR, RELATIVE_RATES, np.random.default_rng(1)).genotype
    assert genotype_from_sentence(SPENSER_GRAMMAR, sentence_of(child, SPENSER_GRAMMAR))
