"""Errors that a person can act on: where, what was expected, what was found, and the remedy.

Everything that reads something a person wrote (config, grammar, sentence, data, command line, run folder)
raises `InputError`; the command line prints it without a traceback and exits with code 2.
"""

from __future__ import annotations

import difflib
import itertools
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
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
        return printable(text)


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


def run_script(main: Callable[[], object]) -> None:
    """Runs a script's main function: bad input is one message and exit code 2."""
    try:
        main()
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


# Control characters but tab and line feed; halves of surrogate pairs (a file name that is not UTF-8, "\\ud800" in YAML).
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def printable(text: str) -> str:
    """The text with escapes for what no terminal and no page can show."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean "x"?` for the known word nearest to `word`, or nothing.

    Where both look the same, their characters are spelled out.
    """
    match = _nearest(word, list(known))
    return "" if match is None else _question(word, match, match)


def nearest_path(path: Path) -> str:
    """`; did you mean "x"?` for the existing path nearest to one that is not there, or nothing.

    Compares the first name that is missing with the entries of its folder.
    """
    try:
        if not path.name or path.exists():
            return ""
        folder, *rest = path.parent, path.name
        while folder.name and not folder.is_dir():
            folder, rest = folder.parent, [folder.name, *rest]
        entries = sorted(entry.name for entry in itertools.islice(folder.iterdir(), _MOST_ENTRIES))
        # Folders in which the rest of the path is found, if there are any.
        fitting = [name for name in entries if len(rest) > 1 and folder.joinpath(name, *rest[1:]).exists()]
    except (OSError, ValueError):
        return ""
    word, inner = rest[0], rest[1:] if fitting else []
    names = [name for name in fitting or entries if name != word]
    same = [name for name in names if _stem(name) == _stem(word)]
    match = _nearest(word, same) or next(iter(same), None) or _nearest(word, names)
    return "" if match is None else _question(word, match, str(folder.joinpath(match, *inner)))


def escaped(name: str) -> str:
    """The name with every character that is not plain ASCII as its code."""
    return name.encode("unicode_escape").decode("ascii")


#: No more entries of a folder than this are compared with a name.
_MOST_ENTRIES = 5000


def _nearest(word: str, names: list[str]) -> str | None:
    alike = (name for name in names if name != word and _visible(name) == _visible(word))
    matches: Sequence[str] = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    return next(alike, None) or next(iter(matches), None)


def _question(word: str, match: str, shown: str) -> str:
    alike = match != word and _visible(match) == _visible(word)
    return f'; did you mean "{shown}"{f" ({escaped(match)}, not {escaped(word)})" if alike else ""}?'


def _visible(name: str) -> str:
    """What a reader sees of a name: composed, without characters of no width, every blank alike."""
    shown = (char for char in unicodedata.normalize("NFKC", name) if not _no_width(char))
    return " ".join("".join(shown).split())


def _no_width(char: str) -> bool:
    return unicodedata.category(char) == "Cf" or "\ufe00" <= char <= "\ufe0f"


def _stem(name: str) -> str:
    """A file's name without its ending, in small letters."""
    return name.rpartition(".")[0].casefold() or name.casefold()
