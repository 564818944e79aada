"""Losses against snnTorch and against formulas written out in numpy, and the decisions."""

from __future__ import annotations

import numpy as np
import pytest
import snntorch.functional as reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from spenser_gee.network.build import Output
from spenser_gee.phenotype.words.training import TET, CECount, CEMembrane, CERate, Loss, MSECount
from spenser_gee.training.losses import decision_values, loss_value, needs_membrane

CLASSES = 5


def batch(steps: int, seed: int, size: int = 7) -> tuple[Output, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    spikes = (torch.rand(steps, size, CLASSES, generator=generator) < 0.4).float()
    membrane = torch.randn(steps, size, CLASSES, generator=generator) * 2
    targets = torch.randint(CLASSES, (size,), generator=generator)
    return Output(spikes, membrane, None), targets


def log_softmax(values: np.ndarray) -> np.ndarray:
    shifted = values - values.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def cross_entropy(values: np.ndarray, targets: np.ndarray) -> float:
    return float(-np.mean([log_softmax(row)[target] for row, target in zip(values, targets, strict=True)]))


@settings(max_examples=30, deadline=None)
@given(steps=st.integers(1, 12), seed=st.integers(0, 10**6))
def test_cross_entropies_are_snntorchs(steps: int, seed: int) -> None:
    output, targets = batch(steps, seed)
    expected = reference.ce_rate_loss()(output.spikes, targets).squeeze()
    torch.testing.assert_close(loss_value(CERate(), output, targets), expected)
    torch.testing.assert_close(
        loss_value(CECount(), output, targets), reference.ce_count_loss()(output.spikes, targets)
    )


@pytest.mark.parametrize(
    ("steps", "correct", "incorrect"), [(10, 1.0, 0.0), (10, 0.8, 0.2), (4, 0.75, 0.25), (5, 0.6, 0.0)]
)
def test_mse_count_is_snntorchs_where_targets_are_whole(steps: int, correct: float, incorrect: float) -> None:
    output, targets = batch(steps, 3)
    expected = reference.mse_count_loss(correct_rate=correct, incorrect_rate=incorrect)(
        output.spikes, targets
    )
    torch.testing.assert_close(loss_value(MSECount(correct, incorrect), output, targets), expected)


def test_mse_count_tells_targets_apart_that_are_not_whole() -> None:
    output, targets = batch(10, 4)
    values = []
    for correct in (0.95, 0.99):
        value = loss_value(MSECount(correct, 0.03), output, targets).item()
        wanted = np.full((7, CLASSES), 0.3)
        wanted[np.arange(7), targets.numpy()] = 10 * correct
        counts = output.spikes.double().sum(0).numpy()
        assert value == pytest.approx(((counts - wanted) ** 2).mean() / 10, rel=1e-5)
        values.append(value)
    assert values[0] != values[1]


@settings(max_examples=30, deadline=None)
@given(steps=st.integers(1, 8), seed=st.integers(0, 10**6), weight=st.floats(0, 1), target=st.floats(0, 5))
def test_tet_is_its_formula(steps: int, seed: int, weight: float, target: float) -> None:
    output, targets = batch(steps, seed)
    assert output.membrane is not None
    membrane = output.membrane.double().numpy()
    each_step = np.mean([cross_entropy(row, targets.numpy()) for row in membrane])
    expected = (1 - weight) * each_step + weight * np.mean((membrane - target) ** 2)
    assert loss_value(TET(weight, target), output, targets).item() == pytest.approx(expected, rel=1e-5)


def test_ce_membrane_reads_the_mean_over_time() -> None:
    output, targets = batch(6, 5)
    assert output.membrane is not None
    expected = cross_entropy(output.membrane.double().numpy().mean(0), targets.numpy())
    assert loss_value(CEMembrane(), output, targets).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", [MSECount(), CERate(), CECount(), CEMembrane(), TET()])
def test_a_gradient_step_raises_the_value_of_the_right_class(loss: Loss) -> None:
    output, targets = batch(4, 6)
    values = (output.membrane if needs_membrane(loss) else output.spikes).clone().requires_grad_()
    given_output = Output(values, values, None)
    loss_value(loss, given_output, targets).backward()
    moved = Output(values - 0.1 * values.grad, values - 0.1 * values.grad, None)
    right = targets[:, None]
    before = decision_values(CECount(), given_output).gather(1, right)
    after = decision_values(CECount(), moved).gather(1, right)
    assert (after - before).sum() > 0
    assert loss_value(loss, moved, targets) < loss_value(loss, given_output, targets)


def test_decisions_read_what_the_loss_reads() -> None:
    output, _ = batch(6, 7)
    for loss in (MSECount(), CERate(), CECount()):
        assert torch.equal(decision_values(loss, output), output.spikes.sum(0))
    for loss in (CEMembrane(), TET()):
        torch.testing.assert_close(decision_values(loss, output), output.membrane.mean(0))


def test_a_missing_membrane_is_said() -> None:
    output, targets = batch(3, 8)
    with pytest.raises(ValueError, match="without its output membrane"):
        loss_value(TET(), Output(output.spikes, None, None), targets)
