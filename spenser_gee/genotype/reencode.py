"""Old runs under an edited grammar: the sentences are read again, never the stored codons.

A codon is the index of an alternative: swapping two alternatives would silently turn it into another
network. The text of a network keeps its meaning, or fails to parse.
"""

from __future__ import annotations

from collections.abc import Iterable

from spenser_gee.errors import InputError
from spenser_gee.genotype.genotype import Genotype, genotype_from_sentence
from spenser_gee.grammar.model import Grammar


def grammar_difference(old_canonical: str, new: Grammar) -> str:
    """What changed from the canonical text of an old grammar to `new`: `-` and `+` lines by rule.

    Empty where nothing that matters to a genotype changed.
    """
    before, after = _by_rule(old_canonical), _by_rule(new.canonical())
    lines = []
    for rule in sorted(before.keys() | after.keys()):
        if before.get(rule) == after.get(rule):
            continue
        lines += [f"- {rule}: {before[rule]}"] if rule in before else []
        lines += [f"+ {rule}: {after[rule]}"] if rule in after else []
    return "\n".join(lines)


def _by_rule(canonical: str) -> dict[str, str]:
    pairs = (line.partition(": ") for line in canonical.splitlines() if line.strip())
    return {rule: body for rule, _, body in pairs}


def reencode(sentences: Iterable[str], new_grammar: Grammar) -> list[Genotype | InputError]:
    """Each sentence's genotype under the new grammar, or why it has none (as a value, in its place)."""
    result: list[Genotype | InputError] = []
    for index, sentence in enumerate(sentences):
        try:
            result.append(genotype_from_sentence(new_grammar, sentence, f"stored sentence {index + 1}"))
        except InputError as error:
            result.append(error)
    return result
