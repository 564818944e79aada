from __future__ import annotations

import numpy as np
import pytest
from search_spaces import SPENSER_GRAMMAR, SPENSER_TEXT

from spenser_gee.errors import InputError
from spenser_gee.genotype import grammar_difference, reencode, sample_genotype, sentence_of
from spenser_gee.grammar import parse_grammar

# What keeps every old sentence: (old text, new text)
KEEPING = {
    "reordering": ("sgd | rmsprop | adam\n", "adam | sgd | rmsprop\n"),
    "added alternative": ('"pool-avg" | "pool-max"', '"pool-min" | "pool-avg" | "pool-max"'),
    "wider range": ('int{"32", "128"}', 'int{"1", "512"}'),
    "new weights": ("conv_block | conv_block | conv_block | dropout\n", "dropout | dropout | conv_block\n"),
    "renamed rule": ("conv_block", "convolutional_unit"),
    "renamed part": ("learning: sgd", "learning: optimiser\noptimiser: sgd"),
}


def edited(before, after):
    assert before in SPENSER_TEXT
    return parse_grammar(SPENSER_TEXT.replace(before, after), "edited.lark")


@pytest.fixture(scope="module")
def stored():
    rng = np.random.default_rng(41)
    genotypes = [sample_genotype(SPENSER_GRAMMAR, rng) for _ in range(200)]
    return genotypes, [sentence_of(genotype, SPENSER_GRAMMAR) for genotype in genotypes]


@pytest.mark.parametrize("name", KEEPING)
def test_edits_that_keep_every_network(stored, name):
    grammar = edited(*KEEPING[name])
    found = reencode(stored[1], grammar)
    assert sum(not isinstance(item, InputError) for item in found) == 200
    assert [sentence_of(item, grammar) for item in found] == stored[1]
    assert grammar.sha256 != SPENSER_GRAMMAR.sha256


def test_raw_codons_would_have_become_other_networks(stored):
    """The reason why sentences are stored: the same codons under two swapped alternatives."""
    grammar = edited(*KEEPING["reordering"])
    same = sum(sentence_of(g, grammar) == s for g, s in zip(*stored, strict=True))
    assert same < 20


def test_edits_that_lose_networks_say_which_and_why(stored):
    grammar = edited('"same" | "valid"', '"valid"')
    found = reencode(stored[1], grammar)
    for index, (item, sentence) in enumerate(zip(found, stored[1], strict=True)):
        assert isinstance(item, InputError) == ("padding=same" in sentence)
        if isinstance(item, InputError):
            assert str(item).startswith(f"stored sentence {index + 1}:1:")
            assert 'expected "valid", found "same"' in str(item)
    assert any(isinstance(item, InputError) for item in found)


def test_the_difference_of_two_grammars():
    old = SPENSER_GRAMMAR.canonical()
    assert grammar_difference(old, SPENSER_GRAMMAR) == ""
    assert grammar_difference(old, parse_grammar("// a comment\n" + SPENSER_TEXT)) == ""
    grammar = parse_grammar(
        SPENSER_TEXT.replace('int{"32", "128"}', 'int{"1", "512"}').replace("adam\n", 'none\nnone: "none"\n')
    )
    lines = grammar_difference(old, grammar).split("\n")
    assert '- filters: "filters" "=" int{32..128}' in lines
    assert '+ filters: "filters" "=" int{1..512}' in lines
    assert "- learning: sgd | rmsprop | adam" in lines
    assert "+ learning: sgd | rmsprop | none" in lines
    assert '+ none: "none"' in lines
    assert any(line.startswith("- adam: ") for line in lines)
    assert not any("kernel" in line for line in lines)
