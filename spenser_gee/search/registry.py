"""The search strategies, by the name that a configuration gives (`search.strategy`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from spenser_gee.errors import input_error
from spenser_gee.search.evolution import Evolution, EvolutionSettings, Nsga2Settings
from spenser_gee.search.finals import WithFinals
from spenser_gee.search.one_plus_lambda import OnePlusLambda
from spenser_gee.search.proposals import Frame
from spenser_gee.search.random_search import RandomSearch
from spenser_gee.search.strategy import Strategy
from spenser_gee.settings import Chosen


@dataclass(frozen=True)
class StrategyEntry:
    """settings: the strategy's own keys. make(settings, frame): the strategy. several: whether it can strive for more
    than one objective at once. repeats: evaluations of every generation but the first beside its offspring."""

    settings: type[Chosen]
    make: Callable[[Any, Frame[Any]], Strategy[Any, Any]]
    several: bool = False
    repeats: int = 0


class OnePlusLambdaSettings(Chosen):
    """SPENSER's strategy: one parent and its mutants."""

    kind: str = "one-plus-lambda"


class RandomSettings(Chosen):
    """Random search."""

    kind: str = "random"


STRATEGIES: dict[str, StrategyEntry] = {
    "evolution": StrategyEntry(EvolutionSettings, Evolution, several=True),
    "nsga2": StrategyEntry(Nsga2Settings, Evolution, several=True),
    "one-plus-lambda": StrategyEntry(
        OnePlusLambdaSettings, lambda settings, frame: OnePlusLambda(frame), repeats=1
    ),
    "random": StrategyEntry(RandomSettings, lambda settings, frame: RandomSearch(frame), repeats=1),
}


def make_strategy(settings: Chosen, frame: Frame[Any]) -> Strategy[Any, Any]:
    """The strategy that `settings` name, with the frame's finalists. Raises InputError where it cannot strive for the
    objectives."""
    entry = STRATEGIES[settings.kind]
    if len(frame.objectives) > 1 and not entry.several:
        able = [name for name, other in STRATEGIES.items() if other.several]
        raise input_error(
            "search.strategy",
            f"{settings.kind} strives for one objective, found {len(frame.objectives)}: "
            f"{', '.join(objective.name for objective in frame.objectives)}",
            f"Declare one objective{', or choose ' + ' or '.join(able) if able else ''}.",
        )
    strategy = entry.make(settings, frame)
    return strategy if frame.finalists < 2 else WithFinals(strategy, frame)
