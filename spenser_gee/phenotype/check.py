"""Whether the builder knows every word of a grammar: checked when the grammar is loaded, before anything is
trained.

Walks the rules as an automaton over words: after a keyword come its `key = value` pairs until the next keyword.
Rule names and the section words of `start` play no part.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from spenser_gee.errors import Finding, InputError, Place, nearest
from spenser_gee.grammar.domains import FloatDomain
from spenser_gee.grammar.load import load_grammar
from spenser_gee.grammar.model import (
    Alternatives,
    Grammar,
    Literal,
    Node,
    Number,
    Reference,
    Repetition,
    Sequence,
)
from spenser_gee.phenotype.decode import read_value
from spenser_gee.phenotype.words.keys import keys_of
from spenser_gee.phenotype.words.keywords import KEYWORDS

UNKNOWN = "?"  # stands for a word that was reported: what follows it is not reported again


@dataclass(frozen=True)
class _At:
    """Where a walk is: the keyword whose pairs are being read, and how much of a pair there is."""

    keyword: str = ""
    key: str = ""  # a key was read
    equals: bool = False  # and its "="


def open_grammar(path: str | Path) -> Grammar:
    """A grammar whose words the builder knows.

    Args:
        path: a .lark file.

    Returns:
        The search space that it describes.

    Raises:
        InputError: with every problem found, each at its place in the file.
    """
    grammar = load_grammar(path)
    check_words(grammar)
    return grammar


def check_words(grammar: Grammar) -> None:
    """Raises InputError with every unknown word, key or value, each at its place in the grammar."""
    walk = _Walk(grammar)
    # A rule that is met again within itself counts with the ends known so far: repeat until no more appear.
    while walk.pass_over(grammar):
        pass
    if walk.findings:
        order = sorted(walk.findings, key=lambda f: (f.place.line, f.place.column))
        raise InputError(*order)


class _Walk:
    """Follows every rule from every state in which it can begin, once each."""

    def __init__(self, grammar: Grammar) -> None:
        self._rules = grammar.rules
        self._after: dict[tuple[str, _At], frozenset[_At]] = {}
        self._met: set[tuple[str, _At]] = set()
        self._changed = False
        self.findings: dict[Finding, None] = {}

    def pass_over(self, grammar: Grammar) -> bool:
        """Walks every part once; whether anything new was learnt."""
        self._met, self._changed = set(), False
        for part in grammar.parts:
            for state in self._rule(part.rule, _At()):
                if state.key and state.key != UNKNOWN:
                    self._report(part.place, f'"{state.key}" has no value')
        return self._changed

    def _rule(self, name: str, state: _At) -> frozenset[_At]:
        """The states in which the rule can end, as far as known."""
        begin = (name, state)
        if begin not in self._met:
            self._met.add(begin)
            found = self._node(self._rules[name], state)
            if found != self._after.get(begin, frozenset()):
                self._after[begin], self._changed = found, True
        return self._after.get(begin, frozenset())

    def _node(self, node: Node, state: _At) -> frozenset[_At]:
        match node:
            case Literal():
                return self._word(node, state)
            case Number():
                return self._number(node, state)
            case Reference():
                return self._rule(node.rule, state)
            case Sequence():
                return self._in_turn(node.items, frozenset([state]))
            case Alternatives():
                return frozenset().union(*(self._node(option, state) for option in node.options))
            case Repetition():
                return self._repeated(node, state)

    def _in_turn(self, nodes: Iterable[Node], states: frozenset[_At]) -> frozenset[_At]:
        for node in nodes:
            states = frozenset().union(*(self._node(node, state) for state in states))
        return states

    def _repeated(self, node: Repetition, state: _At) -> frozenset[_At]:
        states = frozenset([state])
        ends = set(states) if node.minimum == 0 else set()
        for done in range(1, node.maximum + 1):
            following = self._in_turn([node.item], states)
            if done >= node.minimum:
                ends |= following
            if following == states:
                break
            states = following
        return frozenset(ends | states)

    def _word(self, node: Literal, state: _At) -> frozenset[_At]:
        if state.equals:
            self._value(node.text, node.place, state)
            return frozenset([_At(state.keyword)])
        if node.text == "=":
            if not state.key:
                self._report(node.place, 'there is no key before this "="')
                return frozenset([_At(state.keyword, UNKNOWN, equals=True)])
            return frozenset([_At(state.keyword, state.key, equals=True)])
        if state.key and state.key != UNKNOWN:
            self._report(node.place, f'expected "=" after the key "{state.key}" of {state.keyword}')
            return self._word(node, _At(state.keyword))
        if state.keyword and node.text in keys_of(KEYWORDS[state.keyword]) and node.text not in KEYWORDS:
            return frozenset([_At(state.keyword, node.text)])
        if node.text in KEYWORDS:
            return frozenset([_At(node.text)])
        self._unknown(node.text, node.place, state.keyword)
        return frozenset([_At(state.keyword, UNKNOWN)])

    def _unknown(self, word: str, place: Place, keyword: str) -> None:
        if keyword:
            keys = keys_of(KEYWORDS[keyword])
            known = f"{keyword} has the keys: {', '.join(keys)}" if keys else f"{keyword} has no keys"
            problem = (
                f'"{word}" is neither a keyword nor a key of {keyword}{nearest(word, [*keys, *KEYWORDS])}'
            )
        else:
            known, problem = "", f'unknown keyword "{word}"{nearest(word, KEYWORDS)}'
        self._report(place, problem, f"{known}{'; ' if known else ''}docs/grammar.md lists all keywords.")

    def _value(self, text: str, place: Place, state: _At) -> None:
        if state.key == UNKNOWN:
            return
        try:
            read_value(state.keyword, state.key, text)
        except InputError as error:
            self._report(place, error.findings[0].problem)

    def _number(self, node: Number, state: _At) -> frozenset[_At]:
        if not state.equals:
            self._report(node.place, "a number stands where no key=value asks for one")
            return frozenset([_At(state.keyword)])
        if state.key != UNKNOWN:
            self._range(node, state)
        return frozenset([_At(state.keyword)])

    def _range(self, node: Number, state: _At) -> None:
        declared, _ = keys_of(KEYWORDS[state.keyword])[state.key]
        domain, what = node.domain, f"{state.keyword} {state.key}"
        if declared.kind == "choice":
            self._report(node.place, f"{what} is no number, expected {declared.describe()}")
        elif declared.kind == "whole" and isinstance(domain, FloatDomain):
            self._report(
                node.place,
                f"{what} takes whole numbers",
                "Use int{...} or log_int{...} instead of a float range.",
            )
        elif not (declared.low <= domain.lo and domain.hi <= declared.high):
            self._report(
                node.place, f"{what}: {domain.lo:g}..{domain.hi:g} is not within {declared.describe()}"
            )

    def _report(self, place: Place, problem: str, remedy: str = "") -> None:
        self.findings[Finding(place, problem, remedy)] = None
