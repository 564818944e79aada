"""CMA-ES over starts: it minimises, is reproducible, and leaves numpy's global generator alone."""

from __future__ import annotations

import itertools
import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from spenser_gee.config import Initialisation
from spenser_gee.initialisation.cma_search import (
    BETA_UNIT,
    FULL_UP_TO,
    Centre,
    CMAResult,
    _make_strategy,
    search_starts,
    separable,
)
from spenser_gee.initialisation.objective import DEAD, Terms, spatial_entropy
from spenser_gee.initialisation.start import GeneStart

PACKAGE = Path(__file__).parents[2]
CENTRE = Centre(0.5, 1.0, np.zeros((3, 3)), unit=0.2)
TARGET = np.array([[0.4, 0, 0], [0, -0.3, 0], [0.1, 0, 0]])


def distance(starts: Sequence[GeneStart], generation: int) -> list[Terms]:
    return [
        Terms(float(((s.G - TARGET) ** 2).sum()) + math.log(s.beta1 / 0.8) ** 2, 0.0, spatial_entropy(s.G))
        for s in starts
    ]


def search(generations: int = 60, seed: int = 1, terms: str = "L") -> CMAResult:
    return search_starts(
        CENTRE, distance, Initialisation(generations=generations, population=8, terms=terms), seed
    )


def test_it_minimises() -> None:
    found = search()
    assert found.best is not None
    assert distance([found.best], 0)[0].loss < 0.05 * found.history[0]["loss_mean"]
    assert found.best.beta1 == pytest.approx(0.8, rel=0.2)
    assert found.evaluations == 480
    assert len(found.history) == 60


def test_reproducible_from_the_seed() -> None:
    first, second, other = search(5), search(5), search(5, seed=2)
    assert first.best is not None
    assert second.best is not None
    assert other.best is not None
    np.testing.assert_array_equal(first.best.G, second.best.G)
    assert first.history == second.history
    assert (first.best.beta1, first.best.seed) == (second.best.beta1, second.best.seed)
    assert not np.array_equal(first.best.G, other.best.G)


def all_bits() -> list[list[str]]:
    """The bits of every start of searches with a full covariance, small and large, and with a diagonal one."""
    found = []

    def keep(starts: Sequence[GeneStart], generation: int) -> list[Terms]:
        numbers = [[s.beta1, s.beta2, *s.G.ravel().tolist()] for s in starts]
        found.append([number.hex() for start in numbers for number in start])
        return [Terms(sum(number * number for number in start), 0.0, 0.0) for start in numbers]

    for g, covariance in ((3, "full"), (10, "full"), (12, "separable")):
        settings = Initialisation(generations=4, population=8, terms="L", covariance=covariance)
        search_starts(Centre(0.5, 1.0, np.zeros((g, g)), 0.2), keep, settings, 3)
    return found


