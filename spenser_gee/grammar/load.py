"""Loads and checks a grammar: one `.lark` file is the search space, its parser and the sentence format."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from spenser_gee.errors import Finding, InputError, input_error
from spenser_gee.grammar.check import check_rules
from spenser_gee.grammar.convert import Converter, parts_of
from spenser_gee.grammar.derive import expand, expansion_of, fill_random
from spenser_gee.grammar.lark_loader import Definitions, read_definitions
from spenser_gee.grammar.lint import lint
from spenser_gee.grammar.model import Grammar
from spenser_gee.grammar.sentence import join_tokens, parse_sentence, sentence_parser
from spenser_gee.rng import stream
from spenser_gee.text import read_text

#: Random sentences that every load sends through the parser; `check_round_trip` takes more.
SAMPLES_AT_LOAD = 25


def load_grammar(path: str | Path) -> Grammar:
    """The grammar of a file. Relative imports are looked for beside it, then among the shipped grammars.

    Raises InputError, with the place, for everything that makes it no usable search space.
    """
    return parse_grammar(read_text(path, "grammar"), str(path), Path(path).parent)


def parse_grammar(text: str, name: str = "<grammar>", folder: str | Path | None = None) -> Grammar:
    """The grammar of a text. `name` stands in messages; `folder` is where relative imports are looked for
    first. Raises InputError like `load_grammar`."""
    definitions = read_definitions(text, name, Path(folder) if folder is not None else None)
    converter = Converter(definitions)
    nodes = converter.convert_all()
    places = {converter.names[rule]: found.place for rule, found in definitions.rules.items()}
    start = nodes.pop("start")
    parts, closing = parts_of(start, places)
    check_rules(nodes, parts, places)
    ignored = _ignored(definitions)
    grammar = Grammar(nodes, parts, closing, ignored, places, text, name)
    sentence_parser(grammar)
    check_round_trip(grammar, SAMPLES_AT_LOAD)
    return dataclasses.replace(grammar, warnings=lint(grammar))


def _ignored(definitions: Definitions) -> tuple[str, ...]:
    """The regular expressions of what %ignore skips. Raises InputError where blanks are not skipped."""
    patterns = []
    findings = []
    for name in dict.fromkeys(definitions.ignored):
        place = definitions.ignore_place(name)
        if name not in definitions.terminals:
            remedy = f"import it (%import common ({name})) or define it"
            findings.append(Finding(place, f'%ignore names "{name}", which is not defined', remedy))
            continue
        try:
            pattern = definitions.pattern(name)
            if re.match(pattern, "") is not None:
                raise ValueError("it matches the empty text")
        except Exception as error:  # Lark, re and literal_eval each raise their own
            reason = str(error).split("\n")[0]
            remedy = "for instance  %ignore /[ \\t\\n]+/"
            findings.append(Finding(place, f"what %ignore skips is no usable pattern: {reason}", remedy))
            continue
        patterns.append(pattern)
    if findings:
        raise InputError(*findings)
    if not any(re.fullmatch(pattern, " ") for pattern in patterns):
        place = definitions.main.beginning
        remedy = "add  %import common (WS)  and  %ignore WS"
        raise input_error(place, "blanks are not ignored, so words could not be separated", remedy)
    return tuple(patterns)


def check_round_trip(grammar: Grammar, samples: int = 300, seed: int = 0) -> None:
    """Sends random networks through text and back. Raises InputError where one does not come back equal."""
    expansion, rng = expansion_of(grammar), stream(seed, "grammar round trip")
    fill = fill_random(rng)
    for _ in range(samples):
        units, genes = [], []
        for part in grammar.parts:
            # A few units are enough: a part of up to 1,000 units would make loading slow.
            count = int(rng.integers(part.minimum, min(part.maximum, part.minimum + 5) + 1))
            made = [expand(expansion, part.rule, {}, fill) for _ in range(count)]
            units += [(part.name, unit.tokens) for unit in made]
            genes.append((part.name, tuple(unit.genes for unit in made)))
        sentence = join_tokens(grammar, units)
        try:
            found = parse_sentence(grammar, sentence, "<sample>")
        except InputError as error:
            problem = f"a network of this grammar cannot be read back from its text: {error.findings[0]}"
            raise input_error(grammar.beginning, problem, _KEYWORDS) from None
        if found != tuple(genes):
            problem = f"a network of this grammar is read back as another one: {sentence[:200]}"
            raise input_error(grammar.beginning, problem, _KEYWORDS)


_KEYWORDS = "begin every alternative with a keyword of its own"
