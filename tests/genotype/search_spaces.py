"""Grammars that several test files use."""

from __future__ import annotations

from pathlib import Path

from spenser_gee.grammar import load_grammar

ROOT = Path(__file__).resolve().parents[2]
SPENSER_TEXT = (ROOT / "grammars" / "spenser.lark").read_text()
SPENSER_GRAMMAR = load_grammar(ROOT / "grammars" / "spenser.lark")
NASTY_GRAMMAR = load_grammar(ROOT / "tests" / "grammar" / "nasty.lark")

TAIL = """
%import .numeric (int, float, log_int, log_float)
%import common (WS, SH_COMMENT)
%ignore WS
%ignore SH_COMMENT
"""
