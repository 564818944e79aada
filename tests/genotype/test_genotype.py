from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from search_spaces import NASTY_GRAMMAR, SPENSER_GRAMMAR, TAIL

from spenser_gee.errors import InputError
from spenser_gee.genotype import (
    Genotype,
    Unit,
    canonicalise,
    genotype_from_sentence,
    sample_genotype,
    sentence_of,
    unit_tokens,
)
from spenser_gee.grammar import parse_grammar

GRAMMARS = {"spenser": SPENSER_GRAMMAR, "nasty": NASTY_GRAMMAR}


@pytest.mark.parametrize("name", GRAMMARS)
def test_two_thousand_random_genotypes_round_trip(name):
    grammar, rng = GRAMMARS[name], np.random.default_rng(11)
    for _ in range(2000):
        genotype = sample_genotype(grammar, rng)
        sentence = sentence_of(genotype, grammar)
        again = genotype_from_sentence(grammar, sentence)
        assert again == genotype
        assert hash(again) == hash(genotype)
        assert sentence_of(again, grammar) == sentence
        assert canonicalise(genotype, grammar) == genotype
        assert "\n" not in sentence


@pytest.mark.parametrize("name", GRAMMARS)
def test_json_round_trip(name):
    grammar, rng = GRAMMARS[name], np.random.default_rng(12)
    for _ in range(100):
        genotype = sample_genotype(grammar, rng)
        again = Genotype.from_json(json.loads(json.dumps(genotype.to_json())))
        assert again == genotype
        assert sentence_of(again, grammar) == sentence_of(genotype, grammar)
        for units in again.parts.values():
            for unit in units:
                assert all(type(v) in (int, float) for values in unit.genes.values() for v in values)


@pytest.mark.parametrize(
    "values",
    [
        "",
        [],
        None,
        {"a": 1},
        {"a": [1]},
        {"a": [{"x": 1}]},
        {"a": [{"x": ["1"]}]},
        {"a": [{"x": [True]}]},
        {"a": [{"x": [math.nan]}]},
        {"a": [{"x": [math.inf]}]},
        {"a": [{"x": [None]}]},
    ],
)
def test_foreign_values_are_an_input_error(values):
    with pytest.raises(InputError, match=r"^run\.sqlite: "):
        Genotype.from_json(values, "run.sqlite")


def test_the_text_of_a_genotype():
    unit = Unit({"features.choice": (1,), "dropout.number": (0.25,)})
    genotype = Genotype({"features": (unit,)})
    tokens = unit_tokens(genotype, SPENSER_GRAMMAR)
    assert tokens[0] == ("features", ("dropout", "rate", "=", "0.25"))
    nesterov = ("nesterov", "=", "true")
    # Missing parts and genes: first alternatives and lowest bounds.
    assert [part for part, _ in tokens] == ["features", "classification", "output", "learning"]
    assert tokens[3] == (
        "learning",
        ("sgd", *("lr", "=", "0.0001"), *("momentum", "=", "0.68"), *("decay", "=", "1e-06"), *nesterov),
    )
    assert sentence_of(genotype, SPENSER_GRAMMAR).startswith(
        "features dropout rate=0.25 classification fc units=32 bias=true lif beta=0.0 learn_beta=true "
    )


def test_equals_signs_are_spaced_where_they_would_be_read_otherwise():
    grammar = parse_grammar('start: "f" a\na: "x" "=" int{"1", "9"} "=="' + TAIL)
    genotype = genotype_from_sentence(grammar, "f x=3 ==")
    assert sentence_of(genotype, grammar) == "f x = 3 =="


def test_numbers_are_printed_so_that_they_come_back_exactly():
    grammar = parse_grammar('start: "f" a\na: "x" float{"-1e300", "1e300"} int{"-9", "9"}' + TAIL)
    for value in (0.1 + 0.2, 1e-300, math.pi * 1e200, -1e300, 5e-324, 3.0):
        genotype = Genotype({"a": (Unit({"a.number": (value,), "a.number2": (-3,)}),)})
        assert sentence_of(genotype, grammar) == f"f x {value!r} -3"
        assert genotype_from_sentence(grammar, sentence_of(genotype, grammar)) == genotype


codons = st.one_of(
    st.integers(-3, 300), st.floats(allow_nan=True), st.booleans(), st.sampled_from([None, "x", 0.3])
)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_expansion_is_total_and_canonical(data):
    """Any junk becomes a network of the grammar; what it uses of the junk is what was possible."""
    grammar = GRAMMARS[data.draw(st.sampled_from(sorted(GRAMMARS)))]
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    parts = {}
    for name, units in sample_genotype(grammar, rng).parts.items():
        junk = []
        for unit in units:
            genes = dict(unit.genes)
            for site in data.draw(st.lists(st.sampled_from(sorted(genes)), max_size=3)) if genes else ():
                genes[site] = tuple(data.draw(st.lists(codons, max_size=4)))
            junk.append(Unit({**genes, "no.such": (1,)}))
        parts[name] = tuple(junk[: data.draw(st.integers(0, len(junk)))] + junk)
    genotype = Genotype(parts)
    clean = canonicalise(genotype, grammar)
    sentence = sentence_of(genotype, grammar)
    assert genotype_from_sentence(grammar, sentence) == clean
    assert canonicalise(clean, grammar) == clean
    assert sentence_of(clean, grammar) == sentence
    assert sentence == sentence_of(genotype, grammar)


def test_endless_genes_end_at_the_depth_cap():
    grammar = parse_grammar('start: "f" a\na: "(" a a ")" | "z"' + TAIL)
    genotype = Genotype({"a": (Unit({"a.choice": (0,) * 100_000}),)})
    tokens = unit_tokens(genotype, grammar)[0][1]
    # Six levels may branch, the seventh must end: 2 ** 6 leaves.
    assert tokens.count("z") == 2**6
    assert genotype_from_sentence(grammar, sentence_of(genotype, grammar)) == canonicalise(genotype, grammar)


def test_sentence_to_genotype_is_unique():
    one = genotype_from_sentence(SPENSER_GRAMMAR, SENTENCE)
    two = genotype_from_sentence(
        SPENSER_GRAMMAR, SENTENCE.replace(" ", "\n# comment\n  ").replace("1e-3", "0.001")
    )
    assert one == two
    assert len({one, two}) == 1
    assert one.to_json() == two.to_json()


SENTENCE = (
    "features dropout rate=0.5 classification dropout rate=0 output fc units=10 bias=true lif beta=1 "
    "learn_beta=true threshold=1 learn_threshold=true surrogate=atan reset=zero "
    "learning sgd lr=1e-3 momentum=0.9 decay=1e-4 nesterov=false"
)
