"""Suggestions: the nearest known word and the nearest path."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from spenser_gee.errors import nearest, nearest_path

NFC, NFD = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))


def test_the_nearest_word() -> None:
    assert nearest("kernl", ["filters", "kernel"]) == '; did you mean "kernel"?'
    assert nearest("kernl", ["filters", "units"]) == ""


@pytest.mark.parametrize(
    ("word", "known", "spelled"),
    [
        (NFD, NFC, r"caf\xe9, not cafe\u0301"),
        (NFC, NFD, r"cafe\u0301, not caf\xe9"),
        ("co\u200bnv", "conv", r"conv, not co\u200bnv"),
        ("conv\ufeff", "conv", r"conv, not conv\ufeff"),
        ("a\u00a0b", "a b", r"a b, not a\xa0b"),
    ],
)
def test_words_that_look_the_same_are_spelled_out(word: str, known: str, spelled: str) -> None:
    # A word that is more similar as text does not hide the one that looks the same.
    assert nearest(word, [word + "x", known]) == f'; did you mean "{known}" ({spelled})?'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("configs/digits.yaml", "configs/fmnist_small.yaml", "runs/digits-2/run.db", "a.lark"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    return tmp_path


@pytest.mark.parametrize(
    ("missing", "found"),
    [
        ("configs/digit.yaml", "configs/digits.yaml"),
        ("configs/digits", "configs/digits.yaml"),
        ("configs/digits.yml", "configs/digits.yaml"),
        ("configs/Digits.YAML", "configs/digits.yaml"),
        ("configs/fminst_small.yaml", "configs/fmnist_small.yaml"),
        ("a", "a.lark"),
        ("config/digits.yaml", "configs/digits.yaml"),
        ("config/other.yaml", "configs"),
        ("runs/digits", "runs/digits-2"),
        ("run/digits-2/run.db", "runs/digits-2/run.db"),
    ],
)
def test_the_nearest_path(folder: Path, monkeypatch: pytest.MonkeyPatch, missing: str, found: str) -> None:
    assert nearest_path(folder / missing) == f'; did you mean "{folder / found}"?'
    monkeypatch.chdir(folder)
    assert nearest_path(Path(missing)) == f'; did you mean "{found}"?'


def test_no_path_is_near(folder: Path) -> None:
    (folder / "broken").symlink_to(folder / "nowhere")
    for path in ("configs/zzz", "configs/digits.yaml", "configs", "broken", "x" * 5000, "a\0b", "a.lark/b"):
        assert nearest_path(folder / path) == "", path
    for path in (".", "/", "", ".."):
        assert nearest_path(Path(path)) == ""


def test_a_path_that_looks_the_same_is_spelled_out(tmp_path: Path) -> None:
    (tmp_path / NFD).write_text("x")
    assert nearest_path(tmp_path / NFC).endswith(rf'{NFD}" (cafe\u0301, not caf\xe9)?')


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "caf\udce9.net").write_text("x")
    assert "caf" in nearest_path(tmp_path / "cafe.net")
