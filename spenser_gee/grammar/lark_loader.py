"""Reads a `.lark` file, its imports, `%override` and `%extend` with Lark's own grammar reader.

This is the only module that touches `lark.load_grammar`, which is internal to Lark (tested: the range in
pyproject.toml). Its result is Lark's *uncompiled* definitions, which keep repeated alternatives, `~`, groups
and template arguments; the compiled rules have lost them.

Lark drops the file of every token and the position of every reference. Both are recovered here: imported
files are read behind enough blank lines to give every file its own range of positions, and the raw parse
of each file lists the references of a rule in the same order as the definition does.
"""

from __future__ import annotations

import copy
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lark
from lark import Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput
from lark.grammar import Symbol
from lark.load_grammar import GrammarBuilder, PrepareLiterals, TerminalTreeToPattern, _get_parser

from spenser_gee.errors import Finding, InputError, Place, input_error, nearest, place_at
from spenser_gee.paths import shipped_folder
from spenser_gee.text import read_text

#: Where `numeric.lark` and the example grammars lie.
SHIPPED = shipped_folder("grammars")
#: Where Lark's own `common.lark` lies.
LARK_GRAMMARS = Path(lark.__file__).parent / "grammars"

_WORDS = {
    "RULE": "a rule name",
    "TERMINAL": "a terminal name",
    "RULE_MODIFIERS": "a rule",
    "STRING": 'a "word"',
    "REGEXP": "a /regular expression/",
    "NUMBER": "a number",
    "TILDE": '"~"',
    "OP": '"?"',
    "_COLON": '":"',
    "_COMMA": '","',
    "_OR": '"|"',
    "_LPAR": '"("',
    "_RPAR": '")"',
    "_LBRACE": '"{"',
    "_RBRACE": '"}"',
    "_LBRA": '"["',
    "_RBRA": '"]"',
    "_DOT": '"."',
    "_DOTDOT": '".."',
    "_TO": '"->"',
    "_NL": "the end of the line",
    "_NL_OR": '"|"',
    "$END": "the end of the file",
    "_IGNORE": "%ignore",
    "_IMPORT": "%import",
    "_OVERRIDE": "%override",
    "_EXTEND": "%extend",
    "_DECLARE": "%declare",
}


@dataclass
class SourceFile:
    """One grammar file; `first` is the number of blank lines that Lark saw before it."""

    path: str
    text: str
    first: int
    tree: Tree[Token]

    @property
    def beginning(self) -> Place:
        return place_at(self.path, self.text, 0)

    def place(self, token: Token) -> Place:
        """The place of a token of the raw parse."""
        return place_at(self.path, self.text, (token.start_pos or 0) - self.first)

    @property
    def padded(self) -> str:
        return "\n" * self.first + self.text


@dataclass
class Definition:
    """One rule or terminal as Lark understood it."""

    name: str
    params: tuple[str, ...]
    tree: Any
    options: Any
    place: Place


@dataclass
class Definitions:
    """Everything a grammar file defines, with its imports merged in."""

    main: SourceFile
    files: list[SourceFile]
    rules: dict[str, Definition] = field(default_factory=dict)
    terminals: dict[str, Definition] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    reference_tokens: dict[int, Token] = field(default_factory=dict)

    def place(self, token: Any) -> Place | None:
        """The place of a token of Lark's, or of a reference; None where it is not known."""
        token = self.reference_tokens.get(id(token), token)
        line = getattr(token, "line", None)
        if line is None:
            return None
        file = [file for file in self.files if file.first < line][-1]
        lines = file.text.split("\n")
        text = lines[line - file.first - 1] if line - file.first <= len(lines) else ""
        return Place(file.path, line - file.first, token.column, text)

    def pattern(self, name: str) -> str:
        """The regular expression of a terminal. Raises what Lark raises where it is none."""
        tree = copy.deepcopy(self.terminals[name].tree)
        pattern = (PrepareLiterals() * TerminalTreeToPattern()).transform(tree)
        text = pattern.to_regexp()
        re.compile(text)
        return str(text)

    def ignore_place(self, name: str) -> Place:
        """Where `%ignore` names the terminal, or where the terminal is defined."""
        # Lark keeps one name for each %ignore, in the order of the text.
        for ignored, stmt in zip(self.ignored, statements(self.main.tree, "ignore"), strict=False):
            if ignored == name:
                found = (self.place(token) for token in tokens(stmt))
                return next((place for place in found if place), self.main.beginning)
        return self.terminals[name].place if name in self.terminals else self.main.beginning


