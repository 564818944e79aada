"""The arms of the study: strategies with everything that belongs to them, by name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from spenser_gee.config import Mutation
from spenser_gee.errors import input_error, nearest
from spenser_gee.search import STRATEGIES
from spenser_gee.settings import ByName

OPTUNA = ("optuna-random", "optuna-tpe")


@dataclass(frozen=True)
class Arm:
    """One way to search.

    strategy: a value of `search.strategy`, or one of OPTUNA.
    mutation: a value of `search.mutation`; not for the table, whose mutants have `changes` of their genes changed, or,
        where it is None, a heavy-tailed number of them.
    finalists: candidates that are evaluated again with four times the budget; they are paid from the arm's budget.
    offspring: candidates of a generation.
    """

    strategy: Any
    mutation: Mapping[str, Any] = field(default_factory=dict)
    changes: int | None = None
    finalists: int = 0
    offspring: int = 8

    @property
    def optuna(self) -> bool:
        """Whether Optuna searches."""
        return self.strategy in OPTUNA


STRONG = {"preset": "spenser-relative"}
AGEING = {"kind": "evolution", "population": 24, "survival": "age", "tournament": 6}
ARMS = {
    "random": Arm("random"),
    "random-finalists": Arm("random", finalists=5),
    "one-plus-lambda": Arm("one-plus-lambda", STRONG, changes=4),
    "one-plus-lambda-few": Arm("one-plus-lambda"),
    "evolution": Arm("evolution", finalists=5),
    "evolution-crossover": Arm({"kind": "evolution", "crossover": 0.5}, finalists=5),
    "evolution-duel": Arm({"kind": "evolution", "immigrants": 1, "duel": True}, finalists=5),
    "evolution-ageing": Arm(AGEING, finalists=5),
    "merit": Arm({"kind": "evolution", "screen": 1}, finalists=5),
    "ageing": Arm({**AGEING, "screen": 1}, finalists=5),
    "optuna-random": Arm("optuna-random"),
    "optuna-tpe": Arm("optuna-tpe"),
    "optuna-tpe-finalists": Arm("optuna-tpe", finalists=5),
}


def read_arms(texts: Sequence[str]) -> dict[str, Arm]:
    """Names of ARMS, or NAME={"strategy": ..., "finalists": ...} for others. Raises InputError."""
    return dict(_read(text) for text in texts)


def _read(text: str) -> tuple[str, Arm]:
    name, given, values = text.partition("=")
    if not given and name not in ARMS:
        known = f"Known: {', '.join(ARMS)}."
        raise input_error("--arms", f'there is no arm "{name}"{nearest(name, ARMS)}', known)
    try:
        arm = Arm(**json.loads(values)) if given else ARMS[name]
        if not arm.optuna:
            ByName(STRATEGIES)(arm.strategy)
        Mutation.model_validate(dict(arm.mutation))
    except (ValueError, TypeError, ValidationError, PydanticCustomError) as error:
        keys = ", ".join(one.name for one in fields(Arm))
        raise input_error("--arms", f"{name}: {error}", f"Give a JSON object of {keys}.") from None
    return name, arm


def as_json(arm: Arm) -> dict[str, Any]:
    """Plain values, for the file of results: the strategy with all its keys, so that another default is another arm."""
    strategy = arm.strategy if arm.optuna else ByName(STRATEGIES)(arm.strategy).model_dump()
    mutation = Mutation.model_validate(dict(arm.mutation)).model_dump()
    values: dict[str, Any] = json.loads(
        json.dumps({**asdict(arm), "strategy": strategy, "mutation": mutation})
    )
    return values
