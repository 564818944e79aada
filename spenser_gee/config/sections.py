"""The sections of a configuration: their keys, defaults and permitted values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, ValidationInfo, field_validator, model_validator

from spenser_gee.config.fitness_kinds import COSTS, FITNESS_KINDS, TrainingFitness
from spenser_gee.config.validation import validated
from spenser_gee.errors import nearest
from spenser_gee.execution.registry import ENGINES, LocalSettings
from spenser_gee.objective import OBJECTIVES, Objective
from spenser_gee.search.evolution import EvolutionSettings
from spenser_gee.search.registry import STRATEGIES
from spenser_gee.settings import (
    ByName,
    Chosen,
    NotNegative,
    Positive,
    Real,
    Section,
    Share,
    Whole,
    shortest,
    whole,
)


def _off(value: Any) -> Any:
    """YAML 1.1 reads a bare `off` as false: take it as the word that it is."""
    return "off" if value is False else value


Strategy = Annotated[Chosen, BeforeValidator(ByName(STRATEGIES)), PlainSerializer(shortest)]
Engine = Annotated[Chosen, BeforeValidator(ByName(ENGINES)), PlainSerializer(shortest)]
Fitness = Annotated[Chosen, BeforeValidator(ByName(FITNESS_KINDS)), PlainSerializer(shortest)]


class Data(Section):
    """The data set and how it is presented."""

    dataset: str
    root: str | None = None
    download: bool = False
    image_size: Positive | None = None  # image folders: resize to this height and width
    channels: Annotated[Literal[1, 3], BeforeValidator(whole)] | None = (
        None  # image folders: convert to grey (1) or colour (3)
    )
    time_steps: Annotated[Whole, Field(ge=1, le=1000)] = 10
    batch_size: Positive = 64
    train_subset: Positive | None = None  # a stratified subset of the training images for the search
    fitness_share: Annotated[Real, Field(gt=0.0, lt=1.0)] = 0.3


_RATES = ("add", "duplicate", "remove", "unit", "macro", "sigma")
KEYS_OF_PRESET = {
    "few-changes": ("exponent", "most", "resize", "duplicate", "sigma", "numeric"),
    "spenser": _RATES,
    "spenser-relative": _RATES,
}


class Mutation(Section):
    """How offspring differ from their parent: a preset, and its own keys where they differ from it; docs/search.md."""

    preset: Literal["few-changes", "spenser", "spenser-relative"] = "few-changes"
    exponent: Annotated[Real, Field(ge=0.0, le=100.0)] | None = None
    most: Annotated[Whole, Field(ge=1, le=100)] | None = None
    resize: Share | None = None
    duplicate: Share | None = None
    sigma: Annotated[Real, Field(gt=0.0)] | None = None
    numeric: Share | None = None
    add: Share | None = None
    remove: Share | None = None
    unit: Share | None = None
    macro: Share | None = None

    @field_validator("*")
    @classmethod
    def _belongs_to_the_preset(cls, value: Any, info: ValidationInfo) -> Any:
        preset = info.data.get("preset")  # first of the keys; missing where it is wrong itself
        if preset and value is not None and info.field_name not in KEYS_OF_PRESET[preset]:
            known = ", ".join(KEYS_OF_PRESET[preset])
            raise ValueError(
                f"the preset {preset} has no such key (it has {known}); remove it, or set preset"
            )
        return value


class Limits(Section):
    """Networks beyond these are infeasible and redrawn; null = no limit."""

    parameters: Positive | None = None
    macs: Positive | None = None  # dense multiply-accumulates per time step and sample
    activations: Positive | None = None  # layer outputs per time step and sample: the scale of memory


class Search(Section):
    """The outer search."""

    strategy: Strategy = EvolutionSettings()
    generations: NotNegative = 10
    offspring: Positive = 4
    engine: Engine = LocalSettings()  # what runs the evaluations
    workers: NotNegative = 0  # worker processes; 0 = in this process
    finalists: NotNegative = (
        5  # how many of the best are trained 4 times as long, to choose one; below 2: none
    )
    start: str | None = None  # a sentence (.net file) for the first parent
    sizes: Mapping[str, tuple[NotNegative, ...]] = Field(default_factory=dict)  # initial numbers of units
    mutation: Mutation = Mutation()
    limits: Limits = Limits()
    redraws: Positive = 100  # tries for a network that can be built and is new
    evaluations: Positive | None = None  # stop after this many
    seconds: Annotated[Real, Field(gt=0.0)] | None = None  # stop after this wall-clock time
    timeout: Annotated[Real, Field(gt=0.0)] | None = None  # seconds that one candidate may take
    recycle: Positive = 50  # a worker is replaced after this many candidates


class Initialisation(Section):
    """The inner search: CMA-ES over {log beta1, log beta2, G} (GEE, Eq. 9-16)."""

    terms: Annotated[Literal["off", "random", "L", "L+r1", "L+r2", "L+r1+r2"], BeforeValidator(_off)] = (
        "L+r1+r2"
    )
    generations: Positive = 5
    population: Annotated[Whole, Field(ge=4)] = 8
    steps: NotNegative = 8  # training steps before the loss of a start is taken; fewer if the budget is small
    budget_share: Annotated[Real, Field(gt=0.0)] | None = 0.1  # of the training's steps; null = no cap
    lambda1: Annotated[Real, Field(le=0.0)] = -0.7  # fading of r1 (Eq. 16)
    lambda2: Annotated[Real, Field(le=0.0)] = -0.7  # fading of r2
    covariance: Literal["auto", "full", "separable"] = "auto"
    guard_batches: NotNegative = 2  # fresh batches on which the winner has to beat the plain start; 0 = off
    inherit: Literal["none", "distribution", "trained", "weights"] = "none"


class Training(Section):
    """The training of one candidate. Its budget: exactly one of epochs, steps, seconds."""

    epochs: Positive | None = None
    steps: Positive | None = None
    seconds: Annotated[Real, Field(gt=0.0)] | None = None
    memory_mb: Positive | None = (
        1024  # for what the backward pass needs of a chunk of the batch; null = whole
    )
    precision: Literal["float32", "bfloat16"] = "float32"

    @model_validator(mode="after")
    def _one_budget(self) -> Training:
        if sum(value is not None for value in (self.epochs, self.steps, self.seconds)) != 1:
            raise ValueError("give exactly one of epochs, steps, seconds")
        return self


class Final(Section):
    """Further training of the best on all of Train, and the one test on Test."""

    epochs: NotNegative = 10


class Config(Section):
    """Everything that a run needs."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    seed: NotNegative = 0
    grammar: str
    device: Literal["auto", "cpu", "cuda"] = "auto"
    backend: Literal["auto", "native", "triton", "plain"] = "auto"  # of the neurons; see `doctor`
    threads: Positive | None = (
        None  # CPU threads; null = one for a candidate, all cores for the final training
    )
    data: Data
    fitness: Fitness = TrainingFitness()
    objectives: Annotated[tuple[str, ...], Field(min_length=1)] = ("fitness",)
    search: Search = Search()
    initialisation: Initialisation = Initialisation()
    training: Training = Training(epochs=1)
    final: Final = Final()

    @field_validator("objectives")
    @classmethod
    def _are_measured(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        fitness = info.data.get("fitness")
        possible = (*FITNESS_KINDS[fitness.kind].figures, *COSTS) if fitness is not None else ()
        for name in names:
            if name not in OBJECTIVES:
                raise ValueError(
                    f'there is no "{name}"{nearest(name, OBJECTIVES)} (known: {", ".join(OBJECTIVES)})'
                )
            for figure in OBJECTIVES[name].needs:
                if fitness is not None and figure not in possible:
                    given = ", ".join(possible)
                    raise ValueError(
                        f"{figure} is not measured by fitness: {fitness.kind}, which gives {given}"
                    )
        if len(set(names)) < len(names):
            raise ValueError("each objective can be named once")
        return names

    @property
    def strives_for(self) -> tuple[Objective, ...]:
        """The declared objectives."""
        return tuple(OBJECTIVES[name] for name in self.objectives)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able values, defaults filled in."""
        return self.model_dump(mode="json")

    @staticmethod
    def from_dict(values: Mapping[str, Any], where: str = "<config>") -> Config:
        """The inverse of `to_dict`. Raises InputError."""
        return validated(Config, values, where, {})
