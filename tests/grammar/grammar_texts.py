"""Grammars that several test files use."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SPENSER = ROOT / "grammars" / "spenser.lark"

TAIL = """
%import .numeric (int, float, log_int, log_float)
%import common (WS, SH_COMMENT)
%ignore WS
%ignore SH_COMMENT
"""

NASTY = (Path(__file__).parent / "nasty.lark").read_text()