def statements(tree: Tree[Token], *kinds: str) -> Iterator[Tree[Token]]:
    """The statements of a raw parse that are of these kinds."""
    for child in tree.children:
        if isinstance(child, Tree) and child.data in kinds:
            yield child


def tokens(tree: Any) -> list[Token]:
    """All tokens of a tree, in order."""
    return list(tree.scan_values(lambda value: isinstance(value, Token)))


def _definition(stmt: Any) -> Tree[Token]:
    """The rule or terminal of a statement, which may stand under %override or %extend."""
    inner: Tree[Token] = stmt.children[0] if stmt.data in ("override", "extend") else stmt
    return inner


def _name(stmt: Tree[Token]) -> Token:
    """The name that a statement defines."""
    inner = _definition(stmt)
    name = inner.children[1 if inner.data == "rule" else 0]
    assert isinstance(name, Token)
    return name


def _parse_raw(text: str, path: str, first: int) -> Tree[Token]:
    """Lark's raw parse of one file. Raises InputError at the place where it fails."""
    if not text.strip():
        raise input_error(Place(path, 1, 1), "this grammar is empty", 'it needs at least a rule "start"')
    try:
        return _get_parser().parse("\n" * first + text + "\n", "start")  # type: ignore[no-any-return, no-untyped-call]
    except UnexpectedInput as error:
        offset = min((error.pos_in_stream or 0) - first, len(text))
        place = place_at(path, text, offset)
        if isinstance(error, UnexpectedCharacters):
            found = f"found {text[offset : offset + 1]!r}"
            wanted = set(error.allowed or ())
        else:
            token = getattr(error, "token", None)
            word = str(token).strip().strip('"') if token is not None else ""
            found = f'found "{word}"' if word else "found the end of the line"
            wanted = set(getattr(error, "accepts", None) or getattr(error, "expected", ()) or ())
        names = sorted({_WORDS[name] for name in wanted if name in _WORDS})
        raise input_error(
            place,
            f"this is not the grammar language: {found}, expected {' or '.join(names) or 'something else'}",
            'a rule reads  name: "word" other_rule | "word"  and goes on over lines that begin with |',
        ) from None
    except RecursionError:
        raise input_error(
            place_at(path, text, 0), "this grammar is nested too deeply", "use more rules"
        ) from None


def _import_parts(stmt: Tree[Token]) -> tuple[bool, list[Token], list[Token]]:
    """Of an %import: whether it is relative, the file's dotted path, the names it takes from there."""
    path = stmt.children[0]
    assert isinstance(path, Tree)
    dotted = [token for token in path.children if isinstance(token, Token)]
    if len(stmt.children) > 1 and isinstance(stmt.children[1], Tree):
        return path.data == "import_rel", dotted, list(stmt.children[1].children)  # type: ignore[arg-type]
    return path.data == "import_rel", dotted[:-1], dotted[-1:]


