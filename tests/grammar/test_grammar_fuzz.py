"""Corrupted grammars and sentences: an error with its place, or a good parse; never anything else."""

from __future__ import annotations

import re
import time

import numpy as np
import pytest
from grammar_texts import NASTY, SPENSER

from spenser_gee.errors import InputError
from spenser_gee.genotype import genotype_from_sentence, sample_genotype, sentence_of
from spenser_gee.grammar import load_grammar, parse_grammar

JUNK = list("\"'(){}[]|~?*+:.,%/\\#=_- \t\n\0§é0987") + [
    "..", "start", "int", "nan", "inf", "1e999", '"x"', '""', "~0..9", "%ignore", "%import .numeric (int)", "->",
    "a:", "\n|", "9" * 30, "//", "/./", "x" * 3000, "\ud7ff", "features",
]  # fmt: skip


def corrupt(text: str, rng: np.random.Generator) -> str:
    """One to three random edits: of characters, of tokens, or of lines."""
    for _ in range(int(rng.integers(1, 4))):
        kind = int(rng.integers(7))
        if kind <= 2 and text:
            at, length = int(rng.integers(len(text))), int(rng.integers(1, 6))
            junk = str(rng.choice(np.array(JUNK, dtype=object)))
            text = (
                text[:at] + text[at + length :]
                if kind == 0
                else text[:at] + junk + text[at + (length if kind == 1 else 0) :]
            )
            continue
        pieces = re.split(r"(\s+)", text) if kind <= 5 else text.split("\n")
        a, b = (int(rng.integers(len(pieces))) for _ in range(2))
        if kind == 3:
            pieces[a], pieces[b] = pieces[b], pieces[a]
        elif kind == 4:
            pieces.insert(a, pieces[b])
        else:
            del pieces[a]
        text = ("" if kind <= 5 else "\n").join(pieces)
    return text


def located(error: InputError, name: str) -> bool:
    return all(re.match(rf"({re.escape(name)}|\S+\.lark):\d+:\d+$", str(f.place)) for f in error.findings)


@pytest.mark.timeout(200)
@pytest.mark.parametrize("seed", [1, 2])
def test_corrupted_grammars(seed):
    rng = np.random.default_rng(seed)
    text = SPENSER.read_text() if seed == 1 else NASTY
    good = 0
    for index in range(850):
        bad = corrupt(text, rng)
        begin = time.perf_counter()
        try:
            parse_grammar(bad, "bad.lark")
            good += 1
        except InputError as error:
            assert located(error, "bad.lark"), (index, str(error)[:500])
            assert str(error)
        assert time.perf_counter() - begin < 2, (index, bad)
    assert 0 < good < 600


@pytest.mark.timeout(200)
@pytest.mark.parametrize("seed", [3, 4])
def test_corrupted_sentences(seed):
    rng = np.random.default_rng(seed)
    grammar = load_grammar(SPENSER) if seed == 3 else parse_grammar(NASTY)
    good = 0
    for index in range(850):
        bad = corrupt(sentence_of(sample_genotype(grammar, rng), grammar), rng)
        begin = time.perf_counter()
        try:
            genotype = genotype_from_sentence(grammar, bad, "bad.net")
            assert genotype_from_sentence(grammar, sentence_of(genotype, grammar)) == genotype
            good += 1
        except InputError as error:
            assert located(error, "bad.net"), (index, str(error)[:500])
        assert time.perf_counter() - begin < 2, (index, bad)
    assert 0 < good < 600


@pytest.mark.parametrize("seed", range(3))
def test_random_bytes(seed, tmp_path):
    rng = np.random.default_rng(seed)
    grammar = load_grammar(SPENSER)
    path = tmp_path / "bytes.lark"
    for _ in range(60):
        data = rng.bytes(int(rng.integers(0, 400)))
        path.write_bytes(data)
        with pytest.raises(InputError):
            load_grammar(path)
        with pytest.raises(InputError):
            genotype_from_sentence(grammar, data.decode("latin-1"))


def test_deep_nesting_is_no_crash():
    for text in ["(" * 5000 + '"x"' + ")" * 5000, "[" * 300 + '"x"' + "]" * 300]:
        with pytest.raises(InputError, match=r"my\.lark:\d"):
            parse_grammar(f'start: "f" a\na: {text}\n%ignore " "\n', "my.lark")
