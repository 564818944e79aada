"""The grammar as data: six kinds of node, the parts of a network, and the whole.

Nodes compare by what they say, not by where they stand: `place` takes no part in equality.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from spenser_gee.errors import Finding, Place, place_at
from spenser_gee.grammar.domains import Domain

NOWHERE = Place("<grammar>")


@dataclass(frozen=True)
class Literal:
    """A word that stands in a sentence as it is."""

    text: str
    place: Place = field(default=NOWHERE, compare=False)

    def __str__(self) -> str:
        return json.dumps(self.text, ensure_ascii=False)


@dataclass(frozen=True)
class Number:
    """A numeric gene."""

    domain: Domain
    place: Place = field(default=NOWHERE, compare=False)

    def __str__(self) -> str:
        return str(self.domain)


@dataclass(frozen=True)
class Reference:
    """The use of a rule."""

    rule: str
    place: Place = field(default=NOWHERE, compare=False)

    def __str__(self) -> str:
        return self.rule


@dataclass(frozen=True)
class Sequence:
    """Items one after the other; may be empty."""

    items: tuple[Node, ...]
    place: Place = field(default=NOWHERE, compare=False)

    def __str__(self) -> str:
        return " ".join(_grouped(item) for item in self.items)


@dataclass(frozen=True)
class Alternatives:
    """One of the options; a repeated option was merged and its weight counts the repeats."""

    options: tuple[Node, ...]
    weights: tuple[int, ...]
    place: Place = field(default=NOWHERE, compare=False)

    def __str__(self) -> str:
        shown = (f"{w}*({o})" if w > 1 else str(o) for o, w in zip(self.options, self.weights, strict=True))
        return " | ".join(shown)


@dataclass(frozen=True)
class Repetition:
    """The item, minimum to maximum times."""

    item: Node
    minimum: int
    maximum: int
    place: Place = field(default=NOWHERE, compare=False)

    def __str__(self) -> str:
        return f"({self.item})~{self.minimum}..{self.maximum}"


Node = Literal | Number | Reference | Sequence | Alternatives | Repetition


def _grouped(node: Node) -> str:
    return f"({node})" if isinstance(node, Alternatives | Sequence) else str(node)


def children(node: Node) -> tuple[Node, ...]:
    """The direct parts of a node."""
    match node:
        case Sequence(items=items):
            return items
        case Alternatives(options=options):
            return options
        case Repetition(item=item):
            return (item,)
    return ()


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it, in the order of the text."""
    yield node
    for child in children(node):
        yield from walk(child)


@dataclass(frozen=True)
class Part:
    """A part of the network: `minimum` to `maximum` units of `rule`, after the section words `words`.

    `name` is the rule's name (with `_2`, `_3`, ... where `start` uses a rule again).
    """

    name: str
    rule: str
    minimum: int
    maximum: int
    words: tuple[str, ...] = ()
    place: Place = field(default=NOWHERE, compare=False)

    def __str__(self) -> str:
        words = "".join(f"{json.dumps(word, ensure_ascii=False)} " for word in self.words)
        return f"{words}{self.rule}~{self.minimum}..{self.maximum}"


@dataclass(frozen=True, eq=False)
class Grammar:
    """A search space. Made by `load_grammar` or `parse_grammar`, which check it; equal by content.

    rules: every rule but `start`; parts: what `start` says; closing: the section words after the last part;
    ignored: the regular expressions of what may stand between the words of a sentence; places: where each
    rule is defined; source, path: the text it was read from; warnings: what `lint` found.
    """

    rules: Mapping[str, Node]
    parts: tuple[Part, ...]
    closing: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    places: Mapping[str, Place] = field(default_factory=dict)
    source: str = ""
    path: str = "<grammar>"
    warnings: tuple[Finding, ...] = ()

    def canonical(self) -> str:
        """The rules that `start` reaches, one sorted line a rule: equal text means equal genotypes."""
        closing = "".join(f" {json.dumps(word, ensure_ascii=False)}" for word in self.closing)
        lines = [f"start: {' '.join(map(str, self.parts))}{closing}"]
        lines += [f"{name}: {self.rules[name]}" for name in self.reachable()]
        return "\n".join(sorted(lines)) + "\n"

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of `canonical()`, as hexadecimal digits."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    @property
    def beginning(self) -> Place:
        """The first line of the text, for problems of the whole."""
        return place_at(self.path, self.source, 0)

    def place_of(self, rule: str) -> Place:
        """Where a rule is defined."""
        return self.places.get(rule, self.beginning)

    def part(self, name: str) -> Part:
        """The part of that name. Raises KeyError."""
        return {part.name: part for part in self.parts}[name]

    def reachable(self) -> tuple[str, ...]:
        """The rules that `start` reaches, in the order of their first use."""
        found: dict[str, None] = {}
        waiting = [part.rule for part in reversed(self.parts)]
        while waiting:
            name = waiting.pop()
            if name in found:
                continue
            found[name] = None
            used = [node.rule for node in walk(self.rules[name]) if isinstance(node, Reference)]
            waiting.extend(reversed(used))
        return tuple(found)

    def __hash__(self) -> int:
        return hash((self.sha256, self.ignored))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Grammar):
            return NotImplemented
        return self is other or (self.sha256 == other.sha256 and self.ignored == other.ignored)
