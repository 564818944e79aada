"""The dense twin of a network: the same topology with ordinary weights, the control for gene encoding."""

from __future__ import annotations

from dataclasses import replace

from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.layers import Conv, FullyConnected
from spenser_gee.phenotype.words.training import Genes


def dense_twin(spec: NetworkSpec) -> NetworkSpec:
    """`spec` with `weights=direct` in every layer; equal to `spec` where nothing is gene-encoded."""
    units = tuple(
        tuple(
            replace(layer, weights="direct") if isinstance(layer, (Conv, FullyConnected)) else layer
            for layer in unit
        )
        for unit in spec.units
    )
    return replace(spec, units=units, genes=Genes())
