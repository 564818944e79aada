from __future__ import annotations

import pickle
import re
import subprocess
import sys
import time

import pytest
from grammar_texts import NASTY, ROOT, SPENSER, TAIL

from spenser_gee.errors import InputError
from spenser_gee.grammar import check_round_trip, lint, load_grammar, parse_grammar, space_size
from spenser_gee.grammar.model import Alternatives, Number, Reference, Repetition, walk

NO_NUMERIC = "\n%import common (WS)\n%ignore WS\n"

# (grammar, what follows it, line, column, a piece of the message, a piece of the remedy)
REFUSALS = {
    "undefined rule": (
        'start: "f" a\na: "x" filtrs\nfilters: "n"',
        TAIL,
        2,
        8,
        'mean "filters"?',
        "define it",
    ),
    "undefined terminal": ('start: "f" a\na: "x" FOO', TAIL, 2, 8, '"FOO" is not defined', "small letters"),
    "template arity": ('start: "f" a\na: "x" int{"1"}', TAIL, 2, 8, "int takes 2 bounds, not 1", "write"),
    "template without arguments": ('start: "f" a\na: "x" int', TAIL, 2, 8, "needs its two bounds", "write"),
    "rule with arguments": (
        'start: "f" a\na: "x" b{"1", "2"}\nb: "b"',
        TAIL,
        2,
        8,
        "takes no arguments",
        "remove",
    ),
    "template not imported": (
        'start: "f" a\na: "x" int{"1","2"}',
        NO_NUMERIC,
        2,
        8,
        '"int" is not',
        "%import .num",
    ),
    "own template": (
        'start: "f" a\na: "x"\nm{k}: k "y"',
        TAIL,
        3,
        1,
        "template of your own",
        "ordinary rule",
    ),
    "own numeric": (
        'start: "f" a\na: "x"\nint{lo,hi}: N\nN: /[0-9]/',
        NO_NUMERIC,
        3,
        1,
        "not the one of numeric.lark",
        "%import .numeric (int)",
    ),
    "duplicate rule": (
        'start: "f" a\na: "x"\na: "y"',
        TAIL,
        3,
        1,
        "defined twice (first on line 2)",
        "rename",
    ),
    "never ends": ('start: "f" a\na: "x" a | "y" b\nb: "b" a', TAIL, 2, 1, '"a" never ends', "alternative"),
    "ambiguous parts": (
        "start: features~1..3 classification~1..3\nfeatures: conv | dropout\n"
        'classification: fc | dropout\nconv: "c"\nfc: "fc"\ndropout: "drop"',
        TAIL,
        3,
        17,
        "ambiguous between `features: dropout` and `classification: dropout`",
        "put a word between the parts",
    ),
    "ambiguous rules": (
        'start: "f" a\na: b | c\nb: "x"\nc: "x"',
        TAIL,
        4,
        1,
        '`b: "x"` and `c: "x"`',
        "keyword",
    ),
    "ambiguous counts": (
        'start: "f" a\na: "x" b~0..2 b\nb: "y"',
        TAIL,
        2,
        9,
        'the next "y" may still',
        "put a word",
    ),
    "two ranges": (
        'start: "f" a\na: "x" (int{"1", "5"} | float{"0", "1"})',
        TAIL,
        2,
        25,
        "two numeric ranges at one place: int{1..5} in a and float{0.0..1.0} in a, which share 1",
        "put a word",
    ),
    "right recursion": (
        'start: "f" a~1..3\na: "x" "=" int{"1","5"} | "x" "=" int{"1","5"} a',
        TAIL,
        2,
        48,
        'the rule "a" ends with itself (right recursion)',
        "item~1..5",
    ),
    "right recursion over another rule": (
        'start: "f" a~1..3\na: "x" b\nb: a | "y"?',
        TAIL,
        3,
        4,
        'the rule "b" ends with itself (right recursion)',
        "item~1..5",
    ),
    "right recursion that may stop": (
        'start: "f" a~1..3\na: "x" int{"1","5"} a~0..2 "z"?',
        TAIL,
        2,
        21,
        'the rule "a" ends with itself (right recursion)',
        "item~1..5",
    ),
    "left recursion": (
        'start: "f" a~1..3\na: a "x" | "x"',
        TAIL,
        2,
        4,
        'the rule "a" begins with itself (left recursion)',
        "item~1..5",
    ),
    "ranges that overlap beside recursion": (
        'start: "f" a\na: a "+" int{"1", "3"} | "x" (int{"1", "5"} | int{"5", "9"})',
        TAIL,
        2,
        47,
        "two numeric ranges at one place: int{1..5} in a and int{5..9} in a, which share 5",
        "put a word",
    ),
    "invisible character": (
        'start: "f" a\na: "co\u200bnv"',
        TAIL,
        2,
        4,
        r"not one word (written co\u200bnv)",
        "no blanks",
    ),
    "number-like word": (
        'start: "f" a\na: "x" ("3" | int{"1","5"})',
        TAIL,
        2,
        9,
        "looks like a number",
        "another",
    ),
    "regular expression": ('start: "f" a\na: "x" /re/', TAIL, 2, 8, "regular expression /re/", "words"),
    "pattern terminal": ('start: "f" a\na: "x" B\nB: /x/', TAIL, 2, 8, '"B" is a pattern', "words"),
    "ignored case": ('start: "f" a\na: "x"i', TAIL, 2, 4, "ignores case", "remove the i"),
    "question mark rule": ('start: "f" a\n?a: "x"', TAIL, 2, 2, 'begins with "?"', "without it"),
    "underscore rule": ('start: "f" _a\n_a: "x"', TAIL, 2, 1, 'begins with "_"', "without it"),
    "priority": ('start: "f" a\na.3: "x"', TAIL, 2, 1, "has a priority (3)", "repeat it"),
    "no blanks": (
        'start: "f" a\na: "x"\n',
        "%import common (WS)\n",
        1,
        1,
        "blanks are not ignored",
        "%ignore WS",
    ),
    "undefined ignore": (
        'start: "f" a\na: "x"\n%ignore FOO',
        TAIL,
        3,
        9,
        '"FOO", which is not defined',
        "import",
    ),
    "empty ignore": (
        'start: "f" a\na: "x"\n%ignore /x*/',
        TAIL,
        3,
        9,
        "matches the empty text",
        "for instance",
    ),
    "broken ignore": ('start: "f" a\na: "x"\n%ignore /(/', TAIL, 3, 9, "no usable pattern", "for instance"),
    "word is a comment": (
        'start: "f" a\na: "x" "#y"',
        TAIL,
        2,
        8,
        "begins like what %ignore skips",
        "another",
    ),
    "empty range": ('start: "f" a\na: "x" "b"~0..0', TAIL, 2, 11, "~0..0 is an empty range", "0 <= n <= m"),
    "reversed range": (
        'start: "f" a\na: "x" "b"~3..2',
        TAIL,
        2,
        11,
        "~3..2 is an empty range",
        "0 <= n <= m",
    ),
    "huge range": ('start: "f" a\na: "x"~0..1001', TAIL, 2, 7, "repeats too often", "at most 1000"),
    "huge unit": ('start: "f" a\na: b~1000\nb: "x"~1000', TAIL, 1, 12, "more than 10000 words", "lower"),
    "star": ('start: "f" a\na: "x" "y"*', TAIL, 2, 11, "unbounded repetition", "x~0..5"),
    "plus": ('start: "f" a+\na: "x"', TAIL, 1, 13, "unbounded repetition", "x~1..5"),
    "alias": ('start: "f" a\na: "x" -> b', TAIL, 2, 4, "alias", "remove"),
    "letter range": ('start: "f" a\na: "a".."z"', TAIL, 2, 4, "range of letters", "list the words"),
    "lo above hi": (
        'start: "f" a\na: "x" int{"5","1"}',
        TAIL,
        2,
        12,
        "5 is above the upper bound 1",
        "inclusive",
    ),
    "log from 0": ('start: "f" a\na: "x" log_float{"0","1"}', TAIL, 2, 18, "begin above 0", "inclusive"),
    "nan bound": ('start: "f" a\na: "x" float{"0","nan"}', TAIL, 2, 18, '"nan" is not a finite', "instance"),
    "inf bound": (
        'start: "f" a\na: "x" float{"0","1e999"}',
        TAIL,
        2,
        18,
        '"1e999" is not a finite',
        "instance",
    ),
    "word bound": ('start: "f" a\na: "x" int{"lo","5"}', TAIL, 2, 12, '"lo" is not a finite', "instance"),
    "rule bound": (
        'start: "f" a\na: "x" int{a,"5"}',
        TAIL,
        2,
        12,
        "bound of int is a quoted number",
        "instance",
    ),
    "half an int": ('start: "f" a\na: "x" int{"0.5","2"}', TAIL, 2, 12, "not a whole number", "round it"),
    "empty word": ('start: "f" a\na: "x" ""', TAIL, 2, 8, "this word is empty", "optional"),
    "blank in a word": ('start: "f" a\na: "x y"', TAIL, 2, 4, "is not one word", "several words"),
    "empty unit": (
        'start: "f" a~1..3\na: "x"?',
        TAIL,
        1,
        12,
        "number of units is ambiguous",
        "word of its own",
    ),
    "empty item": ('start: "f" a\na: "x" (b?)~1..2\nb: "b"', TAIL, 2, 12, "may be empty", "not optional"),
    "group in start": (
        'start: "f" (a "x")~1..2\na: "y"',
        TAIL,
        1,
        13,
        '"start" cannot hold a group',
        "give it",
    ),
    "choice of starts": (
        'start: a | b\na: "y"\nb: "z"',
        TAIL,
        1,
        8,
        "cannot hold alternatives",
        "give it a rule",
    ),
    "start without parts": ('start: "f" "g"', TAIL, 1, 1, "names no part", "at least one rule"),
    "start inside": ('start: "f" a\na: "x" start', TAIL, 2, 8, '"start" cannot be used', "inner part"),
    "no start": ('a: "x"', TAIL, 1, 1, 'no rule "start"', "write"),
    "empty file": ("", "", 1, 1, "this grammar is empty", "start"),
    "syntax": ('start: "f" a\na "x"', TAIL, 2, 3, 'found "x", expected "."', "a rule reads"),
    "bad character": ('start: "f" a\na: "x" §', TAIL, 2, 8, "found '§'", "a rule reads"),
    "unclosed": ('start: "f" a\na: ("x"', TAIL, 2, 8, "found the end of the line", "a rule reads"),
    "no such file": (
        'start: "f" a\na: "x"\n%import .nope (b)',
        TAIL,
        3,
        10,
        'no grammar file "nope.lark"',
        "looked",
    ),
    "no such name": (
        'start: "f" a\na: "x"\n%import .numeric (itn)',
        NO_NUMERIC,
        3,
        19,
        'does not define "itn"; did you mean "int"?',
        "it defines",
    ),
    "bare import": ('start: "f" a\na: "x"\n%import .foo', TAIL, 3, 10, "names no rule", "write"),
    "renamed numeric": (
        'start: "f" a\na: "x"\n%import .numeric.int -> whole',
        NO_NUMERIC,
        3,
        25,
        '"whole" is a template of your own',
        "keep their names",
    ),
    "terminal in a terminal": ('start: "f" a\na: "x"\nB: C "y"', TAIL, 3, 4, "not defined: C", ""),
    "ignored terminal": ('start: "f" a\na: "x"\n%ignore /x/ | WSS', TAIL, 3, 15, "not defined: WSS", ""),
    "override of nothing": (
        'start: "f" a\na: "x"\n%override b: "y"',
        TAIL,
        3,
        11,
        '%override of "b"',
        "import it",
    ),
    "extend of nothing": ('start: "f" a\na: "x"\n%extend b: "y"', TAIL, 3, 9, '%extend of "b"', "import it"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals_are_located(name):
    text, tail, line, column, problem, remedy = REFUSALS[name]
    source = text + ("\n" if tail and not text.endswith("\n") else "") + tail
    with pytest.raises(InputError) as caught:
        parse_grammar(source, "my.lark")
    matching = [f for f in caught.value.findings if problem in f.problem]
    assert matching, str(caught.value)
    finding = matching[0]
    assert str(finding.place) == f"my.lark:{line}:{column}", str(caught.value)
    assert finding.place.text == source.split("\n")[line - 1]
    assert remedy in finding.remedy


def test_all_problems_of_the_rules_are_reported_at_once():
    with pytest.raises(InputError) as caught:
        parse_grammar('start: "f" a\na: b c "x"*' + TAIL)
    assert [f.place.column for f in caught.value.findings] == [4, 6, 11]


def test_missing_and_undecodable_files(tmp_path):
    with pytest.raises(InputError, match=r"none\.lark: cannot read the grammar: No such file"):
        load_grammar(tmp_path / "none.lark")
    with pytest.raises(InputError, match="cannot read"):
        load_grammar(tmp_path)
    (tmp_path / "bad.lark").write_bytes(b'start: "f" a\na: "\xff"')
    with pytest.raises(InputError, match=r"bad\.lark:2:5: this file is not UTF-8"):
        load_grammar(tmp_path / "bad.lark")


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_and_a_byte_order_mark(tmp_path, end):
    text = '%import .base (a)\nstart: "f" a' + TAIL
    for folder, ending, mark in ((tmp_path / "one", "\n", ""), (tmp_path / "two", end, "\ufeff")):
        folder.mkdir()
        for name, content in (("base.lark", 'a: "x" b\nb: "y"\n'), ("my.lark", text)):
            (folder / name).write_bytes((mark + content.replace("\n", ending)).encode())
    two = load_grammar(tmp_path / "two" / "my.lark")
    assert two == load_grammar(tmp_path / "one" / "my.lark")
    assert two.source == text


def test_an_error_in_an_imported_file_names_that_file(tmp_path):
    (tmp_path / "base.lark").write_text('\n\na: "x" b\nb: "y"*\n')
    (tmp_path / "my.lark").write_text('%import .base (a)\nstart: "f" a' + TAIL)
    with pytest.raises(InputError) as caught:
        load_grammar(tmp_path / "my.lark")
    assert str(caught.value).startswith(f"{tmp_path / 'base.lark'}:4:7: ")
    (tmp_path / "base.lark").write_text('a: "x" )\n')
    with pytest.raises(InputError, match=r"base\.lark:1:8: "):
        load_grammar(tmp_path / "my.lark")


def test_a_grammar_that_imports_itself_is_refused(tmp_path):
    (tmp_path / "a.lark").write_text('%import .b (y)\nx: "x"\nstart: x' + TAIL)
    (tmp_path / "b.lark").write_text('%import .a (x)\ny: "y"\n')
    with pytest.raises(InputError, match=r"b\.lark:1:10: .*a\.lark imports itself"):
        load_grammar(tmp_path / "a.lark")


def test_imports_are_looked_for_beside_the_file_first(tmp_path):
    (tmp_path / "spenser.lark").write_text('a: "mine"\n')
    (tmp_path / "my.lark").write_text('%import .spenser (a)\nstart: "f" a' + TAIL)
    assert 'a: "mine"' in load_grammar(tmp_path / "my.lark").canonical()


def test_a_variant_overrides_and_extends_an_imported_grammar(tmp_path):
    (tmp_path / "variant.lark").write_text(
        "%import .spenser (start, padding, learning)\n"
        '%override padding: "padding" "=" "same"\n%extend learning: "none" | "none"' + TAIL
    )
    variant, base = load_grammar(tmp_path / "variant.lark"), load_grammar(SPENSER)
    assert [part.name for part in variant.parts] == [part.name for part in base.parts]
    expected = base.canonical().replace('("same" | "valid")', '"same"')
    expected = expected.replace(
        "learning: sgd | rmsprop | adam", 'learning: sgd | rmsprop | adam | 2*("none")'
    )
    assert variant.canonical() == expected


def test_the_model_of_the_spenser_grammar():
    grammar = load_grammar(SPENSER)
    sizes = [(part.name, part.rule, part.minimum, part.maximum, part.words) for part in grammar.parts]
    assert sizes == [
        ("features", "features", 1, 6, ("features",)),
        ("classification", "classification", 1, 4, ("classification",)),
        ("output", "output", 1, 1, ("output",)),
        ("learning", "learning", 1, 1, ("learning",)),
    ]
    features = grammar.rules["features"]
    assert isinstance(features, Alternatives)
    assert features.options == (Reference("conv_block"), Reference("dropout"))
    assert features.weights == (3, 1)
    assert grammar.warnings == ()
    assert len(grammar.reachable()) == len(grammar.rules)
    assert len(grammar.rules) == len(re.findall(r"^\w+:", SPENSER.read_text(), re.M)) - 1


def test_every_node_knows_its_place():
    text = SPENSER.read_text()
    grammar = load_grammar(SPENSER)
    for body in grammar.rules.values():
        for node in walk(body):
            line = text.split("\n")[node.place.line - 1][node.place.column - 1 :]
            if isinstance(node, Reference):
                assert line.startswith(node.rule)
            if isinstance(node, Number):
                assert line.startswith(("int{", "float{"))
            if isinstance(node, Repetition):
                assert line[0] in "~?["


def test_a_rule_used_twice_in_start_gives_two_parts():
    grammar = parse_grammar('start: "a" x~1..2 "b" x "c"\nx: "x"' + TAIL)
    assert [part.name for part in grammar.parts] == ["x", "x_2"]
    assert grammar.closing == ("c",)


def test_equality_hash_and_pickle_go_by_content():
    one, two = load_grammar(SPENSER), parse_grammar("\n// moved\n" + SPENSER.read_text(), "other.lark")
    assert one == two
    assert hash(one) == hash(two)
    assert one.sha256 == two.sha256
    changed = parse_grammar(SPENSER.read_text().replace('"same" | "valid"', '"valid" | "same"'))
    assert changed != one
    assert changed.sha256 != one.sha256
    assert pickle.loads(pickle.dumps(one)) == one  # noqa: S301


def test_the_hash_is_the_same_in_another_process():
    code = f"from spenser_gee.grammar import load_grammar; print(load_grammar({str(SPENSER)!r}).sha256)"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.strip()
    assert found == load_grammar(SPENSER).sha256


def test_weights_change_the_canonical_text():
    one = parse_grammar('start: "f" a\na: "x" | "y"' + TAIL)
    two = parse_grammar('start: "f" a\na: "x" | "y" | "x"' + TAIL)
    assert one.sha256 != two.sha256
    assert 'a: 2*("x") | "y"' in two.canonical()


def test_loading_is_fast():
    load_grammar(SPENSER)
    begin = time.process_time()
    parse_grammar(SPENSER.read_text().replace("// SPENSER", "// copy"), "copy.lark")
    assert time.process_time() - begin < 2.0  # 0.1 s on an idle core


def test_the_nasty_grammar_loads_and_round_trips():
    grammar = parse_grammar(NASTY, "nasty.lark")
    check_round_trip(grammar, 300)
    fixed = [w for w in grammar.warnings if "single value" in w.problem]
    assert len(fixed) == len(grammar.warnings) == 1


# -- lint -----------------------------------------------------------------------------------------------


def test_unused_rules_are_warned_about():
    grammar = parse_grammar('start: "f" a\na: "x"\nlost: "y" lost | "z"' + TAIL, "my.lark")
    assert [str(w.place) for w in grammar.warnings] == ["my.lark:3:1"]
    assert lint(grammar) == grammar.warnings


def test_line_ends_that_are_not_ignored_are_warned_about():
    grammar = parse_grammar('start: "f" a\na: "x"\n%ignore " "\n', "my.lark")
    assert "line ends are not ignored" in grammar.warnings[0].problem


@pytest.mark.parametrize(
    ("rules", "count"),
    [
        ('a: "x" | "y" | "y"', 2),
        ('a: "x" b b\nb: int{"1", "5"}', 25),
        ('a: "x" float{"0", "1"}', 1000),
        ('a: "x" ("p" | "q")~0..3', 1 + 2 + 4 + 8),
        ('a: "x" ("p" | "q")~2', 4),
        ('a: "x" "y"?', 2),
        # Seven brackets at most: seven levels of the rule, the last of which must end it.
        ('a: "(" a ")" | "z"', 7),
    ],
)
def test_space_size_counts_sentences(rules, count):
    grammar = parse_grammar(f'start: "f" a "g" a\n{rules}' + TAIL)
    assert 10 ** space_size(grammar) == pytest.approx(count**2)


def test_space_size_of_parts():
    grammar = parse_grammar('start: "f" a~1..3\na: "x" | "y"' + TAIL)
    assert 10 ** space_size(grammar) == pytest.approx(2 + 4 + 8)
