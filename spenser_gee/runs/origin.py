"""What a run began with, as objects: its configuration and its grammar."""

from __future__ import annotations

from pathlib import Path

from spenser_gee.config import Config
from spenser_gee.errors import input_error
from spenser_gee.grammar import Grammar, parse_grammar
from spenser_gee.phenotype.check import check_words
from spenser_gee.runs.store import RunFolder


def config_of(folder: RunFolder) -> Config:
    """The configuration of a run. Raises InputError."""
    name = str(folder.path / "config.yaml")
    try:
        return Config.from_dict(folder.config(), name)
    except RecursionError:
        raise input_error(name, "a value contains itself") from None


def grammar_of(folder: RunFolder, config: Config) -> Grammar:
    """The grammar in a run folder. Raises InputError."""
    # Files that the grammar imports are looked for where it came from.
    text, name = folder.grammar_text(), str(folder.path / "grammar.lark")
    grammar = parse_grammar(text, name, Path(config.grammar).parent)
    check_words(grammar)
    return grammar
