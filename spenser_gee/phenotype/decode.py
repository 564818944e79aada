"""Genotype -> network: reads the words of a sentence as (keyword, {key: value}).

Pure and total on genotypes of a grammar that passed `check_words`: no randomness, no torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from spenser_gee.errors import input_error, nearest
from spenser_gee.genotype.genotype import Genotype, unit_tokens
from spenser_gee.grammar.model import Grammar
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.keys import CLASSES, keys_of
from spenser_gee.phenotype.words.keywords import KEYWORDS, Nothing
from spenser_gee.phenotype.words.layers import LAYERS, Conv, Dropout, FullyConnected, Layer, Skip
from spenser_gee.phenotype.words.training import (
    AUGMENTATIONS,
    LOSSES,
    OPTIMISERS,
    SCHEDULES,
    TET,
    Clip,
    Genes,
    Input,
)


def decode(genotype: Genotype, grammar: Grammar) -> NetworkSpec:
    """The network that `genotype` means.

    Args:
        genotype: of the grammar.
        grammar: whose words it expands to.

    Returns:
        Layers and recipe. Equal networks get equal specs: silent genes are dropped.
    """
    # Kept with the genotype: a mutant is decoded for its key, for its description, and as the parent of others.
    kept: dict[Grammar, NetworkSpec] = genotype.__dict__.setdefault("_decoded", {})
    if grammar not in kept:
        kept[grammar] = read_units(tokens for _, tokens in unit_tokens(genotype, grammar))
    return kept[grammar]


def read_units(units: Iterable[tuple[str, ...]]) -> NetworkSpec:
    """The network that the words of each unit describe. A later macro word of a kind replaces an earlier one,
    except augmentations, which add up.

    Raises InputError for words that the builder does not know (a checked grammar has none).
    """
    layers: list[tuple[Layer, ...]] = []
    macro: dict[str, Any] = {}
    augmentation: list[Any] = []
    for tokens in units:
        unit: list[Layer] = []
        for part in _read_words(tokens):
            role = _ROLES[type(part)]
            if role == "layer":
                unit.append(part)
            elif role == "augmentation":
                augmentation.append(part)
            elif role != "nothing":
                macro[role] = part
        if unit:
            layers.append(tuple(unit))
    return NetworkSpec(augmentation=tuple(augmentation), **_without_silent_genes(layers, macro))


_ROLES: dict[type[Any], str] = {
    kind: role
    for role, kinds in {
        "layer": LAYERS,
        "augmentation": AUGMENTATIONS,
        "nothing": (Nothing,),
        "genes": (Genes,),
        "input": (Input,),
        "loss": LOSSES,
        "optimiser": OPTIMISERS,
        "schedule": SCHEDULES,
        "clip": (Clip,),
    }.items()
    for kind in kinds
}


@lru_cache(maxsize=4096)  # a mutant shares most units with its parent
def _read_words(tokens: tuple[str, ...]) -> tuple[Any, ...]:
    """Groups `word key = value key = value word ...` into parts."""
    parts: list[Any] = []
    position = 0
    while position < len(tokens):
        word = tokens[position]
        position += 1
        settings: dict[str, Any] = {}
        kind = KEYWORDS.get(word)
        if kind is None:
            raise input_error("<sentence>", f'unknown word "{word}"{nearest(word, KEYWORDS)}')
        while position + 2 < len(tokens) and tokens[position + 1] == "=":
            key, value = tokens[position], tokens[position + 2]
            settings[key] = read_value(word, key, value)
            position += 3
        parts.append(kind(**settings))
    return tuple(parts)


_KEYS = {word: keys_of(kind) for word, kind in KEYWORDS.items()}


def read_value(word: str, key: str, text: str) -> Any:
    """The value of `key=text` of a keyword. Raises InputError where the key or the value is unknown."""
    keys = _KEYS[word]
    if key not in keys:
        known = ", ".join(keys) or "no keys at all"
        raise input_error("<sentence>", f'"{word}" has no key "{key}"{nearest(key, keys)} (it has {known})')
    declared, default = keys[key]
    problem = input_error("<sentence>", f"{word}: {key}={text} is not in: {declared.describe()}")
    if text in declared.choices:
        if declared.kind == "whole":
            return CLASSES
        return text == "true" if isinstance(default, bool) else text
    if declared.kind == "choice":
        raise problem
    try:
        number = float(text)
    except ValueError:
        raise problem from None
    if not declared.low <= number <= declared.high or (declared.kind == "whole" and number != int(number)):
        raise problem
    return int(number) if declared.kind == "whole" else number


def _without_silent_genes(units: Iterable[tuple[Layer, ...]], macro: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a network without what has no effect (a skip to nowhere, dropout of rate 0, gene-encoding of the layer
    that reads the input, g without gene-encoded layers, the target of a pull without weight), so that networks that
    behave alike have equal specs."""
    kept: list[tuple[Layer, ...]] = []
    first, gene_coded = True, False
    for index, unit in enumerate(units):
        here: list[Layer] = []
        for layer in unit:
            if type(layer) is Conv or type(layer) is FullyConnected:
                if layer.weights == "gene":
                    layer = replace(layer, weights="direct") if first else layer
                    gene_coded = gene_coded or not first
                first = False
            elif _is_silent(layer, index):
                continue
            here.append(layer)
        kept.append(tuple(here))
    parts = {**macro, "units": tuple(kept)}
    if not gene_coded:
        parts.pop("genes", None)
    loss = parts.get("loss")
    if type(loss) is TET and loss.weight == 0.0:
        parts["loss"] = TET(weight=0.0)
    return parts


def _is_silent(layer: Layer, unit_index: int) -> bool:
    if type(layer) is Skip:
        # Unit `unit_index` (from 0) has unit_index units before it, and the input before those.
        return layer.back == 0 or layer.back > unit_index + 1
    return type(layer) is Dropout and layer.rate == 0.0
