"""Values against the sections: every problem at once, each with its line, its dotted path and what was expected."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from spenser_gee.errors import Finding, InputError, Place, nearest
from spenser_gee.settings import ByName

Model = TypeVar("Model", bound=BaseModel)


def validated(model: type[Model], values: Mapping[str, Any], where: str, lines: Mapping[str, Place]) -> Model:
    """`values` as `model`; lines: where each dotted path stands. Raises InputError."""
    try:
        return model.model_validate(_listed(dict(values)))
    except ValidationError as error:
        findings = []
        for problem in error.errors():
            path = ".".join(str(part) for part in problem["loc"])
            findings.append(Finding(place_of(path, lines, where), _explain(model, values, problem, path)))
        findings.sort(key=lambda finding: (finding.place.line, finding.place.column))
        raise InputError(*dict.fromkeys(findings)) from None


def _listed(value: Any) -> Any:
    """Lists become tuples (the sections are strict and frozen)."""
    if isinstance(value, dict):
        return {key: _listed(inner) for key, inner in value.items()}
    return tuple(_listed(inner) for inner in value) if isinstance(value, list) else value


def place_of(path: str, lines: Mapping[str, Place], where: str) -> Place:
    """The line of a dotted path, or of the nearest section around it."""
    while path:
        if path in lines:
            return lines[path]
        path = path.rpartition(".")[0]
    return Place(where)


def _explain(model: type[BaseModel], values: Any, problem: Any, path: str) -> str:
    kind, found = problem["type"], problem.get("input")
    if kind == "extra_forbidden":
        section, _, key = path.rpartition(".")
        known = _keys_at(model, values, section)
        return f"unknown key {path}{nearest(key, known)} (known here: {', '.join(known)})"
    if kind == "missing":
        return f"{path} is missing"
    message = problem["msg"].removeprefix("Value error, ")
    if kind in ("value_error", "model_type", "model_attributes_type"):
        return f"{path or 'the file'}: {message}" if kind == "value_error" else f"{path}: expected a section"
    shown = repr(found)
    return (
        f"{path}: {message[0].lower()}{message[1:]}, found {shown if len(shown) < 60 else shown[:57] + '...'}"
    )


def _keys_at(model: type[BaseModel], values: Any, section: str) -> list[str]:
    for part in section.split(".") if section else []:
        field = model.model_fields.get(part)
        values = values.get(part) if isinstance(values, dict) else None
        found = _section_of(field, values) if field else None
        if found is None:
            return []
        model = found
    return list(model.model_fields)


def _section_of(field: FieldInfo, values: Any) -> type[BaseModel] | None:
    """The section that a field holds, with these values."""
    for reader in (getattr(part, "func", None) for part in field.metadata):
        if isinstance(reader, ByName):
            return reader.model_of(values)
    union = isinstance(field.annotation, types.UnionType)
    kinds = typing.get_args(field.annotation) if union else [field.annotation]
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
