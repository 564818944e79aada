"""All words, by the keywords that sentences use for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from spenser_gee.phenotype.words.layers import LAYERS
from spenser_gee.phenotype.words.training import (
    AUGMENTATIONS,
    LOSSES,
    OPTIMISERS,
    SCHEDULES,
    Clip,
    Genes,
    Input,
)


@dataclass(frozen=True)
class Nothing:
    """Says nothing: lets a grammar name the absence of something."""

    word: ClassVar[str] = "none"


# Words that a grammar may use to name an absence; they take no keys.
ABSENCES = ("no-pool", "no-norm", "no-skip", "no-clip", "no-augment", "none")

KEYWORDS: Mapping[str, type[Any]] = {
    **{
        kind.word: kind
        for kind in (*LAYERS, Genes, Input, *LOSSES, *OPTIMISERS, *SCHEDULES, Clip, *AUGMENTATIONS)
    },
    **dict.fromkeys(ABSENCES, Nothing),
}
