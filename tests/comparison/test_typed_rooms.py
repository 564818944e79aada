"""Values go typed from file to file: JSON has its place at the edges of comparison/ and report/ alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import spenser_gee

PACKAGE = Path(spenser_gee.__file__).parent
ROOMS = ("comparison", "report", "report/comparison", "report/run", "report/drawing")
# make_trial is called in a worker, with what came there as JSON.
EDGES = {"to_dict", "from_dict", "to_json", "from_json", "make_trial"}
# An `Any` among these says nothing of what goes through.
OPEN = {"Any", "dict", "Dict", "Mapping", "MutableMapping"}


def public_functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in tree.body:
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        for function in inside:
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                name = function.name
                if not name.startswith("_") and name not in EDGES:
                    yield name, function


def untyped(annotation: ast.expr) -> bool:
    """Whether it is `Any`, or a mapping of it, or without what it holds."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        annotation = ast.parse(annotation.value, mode="eval").body
    if isinstance(annotation, ast.Name):
        return annotation.id in OPEN
    return any(isinstance(node, ast.Name) and node.id == "Any" for node in ast.walk(annotation))


def findings(source: str) -> list[str]:
    found = []
    for name, function in public_functions(ast.parse(source)):
        told = [node.annotation for node in ast.walk(function.args) if isinstance(node, ast.arg)]
        told.append(function.returns)
        found += [f"{name}: {ast.unparse(each)}" for each in told if each is not None and untyped(each)]
    return found


def test_the_scan_finds_what_it_looks_for() -> None:
    assert findings("def f(x: dict[str, Any]) -> None: ...") == ["f: dict[str, Any]"]
    assert findings("class C:\n    def m(self) -> Mapping[str, Any] | None: ...") == [
        "m: Mapping[str, Any] | None"
    ]
    assert findings("def f(*, rows: Sequence[dict[str, Any]], x: 'Any'): ...") == [
        "f: Sequence[dict[str, Any]]",
        "f: 'Any'",
    ]
    assert findings("def f(**x: Any): ...") == ["f: Any"]
    assert findings("def f(x: dict) -> Mapping: ...") == ["f: dict", "f: Mapping"]
    assert findings("def f(x: Mapping[str, int]) -> Results: ...\ndef _g(x: Any): ...") == []
    assert findings("class C:\n    def to_dict(self) -> dict[str, Any]: ...") == []


@pytest.mark.parametrize("room", ROOMS)
def test_no_public_function_hands_on_untyped_values(room: str) -> None:
    files = sorted((PACKAGE / room).glob("*.py"))
    assert len(files) > 2
    found = {file.name: findings(file.read_text(encoding="utf-8")) for file in files}
    assert {name: problems for name, problems in found.items() if problems} == {}