class _Reader:
    """Reads a file and everything it imports, each behind its own run of blank lines."""

    def __init__(self) -> None:
        self.files: dict[str, SourceFile] = {}
        self.lines = 0

    def read(self, text: str, path: str, folder: Path | None, above: tuple[str, ...] = ()) -> SourceFile:
        first = self.lines
        # More lines than any file needs: so that not only lines but also character positions are disjoint.
        self.lines += len(text) + 2
        file = self.files[path] = SourceFile(path, text, first, _parse_raw(text, path, first))
        for stmt in statements(file.tree, "import"):
            self._follow(file, stmt, folder, (*above, path))
        return file

    def _follow(
        self, file: SourceFile, stmt: Tree[Token], folder: Path | None, above: tuple[str, ...]
    ) -> None:
        relative, dotted, names = _import_parts(stmt)
        if not dotted:
            place = file.place(names[0])
            raise input_error(place, "this %import names no rule", f"write %import .{names[0]} (a, b)")
        target = find_import("/".join(dotted) + ".lark", folder if relative else None)
        place = file.place(dotted[0])
        if target is None:
            if not relative and (LARK_GRAMMARS / ("/".join(dotted) + ".lark")).is_file():
                return
            where = f"{folder} and {SHIPPED}" if relative and folder else str(SHIPPED)
            remedy = f"grammar files are looked for in {where}"
            raise input_error(place, f'there is no grammar file "{"/".join(dotted)}.lark"', remedy)
        key = str(target)
        if key in above:
            raise input_error(place, f"{key} imports itself", "remove this %import")
        known = self.files.get(key) or self.read(read_text(target, "grammar"), key, target.parent, above)
        self._check_names(file, names, known)

    def _check_names(self, file: SourceFile, names: list[Token], target: SourceFile) -> None:
        known = _defined(target)
        for name in names:
            if str(name) not in known:
                problem = f'{target.path} does not define "{name}"{nearest(name, known)}'
                raise input_error(file.place(name), problem, f"it defines {', '.join(sorted(known))}")


def find_import(relative: str, folder: Path | None) -> Path | None:
    """The file of an import: beside the grammar, else among the shipped grammars."""
    for base in (folder, SHIPPED):
        if base is not None and (base / relative).is_file():
            return base / relative
    return None


def _check_duplicates(files: list[SourceFile]) -> None:
    findings = []
    for file in files:
        seen: dict[str, int] = {}
        for stmt in statements(file.tree, "rule", "term"):
            name = _name(stmt)
            place = file.place(name)
            if name in seen:
                what = "rule" if stmt.data == "rule" else "terminal"
                problem = f'the {what} "{name}" is defined twice (first on line {seen[name]})'
                findings.append(Finding(place, problem, "rename one, or join both with |"))
            seen.setdefault(str(name), place.line)
        findings += _missing_bases(file)
    if findings:
        raise InputError(*findings)


def _missing_bases(file: SourceFile) -> list[Finding]:
    """%override and %extend of what the file neither defines nor imports."""
    findings = []
    known = _defined(file)
    for stmt in statements(file.tree, "override", "extend"):
        name = _name(stmt)
        if str(name) not in known:
            problem = f'%{stmt.data} of "{name}", which is not defined here{nearest(name, known)}'
            remedy = f"import it by name, or remove %{stmt.data}"
            findings.append(Finding(file.place(name), problem, remedy))
    return findings


def _defined(file: SourceFile) -> set[str]:
    """The names that a file defines or imports."""
    known: set[str] = set()
    for stmt in statements(file.tree, "rule", "term", "import"):
        if stmt.data == "import":
            known.update(str(token) for token in stmt.children[1:] if isinstance(token, Token))
            if len(stmt.children) == 1 or isinstance(stmt.children[1], Tree):
                known.update(map(str, _import_parts(stmt)[2]))
        else:
            known.add(str(_name(stmt)))
    return known


def read_definitions(text: str, path: str, folder: Path | None) -> Definitions:
    """Everything that the grammar `text` defines. Raises InputError, and nothing else, on a bad text."""
    reader = _Reader()
    main = reader.read(text, path, folder)
    files = sorted(reader.files.values(), key=lambda file: file.first)
    _check_duplicates(files)

    def source(base_path: str | None, relative: str) -> tuple[str, str]:
        target = find_import(relative, Path(base_path) if base_path else None)
        if target is None:
            raise OSError(relative)
        return str(target), reader.files[str(target)].padded

    # A name whose folder is where Lark looks for relative imports; "" means the shipped folder only.
    name = str(folder / "grammar") if folder is not None else ""
    builder = GrammarBuilder(False, [source])
    try:
        builder.load_grammar(text, name)
        found = _collect(builder, main, files)
    except InputError:
        raise
    except Exception as error:  # Lark raises assertion, lookup and recursion errors beside its own
        raise lark_error(error, main) from None
    return found


