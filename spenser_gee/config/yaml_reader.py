"""A configuration file: YAML with marks, so that every problem has its line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from spenser_gee.config.sections import Config
from spenser_gee.config.validation import place_of, validated
from spenser_gee.errors import Finding, InputError, Place, input_error
from spenser_gee.shipped import shipped_folder
from spenser_gee.text import read_text

MAX_DEPTH = 30
MAX_NODES = 10_000


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Reads a YAML file and applies `key=value` overrides (dotted keys, YAML values).

    Raises InputError with every problem found: file:line, the dotted key, what was expected.
    """
    path = Path(path)
    values, lines = _read_yaml(read_text(path, "configuration"), str(path))
    for override in overrides:
        _apply(override, values, lines)
    config = validated(Config, values, str(path), lines)
    # A path in a file is meant relative to that file; a shipped grammar is found by its name.
    found = {"grammar": _resolve(config.grammar, path.parent, "grammar", lines)}
    if config.search.start is not None:
        start = _resolve(config.search.start, path.parent, "search.start", lines)
        found["search"] = config.search.model_copy(update={"start": start})  # type: ignore[assignment]
    return config.model_copy(update=found)


def _resolve(name: str, folder: Path, key: str, lines: Mapping[str, Place]) -> str:
    tried = [folder / name, Path(name), folder.parent / name, shipped_folder("grammars").parent / name]
    for candidate in tried:
        if _is_file(candidate):
            return str(candidate.resolve())
    place = place_of(key, lines, str(folder))
    looked = ", ".join(dict.fromkeys(str(t.parent) for t in tried))
    raise input_error(place, f"{key}: there is no file {name}", f"Looked in: {looked}.")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long, a folder that may not be read
        return False


def _read_yaml(text: str, name: str) -> tuple[dict[str, Any], dict[str, Place]]:
    try:
        node, values = _parse(text, name)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        source = text.splitlines()[line - 1] if mark and line <= len(text.splitlines()) else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise input_error(Place(name, line, column, source), f"this is not YAML: {problem}") from None
    except RecursionError:
        raise input_error(name, "this is not YAML: too many brackets") from None
    if not isinstance(values, dict):
        found = "nothing" if values is None else f"a {type(values).__name__}"
        raise input_error(name, f"expected sections (`key: value` lines), found {found}")
    lines: dict[str, Place] = {}
    findings: list[Finding] = []
    _collect_lines(node, "", name, text.splitlines(), lines, findings)
    if findings:
        raise InputError(*findings)
    return values, lines


class _Loader(yaml.SafeLoader):
    """Says where a value is that its tag does not fit (2024-13-45, `!!bool x`): PyYAML lets its own slips out."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, TypeError, AttributeError, LookupError) as error:
            raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from None


def _parse(text: str, name: str) -> tuple[yaml.Node | None, Any]:
    """The nodes with their marks, and the values. Raises YAMLError, RecursionError, InputError."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None, None
        _check_extent(node, name, 0, [0])
        return node, loader.construct_document(node)
    finally:
        loader.dispose()


def _check_extent(node: yaml.Node, name: str, depth: int, count: list[int]) -> None:
    """Refuses what aliases (`*x`) or brackets blow up without end; `count` holds the nodes met so far."""
    count[0] += 1
    if depth > MAX_DEPTH or count[0] > MAX_NODES:
        mark = node.start_mark
        what = "nested too deeply" if depth > MAX_DEPTH else "too large, with its aliases written out"
        raise input_error(Place(name, mark.line + 1, mark.column + 1), f"the configuration is {what}")
    if isinstance(node, yaml.CollectionNode):
        for item in node.value:
            for inner in item if isinstance(item, tuple) else (item,):
                _check_extent(inner, name, depth + 1, count)


def _collect_lines(
    node: Any, prefix: str, name: str, source: list[str], lines: dict[str, Place], findings: list[Finding]
) -> None:
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        path = f"{prefix}{key.value}"
        mark = key.start_mark
        place = Place(
            name, mark.line + 1, mark.column + 1, source[mark.line] if mark.line < len(source) else ""
        )
        if path in lines:
            findings.append(Finding(place, f"{path} is given twice", f"First at line {lines[path].line}."))
        lines[path] = place
        _collect_lines(value, f"{path}.", name, source, lines, findings)


def _apply(override: str, values: dict[str, Any], lines: dict[str, Place]) -> None:
    where = f"--set {override}"
    key, equals, text = override.partition("=")
    key = key.strip()
    if not equals or not key:
        raise input_error(where, "expected key=value, for example --set search.generations=20")
    try:
        _, value = _parse(text, where)
    except (yaml.YAMLError, RecursionError) as error:
        raise input_error(where, f"the value is not YAML: {str(error).splitlines()[0]}") from None
    *sections, last = key.split(".")
    target = values
    for depth, section in enumerate(sections, start=1):
        if section not in target:
            lines[".".join(sections[:depth])] = Place(where)
        inner = target.setdefault(section, {})
        if not isinstance(inner, dict):
            raise input_error(where, f"{section} is not a section")
        target = inner
    target[last] = value
    # Within `training`, a new kind of budget replaces the one in the file: only one can be given.
    if sections == ["training"] and last in ("epochs", "steps", "seconds") and value is not None:
        for other in {"epochs", "steps", "seconds"} - {last}:
            target.pop(other, None)
    lines[key] = Place(where)
