"""What a network is like, as numbers by name: for models that guess its fitness."""

from __future__ import annotations

import math
from collections import Counter

from spenser_gee.genotype.genotype import Genotype
from spenser_gee.phenotype.plan import Plan


def species(plan: Plan) -> str:
    """The words of its layers with weights, in order: networks of one species differ in numbers and in what is between."""
    return " ".join(type(planned.layer).__name__ for planned in plan.layers if planned.layer.weighted)


def features(genotype: Genotype, plan: Plan) -> dict[str, float]:
    """Its sizes (logarithms), how many layers of each word it has, and all of its genes by their place.

    A choice is the number of its alternative: trees, for which this is meant, need no more. A gene that another network
    has and this one does not is missing.
    """
    found = {
        "log parameters": math.log(max(1, plan.parameters)),
        "log macs": math.log(max(1, plan.macs)),
        "log activations": math.log(max(1, plan.activations)),
        "gene-encoded share": 1 - plan.parameters / max(1, plan.dense_parameters),
    }
    words = Counter(type(planned.layer).__name__ for planned in plan.layers)
    found |= {f"layers {word}": float(count) for word, count in sorted(words.items())}
    for part, units in genotype.parts.items():
        found[f"units {part}"] = float(len(units))
        for place, unit in enumerate(units):
            for site, values in unit.genes.items():
                for index, value in enumerate(values):
                    found[f"{part} {place} {site} {index}"] = float(value)
    return found
