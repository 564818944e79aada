from __future__ import annotations

import pytest
from grammar_texts import SPENSER, TAIL

from spenser_gee.errors import InputError
from spenser_gee.grammar import load_grammar, parse_grammar, parse_sentence

BACKBONE = """features
  conv filters=32 kernel=3 stride=1 padding=same bias=true
    pool-max size=2
    lif beta=0.9 learn_beta=false threshold=1.0 learn_threshold=false surrogate=fast_sigmoid reset=subtract
  dropout rate=0.25
classification
  fc units=128 bias=true
    lif beta=0.95 learn_beta=true threshold=1 learn_threshold=false surrogate=atan reset=subtract
output
  fc units=10 bias=true
    lif beta=0.95 learn_beta=true threshold=1 learn_threshold=false surrogate=atan reset=subtract
learning   # comments are allowed
  adam lr=1e-3 beta1=0.9 beta2=0.999 decay=1e-6 amsgrad=false
"""


@pytest.fixture(scope="module")
def spenser():
    return load_grammar(SPENSER)


def test_a_backbone_by_hand(spenser):
    parsed = dict(parse_sentence(spenser, BACKBONE, "my.net"))
    conv, dropout = parsed["features"]
    assert dropout == {"features.choice": (1,), "dropout.number": (0.25,)}
    assert list(conv.items()) == [
        ("features.choice", (0,)),
        ("filters.number", (32,)),
        ("kernel.number", (3,)),
        ("stride.number", (1,)),
        ("padding.choice", (0,)),
        ("bias.choice", (0,)),
        ("pooling.choice", (0,)),
        ("pool_type.choice", (1,)),
        ("pool_size.number", (2,)),
        ("beta.number", (0.9,)),
        ("learn_beta.choice", (1,)),
        ("threshold.number", (1.0,)),
        ("learn_threshold.choice", (1,)),
        ("surrogate.choice", (1,)),
        ("reset.choice", (0,)),
    ]
    assert parsed["learning"][0]["lr.number"] == (0.001,)
    assert type(conv["threshold.number"][0]) is float


# (piece of the backbone, what stands there instead, place, message)
BAD = {
    "below": ("filters=32", "filters=16", "2:16", "16 is not a whole number in 32..128 (filters)"),
    "half": ("kernel=3", "kernel=2.5", "2:26", "2.5 is not a whole number in 2..4 (kernel)"),
    "float": ("rate=0.25", "rate=-.1", "5:16", "-.1 is not a number in 0.0..0.5 (rate)"),
    "huge": ("rate=0.25", "rate=1e999", "5:16", "1e999 is not a number"),
    "nan": ("rate=0.25", "rate=nan", "5:16", 'expected a number, found "nan"'),
    "typo": (
        "padding=same",
        "padding=saem",
        "2:45",
        'expected "same" or "valid", found "saem"; did you mean "same"?',
    ),
    "key": ("kernel=3", "kernl=3", "2:19", 'expected "kernel", found "kernl"; did you mean "kernel"?'),
    "order": ("kernel=3 stride=1", "stride=1 kernel=3", "2:19", 'expected "kernel", found "stride"'),
    "missing": (" amsgrad=false\n", "\n\n", "13:48", 'expected "amsgrad", found the end of the text'),
    "odd": ("padding=same", "padding=§", "2:45", 'found "§"'),
    "rest": ("amsgrad=false\n", "amsgrad=false more", "13:63", 'expected the end of the text, found "more"'),
    "too many": (
        "  dropout rate=0.25\n",
        "  dropout rate=0.25\n" * 7,
        "10:3",
        'unit 7 of "features" is one too many: 1 to 6 allowed, 8 found',
    ),
    "none": ("  fc units=128", "output", "7:1", 'expected "dropout" or "fc", found "output"'),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_sentences_are_located(spenser, name):
    before, after, place, message = BAD[name]
    assert BACKBONE.count(before) == 1
    text = BACKBONE.replace(before, after)
    with pytest.raises(InputError) as caught:
        parse_sentence(spenser, text, "my.net")
    (finding,) = caught.value.findings
    assert str(finding.place) == f"my.net:{place}", str(finding)
    assert message in finding.problem
    assert finding.place.text == text.split("\n")[finding.place.line - 1]


@pytest.mark.parametrize(
    ("written", "known", "spelled"),
    [
        ("cafe\u0301", "caf\xe9", r"caf\xe9, not cafe\u0301"),
        ("caf\xe9", "cafe\u0301", r"cafe\u0301, not caf\xe9"),
        ("con\u200dv", "conv", r"conv, not con\u200dv"),
    ],
)
def test_words_that_look_the_same_are_spelled_out(written, known, spelled):
    grammar = parse_grammar(f'start: "f" a\na: "{known}" int{{"1", "5"}}' + TAIL)
    with pytest.raises(InputError) as caught:
        parse_sentence(grammar, f"f {written} 3", "my.net")
    (finding,) = caught.value.findings
    assert finding.problem == f'expected "{known}", found "{written}"; did you mean "{known}" ({spelled})?'
    assert str(finding.place) == "my.net:1:3"


def test_an_empty_sentence(spenser):
    with pytest.raises(InputError, match=r'my\.net:1:1: expected "features", found the end'):
        parse_sentence(spenser, " \n", "my.net")


def test_counts_inside_a_unit_are_located():
    grammar = parse_grammar('start: "f" a~2..3\na: "x" "y"~1..3' + TAIL)
    with pytest.raises(InputError, match=r"my\.net:1:15: 4 times y \(in a\): 1 to 3 allowed"):
        parse_sentence(grammar, "f x y x y y y y", "my.net")
    with pytest.raises(InputError, match=r'my\.net:1:3: "a" has too few units: 2 to 3 allowed, 1 found'):
        parse_sentence(grammar, "f x y", "my.net")


@pytest.mark.parametrize("depth", [6, 7, 50, 20_000])
def test_recursion_is_capped_in_sentences_too(depth):
    grammar = parse_grammar('start: "f" a\na: "(" a ")" | "z"' + TAIL)
    text = "f " + "( " * depth + "z" + " )" * depth
    if depth == 6:
        (_, (genes,)) = parse_sentence(grammar, text)[0]
        assert genes == {"a.choice": (0,) * 6 + (1,)}
    else:
        with pytest.raises(InputError, match=r"<sentence>:1:3: unit 1 of a is nested deeper than 6"):
            parse_sentence(grammar, text)


def test_two_levels_of_choices_keep_their_order():
    grammar = parse_grammar('start: "f" a\na: b b\nb: "p" ("u" | "v") | "q"' + TAIL)
    assert parse_sentence(grammar, "f p v p u") == (("a", ({"b.choice": (0, 0), "b.choice2": (1, 0)},)),)
