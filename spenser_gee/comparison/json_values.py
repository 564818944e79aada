"""Typed values as JSON and back: whatever a comparison writes to a file or sends to a worker goes through here."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import PlainSerializer, PlainValidator, TypeAdapter

from spenser_gee.phenotype.spec import NetworkSpec

T = TypeVar("T")

Spec = Annotated[NetworkSpec, PlainValidator(NetworkSpec.from_dict), PlainSerializer(NetworkSpec.to_dict)]
"""A network in a dataclass that is to be JSON."""


def to_json(value: object) -> Any:
    """A dataclass as plain values, its fields in their order."""
    return _adapter(type(value)).dump_python(value, mode="json")


def from_json(kind: type[T], values: object) -> T:
    """The inverse of `to_json`; keys that `kind` does not have are passed over.

    Raises ValueError, LookupError, TypeError or AttributeError for values of something else.
    """
    found: T = _adapter(kind).validate_python(values)
    return found


_adapters: dict[type[Any], TypeAdapter[Any]] = {}


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]
