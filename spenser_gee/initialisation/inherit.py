"""What passes from a parent network to its offspring, whose architecture differs.

G has the same shape wherever g is the same; E of a channel population fits wherever that population is kept, and so
do the ordinary weights of a layer whose input and output are kept.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from torch import Tensor

from spenser_gee.network.gene import encoding_name
from spenser_gee.phenotype.plan import EncodingKey, Plan


def matched_layers(parent: Plan, child: Plan) -> dict[int, int]:
    """For each of the child's layers the parent's layer (their indices in the plans) that it continues.

    The sequences of weighted layers are aligned by what makes a population (layer kind and number of
    channels), so that an added, removed or duplicated unit shifts the others without losing them; what
    follows a weighted layer is matched where it is the same layer.
    """
    ours, theirs = _populations(child), _populations(parent)
    matcher = difflib.SequenceMatcher(
        None, [label for _, label in theirs], [label for _, label in ours], autojunk=False
    )
    matches: dict[int, int] = {}
    for block in matcher.get_matching_blocks():
        for offset in range(block.size):
            mine, other = ours[block.b + offset][0], theirs[block.a + offset][0]
            matches[mine] = other
            followers, others = _followers(child, mine), _followers(parent, other)
            for index in followers:
                same = [i for i in others if parent.layers[i].layer == child.layers[index].layer]
                if same:
                    matches[index] = same[0]
                    others.remove(same[0])
    return matches


def _followers(plan: Plan, index: int) -> list[int]:
    """The layers after the weighted layer `index`, up to the next weighted one."""
    following: list[int] = []
    for number in range(index + 1, len(plan.layers)):
        if plan.layers[number].layer.weighted:
            break
        following.append(number)
    return following


def matched_encodings(parent: Plan, child: Plan) -> dict[EncodingKey, EncodingKey]:
    """For each of the child's encodings the parent's encoding of the same population, where there is one of
    the same shape."""
    same = matched_layers(parent, child)
    available = set(parent.encodings)
    matches = {}
    for key in child.encodings:
        if key.population in same:
            wanted = EncodingKey(same[key.population], key.channels, key.positions, key.spread)
            if wanted in available:
                matches[key] = wanted
    return matches


def _populations(plan: Plan) -> list[tuple[int, tuple[str, int]]]:
    return [(i, (p.layer.word, p.output[0])) for i, p in enumerate(plan.layers) if p.layer.weighted]


def inherited_weights(parent: Plan, parent_tensors: Mapping[str, Tensor], child: Plan) -> dict[str, Tensor]:
    """The parent's trained tensors of all matched layers (weights, biases, norms, trained neurons), by the
    child's names. Those whose shape differs are left to `SpikingNetwork.inherit` to refuse."""
    taken = {}
    for ours, theirs in matched_layers(parent, child).items():
        prefix = f"layers.{theirs}."
        for name, tensor in parent_tensors.items():
            if name.startswith(prefix):
                taken[f"layers.{ours}.{name.removeprefix(prefix)}"] = tensor
    return taken


def inherited_genes(parent: Plan, parent_tensors: Mapping[str, Tensor], child: Plan) -> dict[str, Tensor]:
    """The parent's trained encodings that fit the child, by the child's parameter names. Empty where the
    number of genes differs."""
    if parent.spec.genes.count != child.spec.genes.count:
        return {}
    matches = matched_encodings(parent, child)
    return {_parameter(ours): parent_tensors[_parameter(theirs)] for ours, theirs in matches.items()}


def _parameter(key: EncodingKey) -> str:
    return f"genes.E.{encoding_name(key)}"
