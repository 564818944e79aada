"""What settings are made of: closed, frozen sections, their kinds of numbers, and sections chosen by a name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from spenser_gee.errors import nearest


def _number(value: Any) -> Any:
    """PyYAML reads `1e-3` as a string (YAML 1.1 wants `1.0e-3`): take it as the number that it is."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def whole(value: Any) -> Any:
    """A whole number written like a real one (1e2, 100.0) is taken as the whole number that it is."""
    number = _number(value)
    if not isinstance(number, float) or not math.isfinite(number) or abs(number) >= 2**53:
        return value  # from 2^53 on, a float may stand for another number than the one that was written
    if number != int(number):
        raise ValueError(f"expected a whole number, found {value}")
    return int(number)


Real = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Share = Annotated[Real, Field(ge=0.0, le=1.0)]
Whole = Annotated[int, BeforeValidator(whole)]
Positive = Annotated[Whole, Field(ge=1)]
NotNegative = Annotated[Whole, Field(ge=0)]


class Section(BaseModel):
    """A part of the configuration: frozen, and closed to keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Chosen(Section):
    """The settings of one entry of a registry; `kind` is its name there."""

    kind: str

    def __str__(self) -> str:
        """The name, and what differs from the defaults."""
        own = ", ".join(
            f"{key} {value}" for key, value in self.model_dump(exclude_defaults=True).items() if key != "kind"
        )
        return f"{self.kind} ({own})" if own else self.kind


class Entry(Protocol):
    """What every registry's entries have in common."""

    @property
    def settings(self) -> type[Chosen]:
        """The entry's own keys."""
        ...


@dataclass(frozen=True)
class ByName:
    """Reads a section of a registry: a bare name, or `{kind: name, ...}` with the entry's own keys.

    For use in `Annotated[SerializeAsAny[Chosen], BeforeValidator(...)]`. The registry is looked at when something is
    read, so that what was added to it counts.
    """

    entries: Mapping[str, Entry]

    def __call__(self, value: Any) -> Any:
        """The entry's settings. Raises pydantic's errors."""
        if isinstance(value, Chosen):
            return value
        values = {"kind": value} if isinstance(value, str) else value
        if not isinstance(values, Mapping) or not isinstance(values.get("kind"), str):
            raise PydanticCustomError("chosen", "expected a name, or kind: NAME and its keys")
        return self.model_of(values).model_validate(dict(values))

    def model_of(self, values: Any) -> type[Chosen]:
        """The settings class that these values ask for. Raises PydanticCustomError for an unknown name."""
        name = values if isinstance(values, str) else values["kind"]
        if name not in self.entries:
            hint = nearest(name, self.entries).removeprefix("; ")
            known = " or ".join(self.entries) + (f" ({hint})" if hint else "")
            raise PydanticCustomError("chosen", "expected {known}", {"known": known})
        return self.entries[name].settings


def shortest(value: Chosen) -> Any:
    """What `ByName` reads: the bare name where the entry has no keys of its own."""
    values = value.model_dump(mode="json")
    return value.kind if len(values) == 1 else values
