"""What is suspicious in a grammar, and how large its search space is."""

from __future__ import annotations

import math
import re

from spenser_gee.errors import Finding
from spenser_gee.grammar.derive import CHOICE, COUNT, LITERAL, NUMBER, RECURSION_DEPTH, Op, expansion_of
from spenser_gee.grammar.model import Grammar, Number, walk


def lint(grammar: Grammar) -> tuple[Finding, ...]:
    """Warnings: what is allowed but probably not meant."""
    findings = []
    reached = set(grammar.reachable())
    for name in grammar.rules:
        # Only the file itself: what an imported grammar defines beside is none of its user's business.
        place = grammar.place_of(name)
        if name not in reached and place.file == grammar.path:
            problem = f'warning: the rule "{name}" is never used: start does not lead to it'
            findings.append(Finding(place, problem, "use it or remove it"))
    for name in grammar.reachable():
        for node in walk(grammar.rules[name]):
            if isinstance(node, Number) and node.domain.fixed:
                problem = f"warning: {node.domain} holds a single value, so it never evolves"
                findings.append(Finding(node.place, problem, 'widen it, or write the value as a "word"'))
    if not any(re.fullmatch(pattern, "\n") for pattern in grammar.ignored):
        problem = "warning: line ends are not ignored: a sentence must stand on one line"
        findings.append(Finding(grammar.beginning, problem, "%import common (WS)  and  %ignore WS"))
    return tuple(findings)


def space_size(grammar: Grammar) -> float:
    """log10 of the number of distinct sentences.

    Whole numbers are counted exactly, a float range counts as 1,000 levels, and recursion is cut where
    sampling cuts it (the depth cap; the limit on the genes of one unit is left out).
    """
    expansion = expansion_of(grammar)
    known: dict[tuple[str, int], float] = {}

    def of_rule(name: str, depth: int) -> float:
        rule = expansion.rules[name]
        depth = depth + 1 if rule.recursive else depth
        key = (name, depth)
        if key not in known:
            known[key] = of_ops(rule.body, depth)
        return known[key]

    def of_ops(ops: tuple[Op, ...], depth: int) -> float:
        return math.fsum(of_op(op, depth) for op in ops)

    def of_op(op: Op, depth: int) -> float:
        tag, what, below = op
        if tag == LITERAL:
            return 0.0
        if tag == NUMBER:
            return math.log10(what.domain.levels())
        if tag not in (CHOICE, COUNT):
            return of_rule(what.name, depth)
        codons = what.tight if depth > RECURSION_DEPTH else what.allowed
        if tag == CHOICE:
            return _log_sum([of_ops(below[codon], depth) for codon in codons])
        one = of_ops(below, depth) if codons[-1] else 0.0
        return _log_sum([codon * one for codon in codons])

    total = 0.0
    for part in grammar.parts:
        one = of_rule(part.rule, 0)
        total += _log_sum([count * one for count in range(part.minimum, part.maximum + 1)])
    return total


def _log_sum(logs: list[float]) -> float:
    """log10 of the sum of 10**x, without overflow."""
    top = max(logs)
    return top + math.log10(math.fsum(10.0 ** (value - top) for value in logs))
