"""The objective of the inner search: f = L - e^(lambda1 t) r1 - e^(lambda2 t) r2 (GEE, Eq. 13-16)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Terms:
    """The raw terms of one start. `dead`: silent or saturated at birth, or the loss is not finite."""

    loss: float
    r1: float
    r2: float
    dead: bool = False


DEAD = Terms(math.inf, 0.0, 0.0, dead=True)


def temporal_difference(outputs: Tensor) -> Tensor:
    """r1: mean over samples, classes and the T - 1 differences of (Y(t+1) - Y(t))^2 (Eq. 13).

    The paper's Frobenius norm grows with the batch and the classes; the mean does not. outputs: (T, B, K).
    """
    if outputs.shape[0] < 2:
        return outputs.new_zeros(())
    return (outputs[1:] - outputs[:-1]).square().mean()


def spatial_entropy(G: Array) -> float:
    """r2: entropy of P = |G| / sum |G|, as a share of its largest value 2 ln g (Eq. 14-15).

    Absolute values, since the entries of a signed G can sum to anything; 0 log 0 = 0. A G of zeros has none.
    """
    if G.size < 2 or not G.any():
        return 0.0
    P = np.abs(G) / np.abs(G).sum()
    P = P[P > 0]
    return float(-(P * np.log(P)).sum() / math.log(G.size))


def combine(terms: Sequence[Terms], which: str, generation: int, lambda1: float, lambda2: float) -> Array:
    """f of each start of one generation, to be minimised; shape (population,).

    L, r1 and r2 have other units, and the entropy of a Gaussian G hardly varies: each is standardised over
    the living starts of the generation first. Dead starts get a value worse than every living one.

    Args:
        which: "L", "L+r1", "L+r2" or "L+r1+r2".
        generation: t, from 0; with lambda < 0 both regularisers fade.
    """
    living = np.array([not t.dead for t in terms])
    f = np.zeros(len(terms))
    if living.any():
        f[living] = _standardised([t.loss for t in terms], living)
        if "r1" in which:
            f[living] -= math.exp(lambda1 * generation) * _standardised([t.r1 for t in terms], living)
        if "r2" in which:
            f[living] -= math.exp(lambda2 * generation) * _standardised([t.r2 for t in terms], living)
        f[~living] = f[living].max() + 1.0
    return f


def _standardised(values: Sequence[float], living: NDArray[np.bool_]) -> Array:
    chosen = np.array(values)[living]
    deviation = chosen.std()
    return np.asarray((chosen - chosen.mean()) / deviation if deviation > 0 else np.zeros_like(chosen))
