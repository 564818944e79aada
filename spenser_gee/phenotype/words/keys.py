"""The keys of a word: `key=value` in a sentence, a field of the word's class."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

CLASSES = 0  # `units=classes`: as many units as the data set has classes


@dataclass(frozen=True)
class Key:
    """One key of a keyword: its type, range (inclusive) or choices, and meaning."""

    kind: str  # "whole", "real" or "choice"
    meaning: str
    low: float = 0.0
    high: float = 0.0
    choices: tuple[str, ...] = ()

    def describe(self) -> str:
        """The permitted values in words."""
        if self.kind == "choice":
            return " | ".join(self.choices)
        if self.kind == "whole":
            extra = " | classes" if self.choices else ""
            return f"whole number {int(self.low)} to {int(self.high)}{extra}"
        return f"number {self.low:g} to {self.high:g}"


def whole(default: int, low: int, high: int, meaning: str, *choices: str) -> Any:
    """A field that holds a whole number."""
    return field(default=default, metadata={"key": Key("whole", meaning, low, high, choices)})


def real(default: float, low: float, high: float, meaning: str) -> Any:
    """A field that holds a real number."""
    return field(default=default, metadata={"key": Key("real", meaning, low, high)})


def choice(default: str, choices: tuple[str, ...], meaning: str) -> Any:
    """A field that holds one of a few words."""
    return field(default=default, metadata={"key": Key("choice", meaning, choices=choices)})


def flag(default: bool, meaning: str) -> Any:
    """A field that holds `true` or `false`."""
    return field(default=default, metadata={"key": Key("choice", meaning, choices=("true", "false"))})


def keys_of(kind: type[Any]) -> dict[str, tuple[Key, Any]]:
    """The keys of a keyword's class, in order: name -> (key, default)."""
    return {f.name: (f.metadata["key"], f.default) for f in fields(kind)}
