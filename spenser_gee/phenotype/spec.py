"""The network that a sentence describes, made of words (phenotype/words): each keyword is a dataclass, whose fields
are its keys with their ranges, defaults and meanings. They are declared there only: the check of a grammar,
docs/grammar.md and the specs all come from them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

from spenser_gee.phenotype.words.keywords import KEYWORDS
from spenser_gee.phenotype.words.layers import Layer
from spenser_gee.phenotype.words.training import (
    Adam,
    Augmentation,
    Clip,
    ConstantRate,
    Genes,
    Input,
    Loss,
    MSECount,
    Optimiser,
    Schedule,
)

# What the words mean. A change of meaning raises it: weights and runs remember which one made them.
BUILDER_VERSION = 1


@dataclass(frozen=True)
class NetworkSpec:
    """A network and how it is trained. `units` are the layers, grouped as the genotype groups them: a skip
    counts units. Parts that a sentence does not name have the defaults below."""

    units: tuple[tuple[Layer, ...], ...]
    genes: Genes = field(default=Genes())
    input: Input = field(default=Input())
    loss: Loss = field(default=MSECount())
    optimiser: Optimiser = field(default=Adam())
    schedule: Schedule = field(default=ConstantRate())
    clip: Clip | None = None
    augmentation: tuple[Augmentation, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able values: every layer and part as [word, {key: value}]."""
        return {
            "units": [[_pair(layer) for layer in unit] for unit in self.units],
            **{name: _pair(getattr(self, name)) for name in _SINGLE},
            "clip": _pair(self.clip) if self.clip else None,
            "augmentation": [_pair(a) for a in self.augmentation],
        }

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> NetworkSpec:
        """The inverse of `to_dict`."""
        return NetworkSpec(
            units=tuple(tuple(_layer(pair) for pair in unit) for unit in values["units"]),
            **{name: _layer(values[name]) for name in _SINGLE},
            clip=_layer(values["clip"]) if values["clip"] else None,
            augmentation=tuple(_layer(pair) for pair in values["augmentation"]),
        )

    def key(self) -> str:
        """SHA-256 of what the network is: equal keys are equal phenotypes."""
        return self._key

    @cached_property
    def _key(self) -> str:
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()


_SINGLE = ("genes", "input", "loss", "optimiser", "schedule")  # the parts that every network has one of


def _pair(part: Any) -> list[Any]:
    names = _NAMES[type(part)]
    return [part.word, {name: getattr(part, name) for name in names}]


_NAMES = {kind: tuple(each.name for each in fields(kind)) for kind in KEYWORDS.values()}


def _layer(pair: Any) -> Any:
    word, settings = pair
    return KEYWORDS[word](**settings)
