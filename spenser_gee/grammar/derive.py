"""Derivation: from the genes of one unit to its words, filling in what is missing.

The genes of a unit are, for every *site* of the grammar (a choice, a count or a number), the values used in
the order of the expansion (structured grammatical evolution: Lourenco, Assuncao, Pereira, Costa, Machado:
"Structured Grammatical Evolution: A Dynamic Approach", 2018). One loop, `expand`, serves sampling (everything
is missing), decoding (missing genes take a fixed value) and repair (missing genes are drawn).

Recursion: below `RECURSION_DEPTH` nested uses of recursive rules, or after `MAX_GENES` genes, only those
alternatives and counts remain that lead to an end. A gene that says otherwise counts as missing there.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import accumulate
from typing import Any

import numpy as np

from spenser_gee.errors import Place
from spenser_gee.grammar.check import height, rule_heights, uses
from spenser_gee.grammar.domains import Domain
from spenser_gee.grammar.model import (
    Alternatives,
    Grammar,
    Literal,
    Node,
    Number,
    Reference,
    Repetition,
    Sequence,
    walk,
)

RECURSION_DEPTH = 6
MAX_GENES = 2000

Codon = int | float
Genes = Mapping[str, tuple[Codon, ...]]


@dataclass(frozen=True, eq=False)
class Site:
    """A place of the grammar where a unit has a gene; `kind` is "choice", "count" or "number".

    allowed: the codons of a choice (indices of the alternatives) or a count; tight: those that lead to an
    end, for use beyond the depth cap; label: the key or rule it is known by; shown: a short text per option.
    """

    name: str
    kind: str
    rule: str
    label: str
    place: Place
    allowed: tuple[int, ...] = ()
    tight: tuple[int, ...] = ()
    weights: tuple[int, ...] = ()
    shown: tuple[str, ...] = ()
    domain: Domain | None = None

    @cached_property
    def wide_draw(self) -> tuple[int, ...]:
        return tuple(accumulate(self.weights))

    @cached_property
    def tight_draw(self) -> tuple[int, ...]:
        return tuple(accumulate(self.weights[codon] for codon in self.tight))

    @property
    def free(self) -> bool:
        """Whether the site has more than one value."""
        return not self.domain.fixed if self.domain is not None else len(self.allowed) > 1

    def draw(self, codons: tuple[int, ...], rng: np.random.Generator) -> Codon:
        """A random value: a number from its domain, an alternative by its weight, a count uniformly."""
        if self.domain is not None:
            return self.domain.sample(rng)
        if self.kind == "count":
            return codons[int(rng.random() * len(codons))]
        sums = self.wide_draw if codons is self.allowed else self.tight_draw
        return codons[bisect_right(sums, int(rng.random() * sums[-1]))]

    def text(self, codon: Codon) -> str:
        """The codon as a person reads it."""
        return self.shown[int(codon)] if self.kind == "choice" else repr(codon)


# The steps of an expansion. Plain tuples (tag, what, below): the loop in `expand` runs a few hundred of them per
# individual. `below` is reversed, ready for the stack.
LITERAL, NUMBER, CHOICE, COUNT, RULE, LEAVE = range(6)
Op = tuple[int, Any, Any]
_LEAVE: Op = (LEAVE, None, None)


@dataclass(eq=False)
class RuleSteps:
    """One rule as steps; `recursive` where it can lead back to itself."""

    name: str
    recursive: bool
    body: tuple[Op, ...] = ()


@dataclass(eq=False)
class Expansion:
    """A grammar, ready to be expanded."""

    rules: dict[str, RuleSteps]
    sites: dict[str, Site] = field(default_factory=dict)
    recursive: bool = False
    glue_equals: bool = True


@lru_cache(maxsize=64)
def expansion_of(grammar: Grammar) -> Expansion:
    """The expansion of a grammar; made once."""
    return _Maker(grammar).expansion


class _Maker:
    def __init__(self, grammar: Grammar) -> None:
        self.grammar = grammar
        names = grammar.reachable()
        used = uses(grammar.rules)
        self.loops = {name for name in names if name in used[name]}
        self.to_loop = {name for name in names if name in self.loops or used[name] & self.loops}
        self.heights = rule_heights(grammar.rules)
        expansion = self.expansion = Expansion({name: RuleSteps(name, name in self.loops) for name in names})
        expansion.recursive = bool(self.loops)
        for name in names:
            self.rule = name
            expansion.rules[name].body = tuple(reversed(self._ops(grammar.rules[name], name)))
        words = [word for part in grammar.parts for word in part.words] + list(grammar.closing)
        words += [n.text for name in names for n in walk(grammar.rules[name]) if isinstance(n, Literal)]
        expansion.glue_equals = all(word == "=" or "=" not in word for word in words)

    def _site(self, kind: str, label: str, place: Place, **more: Any) -> Site:
        name, count = f"{self.rule}.{kind}", 2
        while name in self.expansion.sites:
            name, count = f"{self.rule}.{kind}{count}", count + 1
        site = self.expansion.sites[name] = Site(name, kind, self.rule, label, place, **more)
        return site

    def _loops(self, node: Node) -> bool:
        return any(isinstance(n, Reference) and n.rule in self.to_loop for n in walk(node))

    def _ops(self, node: Node, label: str) -> list[Op]:
        match node:
            case Literal(text=text):
                return [(LITERAL, text, None)]
            case Reference(rule=rule):
                return [(RULE, self.expansion.rules[rule], None)]
            case Number(domain=domain, place=place):
                return [(NUMBER, self._site("number", label, place, domain=domain), None)]
            case Sequence(items=items):
                return self._sequence(items, label)
            case Alternatives():
                return [self._choice(node, label)]
            case Repetition():
                return self._count(node, label)

    def _sequence(self, items: tuple[Node, ...], label: str) -> list[Op]:
        ops: list[Op] = []
        for index, item in enumerate(items):
            before = items[index - 2 : index] if index >= 2 else ()
            key = label
            if len(before) == 2 and before[1] == Literal("=") and isinstance(before[0], Literal):
                key = before[0].text
            ops += self._ops(item, key)
        return ops

    def _choice(self, node: Alternatives, label: str) -> Op:
        options = node.options
        every = tuple(range(len(options)))
        tight = tuple(i for i in every if not self._loops(options[i]))
        if not tight:
            heights = [height(option, self.heights) for option in options]
            known = [value for value in heights if value is not None]
            tight = tuple(i for i in every if heights[i] == min(known))
        shown = tuple(_short(option) for option in options)
        # The site first, so that sites are numbered in the order of the text.
        site = self._site(
            "choice",
            label,
            node.place,
            allowed=every,
            tight=every if len(tight) == len(every) else tight,
            weights=node.weights,
            shown=shown,
        )
        return (CHOICE, site, tuple(tuple(reversed(self._ops(option, label))) for option in options))

    def _count(self, node: Repetition, label: str) -> list[Op]:
        if node.minimum == node.maximum:
            return self._ops(node.item, label) * node.minimum
        counts = tuple(range(node.minimum, node.maximum + 1))
        tight = counts[:1] if self._loops(node.item) else counts
        site = self._site("count", _short(node.item), node.place, allowed=counts, tight=tight)
        return [(COUNT, site, tuple(reversed(self._ops(node.item, label))))]


def _short(node: Node) -> str:
    match node:
        case Literal(text=text):
            return text
        case Reference(rule=rule):
            return rule
        case Sequence(items=items):
            return _short(items[0]) if items else "(nothing)"
        case Repetition(item=item):
            return f"{_short(item)}~"
        case Alternatives(options=options):
            return "/".join(_short(option) for option in options)
    return str(node)


@dataclass(frozen=True)
class Derivation:
    """One expanded unit: exactly the genes it used, and its words and numbers."""

    genes: dict[str, tuple[Codon, ...]]
    tokens: tuple[str, ...]


Fill = Callable[[Site, tuple[int, ...]], Codon]


def fill_first(site: Site, codons: tuple[int, ...]) -> Codon:
    """The deterministic filling of `decode`: the first alternative, the lowest count or number."""
    return codons[0] if site.domain is None else site.domain.lo


def fill_random(rng: np.random.Generator) -> Fill:
    """The random filling of sampling and repair."""
    return lambda site, codons: site.draw(codons, rng)


def expand(expansion: Expansion, rule: str, genes: Genes, fill: Fill = fill_first) -> Derivation:
    """Expands one unit. Total: missing and impossible genes are filled, surplus genes are dropped."""
    used: dict[str, list[Codon]] = {}
    tokens: list[str] = []
    stack: list[Op] = [(RULE, expansion.rules[rule], None)]
    depth = count = 0
    while stack:
        tag, what, below = stack.pop()
        if tag == LITERAL:
            tokens.append(what)
        elif tag == RULE:
            if what.recursive:
                depth += 1
                stack.append(_LEAVE)
            stack.extend(what.body)
        elif tag == LEAVE:
            depth -= 1
        else:
            name = what.name
            values = used.get(name)
            if values is None:
                values = used[name] = []
            codons = what.allowed
            if depth > RECURSION_DEPTH or count >= MAX_GENES:
                # Past the size limit even a harmless count stays low: counts within counts multiply.
                codons = codons[:1] if tag == COUNT and count >= MAX_GENES else what.tight
            count += 1
            given = genes.get(name, ())
            codon = given[len(values)] if len(values) < len(given) else None
            if tag == NUMBER:
                if codon is None or not what.domain.contains(codon):
                    codon = fill(what, codons)
                tokens.append(repr(codon))
            else:
                if type(codon) is not int or codon not in codons:
                    codon = fill(what, codons)
                stack.extend(below[codon] if tag == CHOICE else below * codon)
            values.append(codon)
    return Derivation({name: tuple(values) for name, values in used.items()}, tuple(tokens))
