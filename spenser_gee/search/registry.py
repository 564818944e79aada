"""The search strategies, by the name that a configuration gives (`search.strategy`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from spenser_gee.errors import input_error
from spenser_gee.objective import Objective
from spenser_gee.search.one_plus_lambda import OnePlusLambda
from spenser_gee.search.proposals import Space
from spenser_gee.search.random_search import RandomSearch
from spenser_gee.search.strategy import Strategy
from spenser_gee.settings import Chosen


@dataclass(frozen=True)
class Frame:
    """What every strategy is given. offspring: candidates of a generation, beside those that are evaluated again.
    start: a genotype to begin with, or None. tries: draws for one candidate that can be built and is new."""

    space: Space[Any]
    seed: int
    offspring: int
    start: Any
    tries: int
    objectives: tuple[Objective, ...]


@dataclass(frozen=True)
class StrategyEntry:
    """settings: the strategy's own keys. make(settings, frame): the strategy. several: whether it can strive for more
    than one objective at once."""

    settings: type[Chosen]
    make: Callable[[Any, Frame], Strategy[Any, Any]]
    several: bool = False


class OnePlusLambdaSettings(Chosen):
    """SPENSER's strategy: one parent and its mutants."""

    kind: str = "one-plus-lambda"


class RandomSettings(Chosen):
    """Random search."""

    kind: str = "random"


def _elitist(make: type[OnePlusLambda[Any]] | type[RandomSearch[Any]]) -> Callable[[Any, Frame], Any]:
    def made(settings: Chosen, frame: Frame) -> Any:
        (objective,) = frame.objectives
        return make(frame.space, frame.seed, frame.offspring, frame.start, frame.tries, objective)

    return made


STRATEGIES: dict[str, StrategyEntry] = {
    "one-plus-lambda": StrategyEntry(OnePlusLambdaSettings, _elitist(OnePlusLambda)),
    "random": StrategyEntry(RandomSettings, _elitist(RandomSearch)),
}


def make_strategy(settings: Chosen, frame: Frame) -> Strategy[Any, Any]:
    """The strategy that `settings` name. Raises InputError where it cannot strive for the objectives."""
    entry = STRATEGIES[settings.kind]
    if len(frame.objectives) > 1 and not entry.several:
        able = [name for name, other in STRATEGIES.items() if other.several]
        raise input_error(
            "search.strategy",
            f"{settings.kind} strives for one objective, found {len(frame.objectives)}: "
            f"{', '.join(objective.name for objective in frame.objectives)}",
            f"Declare one objective{', or choose ' + ' or '.join(able) if able else ''}.",
        )
    return entry.make(settings, frame)
