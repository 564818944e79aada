"""Errors that a person can act on: where, what was expected, what was found, and the remedy.

Everything that reads something a person wrote (config, grammar, sentence, data, command line, run folder)
raises `InputError`; the command line prints it without a traceback and exits with code 2.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Place:
    """A position in a text. Lines and columns count from 1; `text` is that line, for the excerpt."""

    file: str
    line: int = 0
    column: int = 0
    text: str = ""

    def __str__(self) -> str:
        if not self.line:
            return self.file
        return f"{self.file}:{self.line}:{max(self.column, 1)}"

    def excerpt(self) -> str:
        """The line and a caret below the column, or nothing where the line is not known."""
        if not self.text:
            return ""
        # A very long line (a sentence on one line) is cut to a window around the column.
        start = max(0, self.column - 61) if len(self.text) > 120 else 0
        shown = self.text[start : start + 120].replace("\t", " ")
        return f"\n    {shown}\n    {' ' * max(self.column - 1 - start, 0)}^"


def place_at(file: str, text: str, offset: int) -> Place:
    """The place of character `offset` in `text`."""
    offset = max(0, min(offset, len(text)))
    line = text.count("\n", 0, offset) + 1
    begin = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", begin)
    return Place(file, line, offset - begin + 1, text[begin : end if end >= 0 else len(text)])


@dataclass(frozen=True)
class Finding:
    """One problem (or warning) with its place and what to do about it."""

    place: Place
    problem: str
    remedy: str = ""

    def __str__(self) -> str:
        remedy = f"\n    {self.remedy}" if self.remedy else ""
        text = f"{self.place}: {self.problem}{self.place.excerpt()}{remedy}"
        # Half a surrogate pair (a file name, or "\\ud800" in YAML) could not be printed.
        return text.encode("utf-8", "backslashreplace").decode("utf-8")


class InputError(Exception):
    """Something a person wrote cannot be used. `findings` holds every problem found, at least one."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__(*findings)
        self.findings = findings

    def __str__(self) -> str:
        return "\n".join(str(finding) for finding in self.findings)


def input_error(where: str | Place, problem: str, remedy: str = "") -> InputError:
    """An `InputError` with one finding."""
    place = Place(where) if isinstance(where, str) else where
    return InputError(Finding(place, problem, remedy))


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean "x"?` for the known word nearest to `word`, or nothing."""
    matches: Sequence[str] = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f'; did you mean "{matches[0]}"?' if matches else ""


def nearest_path(path: Path) -> str:
    """`; did you mean "x"?` for the entry of its folder nearest to the last part of `path`, or nothing."""
    try:
        return nearest(path.name, os.listdir(path.parent))
    except (OSError, ValueError):
        return ""
