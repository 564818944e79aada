"""Corrupted configurations: refused with a place, or read; never anything else, and never slowly."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from spenser_gee.config import Config, load_config
from spenser_gee.errors import Finding, InputError

ROOT = Path(__file__).parents[1]
FULL = f"""\
# A configuration with something of everything.
name: fuzzed
seed: 3
grammar: {ROOT}/grammars/digits.lark
device: cpu
data: &data
  dataset: digits
  root: "some where"
  time_steps: 8
  fitness_share: 0.25
search:
  strategy: one-plus-lambda
  generations: 6
  sizes: {{features: [1, 2], classification: [0, 1]}}
  mutation:
    preset: spenser
    add: 1e-1
  limits: {{macs: 1000000, parameters: null}}
  timeout: 120.5
initialisation:
  terms: L+r1+r2
  lambda1: -0.5
training:
  epochs: 10
final: {{epochs: 60}}
"""
JUNK = (
    *"{}[]:,-?!&*#|>%@`'\"\\ \t\n\0\x07\x85\u2028é0~=",
    *(
        "- ",
        ": ",
        "? ",
        "<<: *data",
        "*data",
        "&x ",
        "*x",
        "!!int ",
        "!!float x",
        "!!bool x",
        "!!null ",
        "!!set ",
    ),
    *(
        "!!binary x",
        "!!timestamp x",
        "!!omap [a]",
        "!!pairs [a]",
        "!!python/object:os.x {}",
        "!local ",
        "---\n",
        "...\n",
    ),
    *(
        "null",
        "true",
        "no",
        ".inf",
        "-.inf",
        ".nan",
        "1e999",
        "-1",
        "0",
        "1.5",
        "0x",
        "0b",
        "0o9",
        "1_0",
        "1:9",
        "9" * 30,
    ),
    *(
        "9" * 5000,
        "2024-01-01",
        "2024-13-45",
        "x" * 3000,
        "[" * 60,
        "{a: " * 40,
        "\ud7ff",
        '"\\ud800"',
        '"\\x"',
    ),
    *("data:", "search: 3", "training: {}", "  steps: 5", "seed: 1\nseed: 2", "|\n  text", ">-\n"),
)


def corrupt(text: str, rng: np.random.Generator) -> str:
    """One to four random edits."""
    for _ in range(int(rng.integers(1, 5))):
        text = EDITS[int(rng.integers(len(EDITS)))](text, rng)
    return text


def _junk(rng: np.random.Generator) -> str:
    return JUNK[int(rng.integers(len(JUNK)))]


def _lines(
    edit: Callable[[list[str], int, np.random.Generator], None],
) -> Callable[[str, np.random.Generator], str]:
    def edited(text: str, rng: np.random.Generator) -> str:
        lines = text.split("\n")
        edit(lines, int(rng.integers(len(lines))), rng)
        return "\n".join(lines)

    return edited


def _duplicate(lines: list[str], at: int, rng: np.random.Generator) -> None:
    lines.insert(int(rng.integers(len(lines) + 1)), lines[at])


def _indent(lines: list[str], at: int, rng: np.random.Generator) -> None:
    lines[at] = " " * int(rng.integers(6)) + lines[at].strip()


def _value(lines: list[str], at: int, rng: np.random.Generator) -> None:
    lines[at] = f"{lines[at].partition(':')[0]}: {_junk(rng)}"


def _key(lines: list[str], at: int, rng: np.random.Generator) -> None:
    lines[at] = f"{_junk(rng)}:{lines[at].partition(':')[2]}"


def _insert(text: str, rng: np.random.Generator) -> str:
    at = int(rng.integers(len(text) + 1))
    return text[:at] + _junk(rng) + text[at:]


def _replace(text: str, rng: np.random.Generator) -> str:
    at = int(rng.integers(len(text) + 1))
    return text[:at] + _junk(rng) + text[at + int(rng.integers(1, 6)) :]


def _cut(text: str, rng: np.random.Generator) -> str:
    at = int(rng.integers(len(text) + 1))
    return text[:at] + text[at + int(rng.integers(1, 20)) :]


def _swap(text: str, rng: np.random.Generator) -> str:
    words = re.split(r"(\s+)", text)
    a, b = (int(rng.integers(len(words))) for _ in range(2))
    words[a], words[b] = words[b], words[a]
    return "".join(words)


EDITS = (
    _lines(lambda lines, at, rng: lines.__delitem__(at)),
    *(_lines(edit) for edit in (_duplicate, _indent, _value, _value, _key)),
    *(_insert, _replace, _cut, _swap),
)


def outcome(path: Path) -> Config | None:
    """The configuration, or None where it was refused as it should be."""
    begin = time.process_time()
    config: Config | None = None
    findings: tuple[Finding, ...] = ()
    try:
        config = load_config(path)
    except InputError as error:
        findings = error.findings
    assert time.process_time() - begin < 2
    assert (config is None) == bool(findings)
    for finding in findings:
        assert finding.place.file == str(path)
        assert finding.problem
        str(finding).encode("utf-8")
    assert config is None or Config.from_dict(config.to_dict()) == config
    return config


@pytest.mark.timeout(200)
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_corrupted_configurations(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    path = tmp_path / "bad.yaml"
    read = 0
    for _ in range(450):
        path.write_text(corrupt(FULL, rng), encoding="utf-8", newline="")
        read += outcome(path) is not None
    assert 0 < read < 250


def test_the_text_itself_is_good(tmp_path: Path) -> None:
    path = tmp_path / "good.yaml"
    path.write_text(FULL)
    assert outcome(path) is not None


def test_random_bytes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "bytes.yaml"
    for number in range(150):
        data = rng.bytes(int(rng.integers(0, 300)))
        path.write_bytes(data if number % 2 else bytes(byte % 96 + 32 for byte in data))
        assert outcome(path) is None


def assert_printable(error: InputError) -> None:
    assert str(error).encode("utf-8")


def test_corrupted_overrides(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    path = tmp_path / "good.yaml"
    path.write_text(FULL)
    keys = [
        "seed",
        "search",
        "search.sizes.features",
        "training.steps",
        "data.root",
        "a.b",
        "final.epochs",
        "",
    ]
    read = 0
    for _ in range(300):
        override = corrupt(f"{keys[int(rng.integers(len(keys)))]}={_junk(rng)}", rng)
        try:
            load_config(path, [override])
            read += 1
        except InputError as error:
            assert_printable(error)
    assert 0 < read < 250
