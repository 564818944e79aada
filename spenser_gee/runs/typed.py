"""Values of given types as JSON-able ones, and back: what was stored is what it was meant to be, or an error."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

Value = TypeVar("Value")


def to_json(value: object) -> Any:
    """A dataclass as plain values, its fields in their order."""
    return TypeAdapter(type(value)).dump_python(value, mode="json")


def from_json(kind: type[Value], stored: Any) -> Value:
    """JSON-able values as a `kind` (a frozen dataclass, a list of them): its annotations say what they must be.

    Keys that it does not have are passed over. Raises ValueError, which names the first that is something else; the
    readers of values that are no dataclass raise LookupError, TypeError and AttributeError too.
    """
    try:
        return TypeAdapter(kind).validate_python(stored)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{place}: {first['msg']}") from None
