"""A configuration file: YAML with marks, so that every problem has its line."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from spenser_gee.config.sections import Config
from spenser_gee.config.validation import place_of, validated
from spenser_gee.errors import Finding, InputError, Place, input_error
from spenser_gee.paths import expanded, find_beside, require_beside
from spenser_gee.text import read_text

MAX_DEPTH = 30
MAX_NODES = 10_000


def load_config(
    path: str | Path,
    overrides: Sequence[str] = (),
    upgrade: Callable[[dict[str, Any]], None] = lambda values: None,
) -> Config:
    """Reads a YAML file and applies overrides.

    Args:
        path: the file; the paths in it are looked for beside it first.
        overrides: `key=value`, dotted keys and YAML values: "search.generations=20".
        upgrade: changes the file's values, before all else, to what this version reads.

    Returns:
        The configuration, validated and with all defaults.

    Raises:
        InputError: with every problem found: file:line, the dotted key, what was expected.
    """
    path = expanded(path)
    values, lines = _read_yaml(read_text(path, "configuration"), str(path))
    upgrade(values)
    for override in overrides:
        _apply(override, values, lines)
    config = validated(Config, values, str(path), lines)
    return _with_paths(config, path.parent, lambda key: place_of(key, lines, str(path)))


def _with_paths(config: Config, folder: Path, place: Callable[[str], Place]) -> Config:
    """With every path found; that of a data root only where it is there: it may be downloaded, or given elsewhere."""
    data, search = config.data, config.search
    if data.root:
        where = place("data.root")
        root = find_beside(data.root, folder, where, os.path.exists) or expanded(data.root, where)
        data = data.model_copy(update={"root": str(root)})
    if search.start is not None:
        start = require_beside(search.start, folder, place("search.start"), "search.start")
        search = search.model_copy(update={"start": str(start)})
    grammar = require_beside(config.grammar, folder, place("grammar"), "grammar")
    return config.model_copy(update={"grammar": str(grammar), "data": data, "search": search})


def _read_yaml(text: str, name: str) -> tuple[dict[str, Any], dict[str, Place]]:
    try:
        node, values = _parse(text, name)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = _place(name, mark, text.splitlines()) if mark else Place(name)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise input_error(place, f"this is not YAML: {problem}") from None
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


def _place(name: str, mark: yaml.Mark, source: list[str]) -> Place:
    return Place(name, mark.line + 1, mark.column + 1, "".join(source[mark.line : mark.line + 1]))


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
        what = "nested too deeply" if depth > MAX_DEPTH else "too large, with its aliases written out"
        raise input_error(_place(name, node.start_mark, []), f"the configuration is {what}")
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
        place = _place(name, key.start_mark, source)
        if path in lines:
            findings.append(Finding(place, f"{path} is given twice", f"First at line {lines[path].line}."))
        lines[path] = place
        _collect_lines(value, f"{path}.", name, source, lines, findings)


def read_override(override: str) -> tuple[str, Any, str]:
    """Key, value and text of the value of `key=value`. Raises InputError."""
    where = f"--set {override}"
    key, equals, text = (part.strip() for part in override.partition("="))
    if not equals or not key:
        raise input_error(where, "expected key=value, for example --set search.generations=20")
    try:
        return key, _parse(text, where)[1], text
    except (yaml.YAMLError, RecursionError) as error:
        raise input_error(where, f"the value is not YAML: {str(error).splitlines()[0]}") from None


def _apply(override: str, values: dict[str, Any], lines: dict[str, Place]) -> None:
    where = f"--set {override}"
    key, value, _ = read_override(override)
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
