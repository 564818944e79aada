"""r1, r2 and their combination against numbers worked out by hand (GEE, Eq. 13-16)."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spenser_gee.initialisation.objective import DEAD, Terms, combine, spatial_entropy, temporal_difference


def test_r1_by_hand() -> None:
    # T = 3, B = 1, K = 2: differences (1, 0) and (-1, 2), squares 1, 0, 1, 4, mean 6 / 4.
    outputs = torch.tensor([[[0.0, 1.0]], [[1.0, 1.0]], [[0.0, 3.0]]])
    assert temporal_difference(outputs).item() == 1.5
    assert temporal_difference(outputs.expand(3, 5, 2)).item() == 1.5  # not the size of the batch
    assert temporal_difference(outputs[:1]).item() == 0.0
    assert temporal_difference(torch.ones(4, 2, 3)).item() == 0.0


def test_r2_by_hand() -> None:
    assert spatial_entropy(np.full((3, 3), 0.2)) == pytest.approx(1.0)
    one_hot = np.zeros((3, 3))
    one_hot[1, 2] = -5.0
    assert spatial_entropy(one_hot) == 0.0
    # P = (1/4, 1/4, 1/2, 0): entropy 1.5 ln 2, of at most ln 4 = 2 ln 2.
    assert spatial_entropy(np.array([[1.0, -1.0], [-2.0, 0.0]])) == pytest.approx(0.75)
    assert spatial_entropy(np.ones((1, 1))) == 0.0
    assert spatial_entropy(np.zeros((2, 2))) == 0.0


def test_r2_of_a_gaussian() -> None:
    # E[-P ln P] of half-normal values: the entropy lacks about 0.284 nats of 2 ln g.
    G = np.random.default_rng(0).normal(size=(60, 60))
    assert (1 - spatial_entropy(G)) * 2 * math.log(60) == pytest.approx(0.284, abs=0.02)


@settings(deadline=None)
@given(
    st.integers(2, 8),
    st.integers(0, 10**6),
    st.floats(1e-3, 1e3),
    st.sampled_from(["signs", "scale", "order"]),
)
def test_r2_is_a_share_whatever_signs_scale_and_order(g: int, seed: int, scale: float, change: str) -> None:
    rng = np.random.default_rng(seed)
    G = rng.normal(size=(g, g))
    found = spatial_entropy(G)
    assert 0.0 <= found <= 1.0 + 1e-12
    other = {"signs": np.abs(G), "scale": scale * G, "order": rng.permutation(G.ravel()).reshape(g, g)}[
        change
    ]
    assert spatial_entropy(other) == pytest.approx(found)


TERMS = [Terms(1.0, 0.1, 0.5), Terms(3.0, 0.3, 0.5), Terms(5.0, 0.2, 0.5)]
# Standardised: L = (-1, 0, 1) s, r1 = (-1, 1, 0) s with s = sqrt(3 / 2); r2 does not vary.
S = math.sqrt(1.5)


@pytest.mark.parametrize("generation", [0, 1, 4])
def test_combination_by_hand(generation: int) -> None:
    fade = math.exp(-0.7 * generation)
    np.testing.assert_allclose(combine(TERMS, "L", generation, -0.7, -0.7), [-S, 0, S], atol=1e-12)
    expected = [-S + fade * S, -fade * S, S]
    np.testing.assert_allclose(combine(TERMS, "L+r1", generation, -0.7, 0.0), expected, atol=1e-12)
    np.testing.assert_allclose(combine(TERMS, "L+r1+r2", generation, -0.7, 0.0), expected, atol=1e-12)
    np.testing.assert_allclose(combine(TERMS, "L+r2", generation, 0.0, 0.0), [-S, 0, S], atol=1e-12)


def test_r2_is_subtracted_and_fades_by_its_own_lambda() -> None:
    terms = [Terms(2.0, 0.3, 0.2), Terms(2.0, 0.3, 0.6)]
    for generation in (0, 3):
        fade = math.exp(-0.5 * generation)
        np.testing.assert_allclose(combine(terms, "L+r1+r2", generation, 0.0, -0.5), [fade, -fade])
        np.testing.assert_allclose(combine(terms, "L+r1", generation, 0.0, -0.5), [0, 0], atol=1e-12)


def test_the_dead_are_worst() -> None:
    terms = [TERMS[0], DEAD, *TERMS[1:], DEAD]
    f = combine(terms, "L+r1+r2", 0, -0.7, -0.7)
    living = f[[0, 2, 3]]
    # They play no part in the standardisation, nor their infinite loss.
    np.testing.assert_allclose(living, combine(TERMS, "L+r1+r2", 0, -0.7, -0.7))
    assert np.isfinite(f).all()
    assert f[1] == f[4] > living.max()
    assert combine([DEAD, DEAD], "L+r1+r2", 0, -0.7, -0.7).tolist() == [0.0, 0.0]


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(0, 1), st.floats(0, 1), st.booleans()), min_size=1))
def test_every_combination_is_finite(rows: list[tuple[float, float, float, bool]]) -> None:
    terms = [DEAD if dead else Terms(loss, r1, r2) for loss, r1, r2, dead in rows]
    f = combine(terms, "L+r1+r2", 2, -0.7, -0.7)
    assert np.isfinite(f).all()
    living = [value for value, term in zip(f, terms, strict=True) if not term.dead]
    assert all(value > max(living) for value, t in zip(f, terms, strict=True) if t.dead and living)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2), st.floats(0.1, 100), st.floats(-100, 100))
def test_units_of_the_loss_play_no_part(losses: list[float], scale: float, shift: float) -> None:
    terms = [Terms(loss, 0.1 * i, 0.5) for i, loss in enumerate(losses)]
    moved = [Terms(scale * t.loss + shift, t.r1, t.r2) for t in terms]
    if np.std(losses) < 1e-3:
        return
    a, b = (combine(some, "L+r1+r2", 1, -0.7, -0.7) for some in (terms, moved))
    np.testing.assert_allclose(a, b, atol=1e-6)
