from __future__ import annotations

import numpy as np
import pytest
from search_spaces import NASTY_GRAMMAR, SPENSER_GRAMMAR, TAIL

from spenser_gee.errors import InputError
from spenser_gee.genotype import sample_genotype, sentence_of, unit_tokens
from spenser_gee.genotype.genotype import expanded_unit
from spenser_gee.genotype.sample import check_sizes
from spenser_gee.grammar import parse_grammar
from spenser_gee.grammar.derive import expand, expansion_of, fill_random
from spenser_gee.rng import stream


def chi_square(counts, probabilities):
    counts = np.asarray(counts, float)
    expected = np.asarray(probabilities) * counts.sum()
    return ((counts - expected) ** 2 / expected).sum()


def test_a_repeated_alternative_is_a_weight():
    rng = np.random.default_rng(5)
    words = [
        unit_tokens(sample_genotype(SPENSER_GRAMMAR, rng, {"features": (1,)}), SPENSER_GRAMMAR)[0][1][0]
        for _ in range(4000)
    ]
    # 1 degree of freedom, p = .001; equal weights would give a value of about 1,300.
    assert chi_square([words.count("conv"), words.count("dropout")], [0.75, 0.25]) < 10.8


def test_sizes_are_drawn_uniformly_from_the_list():
    rng = np.random.default_rng(6)
    sizes = {"features": (1, 3, 5), "classification": (1,)}
    made = [sample_genotype(SPENSER_GRAMMAR, rng, sizes) for _ in range(3000)]
    counts = np.bincount([len(g.parts["features"]) for g in made], minlength=7)
    assert counts[[0, 2, 4, 6]].sum() == 0
    assert chi_square(counts[[1, 3, 5]], [1 / 3] * 3) < 13.8
    assert {len(g.parts["classification"]) for g in made} == {1}


def test_sizes_are_drawn_within_the_bounds_where_none_are_given():
    rng = np.random.default_rng(7)
    counts = np.bincount([len(sample_genotype(SPENSER_GRAMMAR, rng).parts["features"]) for _ in range(3000)])
    assert counts[0] == 0
    assert len(counts) == 7
    assert chi_square(counts[1:], [1 / 6] * 6) < 20.5


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"feature": (1,)}, 'no part "feature"; did you mean "features"'),
        ({"features": (0, 7)}, "1 to 6 units; found 0, 7"),
        ({"features": ()}, "an empty list"),
        ({"features": (True,)}, "found True"),
    ],
)
def test_impossible_sizes_are_refused(sizes, message):
    with pytest.raises(InputError, match=message):
        sample_genotype(SPENSER_GRAMMAR, np.random.default_rng(0), sizes)


def test_sizes_of_another_grammar_are_refused_with_what_to_set():
    grammar = parse_grammar('start: "f" layers~1..3 "o" output\nlayers: "x"\noutput: "y"' + TAIL)
    with pytest.raises(InputError) as caught:
        check_sizes(grammar, {"features": (1,), "classification": (0, 1), "output": (1,)})
    (finding,) = caught.value.findings
    assert finding.problem == 'the grammar has no part "features", "classification"'
    assert "--set search.sizes={}" in finding.remedy
    assert "layers, output" in finding.remedy


def test_the_same_stream_gives_the_same_network():
    one = [sample_genotype(NASTY_GRAMMAR, stream(3, "init", i)) for i in range(20)]
    two = [sample_genotype(NASTY_GRAMMAR, stream(3, "init", i)) for i in reversed(range(20))][::-1]
    assert one == two
    assert len(set(one)) == 20


def test_branching_recursion_ends():
    """Three children a node, nearly always chosen: without a cap this would not end."""
    alternatives = " | ".join(['"(" a a a ")"'] * 20)
    grammar = parse_grammar(f'start: "f" a\na: {alternatives} | "z"' + TAIL)
    rng = np.random.default_rng(8)
    lengths = [len(sentence_of(sample_genotype(grammar, rng), grammar).split()) for _ in range(20)]
    assert max(lengths) > 300
    assert max(lengths) < 10_000


def test_counts_within_counts_stay_small():
    grammar = parse_grammar('start: "f" a\na: "x" b~0..1000\nb: "y" c~0..1000\nc: "z" int{"1", "9"}' + TAIL)
    rng = np.random.default_rng(9)
    lengths = [len(sentence_of(sample_genotype(grammar, rng), grammar).split()) for _ in range(4)]
    assert max(lengths) < 10_000


def test_every_alternative_and_count_is_reached():
    rng = np.random.default_rng(10)
    words = " ".join(
        sentence_of(sample_genotype(NASTY_GRAMMAR, rng), NASTY_GRAMMAR) for _ in range(300)
    ).split()
    wanted = {"one", "two", "three", "extra", "none", "b2", "size", "+", "-", "==", "(", "[", "leaf"}
    wanted |= {"add", "mul", "times", "other", "word", "x", "y", "t"}
    assert wanted <= {piece for word in words for piece in (word, *word.split("="))}


@pytest.mark.parametrize("grammar", [SPENSER_GRAMMAR, NASTY_GRAMMAR])
def test_what_a_unit_keeps_of_its_expansion_is_what_its_genes_expand_to(grammar):
    expansion, rng = expansion_of(grammar), np.random.default_rng(4)
    for _ in range(50):
        for part in grammar.parts:
            unit = expanded_unit(expansion, part.rule, {}, fill_random(rng))
            (kept,) = unit.__dict__["_expanded"].values()
            assert kept == expand(expansion, part.rule, unit.genes)
