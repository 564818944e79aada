"""What decides the result of a trial, beside its contender, recipe and seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spenser_gee.comparison.ground import Ground, described
from spenser_gee.comparison.request import Allowance, Assessed, Request
from spenser_gee.config import Initialisation
from spenser_gee.phenotype.recipe import COMMON_RECIPE


@dataclass(frozen=True)
class Settings:
    """All trials of a comparison share them.

    data, training: of the configuration's sections what decides a trial, to be compared and shown; `images` is the
    shape of all training images. common_recipe: None where there is no second arm. identity: what the data are, see
    `data.Identity`; an earlier version recorded none.
    """

    data: Mapping[str, object]
    seed: int
    budget: Allowance
    initialisation: Initialisation
    training: Mapping[str, object]
    common_recipe: str | None
    assessed: Assessed
    device: str
    backend: str
    threads: int
    identity: Mapping[str, object] | None = None


def trial_settings(request: Request, ground: Ground) -> Settings:
    """Of this comparison."""
    config = ground.config
    return Settings(
        data={**described(ground.settings), "images": list(ground.data.train.images.shape)},
        seed=config.seed,
        budget=ground.budget,
        initialisation=config.initialisation,
        training=config.training.model_dump(include={"memory_mb", "precision"}),
        common_recipe=str(COMMON_RECIPE) if request.common else None,
        assessed=request.assessed,
        device=str(ground.device),
        backend=ground.backend,
        threads=ground.threads,
        identity=ground.identity.to_dict(),
    )
