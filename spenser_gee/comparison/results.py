"""The figures of a comparison: what results.json holds, and docs/compare.md explains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spenser_gee.comparison.contenders import Kind, SearchCost
from spenser_gee.comparison.finished import TrialResults
from spenser_gee.comparison.recipes import Arm
from spenser_gee.comparison.request import Allowance
from spenser_gee.comparison.statistics import Interval, PairedDifference
from spenser_gee.runs.typed import from_json, to_json

FORMAT = 1

Curve = tuple[tuple[float, Interval], ...]
"""Levels of disturbance, and the accuracies over the seeds there."""


@dataclass(frozen=True)
class DataFacts:
    """The data of a comparison."""

    dataset: str
    train_images: int
    test_images: int
    input_shape: tuple[int, ...]
    classes: int
    time_steps: int


@dataclass(frozen=True)
class RobustnessResults:
    """Accuracies under disturbance, the undisturbed one first, on `images` test images."""

    noise: Curve
    spike_drop: Curve
    images: int


@dataclass(frozen=True)
class Against(PairedDifference):
    """The difference to the reference. p_holm: p, adjusted for all contenders of the arm."""

    p_holm: float | None


@dataclass(frozen=True)
class ArmResults:
    """One contender with one recipe: means over its complete trials, None where there are none.

    against_reference: None of the reference itself, too. layer_rates: firing rates from the first layer to the last.
    """

    recipe: str
    accuracy: Interval | None
    sops: Interval | None
    macs: Interval | None
    spikes: Interval | None
    firing_rate: Interval | None
    energy_gee_eq17_nj: Interval | None
    energy_operations_nj: Interval | None
    energy_with_memory_nj: Interval | None
    energy_dense_ann_nj: Interval | None
    against_reference: Against | None
    robustness: RobustnessResults | None
    layer_rates: tuple[float, ...] | None
    trials: tuple[TrialResults, ...]


@dataclass(frozen=True)
class LatencyResults:
    """Of one network on one device. single_ms: one sample, the median. throughput: samples a second at `batch`."""

    single_ms: float
    single_ms_quartiles: tuple[float, float]
    batch: int
    throughput: float
    threads: int
    device: str


@dataclass(frozen=True)
class ContenderResults:
    """One contender. problem: why it cannot take part; it has no sizes and no arms then. ratio: of its parameters to
    those of its dense twin."""

    name: str
    kind: Kind
    twin: bool
    source: str
    sentence: str
    problem: str | None
    search: SearchCost | None
    parameters: int | None = None
    dense_parameters: int | None = None
    ratio: float | None = None
    dense_macs: int | None = None
    neurons: int | None = None
    latency: LatencyResults | None = None
    arms: Mapping[Arm, ArmResults] = field(default_factory=dict)


@dataclass(frozen=True)
class Results:
    """A comparison as far as it has come. seconds: of wall clock that it took. reference: the name of the first
    contender. environment, settings: notes for people, as `describe_environment` and comparison.json have them; no
    code depends on what they hold."""

    finished: bool
    seconds: float
    data: DataFacts
    environment: Mapping[str, object]
    budget: Allowance
    settings: Mapping[str, object]
    seeds: tuple[int, ...]
    arms: tuple[Arm, ...]
    common_recipe: str | None
    reference: str
    contenders: tuple[ContenderResults, ...]

    def to_dict(self) -> dict[str, Any]:
        """What results.json holds."""
        return {"format": FORMAT, **to_json(self)}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Results:
        """The inverse of `to_dict`. Raises ValueError for another format, or values of something else."""
        if values.get("format") != FORMAT:
            raise ValueError(f"expected format {FORMAT}, found {values.get('format')!r}")
        return from_json(Results, values)
