"""Several numeric ranges at one place: the number says which of them it belongs to, wherever none overlap."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from search_spaces import TAIL

from spenser_gee.errors import InputError
from spenser_gee.genotype import (
    RELATIVE_RATES,
    SPENSER_RATES,
    canonicalise,
    genotype_from_sentence,
    grammar_difference,
    mutate,
    reencode,
    sample_genotype,
    sentence_of,
)
from spenser_gee.grammar import Grammar, check_round_trip, parse_grammar, space_size
from spenser_gee.grammar.derive import expansion_of
from spenser_gee.phenotype.check import check_words
from spenser_gee.phenotype.decode import decode


@dataclass(frozen=True)
class Range:
    """A numeric range, and in exact arithmetic what it holds."""

    kind: str
    low: Fraction
    high: Fraction

    def __str__(self) -> str:
        return f'{self.kind}{{"{float(self.low)!r}", "{float(self.high)!r}"}}'

    @property
    def whole(self) -> bool:
        return self.kind.endswith("int")

    def holds(self, number: Fraction) -> bool:
        return self.low <= number <= self.high and (not self.whole or number.denominator == 1)

    def overlaps(self, other: Range) -> bool:
        low, high = max(self.low, other.low), min(self.high, other.high)
        return math.ceil(low) <= high if self.whole or other.whole else low <= high


@st.composite
def a_range(draw: st.DrawFn) -> Range:
    kind = draw(st.sampled_from(["int", "log_int", "float", "log_float"]))
    step = 1 if kind.endswith("int") else draw(st.sampled_from([1, 4, 1000]))
    least = 1 if kind.startswith("log") else -20
    low = draw(st.integers(least, 30 * step))
    high = low + draw(st.one_of(st.just(0), st.integers(0, 8 * step)))
    if kind == "float" and draw(st.booleans()):
        # A border that no short number hits.
        return Range(kind, Fraction(math.nextafter(low / step, -math.inf)), Fraction(high / step))
    return Range(kind, Fraction(low / step), Fraction(high / step))


@st.composite
def disjoint_ranges(draw: st.DrawFn) -> list[Range]:
    found: list[Range] = []
    for one in draw(st.lists(a_range(), min_size=3, max_size=10)):
        if not any(one.overlaps(other) for other in found):
            found.append(one)
    assume(len(found) >= 2)
    return found


def apart(ranges: list[Range]) -> str:
    """A grammar with every range in a rule of its own, behind the same words."""
    rules = "\n".join(f'r{index}: "fc" "units" "=" {one} end?' for index, one in enumerate(ranges))
    options = " | ".join(f"r{index}" for index in range(len(ranges)))
    return f'start: "f" a~1..4\na: {options} | r0\n{rules}\nend: "end"' + TAIL


def together(ranges: list[Range]) -> str:
    """A grammar with all ranges in one rule, and one of a number that no word parts from them."""
    options = " | ".join(map(str, ranges))
    return (
        f'start: "f" a~1..4\na: "x" ({options}) | "y" {ranges[0]} ({" | ".join(map(str, ranges[1:]))})?'
        + TAIL
    )


def beside(ranges: list[Range]) -> str:
    """A grammar whose ranges stand beside one that holds them all, and that the word after it tells apart."""
    options = " | ".join(map(str, ranges))
    return f'start: "f" a~1..4\na: "x" ({options} | float{{"-100", "100"}} "q") | "y" int{{"2", "3"}}' + TAIL


SHAPES = {"apart": apart, "together": together, "beside": beside}
QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def checked(grammar: Grammar, genotype: object) -> None:
    """Comes back from its text, and every number lies in its range."""
    sites = expansion_of(grammar).sites
    sentence = sentence_of(genotype, grammar)
    assert genotype_from_sentence(grammar, sentence) == genotype
    assert canonicalise(genotype, grammar) == genotype
    for units in genotype.parts.values():
        for name, values in ((name, values) for unit in units for name, values in unit.genes.items()):
            domain = sites[name].domain
            assert domain is None or all(domain.contains(value) for value in values)


@pytest.mark.parametrize("shape", SHAPES)
@QUICK
@given(ranges=disjoint_ranges(), seed=st.integers(0, 2**32))
def test_samples_and_mutants_round_trip(shape: str, ranges: list[Range], seed: int) -> None:
    grammar, rng = parse_grammar(SHAPES[shape](ranges)), np.random.default_rng(seed)
    check_round_trip(grammar, 50, seed)
    genotype = sample_genotype(grammar, rng)
    for rates in (RELATIVE_RATES, SPENSER_RATES) * 10:
        genotype = mutate(genotype, grammar, rates, rng).genotype
        checked(grammar, genotype)


def near(ranges: list[Range]) -> list[Fraction]:
    """Numbers at, just beside and between the borders."""
    borders = sorted({float(border) for one in ranges for border in (one.low, one.high)})
    numbers = [float(round(border)) + step for border in borders for step in (-1, 0, 1)]
    for border in borders:
        numbers += [border, math.nextafter(border, math.inf), math.nextafter(border, -math.inf)]
    numbers += [(low + high) / 2 for low, high in pairwise(borders)]
    return [Fraction(number) for number in numbers]


def writings(number: Fraction) -> list[str]:
    texts = [repr(float(number)), f"{float(number):.17e}"]
    return (
        [*texts, str(number), f"+{number}" if number > 0 else f"{number}.", f"{number}.0"]
        if number.denominator == 1
        else texts
    )


@QUICK
@given(ranges=disjoint_ranges())
def test_a_number_selects_the_range_that_holds_it(ranges: list[Range]) -> None:
    grammar = parse_grammar(apart(ranges))
    for number in near(ranges):
        holding = [index for index, one in enumerate(ranges) if one.holds(number)]
        for text in writings(number):
            if not holding:
                with pytest.raises(InputError, match=f"<sentence>:1:12: {re.escape(text[:40])} is not "):
                    genotype_from_sentence(grammar, f"f fc units={text}")
                continue
            (unit,) = genotype_from_sentence(grammar, f"f fc units={text}").parts["a"]
            assert [unit.genes["a.choice"]] == [(index,) for index in holding]
            (value,) = unit.genes[f"r{holding[0]}.number"]
            assert value == number
            assert type(value) is (int if ranges[holding[0]].whole else float)


@QUICK
@given(ranges=st.lists(a_range(), min_size=2, max_size=4, unique=True), shape=st.sampled_from([*SHAPES]))
def test_ranges_that_overlap_are_refused_and_no_others(ranges: list[Range], shape: str) -> None:
    grammar, clashes = None, [pair for pair in combinations(ranges, 2) if pair[0].overlaps(pair[1])]
    try:
        grammar = parse_grammar(SHAPES[shape](ranges))
    except InputError as error:
        problem = error.findings[0].problem
    if not clashes:
        assert grammar is not None
    elif shape != "together" or any(ranges[0] not in pair for pair in clashes):
        assert grammar is None
        assert problem.startswith("two numeric ranges at one place: ")
        share = re.search(r"share (\S+?)(?:\.\.(-?\d\S*))?$", problem)
        assert share is not None
        for text in (share[1], share[2] or share[1]):
            assert sum(one.holds(Fraction(float(text))) for one in ranges) >= 2


WORDS = (
    """start: "f" layer~1..3
