"""The grammar language: search space, sentence parser and hand-written networks in one `.lark` file."""

from spenser_gee.grammar.domains import FloatDomain, IntDomain
from spenser_gee.grammar.lint import lint, space_size
from spenser_gee.grammar.load import check_round_trip, load_grammar, parse_grammar
from spenser_gee.grammar.model import Grammar, Part
from spenser_gee.grammar.sentence import parse_sentence

__all__ = [
    "FloatDomain",
    "Grammar",
    "IntDomain",
    "Part",
    "check_round_trip",
    "lint",
    "load_grammar",
    "parse_grammar",
    "parse_sentence",
    "space_size",
]
