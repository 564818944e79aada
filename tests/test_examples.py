"""The examples do what they say; and what they add touches one file and one line of a registry."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from spenser_gee.config import FITNESS_KINDS
from spenser_gee.objective import OBJECTIVES
from spenser_gee.runs.store import RunFolder
from spenser_gee.search import STRATEGIES

FOLDER = Path(__file__).parents[1] / "examples"


@pytest.fixture(autouse=True)
def _registries_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = [(registry, dict(registry)) for registry in (STRATEGIES, FITNESS_KINDS, OBJECTIVES)]
    monkeypatch.chdir(FOLDER.parent)
    yield
    for registry, entries in before:
        registry.clear()
        registry.update(entries)  # type: ignore[arg-type]


def example(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module(name)


def test_all_examples_are_tested() -> None:
    names = {path.stem for path in FOLDER.glob("*.py")}
    assert names == set(re.findall(r'example\("(\w+)"', Path(__file__).read_text()))


def test_search_from_python(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    example("search_from_python", monkeypatch).main(tmp_path / "run")
    assert re.search(r"test accuracy 0\.\d{3}\n.*conv .*\nten test images: \[\d", capsys.readouterr().out)


def test_own_strategy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    example("own_strategy", monkeypatch).main(tmp_path / "run")
    assert capsys.readouterr().out.count("generation ") == 3
    text = (tmp_path / "run" / "config.yaml").read_text()
    assert "kind: restarts" in text
    assert "restart: 2" in text


def test_own_fitness(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    example("own_fitness", monkeypatch).main(tmp_path / "run")
    found = re.search(r"evenness (\S+), test accuracy (\S+)", capsys.readouterr().out)
    assert found is not None
    assert 0.0 < float(found[1]) <= 1.0
    assert float(found[2]) > 0.2  # trained from birth; one in ten is chance
    with RunFolder.open(tmp_path / "run") as run:
        assert not list((run.path / "weights").iterdir())


def test_own_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    example("own_images", monkeypatch).main(tmp_path)
    assert float(capsys.readouterr().out.split()[-1]) > 0.7
