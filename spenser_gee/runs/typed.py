"""What was stored, as what it was meant to be."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

Value = TypeVar("Value")


def typed(kind: type[Value], stored: Any) -> Value:
    """JSON-able values as a `kind` (a frozen dataclass, a list of them): its annotations say what they must be.

    Raises ValueError, which names the first that is something else.
    """
    try:
        return TypeAdapter(kind).validate_python(stored)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{place}: {first['msg']}") from None
