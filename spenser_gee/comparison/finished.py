"""What came out of one training: how good the network is, and what was measured of it."""

from __future__ import annotations

from dataclasses import dataclass

from spenser_gee.assessment.operations import Operations
from spenser_gee.evaluation import Evaluation, Status
from spenser_gee.runs.typed import from_json

Accuracies = tuple[tuple[float, float], ...]
"""Levels of disturbance, and the accuracy at each."""


@dataclass(frozen=True)
class Disturbed:
    """Accuracies under disturbance, the undisturbed one first, on `images` test images."""

    noise: Accuracies
    spike_drop: Accuracies
    images: int


@dataclass(frozen=True)
class Measured:
    """What was measured of a trained network: the `details` of a trial's evaluation.

    The totals are per sample; operations has them layer by layer. energy_*_nj: see `assessment.energy.Energy`.
    curve: of the training: step, loss, accuracy.
    """

    operations: Operations
    sops: float
    macs: float
    spikes: float
    firing_rate: float
    energy_gee_eq17_nj: float
    energy_operations_nj: float
    energy_with_memory_nj: float
    energy_dense_ann_nj: float
    robustness: Disturbed
    layer_rates: tuple[float, ...]
    curve: tuple[tuple[int, float, float], ...]


@dataclass(frozen=True)
class TrialResults:
    """One training of a contender. accuracy, loss: on Test. seconds: of inner search and training together. start_steps:
    what the inner search took; steps: of the training after it. None: not known, as the training is not complete."""

    seed: int
    status: Status
    reason: str
    accuracy: float | None
    loss: float | None
    seconds: float | None
    steps: float | None
    start_steps: float | None


@dataclass(frozen=True)
class Finished:
    """A trial and, where it is complete, what was measured."""

    trial: TrialResults
    measured: Measured | None

    @staticmethod
    def of(evaluation: Evaluation, seed: int) -> Finished:
        """From the evaluation that a worker made, or that a file holds. Raises ValueError where it is none of ours."""
        complete = evaluation.status == "complete"
        trial = TrialResults(
            seed,
            evaluation.status,
            evaluation.reason,
            evaluation.objectives["fitness"] if complete else None,
            evaluation.objectives.get("loss"),
            evaluation.cost.get("training_seconds"),
            evaluation.cost.get("training_steps"),
            evaluation.cost.get("start_steps"),
        )
        return Finished(trial, from_json(Measured, evaluation.details) if complete else None)
