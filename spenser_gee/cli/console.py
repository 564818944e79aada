"""The two consoles: stdout for data, stderr for everything else. NO_COLOR and pipes give plain text."""

from __future__ import annotations

import json
import math
import sys
from typing import Any

from rich.console import Console
from rich.text import Text

# emoji: rich would take the place in `grammar.lark:100:3` for one.
errors = Console(stderr=True, highlight=False, emoji=False)
output = Console(highlight=False, soft_wrap=True, emoji=False, markup=False)

# Of a table where there is no terminal, or a narrow one: a wrapped table cannot be read.
WIDTH = 140


def say(text: str, style: str | None = None) -> None:
    """A line for the person, on stderr."""
    # A styled text, not a styled print: that one would style a progress bar below it too.
    errors.print(Text(text, style or ""), soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON object on stdout. JSON has no NaN and no infinity: they become null."""
    sys.stdout.write(json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def duration(seconds: float) -> str:
    """Seconds in words: 42 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
