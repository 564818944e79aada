"""Gene-encoded weights: encodings E, the shared gene interactions G, and their start distribution.

After GEE (arXiv 2411.06792): W = E_in G E_out^T (Eq. 1-3), E = clip(A, -beta2, beta2) with A ~ N(0, beta1^2)
(Eq. 9). Every kernel position has its own row of an encoding, so W[o, c, p] = E_in[c, p] G E_out[o, p].
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from spenser_gee.phenotype.plan import EncodingKey, Plan

# Clip bound of the start distribution in standard deviations: 5 % of an encoding's numbers lie on it.
CLIP_AT = 2.0


def expand(encoding_in: Tensor, interactions: Tensor, encoding_out: Tensor) -> Tensor:
    """The weights W[o, c, p] = sum_ab E_in[c, p, a] G[a, b] E_out[o, p, b] (Eq. 3, for each position p).

    encoding_in: (C_in, P, g). interactions: (g, g). encoding_out: (C_out, P, g). Returns (C_out, C_in, P).
    """
    sources = encoding_in.transpose(0, 1) @ interactions  # (P, C_in, g)
    weights = torch.bmm(encoding_out.transpose(0, 1), sources.transpose(1, 2))  # (P, C_out, C_in)
    return weights.permute(1, 2, 0)


def encoding_shape(key: EncodingKey, genes: int) -> tuple[int, int, int]:
    """(channels * spread, positions, g): a flattened map has a row for each of its pixels."""
    return key.channels * key.spread, key.positions, genes


def encoding_name(key: EncodingKey) -> str:
    """A name for weight files: it says the layer whose channels are encoded, how many, and for which use."""
    return f"p{key.population}_c{key.channels}_k{key.positions}_s{key.spread}"


def sample_encoding(
    shape: Sequence[int], beta1: float, beta2: float, generator: torch.Generator, scale: float = 1.0
) -> Tensor:
    """scale * clip(A, -beta2, beta2), A ~ N(0, beta1^2) (Eq. 9). Float32 on the generator's device."""
    draw = torch.randn(tuple(shape), generator=generator, device=generator.device)
    return draw.mul_(beta1).clamp_(-beta2, beta2).mul_(scale)


def clipped_variance(beta1: float, beta2: float) -> float:
    """Variance of clip(A, -beta2, beta2), A ~ N(0, beta1^2), in closed form (GEE Eq. 9).

    With c = beta2 / beta1: beta1^2 (erf(c / sqrt 2) - c sqrt(2 / pi) e^(-c^2 / 2)) from inside the bounds,
    and beta2^2 erfc(c / sqrt 2) from the point masses on them.
    """
    if beta1 == 0.0:
        return 0.0
    c = beta2 / beta1
    inside = math.erf(c / math.sqrt(2)) - c * math.sqrt(2 / math.pi) * math.exp(-c * c / 2)
    return beta1**2 * inside + beta2**2 * math.erfc(c / math.sqrt(2))


def preserving_start(plan: Plan) -> tuple[float, float, float]:
    """(beta1, beta2, sigma_g): a start from which signals keep their variance from layer to layer.

    Var W = g^2 sd(E_in)^2 sd(E_out)^2 sigma_g^2 is to be 2 / fan_in (He et al. 2015, Eq. 10) in every
    gene-coded layer. One distribution serves all, so it aims at the geometric mean of the layers' targets;
    `population_scales` corrects each encoding. Encodings and G get equal spreads. Without gene-coded layers:
    the values for a target of 1.
    """
    targets = _log_targets(plan)
    aim = math.exp(float(np.mean(targets))) if len(targets) else 1.0
    spread = (aim / plan.spec.genes.count) ** (1 / 3)
    beta1 = spread / math.sqrt(clipped_variance(1.0, CLIP_AT))
    return beta1, CLIP_AT * beta1, spread


def population_scales(plan: Plan) -> dict[EncodingKey, float]:
    """A fixed factor m > 0 for each encoding such that m_in m_out lifts every layer from the geometric mean
    of the targets to its own: log m_in + log m_out = log target - mean, by least norm least squares.

    Exact where no layer reads concatenated populations; there each source is an equation of its own, and
    the best compromise results. The paper's plain scheme is 1 for all.
    """
    keys = list(plan.encodings)
    pairs = _pairs(plan)
    if not pairs:
        return dict.fromkeys(keys, 1.0)
    column = {key: i for i, key in enumerate(keys)}
    matrix = np.zeros((len(pairs), len(keys)))
    for row, (source, target, _) in enumerate(pairs):
        matrix[row, column[source]] += 1.0
        matrix[row, column[target]] += 1.0
    logs = _log_targets(plan)
    solution = np.linalg.lstsq(matrix, logs - logs.mean(), rcond=None)[0]
    return {key: float(math.exp(solution[i])) for key, i in column.items()}


def _pairs(plan: Plan) -> list[tuple[EncodingKey, EncodingKey, int]]:
    """(input encoding, output encoding, fan-in) of every gene-coded connection."""
    return [(key, p.gene_out, p.fan_in) for p in plan.layers if p.gene_out is not None for key in p.gene_in]


def _log_targets(plan: Plan) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """log sqrt(2 / fan_in), in the order of `_pairs`."""
    return np.array([0.5 * math.log(2.0 / fan_in) for _, _, fan_in in _pairs(plan)])
