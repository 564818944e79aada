"""Every wrong word of a grammar is found at its place; words that the builder does not read are free."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spenser_gee.errors import Finding, InputError
from spenser_gee.grammar import load_grammar, parse_grammar
from spenser_gee.phenotype.check import check_words
from spenser_gee.phenotype.decode import read_units
from spenser_gee.phenotype.words.keys import keys_of
from spenser_gee.phenotype.words.keywords import KEYWORDS

GRAMMARS = sorted((Path(__file__).parents[2] / "grammars").glob("*.lark"))
TAIL = """
%import .numeric (int, log_int, float, log_float)
%import common (WS)
%ignore WS
"""


def findings(*rules: str, start: str = '"net" net') -> tuple[Finding, ...]:
    """What is wrong with a grammar whose rules begin in line 2."""
    grammar = parse_grammar("\n".join([f"start: {start}", *rules]) + TAIL, "my.lark")
    try:
        check_words(grammar)
    except InputError as error:
        return error.findings
    return ()


def only(*rules: str) -> tuple[str, str]:
    found = findings(*rules)
    assert len(found) == 1, [str(f) for f in found]
    return str(found[0].place), found[0].problem


@pytest.mark.parametrize("path", GRAMMARS, ids=lambda path: path.stem)
def test_shipped_grammars_pass(path: Path) -> None:
    if path.stem != "numeric":  # the library of numeric genes, no grammar of its own
        check_words(load_grammar(path))


def test_no_keyword_is_a_key() -> None:
    # Else a walk could not tell where the pairs of a keyword end.
    keys = {key for kind in KEYWORDS.values() for key in keys_of(kind)}
    assert not keys & set(KEYWORDS)
    assert len(KEYWORDS) > 30


@pytest.mark.parametrize(
    ("rule", "column", "problem"),
    [
        ('net: "conw" "lif"', 6, 'unknown keyword "conw"; did you mean "conv"?'),
        ('net: "qqqqq" "lif"', 6, 'unknown keyword "qqqqq"'),
        (
            'net: "conv" "filter" "=" "3" "lif"',
            13,
            '"filter" is neither a keyword nor a key of conv; did you mean "filters"?',
        ),
        (
            'net: "conv" "units" "=" "3" "lif"',
            13,
            '"units" is neither a keyword nor a key of conv',
        ),
        (
            'net: "conv" "padding" "=" "full" "lif"',
            27,
            "conv: padding=full is not in: same | valid",
        ),
        (
            'net: "conv" "filters" "=" "0"',
            27,
            "conv: filters=0 is not in: whole number 1 to 4096",
        ),
        (
            'net: "conv" "filters" "=" int{"1", "5000"}',
            27,
            "conv filters: 1..5000 is not within whole number 1 to 4096",
        ),
        (
            'net: "dropout" "rate" "=" float{"0", "1"}',
            27,
            "dropout rate: 0..1 is not within number 0 to 0.95",
        ),
        (
            'net: "conv" "filters" "=" float{"1", "8"}',
            27,
            "conv filters takes whole numbers",
        ),
        (
            'net: "conv" "padding" "=" int{"1", "2"}',
            27,
            "conv padding is no number, expected same | valid",
        ),
        ('net: "conv" int{"1", "8"} "lif"', 13, "a number stands where no key=value asks for one"),
        (
            'net: "conv" "filters" int{"1", "8"} "lif"',
            23,
            "a number stands where no key=value asks for one",
        ),
        ('net: "conv" "=" "3" "lif"', 13, 'there is no key before this "="'),
        (
            'net: "conv" "filters" "kernel" "=" "3" "lif"',
            23,
            'expected "=" after the key "filters" of conv',
        ),
        (
            'net: "pool-global" "size" "=" "3" "lif"',
            20,
            '"size" is neither a keyword nor a key of pool-global',
        ),
    ],
)
def test_each_kind_at_its_place(rule: str, column: int, problem: str) -> None:
    place, found = only(rule)
    assert place == f"my.lark:2:{column}"
    assert found.startswith(problem)


def test_a_key_without_a_value_at_the_end() -> None:
    for end in ('"filters"', '"filters" "="'):
        assert only(f'net: "conv" {end}')[1] == '"filters" has no value'


def test_several_at_once_in_their_order() -> None:
    found = findings(
        'net: conv neurons "fc" "units" "=" "0"',
        'conv: "conv" "kernel" "=" "99"',
        'neurons: "lif" "bta" "=" "0.5" "reset" "=" "never"',
    )
    assert [(f.place.line, f.place.column) for f in found] == [(2, 36), (3, 27), (4, 16), (4, 44)]
    assert "beta" in found[2].problem


def test_the_value_of_an_unknown_key_is_not_reported_again() -> None:
    assert len(findings('net: "conv" "depth" "=" int{"1", "9"} "lif" "betta" "=" "7"')) == 2


def test_section_words_and_rule_names_are_free() -> None:
    start = '"anything" "at" "all" whatever~1..2 "conw" net "end"'
    assert findings('whatever: "conv" "lif"', 'net: "fc" "units" "=" "classes" "lif"', start=start) == ()


def test_keys_may_come_from_rules_and_belong_to_the_keyword_before() -> None:
    rules = ['net: "conv" size "fc" width', 'size: "kernel" "=" number', 'width: "units" "=" number']
    assert findings(*rules, 'number: int{"1", "9"}') == ()
    # The same rule after another keyword is another matter.
    place, problem = only('net: "conv" size "lif" size', 'size: "kernel" "=" "3"')
    assert place == "my.lark:3:7"
    assert "a key of lif" in problem


def test_alternatives_and_repetitions_are_all_walked() -> None:
    assert findings('net: ("conv" | "fc") ("bias" "=" "true")~0..2 "lif"') == ()
    place, problem = only('net: ("conv" | "fc") ("filters" "=" "3")~0..2 "lif"')
    assert place == "my.lark:2:23"
    assert "a key of fc" in problem
    # Only the third round of the repetition meets the words of another keyword.
    place, problem = only('net: "conv" part~1..3 "lif"', 'part: "kernel" "=" "3" | "dropout"')
    assert place == "my.lark:3:7"
    assert "a key of dropout" in problem


def test_recursion_ends_and_is_checked() -> None:
    assert findings('net: "conv" "lif" | "conv" "lif" net') == ()
    place, problem = only('net: "conv" "lif" | "conv" net "leef"')
    assert place == "my.lark:2:32"
    assert "a key of lif" in problem
    # What follows a rule within itself is known only when its ends are.
    place, problem = only('net: "conv" rest', 'rest: "lif" | "conv" rest "leef"')
    assert place == "my.lark:3:27"
    assert "a key of lif" in problem
    deep = [f'r{n}: "lif" | "conv" r{n + 1} r{n + 2}' for n in range(40)]
    assert findings("net: r0", *deep, 'r40: "lif" | "conv" r0', 'r41: "lif"') == ()


def test_long_repetitions_end() -> None:
    assert findings('net: ("conv" "lif")~1..900') == ()


@pytest.mark.parametrize("keyword", sorted(KEYWORDS))
def test_every_default_may_be_written(keyword: str) -> None:
    pairs = []
    for key, (_, default) in keys_of(KEYWORDS[keyword]).items():
        value = str(default).lower() if isinstance(default, bool) else str(default)
        pairs.append(f'"{key}" "=" "{value}"')
    assert findings(f'net: "{keyword}" {" ".join(pairs)}') == ()


FRAGMENTS = (
    *('"conv"', '"lif"', '"fc"', '"no-pool"', '"conv" "kernel" "=" "3"', '"lif" "beta" "=" "0.5"', '"none"'),
    *('"padding" "=" "same"', '"kernel"', '"="', '"3"', '"same"', '"beta" "=" "same"', '"convv"'),
)
ODDS = [0.12] * 7 + [0.16 / 7] * 7


def test_a_grammar_passes_if_and_only_if_its_sentences_can_be_read() -> None:
    rng = np.random.default_rng(0)
    counts = {True: 0, False: 0}
    for _ in range(150):
        options = [
            " ".join(FRAGMENTS[int(i)] for i in rng.choice(len(FRAGMENTS), int(rng.integers(1, 4)), p=ODDS))
            for _ in range(2)
        ]
        # A rule is walked from the state that the words before it leave.
        rules = (f'net: "conv" rest | "lif" {options[0]}', f"rest: {options[1]}")
        texts = [f'"lif" {options[0]}', f'"conv" {options[1]}']
        readable = all(_readable(text.replace('"', "").split()) for text in texts)
        assert (findings(*rules) == ()) == readable, rules
        counts[readable] += 1
    assert min(counts.values()) > 30


def _readable(words: list[str]) -> bool:
    try:
        read_units([tuple(words)])
    except InputError:
        return False
    return True
