"""Genes that pass from a parent network to its offspring, whose architecture differs.

G has the same shape wherever g is the same; E of a channel population fits wherever that population is kept.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from torch import Tensor

from spenser_gee.network.gene import encoding_name
from spenser_gee.phenotype.plan import EncodingKey, Plan


def matched_encodings(parent: Plan, child: Plan) -> dict[EncodingKey, EncodingKey]:
    """For each of the child's encodings the parent's encoding of the same population, where there is one of
    the same shape.

    Populations are the outputs of weighted layers, in order. The two sequences are aligned by what makes a
    population (layer kind and number of channels), so that an added, removed or duplicated unit shifts the
    others without losing them.
    """
    ours, theirs = _populations(child), _populations(parent)
    matcher = difflib.SequenceMatcher(
        None, [label for _, label in theirs], [label for _, label in ours], autojunk=False
    )
    same: dict[int, int] = {}
    for block in matcher.get_matching_blocks():
        for offset in range(block.size):
            same[ours[block.b + offset][0]] = theirs[block.a + offset][0]
    available = set(parent.encodings)
    matches = {}
    for key in child.encodings:
        if key.population in same:
            wanted = EncodingKey(same[key.population], key.channels, key.positions, key.spread)
            if wanted in available:
                matches[key] = wanted
    return matches


def _populations(plan: Plan) -> list[tuple[int, tuple[str, int]]]:
    return [(i, (p.layer.word, p.output[0])) for i, p in enumerate(plan.layers) if p.fan_in and not p.join]


def inherited_genes(
    parent: Plan,
    parent_tensors: Mapping[str, Tensor],
    child: Plan,
) -> dict[str, Tensor]:
    """The parent's trained encodings that fit the child, by the child's parameter names. Empty where the
    number of genes differs."""
    if parent.spec.genes.count != child.spec.genes.count:
        return {}
    matches = matched_encodings(parent, child)
    return {_parameter(ours): parent_tensors[_parameter(theirs)] for ours, theirs in matches.items()}


def _parameter(key: EncodingKey) -> str:
    return f"genes.E.{encoding_name(key)}"