def lark_error(error: Exception, main: SourceFile) -> InputError:
    """An error of Lark's own, placed at the first name it quotes that the file contains."""
    message = str(error).split("\n")[0].strip() or type(error).__name__
    if isinstance(error, RecursionError):
        message = "this grammar is nested too deeply"
    # Lark writes rule names in quotes and terminals in capitals.
    for word in re.findall(r"(?<=')\w+(?=')|\b[A-Z_][A-Z_0-9]*\b", message):
        head = re.search(rf"^\s*(%\w+\s+)?[?!]*{word}\b", main.text, re.M)
        if hit := head or re.search(rf"\b{word}\b", main.text):
            return input_error(place_at(main.path, main.text, hit.end() - len(word)), message)
    return input_error(place_at(main.path, main.text, 0), message, "see the grammar language in the docs")


def _collect(builder: GrammarBuilder, main: SourceFile, files: list[SourceFile]) -> Definitions:
    found = Definitions(main, files, ignored=list(builder._ignore_names))
    raw = _RawRules(files)
    for name, definition in builder._definitions.items():
        head = raw.head(name, definition.tree)
        place = found.place(head) if head is not None else None
        place = place or _import_place(main, name) or main.beginning
        kind = found.terminals if definition.is_term else found.rules
        kind[str(name)] = Definition(str(name), definition.params, definition.tree, definition.options, place)
        if not definition.is_term and definition.tree is not None:
            for body in bodies(definition.tree):
                symbols = list(body.scan_values(lambda value: isinstance(value, Symbol)))
                named = raw.references(name, body)
                if len(symbols) == len(named):
                    found.reference_tokens.update((id(s), t) for s, t in zip(symbols, named, strict=True))
    return found


def _import_place(main: SourceFile, name: str) -> Place | None:
    for stmt in statements(main.tree, "import"):
        for token in tokens(stmt):
            if token == name and token.start_pos is not None:
                return main.place(token)
    return None


def bodies(tree: Any) -> list[Any]:
    """The texts a rule was made of: what `%extend` added (each a tree of its own), then the rule's own."""
    extensions = [child for child in tree.children if isinstance(child, Tree) and child.data == "expansions"]
    own = [child for child in tree.children if not (isinstance(child, Tree) and child.data == "expansions")]
    return [*extensions, Tree("expansions", own)]


class _RawRules:
    """The rules of all files as Lark's raw parse has them, found by position or else by name."""

    def __init__(self, files: list[SourceFile]) -> None:
        self.starts: list[int] = []
        self.rules: list[Tree[Token]] = []
        self.by_name: dict[str, list[int]] = {}
        for file in files:
            for stmt in statements(file.tree, "rule", "term", "override", "extend"):
                name = _name(stmt)
                self.by_name.setdefault(str(name), []).append(len(self.rules))
                self.starts.append(name.start_pos or 0)
                self.rules.append(_definition(stmt))

    def _find(self, name: str, body: Any) -> Tree[Token] | None:
        for token in tokens(body) if body is not None else ():
            if token.start_pos is not None:
                return self.rules[bisect_right(self.starts, token.start_pos) - 1]
        position = getattr(name, "start_pos", None)
        if position is not None and position in self.starts:
            return self.rules[self.starts.index(position)]
        found = self.by_name.get(name) or self.by_name.get(str(name).split("__")[-1]) or []
        return self.rules[found[0]] if found else None

    def head(self, name: str, tree: Any) -> Token | None:
        own = bodies(tree)[-1] if tree is not None else None
        rule = self._find(name, own)
        return _name(rule) if rule is not None else None

    def references(self, name: str, body: Any) -> list[Token]:
        rule = self._find(name, body)
        if rule is None:
            return []
        return [token for token in tokens(rule.children[-1]) if token.type in ("RULE", "TERMINAL")]