@pytest.mark.parametrize("kernel", ["Prescott", "Nehalem"])
def test_the_kernel_of_blas_changes_no_bit(kernel: str) -> None:
    code = "import json, test_cma_search; print(json.dumps(test_cma_search.all_bits()))"
    path = os.pathsep.join([str(PACKAGE), str(Path(__file__).parent)])
    environment = os.environ | {"OPENBLAS_CORETYPE": kernel, "OMP_NUM_THREADS": "2", "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == all_bits()


def test_numpys_global_generator_plays_no_part() -> None:
    np.random.seed(7)  # noqa: NPY002 (the global generator is what is tested)
    before = np.random.get_state()  # noqa: NPY002
    first = search(4)
    after = np.random.get_state()  # noqa: NPY002
    assert before[0] == after[0]
    np.testing.assert_array_equal(before[1], after[1])
    assert before[2:] == after[2:]
    np.random.seed(8)  # noqa: NPY002
    assert search(4).history == first.history


def test_covariance_by_dimension() -> None:
    settings = Initialisation(generations=1, population=4)
    assert not separable(settings, FULL_UP_TO)
    assert separable(settings, FULL_UP_TO + 1)
    assert separable(Initialisation(covariance="separable"), 2)
    assert not separable(Initialisation(covariance="full"), 10**4)


@pytest.mark.parametrize(("g", "separable"), [(3, False), (12, True)])
def test_pycma_learns_what_the_settings_say(g: int, separable: bool) -> None:
    centre = Centre(1.0, 2.0, np.zeros((g, g)), 0.1)
    strategy = _make_strategy(centre, Initialisation(generations=3, population=6), seed=0)
    for _ in range(3):
        points = strategy.ask()
        strategy.tell(points, [float((np.asarray(p) ** 2).sum()) for p in points])
    covariance = np.asarray(strategy.sm.covariance_matrix)  # of a separable search: only the diagonal
    assert (covariance.ndim < 2 or np.allclose(covariance, np.diag(np.diag(covariance)))) == separable


def test_points_are_starts_in_units() -> None:
    x = np.arange(11) / 10
    start = CENTRE.decode(x, 42)
    assert start.beta1 == pytest.approx(0.5)
    assert start.beta2 == pytest.approx(math.exp(BETA_UNIT * 0.1))
    np.testing.assert_allclose(start.G, 0.2 * x[2:].reshape(3, 3))
    assert start.seed == 42
    inherited = Centre(0.5, 1.0, TARGET, 0.2, 0.3)
    np.testing.assert_array_equal(inherited.decode(np.zeros(11), 0).G, TARGET)
    wild = CENTRE.decode(np.full(11, 1e9), 0)
    assert math.isfinite(wild.beta1)
    assert wild.beta1 > 0


def test_first_samples_are_draws_of_the_plain_start() -> None:
    drawn: list[GeneStart] = []

    def keep(starts: Sequence[GeneStart], generation: int) -> list[Terms]:
        drawn.extend(starts)
        return distance(starts, generation)

    search_starts(CENTRE, keep, Initialisation(generations=1, population=300), seed=0)
    values = np.array([s.G for s in drawn])
    assert abs(values.mean()) < 0.02
    assert values.std() == pytest.approx(0.2, rel=0.1)
    assert np.std([math.log(s.beta1) for s in drawn]) == pytest.approx(BETA_UNIT, rel=0.2)


def test_every_start_has_a_seed_of_its_own() -> None:
    seeds: list[int] = []

    def keep(starts: Sequence[GeneStart], generation: int) -> list[Terms]:
        seeds.extend(s.seed for s in starts)
        return distance(starts, generation)

    search_starts(CENTRE, keep, Initialisation(generations=3, population=5), seed=0)
    assert len(set(seeds)) == 15


def test_dead_starts_are_never_the_best() -> None:
    numbers, living = itertools.count(), list[int]()

    def half_dead(starts: Sequence[GeneStart], generation: int) -> list[Terms]:
        dead = [next(numbers) % 2 == 1 for _ in starts]
        living.extend(start.seed for start, is_dead in zip(starts, dead, strict=True) if not is_dead)
        return [DEAD if is_dead else t for is_dead, t in zip(dead, distance(starts, generation), strict=True)]

    found = search_starts(CENTRE, half_dead, Initialisation(generations=3, population=6), seed=0)
    assert found.best is not None
    assert found.best.seed in living
    assert [row["dead"] for row in found.history] == [3.0, 3.0, 3.0]


def test_all_dead() -> None:
    found = search_starts(
        CENTRE, lambda starts, t: [DEAD] * len(starts), Initialisation(generations=2, population=4), seed=0
    )
    assert found.best is None
    assert [row["dead"] for row in found.history] == [4.0, 4.0]
    assert all("loss" not in row for row in found.history)


def test_a_last_generation_of_the_dead_keeps_the_best_before() -> None:
    def dying(starts: Sequence[GeneStart], generation: int) -> list[Terms]:
        return distance(starts, generation) if generation < 2 else [DEAD] * len(starts)

    two, three = (
        search_starts(CENTRE, dying, Initialisation(generations=n, population=6), seed=0) for n in (2, 3)
    )
    assert two.best is not None
    assert three.best is not None
    np.testing.assert_array_equal(two.best.G, three.best.G)


def test_history_holds_raw_terms() -> None:
    row = search(1).history[0]
    assert row["generation"] == 0.0
    assert row["loss_best"] <= row["loss"] <= row["loss_mean"] + 1e-9
    assert row["r2"] <= row["r2_best"] <= 1.0
    assert row["beta1"] > 0
