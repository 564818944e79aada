"""What decides the result of a trial, beside its contender, recipe and seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spenser_gee.comparison.ground import PLACES, Ground
from spenser_gee.comparison.request import Allowance, Assessed, Request
from spenser_gee.config import Initialisation
from spenser_gee.phenotype.recipe import COMMON_RECIPE
from spenser_gee.training.mode import Precision


@dataclass(frozen=True)
class TrialData:
    """The data and how they are presented. images: the shape of all training images."""

    dataset: str
    image_size: int | None
    channels: int | None
    time_steps: int
    batch_size: int
    train_subset: int | None
    fitness_share: float
    images: tuple[int, ...]


@dataclass(frozen=True)
class TrialTraining:
    """How trainings are run, see the configuration's section `training`."""

    memory_mb: int | None
    precision: Precision


@dataclass(frozen=True)
class Settings:
    """All trials of a comparison share them. common_recipe: None where there is no second arm. identity: what the data
    are, see `data.Identity`; an earlier version recorded none."""

    data: TrialData
    seed: int
    budget: Allowance
    initialisation: Initialisation
    training: TrialTraining
    common_recipe: str | None
    assessed: Assessed
    device: str
    backend: str
    threads: int
    identity: Mapping[str, object] | None = None


def trial_settings(request: Request, ground: Ground) -> Settings:
    """Of this comparison."""
    config = ground.config
    presented = {key: value for key, value in vars(ground.settings).items() if key not in PLACES}
    return Settings(
        data=TrialData(**presented, images=tuple(ground.data.train.images.shape)),
        seed=config.seed,
        budget=ground.budget,
        initialisation=config.initialisation,
        training=TrialTraining(config.training.memory_mb, config.training.precision),
        common_recipe=str(COMMON_RECIPE) if request.common else None,
        assessed=request.assessed,
        device=str(ground.device),
        backend=ground.backend,
        threads=ground.threads,
        identity=ground.identity.to_dict(),
    )
