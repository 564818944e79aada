"""Checks of a whole grammar that need no parser: endless rules, empty repetitions, sheer size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal as Word

from spenser_gee.errors import Finding, InputError, Place
from spenser_gee.grammar.model import (
    Alternatives,
    Literal,
    Node,
    Number,
    Part,
    Reference,
    Repetition,
    Sequence,
    walk,
)

#: A unit whose shortest form has more words and numbers than this is refused.
MAX_SHORTEST = 10_000


def uses(rules: Mapping[str, Node]) -> dict[str, frozenset[str]]:
    """For every rule, all the rules it can lead to, over any number of steps."""
    direct = {
        name: {node.rule for node in walk(body) if isinstance(node, Reference)}
        for name, body in rules.items()
    }
    return {name: _closure(found, direct.__getitem__) for name, found in direct.items()}


def _closure(names: Iterable[str], following: Callable[[str], Iterable[str]]) -> frozenset[str]:
    """The names, and all that follow from them over any number of steps."""
    found = set(names)
    waiting = list(found)
    while waiting:
        new = set(following(waiting.pop())) - found
        found |= new
        waiting += new
    return frozenset(found)


def height(node: Node, heights: Mapping[str, int]) -> int | None:
    """The fewest rule levels below the node; None while it is not known to end."""
    match node:
        case Literal() | Number():
            return 0
        case Reference(rule=rule):
            return heights[rule] + 1 if rule in heights else None
        case Repetition(item=item, minimum=minimum):
            return 0 if minimum == 0 else height(item, heights)
        case Sequence(items=items):
            found = [height(item, heights) for item in items]
            known = [value for value in found if value is not None]
            return max(known, default=0) if len(known) == len(found) else None
        case Alternatives(options=options):
            known = [value for o in options if (value := height(o, heights)) is not None]
            return min(known) if known else None


def rule_heights(rules: Mapping[str, Node]) -> dict[str, int]:
    """The fewest rule levels below each rule that can end."""
    heights: dict[str, int] = {}
    while True:
        # A whole round before any is stored: so each is found in the round of its least height.
        found = {
            name: value
            for name, body in rules.items()
            if name not in heights and (value := height(body, heights)) is not None
        }
        if not found:
            return heights
        heights.update(found)


def _shortest(node: Node, sizes: Mapping[str, int]) -> int:
    match node:
        case Literal() | Number():
            return 1
        case Reference(rule=rule):
            return sizes[rule]
        case Repetition(item=item, minimum=minimum):
            return minimum * _shortest(item, sizes) if minimum else 0
        case Sequence(items=items):
            return sum(_shortest(item, sizes) for item in items)
        case Alternatives(options=options):
            return min(_shortest(option, sizes) for option in options)


def _sizes(rules: Mapping[str, Node]) -> dict[str, int]:
    """The length of each rule's shortest form; relaxation from above (Bellman-Ford over the rules)."""
    sizes = dict.fromkeys(rules, 10**18)
    for _ in range(len(rules) + 1):
        found = {name: min(_shortest(body, sizes), 10**18) for name, body in rules.items()}
        if found == sizes:
            break
        sizes = found
    return sizes


Edge = Word["begins", "ends"]


def _at_edge(node: Node, edge: Edge) -> Iterator[Reference]:
    """The rules with which a node can begin or end."""
    match node:
        case Reference():
            yield node
        case Repetition(item=item):
            yield from _at_edge(item, edge)
        case Alternatives(options=options):
            for option in options:
                yield from _at_edge(option, edge)
        case Sequence(items=items):
            for item in items if edge == "begins" else reversed(items):
                yield from _at_edge(item, edge)
                if not (isinstance(item, Repetition) and item.minimum == 0):
                    break


def recursive_edges(rules: Mapping[str, Node], name: str) -> Iterator[tuple[Edge, Node, Reference]]:
    """Where a rule begins or ends with itself, if over other rules: the alternative, and the reference in it."""
    body = rules[name]
    edges: tuple[Edge, ...] = ("ends", "begins")
    for edge in edges:
        at_edge = {rule: {inner.rule for inner in _at_edge(node, edge)} for rule, node in rules.items()}
        for option in body.options if isinstance(body, Alternatives) else (body,):
            for reference in _at_edge(option, edge):
                if name in _closure([reference.rule], at_edge.__getitem__):
                    yield edge, option, reference


def check_rules(rules: Mapping[str, Node], parts: tuple[Part, ...], places: Mapping[str, Place]) -> None:
    """Raises InputError with everything that is wrong with the rules as a whole."""
    heights, reached = rule_heights(rules), uses(rules)
    findings = [
        Finding(places[name], f'the rule "{name}" never ends: every alternative leads back to it', _END)
        for name in rules
        if name not in heights and name in reached[name]
    ]
    if findings:
        raise InputError(*findings)
    sizes = _sizes(rules)
    for body in rules.values():
        for node in walk(body):
            if isinstance(node, Repetition) and _shortest(node.item, sizes) == 0:
                problem = f"what is repeated here ({node.item}) may be empty, so its count is ambiguous"
                findings.append(Finding(node.place, problem, "make the inner part not optional"))
    for part in parts:
        if part.maximum > 1 and sizes[part.rule] == 0:
            problem = f'a unit of "{part.rule}" may be empty, so the number of units is ambiguous'
            findings.append(Finding(part.place, problem, "begin every alternative with a word of its own"))
    for part in parts:
        if sizes[part.rule] * max(part.minimum, 1) > MAX_SHORTEST:
            problem = f'the shortest "{part.name}" has more than {MAX_SHORTEST} words'
            findings.append(Finding(part.place, problem, "lower the repetition counts"))
    if findings:
        raise InputError(*findings)


_END = "add an alternative that does not use the rule"
