"""Numbers told apart by their value, where the words before them leave several ranges open.

A *kind* of number is a set of ranges that some number lies in together, and lies in no other. Each kind is a
terminal of its own to the parser, so that the ranges at one place are in conflict exactly where they overlap.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from lark import Token
from lark.lexer import ContextualLexer

from spenser_gee.grammar.domains import Domain, IntDomain

NUMBER_PATTERN = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"
#: What the lexer finds; also the name of the first kind.
ANY_NUMBER = "NUMBER"


class OneKind:
    """Every number is of one kind, whatever its value."""

    names: tuple[str, ...] = (ANY_NUMBER,)
    options: Mapping[str, Any] = {}

    def of(self, domain: Domain) -> tuple[str, ...]:
        """The kinds of the numbers in a domain."""
        return self.names


class KindsByValue(OneKind):
    """Numbers are of one kind where they lie in the same of some domains; any other domain takes every kind."""

    def __init__(self, domains: Iterable[Domain]) -> None:
        self.domains = tuple(dict.fromkeys(domains))
        found = dict.fromkeys(self._around(value) for value in _samples(self.domains))
        # Numbers in no domain come last: Lark keeps a terminal only if some rule uses it.
        ordered = sorted(found, key=lambda kind: not kind)
        self.by_domains = {kind: f"N{index}" if index else ANY_NUMBER for index, kind in enumerate(ordered)}
        self.names = tuple(self.by_domains.values())
        self.options = {
            "lexer_callbacks": {ANY_NUMBER: self._told},
            "_plugins": {"ContextualLexer": self._lexer},
        }

    def of(self, domain: Domain) -> tuple[str, ...]:
        if domain not in self.domains:
            return self.names
        at = self.domains.index(domain)
        return tuple(name for kind, name in self.by_domains.items() if at in kind)

    def _around(self, text: str) -> frozenset[int]:
        """The domains that the number lies in, by their index."""
        return frozenset(i for i, domain in enumerate(self.domains) if domain.read(text) is not None)

    def _told(self, token: Token) -> Token:
        return token.update(type=self.by_domains[self._around(token)])

    def _lexer(
        self, conf: Any, states: Mapping[int, Collection[str]], always_accept: Collection[str] = ()
    ) -> ContextualLexer:
        """Lark's lexer, which looks for a number wherever one of any kind may stand."""
        kinds = set(self.names)
        lexed = {
            state: {*names, ANY_NUMBER} if kinds & set(names) else names for state, names in states.items()
        }
        return ContextualLexer(conf, lexed, always_accept)


def _samples(domains: Iterable[Domain]) -> Iterable[str]:
    """A number of every kind that there is: the borders, and between them whole ones and others."""
    borders = sorted({float(border) for domain in domains for border in (domain.lo, domain.hi)})
    yield "inf"  # beyond all of them
    for border in borders:
        yield repr(border)
    for low, high in pairwise(borders):
        # Of two floats in a row one at least is no whole number, if there are any others at all in between.
        near = math.nextafter(low, high)
        for value in (near, math.nextafter(near, math.inf), float(math.floor(low) + 1)):
            if low < value < high:
                yield repr(value)


def shared(domains: Sequence[Domain]) -> str:
    """What overlapping domains have in common, in words: one value, or the lowest and the highest."""
    low, high = max(domain.lo for domain in domains), min(domain.hi for domain in domains)
    if any(isinstance(domain, IntDomain) for domain in domains):
        low, high = math.ceil(low), math.floor(high)
    return repr(low) if low == high else f"{low!r}..{high!r}"
