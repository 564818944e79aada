"""CMA-ES over {log beta1, log beta2, G} (GEE, Algorithm 1; Hansen 2016 for CMA-ES), through pycma.

The search runs in units of the plain start: one unit is a factor of e^0.3 in beta and sigma_G in G.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spenser_gee.config import Initialisation
from spenser_gee.initialisation.objective import Terms, combine
from spenser_gee.initialisation.start import GeneStart
from spenser_gee.rng import derive_seed, stream

Array = NDArray[np.float64]

BETA_UNIT = 0.3  # standard deviation of log beta at the start
# A full covariance takes d^2 numbers and many evaluations to learn; above this it only costs.
FULL_UP_TO = 100


@dataclass(frozen=True, eq=False)
class Centre:
    """Where the search starts: the mean, and the unit of G. Around 0 the samples are draws of the plain
    start's distribution; around an inherited G they are perturbations of it."""

    beta1: float
    beta2: float
    G: Array
    unit: float
    sigma0: float = 1.0

    def decode(self, x: Array, seed: int) -> GeneStart:
        """The start at point `x`, of length g^2 + 2."""
        beta1 = self.beta1 * math.exp(BETA_UNIT * _bounded(x[0]))
        beta2 = self.beta2 * math.exp(BETA_UNIT * _bounded(x[1]))
        return GeneStart(beta1, beta2, self.G + self.unit * x[2:].reshape(self.G.shape), seed)


def _bounded(value: float) -> float:
    return float(min(max(value, -20.0), 20.0))


@dataclass(frozen=True, eq=False)
class CMAResult:
    """The best start of the last generation with a living one, and a record of every generation."""

    best: GeneStart | None
    history: tuple[dict[str, float], ...]
    evaluations: int


def search_starts(
    centre: Centre,
    evaluate: Callable[[Sequence[GeneStart], int], Sequence[Terms]],
    settings: Initialisation,
    seed: int,
) -> CMAResult:
    """Evolves starts.

    Args:
        evaluate: (starts, generation) -> their terms, on data that is the same for the whole generation.
        seed: of all draws; the E of each candidate has a seed of its own, kept in the start.
    """
    strategy = _make_strategy(centre, settings, seed)
    best: GeneStart | None = None
    history: list[dict[str, float]] = []
    for generation in range(settings.generations):
        points = strategy.ask()
        starts = [
            centre.decode(np.asarray(x, np.float64), derive_seed(seed, "E", generation, i))
            for i, x in enumerate(points)
        ]
        terms = evaluate(starts, generation)
        f = combine(terms, settings.terms, generation, settings.lambda1, settings.lambda2)
        strategy.tell(points, f.tolist())
        first = int(np.argmin(f))
        if not terms[first].dead:
            best = starts[first]
        history.append(_summary(generation, terms, f, starts[first], float(strategy.sigma)))
    return CMAResult(best, tuple(history), settings.generations * settings.population)


def separable(settings: Initialisation, dimension: int) -> bool:
    """Whether only the diagonal of the covariance is learnt."""
    return dimension > FULL_UP_TO if settings.covariance == "auto" else settings.covariance == "separable"


def _make_strategy(centre: Centre, settings: Initialisation, seed: int) -> Any:
    with warnings.catch_warnings():
        # It would plot if matplotlib were there; it is not asked to.
        warnings.simplefilter("ignore")
        import cma  # 1.5 s to import: only where it is used
        from cma.utilities.math import eig

    dimension = centre.G.size + 2
    rng = stream(seed, "cma")
    options = {
        "popsize": settings.population,
        "CMA_diagonal": separable(settings, dimension),
        # pycma seeds and uses numpy's global generator unless it gets one of its own.
        "seed": math.nan,
        # BLAS and LAPACK round differently from processor to processor. numpy multiplies extended precision without
        # them, and so does all that meets it; pycma's own decomposition takes sums and products one by one.
        "randn": lambda *shape: np.asarray(rng.standard_normal(shape), np.longdouble),
        "CMA_eigenmethod": eig,
        "verbose": -9,
        "verb_log": 0,
        "verb_disp": 0,
    }
    return cma.CMAEvolutionStrategy(np.zeros(dimension), centre.sigma0, options)


def _summary(
    generation: int, terms: Sequence[Terms], f: Array, best: GeneStart, sigma: float
) -> dict[str, float]:
    living = [t for t in terms if not t.dead]
    row = {
        "generation": float(generation),
        "dead": float(len(terms) - len(living)),
        "sigma": sigma,
        "beta1": best.beta1,
        "beta2": best.beta2,
        "f": float(f.min()),
    }
    if living:
        chosen = terms[int(np.argmin(f))]
        for name in ("loss", "r1", "r2"):
            values = [getattr(t, name) for t in living]
            row[name] = getattr(chosen, name)
            row[f"{name}_mean"] = float(np.mean(values))
            row[f"{name}_best"] = float(min(values) if name == "loss" else max(values))
    return row