layer: thin | wide
thin: "fc" "units" "=" int{"16", "48"}
wide: "fc" "units" "=" log_int{"64", "512"}"""
    + TAIL
)


def test_small_and_wide_layers_are_weighed_apart() -> None:
    grammar = parse_grammar(WORDS)
    check_words(grammar)
    genotype = genotype_from_sentence(grammar, "f fc units=48 fc units=64 fc units=5e2")
    assert [unit.genes for unit in genotype.parts["layer"]] == [
        {"layer.choice": (0,), "thin.number": (48,)},
        {"layer.choice": (1,), "wide.number": (64,)},
        {"layer.choice": (1,), "wide.number": (500,)},
    ]
    assert [layer.units for (layer,) in decode(genotype, grammar).units] == [48, 64, 500]
    one = math.log10(33 + 449)
    assert space_size(grammar) == pytest.approx(math.log10(sum(10 ** (one * count) for count in (1, 2, 3))))


@pytest.mark.parametrize("number", ["15", "49", "63", "513", "48.5", "1e9", "-16", "9" * 400])
def test_a_number_in_none_of_the_ranges(number: str) -> None:
    with pytest.raises(InputError) as caught:
        genotype_from_sentence(parse_grammar(WORDS), f"f fc units=16\n   fc units={number}", "my.net")
    (finding,) = caught.value.findings
    assert str(finding.place) == "my.net:2:13"
    wanted = "a whole number in 16..48 (units) or a whole number in 64..512 (units)"
    assert finding.problem == f"{number[:40]} is not {wanted}"
    assert "int{16..48} or log_int{64..512}" in finding.remedy


@pytest.mark.parametrize(
    ("first", "second", "share"),
    [
        ('int{"16", "64"}', 'log_int{"64", "512"}', "64"),
        ('float{"0", "1"}', 'float{"1", "2"}', "1.0"),
        ('float{"0", "1"}', 'log_float{"0.5", "2"}', "0.5..1.0"),
        ('int{"1", "9"}', 'float{"2.5", "4.5"}', "3..4"),
        ('int{"1", "9"}', 'int{"1", "9"} "z"?', "1..9"),
    ],
)
def test_the_overlap_is_named(first: str, second: str, share: str) -> None:
    with pytest.raises(InputError, match=f"r0 and .* in r1, which share {re.escape(share)}\n") as caught:
        parse_grammar(f'start: "f" a~1..2\na: r0 | r1\nr0: "x" {first}\nr1: "x" {second}' + TAIL, "my.lark")
    assert "bounds are inclusive" in caught.value.findings[0].remedy


def test_ranges_that_the_next_word_tells_apart_may_overlap() -> None:
    text = 'start: "f" a~1..3\na: "x" (int{"1", "5"} "p" | int{"1", "9"} "q" | int{"7", "9"})' + TAIL
    with pytest.raises(InputError, match=r"int{1\.\.9} in a and int{7\.\.9} in a"):
        parse_grammar(text.replace('"q"', ""))
    grammar = parse_grammar(text)
    choices = [u.genes["a.choice"] for u in genotype_from_sentence(grammar, "f x 8 x 3 q x 3 p").parts["a"]]
    assert choices == [(2,), (1,), (0,)]


def test_a_number_may_tell_what_stands_before_it() -> None:
    grammar = parse_grammar(
        'start: "f" a~1..3\na: p int{"1", "5"} | q int{"7", "9"} int{"20", "30"}?\np: "w"\nq: "w"' + TAIL
    )
    found = genotype_from_sentence(grammar, "f w 8 20 w 1 w 7")
    assert [unit.genes["a.choice"] for unit in found.parts["a"]] == [(1,), (0,), (1,)]


def test_words_that_look_like_numbers_and_comments_stay_what_they_are() -> None:
    grammar = parse_grammar(WORDS.replace("start:", 'start: "3d"'))
    assert sentence_of(genotype_from_sentence(grammar, "3d f fc units=16 # 7"), grammar) == "3d f fc units=16"
    with pytest.raises(InputError, match='the word "3d" stands beside a numeric gene'):
        parse_grammar(WORDS.replace('" log_int', '" "3d" | "fc" "units" "=" log_int'))
    with pytest.raises(InputError, match="no parser can be made"):
        parse_grammar(WORDS + "%ignore /[0-9]+/\n")


def test_an_edited_border_moves_a_network_to_the_other_alternative() -> None:
    old, new = parse_grammar(WORDS), parse_grammar(WORDS.replace('"48"', '"60"').replace('"64"', '"61"'))
    stored = ["f fc units=48 fc units=64", "f fc units=60"]
    before, after = reencode(stored, old), reencode(stored, new)
    assert sentence_of(after[0], new) == stored[0] == sentence_of(before[0], old)
    assert after[1].parts["layer"][0].genes == {"layer.choice": (0,), "thin.number": (60,)}
    assert "60 is not a whole number" in str(before[1])
    assert grammar_difference(old.canonical(), new).splitlines()[0].startswith("- thin:")
