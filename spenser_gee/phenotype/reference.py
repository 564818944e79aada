"""The list of all keywords and keys as Markdown: docs/grammar.md is made of it, and `grammar words` prints it."""

from __future__ import annotations

import inspect
from typing import Any

from spenser_gee.phenotype.words.keys import CLASSES, keys_of
from spenser_gee.phenotype.words.keywords import ABSENCES
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

_GROUPS: tuple[tuple[str, tuple[type[Any], ...]], ...] = (
    ("Layers", LAYERS),
    ("Genes and input", (Genes, Input)),
    ("Losses", LOSSES),
    ("Optimisers", OPTIMISERS),
    ("Learning-rate schedules and clipping", (*SCHEDULES, Clip)),
    ("Augmentation", AUGMENTATIONS),
)


def reference() -> str:
    """One section a group, one table a keyword with keys."""
    lines = []
    for title, kinds in _GROUPS:
        lines += [f"### {title}", ""]
        for kind in kinds:
            about = " ".join((inspect.getdoc(kind) or "").split())
            lines += [f"**`{kind.word}`**: {about}", ""]
            keys = keys_of(kind)
            if keys:
                lines += ["| key | values | default | meaning |", "|---|---|---|---|"]
                lines += [
                    f"| `{name}` | {key.describe().replace('|', 'or')} | {_shown(default, key.choices)} | {key.meaning} |"
                    for name, (key, default) in keys.items()
                ]
                lines.append("")
    absences = ", ".join(f"`{word}`" for word in ABSENCES)
    lines += [
        "### Absences",
        "",
        f"{absences} say nothing: they let an alternative name that something is absent.",
    ]
    return "\n".join(lines) + "\n"


def _shown(default: Any, choices: tuple[str, ...]) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    if choices == ("classes",) and default == CLASSES:
        return "classes"
    return f"{default:g}" if isinstance(default, float) else str(default)
