"""What a gene-encoded network is born with: the genotype {beta1, beta2, G} of GEE, section III-B."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spenser_gee.network.build import SpikingNetwork
from spenser_gee.network.gene import population_scales, preserving_start
from spenser_gee.phenotype.plan import EncodingKey, Plan
from spenser_gee.rng import stream


@dataclass(frozen=True, eq=False)
class GeneStart:
    """A start of all gene-encoded layers.

    beta1, beta2: E = scale * clip(A, -beta2, beta2), A ~ N(0, beta1^2) (Eq. 9).
    G: the gene-interaction matrix (g, g), float64.
    seed: of A; so E is reproducible from the start alone.
    """

    beta1: float
    beta2: float
    G: NDArray[np.float64]
    seed: int


@dataclass(frozen=True, eq=False)
class StartFrame:
    """What all starts of one search have in common.

    scales: factor of each encoding (1 for the paper's plain scheme).
    sigma_G: standard deviation of the entries of G at the plain start; the unit of the search.
    inherited: trained tensors that replace the drawn ones, by their names in the network.
    """

    scales: Mapping[EncodingKey, float]
    sigma_G: float
    inherited: Mapping[str, Tensor] = field(default_factory=dict)

    def apply(self, network: SpikingNetwork, start: GeneStart) -> None:
        """Gives `network` the genes of `start`."""
        network.set_genes(torch.from_numpy(start.G), start.seed, start.beta1, start.beta2, self.scales)
        network.inherit(self.inherited)


def plain_start(plan: Plan, seed: int) -> tuple[StartFrame, GeneStart]:
    """The variance-preserving start: in every gene-encoded layer Var W = 2 / fan_in, as He et al. 2015 have it
    for ordinary weights."""
    beta1, beta2, sigma_G = preserving_start(plan)
    genes = plan.spec.genes.count
    G = stream(seed, "G").normal(0.0, sigma_G, (genes, genes))
    return StartFrame(population_scales(plan), sigma_G), GeneStart(beta1, beta2, G, seed)


def random_start(plan: Plan, seed: int) -> tuple[StartFrame, GeneStart]:
    """The paper's "Random" (Table IV): E and G from N(0, 1), whatever the sizes of the layers."""
    genes = plan.spec.genes.count
    G = stream(seed, "G").normal(0.0, 1.0, (genes, genes))
    frame = StartFrame(dict.fromkeys(plan.encodings, 1.0), 1.0)
    return frame, GeneStart(1.0, float("inf"), G, seed)
