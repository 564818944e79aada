"""Corrupted grammars and sentences: an error with its place, or a good parse; never anything else."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import numpy as np
import pytest
from grammar_texts import NASTY, SPENSER, TAIL

from spenser_gee.errors import InputError
from spenser_gee.genotype import genotype_from_sentence, sample_genotype, sentence_of
from spenser_gee.grammar import load_grammar, parse_grammar

JUNK = [
    *"\"'(){}[]|~?*+:.,%/\\#=_- \t\n\0§é0987",
    *("..", "start", "int", "nan", "inf", "1e999", '"x"', '""', "~0..9", "%ignore", "->", "a:", "\n|", "//"),
    *("%import .numeric (int)", "9" * 30, "/./", "x" * 3000, "\ud7ff", "features"),
]

#: Ranges that only the number tells apart.
DISJOINT = (
    """start: "f" a~1..6 "o" b
a: "x" "=" (int{"1", "9"} | log_float{"9.5", "20"}) ("y" int{"0", "3"})? | "x" "=" int{"30", "99"} c~0..2
b: "x" "=" float{"-1", "0.5"} | "x" "=" int{"1", "3"}
c: "z" int{"1", "1000"}"""
    + TAIL
)


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


def outcome(read: Callable[[str, str], object], text: str, name: str) -> bool:
    """Whether `text` was read; else it must have been refused, quickly and with a place."""
    begin = time.process_time()  # tests run side by side: not the time on the wall
    error = None
    try:
        read(text, name)
    except InputError as refused:
        error = refused
    assert time.process_time() - begin < 2, text
    for finding in error.findings if error else ():
        assert re.match(rf"({re.escape(name)}|\S+\.lark):\d+:\d+$", str(finding.place)), (text, str(error))
        assert str(finding)
    return error is None


@pytest.mark.timeout(200)
@pytest.mark.parametrize("seed", [1, 2])
def test_corrupted_grammars(seed):
    rng = np.random.default_rng(seed)
    text = SPENSER.read_text() if seed == 1 else NASTY
    good = sum(outcome(parse_grammar, corrupt(text, rng), "bad.lark") for _ in range(850))
    assert 0 < good < 600


@pytest.mark.timeout(200)
@pytest.mark.parametrize("seed", [3, 4, 5])
def test_corrupted_sentences(seed):
    rng = np.random.default_rng(seed)
    grammar = load_grammar(SPENSER) if seed == 3 else parse_grammar(NASTY if seed == 4 else DISJOINT)

    def read(text: str, name: str) -> None:
        genotype = genotype_from_sentence(grammar, text, name)
        assert genotype_from_sentence(grammar, sentence_of(genotype, grammar)) == genotype

    sentences = (sentence_of(sample_genotype(grammar, rng), grammar) for _ in range(850))
    good = sum(outcome(read, corrupt(sentence, rng), "bad.net") for sentence in sentences)
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
