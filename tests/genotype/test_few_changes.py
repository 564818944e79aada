"""Few changes per child, their number with a heavy tail; silent ones do not count."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from search_spaces import NASTY_GRAMMAR, ROOT, SPENSER_GRAMMAR, TAIL

from spenser_gee.errors import InputError
from spenser_gee.genotype import (
    FewChanges,
    Genotype,
    Mutant,
    Rates,
    canonicalise,
    genotype_from_sentence,
    mutate,
    sample_genotype,
    sentence_of,
)
from spenser_gee.grammar import load_grammar, parse_grammar
from spenser_gee.phenotype.decode import decode

RICH_GRAMMAR = load_grammar(ROOT / "grammars" / "spenser_gee.lark")
# k ** -1.5 / (1 + 2 ** -1.5 + ... + 8 ** -1.5), by hand: the sum is 1.926677.
SHARES = (0.519028, 0.183504, 0.099887, 0.064879, 0.046423, 0.035315, 0.028025, 0.022938)


def rich_key(genotype: Genotype) -> str:
    return decode(genotype, RICH_GRAMMAR).key()


def near(hits: int, count: int, expected: float) -> bool:
    """Within four standard errors of the expected share."""
    return abs(hits / count - expected) < 4 * math.sqrt(expected * (1 - expected) / count)


def test_the_number_of_changes_has_a_heavy_tail() -> None:
    rng = np.random.default_rng(40)
    parents = [sample_genotype(SPENSER_GRAMMAR, rng) for _ in range(3000)]
    found = [len(mutate(parent, SPENSER_GRAMMAR, FewChanges(), rng).changes) for parent in parents]
    counts = [found.count(k) for k in range(1, 9)]
    assert sum(counts) == len(found)
    expected = [share * len(found) for share in SHARES]
    chi_square = sum((n - e) ** 2 / e for n, e in zip(counts, expected, strict=True))
    assert chi_square < 24.3  # 7 degrees of freedom, 99.9 %
    assert np.mean(found) == pytest.approx(2.269, abs=0.13)  # four standard errors


def test_exponent_and_most() -> None:
    rng = np.random.default_rng(41)
    flat = [FewChanges(exponent=0, most=4).number(rng) for _ in range(2000)]
    assert all(near(flat.count(k), 2000, 0.25) for k in (1, 2, 3, 4))
    assert {FewChanges(most=1).number(rng) for _ in range(50)} == {1}
    assert {FewChanges(exponent=100).number(rng) for _ in range(50)} == {1}


def test_what_a_change_is() -> None:
    """3 + 2 + 1 + 1 units, two parts that may grow and shrink: a quarter of the changes resizes, half of it each way."""
    rng = np.random.default_rng(42)
    sizes = {"features": (3,), "classification": (2,)}
    changes = []
    for _ in range(4000):
        parent = sample_genotype(SPENSER_GRAMMAR, rng, sizes)
        (change,) = mutate(parent, SPENSER_GRAMMAR, FewChanges(most=1), rng).changes
        changes.append(change)
    for part in sizes:
        for action in ("add", "remove"):
            assert near(sum(c.startswith(f"{part}: {action}") for c in changes), 4000, 0.25 / 4)
    copies = sum("a copy of" in c for c in changes)
    assert near(copies, sum(": add" in c for c in changes), 0.15)
    units = [f"features {i}: " for i in (1, 2, 3)] + [f"classification {i}: " for i in (1, 2)]
    for unit in [*units, "output 1: ", "learning 1: "]:
        assert near(sum(c.startswith(unit) for c in changes), 4000, 0.75 / 7), unit


def test_parts_of_variable_size_are_drawn_among_those_that_have_room() -> None:
    grammar = parse_grammar('start: "f" a~1..2 "g" b~1..3\na: "x"\nb: "y"' + TAIL)
    rng = np.random.default_rng(43)
    parent = genotype_from_sentence(grammar, "f x x g y")
    found = [mutate(parent, grammar, FewChanges(most=1), rng).changes[0] for _ in range(200)]
    assert {c.split(" unit")[0] for c in found} == {"a: remove", "b: add"}
    assert near(sum(c.startswith("a") for c in found), 200, 0.5)


def test_noise_is_relative_with_its_sigma() -> None:
    grammar = parse_grammar('start: "f" a\na: "x" "=" float{"0", "10"} ("p" | "q")' + TAIL)
    rng = np.random.default_rng(44)
    parent = genotype_from_sentence(grammar, "f x=5 p")
    few = FewChanges(most=1, sigma=0.05)
    units = [mutate(parent, grammar, few, rng).genotype.parts["a"][0].genes for _ in range(2000)]
    moved = np.array([u["a.number"][0] for u in units if u["a.number"] != (5,)])
    assert near(len(moved), 2000, 2 / 3)
    assert np.std(moved) == pytest.approx(0.5, rel=0.1)


@pytest.mark.parametrize("grammar", [SPENSER_GRAMMAR, NASTY_GRAMMAR], ids=["spenser", "nasty"])
@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    few=st.builds(
        FewChanges,
        exponent=st.floats(0, 4),
        most=st.integers(1, 12),
        resize=st.floats(0, 1),
        duplicate=st.floats(0, 1),
        sigma=st.floats(0.001, 10),
        numeric=st.floats(0, 1),
    ),
)
def test_children_are_canonical_within_bounds_and_new(grammar, seed, few) -> None:
    rng = np.random.default_rng(seed)
    parent = sample_genotype(grammar, rng)
    before = parent.to_json()
    for _ in range(10):
        mutant = mutate(parent, grammar, few, rng)
        child = mutant.genotype
        assert parent.to_json() == before
        assert child != parent
        assert 1 <= len(mutant.changes) <= few.most
        assert canonicalise(child, grammar) == child
        assert genotype_from_sentence(grammar, sentence_of(child, grammar)) == child
        for part in grammar.parts:
            assert part.minimum <= len(child.parts[part.name]) <= part.maximum


def without_gene_encoding(rng: np.random.Generator) -> Genotype:
    sentence = sentence_of(sample_genotype(RICH_GRAMMAR, rng, {"features": (2,)}), RICH_GRAMMAR)
    return genotype_from_sentence(RICH_GRAMMAR, sentence.replace("weights=gene", "weights=direct"))


def test_silent_changes_do_not_count() -> None:
    """Where no layer is gene-encoded, the number of genes says nothing, nor does the encoding of the first layer."""
    rng = np.random.default_rng(45)
    blind, told = [], []
    for _ in range(200):
        parent = without_gene_encoding(rng)
        blind += mutate(parent, RICH_GRAMMAR, FewChanges(most=1), rng).changes
        mutant = mutate(parent, RICH_GRAMMAR, FewChanges(), rng, rich_key)
        assert rich_key(mutant.genotype) != rich_key(parent)
        told += mutant.changes[:1]
    assert any(change.startswith("genes 1: count") for change in blind)
    assert len(told) == 200
    assert not any(change.startswith("genes 1: count") for change in told)


def test_the_key_counts_for_rates_too() -> None:
    rng = np.random.default_rng(46)
    parent = without_gene_encoding(rng)
    others = tuple(part.name for part in RICH_GRAMMAR.parts if part.name != "genes")
    only_genes = Rates(frozen_parts=others)
    assert mutate(parent, RICH_GRAMMAR, only_genes, rng).changes
    assert mutate(parent, RICH_GRAMMAR, only_genes, rng, rich_key) == Mutant(parent, ())


def test_no_change_takes_another_back() -> None:
    rng = np.random.default_rng(47)
    for words, most in ((2, 1), (3, 2)):
        options = " | ".join(f'"w{index}"' for index in range(words))
        grammar = parse_grammar(f'start: "f" a\na: {options}' + TAIL)
        parent = genotype_from_sentence(grammar, "f w0")
        mutants = [mutate(parent, grammar, FewChanges(exponent=0), rng) for _ in range(60)]
        assert all(mutant.genotype != parent for mutant in mutants)
        assert max(len(mutant.changes) for mutant in mutants) == most


def test_the_one_change_that_works_is_found() -> None:
    rng = np.random.default_rng(48)
    grammar = parse_grammar('start: "f" a~60 "g" b\na: "x"\nb: "y" | "z"' + TAIL)
    parent = genotype_from_sentence(grammar, f"f {'x ' * 60}g y")
    for _ in range(5):
        assert mutate(parent, grammar, FewChanges(), rng).changes == ("b 1: b y -> z",)


def test_where_nothing_works_the_parent_comes_back() -> None:
    rng = np.random.default_rng(49)
    fixed = parse_grammar('start: "f" a\na: "x" int{"3", "3"}' + TAIL)
    sized = parse_grammar('start: "f" a~0..2\na: "x"' + TAIL)
    for grammar, text, few in (
        (fixed, "f x 3", FewChanges()),
        (fixed, "f x 3", FewChanges(resize=1)),
        (sized, "f x", FewChanges(resize=0)),
        (sized, "f", FewChanges(resize=0)),
    ):
        parent = genotype_from_sentence(grammar, text)
        assert mutate(parent, grammar, few, rng) == Mutant(parent, ())
    parent = genotype_from_sentence(sized, "f")
    assert mutate(parent, sized, FewChanges(most=1), rng).changes == ("a: add unit 1",)


def test_the_same_stream_gives_the_same_child() -> None:
    parent = sample_genotype(RICH_GRAMMAR, np.random.default_rng(50))
    first, second = (
        mutate(parent, RICH_GRAMMAR, FewChanges(), np.random.default_rng(7), rich_key) for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize("bad", [{"resize": 1.1}, {"most": 0}, {"exponent": -1}, {"sigma": math.nan}])
def test_impossible_settings_are_refused(bad) -> None:
    with pytest.raises(InputError, match=f"{next(iter(bad))} must lie in"):
        FewChanges(**bad)
