"""What a person asks of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

BudgetKind = Literal["epochs", "seconds", "samples"]


@dataclass(frozen=True)
class Allowance:
    """What every training may take, the inner search included: epochs of all training images, seconds of wall clock,
    or samples."""

    kind: BudgetKind
    amount: float


@dataclass(frozen=True)
class Assessed:
    """What is measured beside accuracy, on the first `images` test images.

    noise: L2 norms of the Gaussian noise, as shares of the image's. drop: probabilities that a spike is lost.
    """

    images: int = 1000
    noise: tuple[float, ...] = (0.1, 0.25, 0.5, 0.75, 1.0)
    drop: tuple[float, ...] = (0.1, 0.25, 0.5)


@dataclass(frozen=True)
class Evolved:
    """A network of a run. run: its folder. candidate: its id; None: the best."""

    run: Path
    candidate: int | None = None


@dataclass(frozen=True)
class Request:
    """What is to be compared.

    evolved: networks of runs; the first one's configuration says data, workers and settings. backbones: files, read with
    `grammar` (None: the shipped one, which can say every network). seeds: trainings of each contender with each
    recipe. budget: None: as many epochs as the run's final training had. random: how many random searches, each of as
    many evaluations as the first run made. common: whether there is the second arm. timeout: seconds after which one
    training is given up.
    """

    evolved: Sequence[Evolved]
    backbones: Sequence[Path]
    out: Path
    seeds: int = 5
    budget: Allowance | None = None
    random: int = 0
    common: bool = True
    grammar: Path | None = None
    timeout: float | None = None
    assessed: Assessed = Assessed()

    @property
    def runs(self) -> tuple[Path, ...]:
        """The folders, each once."""
        return tuple(dict.fromkeys(each.run for each in self.evolved))
