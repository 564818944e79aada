"""What the workers of a comparison are told; it travels to them as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import PlainSerializer, PlainValidator

from spenser_gee.comparison.settings import Settings
from spenser_gee.config import Data
from spenser_gee.data import DataHandle
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.training.mode import Mode

Spec = Annotated[NetworkSpec, PlainValidator(NetworkSpec.from_dict), PlainSerializer(NetworkSpec.to_dict)]
"""A network in a dataclass that is to be JSON."""


@dataclass(frozen=True)
class TrialStart:
    """What all trials of a worker have in common. train, test: where the data are. data: how they are presented."""

    train: DataHandle
    test: DataHandle
    classes: int
    data: Data
    mode: Mode
    settings: Settings


@dataclass(frozen=True)
class TrialOrder:
    """One training. seed: of all draws. steps or seconds: the budget; what the inner search takes is a part of it."""

    spec: Spec
    seed: int
    steps: int | None
    seconds: float | None
