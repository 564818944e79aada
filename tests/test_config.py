"""The configuration: every problem at once and at its line, overrides, and plain values there and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spenser_gee.config import Config, load_config
from spenser_gee.errors import InputError

ROOT = Path(__file__).parents[1]
GRAMMAR = ROOT / "grammars" / "digits.lark"
BASE = f"""\
name: test
grammar: {GRAMMAR}
data:
  dataset: digits
  time_steps: 4
search:
  offspring: 3
  sizes: {{features: [1, 2]}}
training:
  steps: 10
"""


def load(folder: Path, text: str = BASE, *overrides: str) -> Config:
    path = folder / "c.yaml"
    path.write_text(text)
    return load_config(path, overrides)


def problems(folder: Path, text: str, *overrides: str) -> list[tuple[int, str]]:
    """(line, problem) of each finding."""
    with pytest.raises(InputError) as caught:
        load(folder, text, *overrides)
    for finding in caught.value.findings:
        assert finding.place.file in (str(folder / "c.yaml"), *(f"--set {o}" for o in overrides))
    return [(finding.place.line, finding.problem) for finding in caught.value.findings]


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda p: p.stem)
def test_shipped_configurations(path: Path) -> None:
    config = load_config(path)
    assert Path(config.grammar).is_file()
    assert Config.from_dict(config.to_dict()) == config


def test_defaults(tmp_path: Path) -> None:
    config = load(tmp_path)
    assert config.seed == 0
    assert config.search.generations == 10
    assert config.search.sizes == {"features": (1, 2)}
    assert config.initialisation.terms == "L+r1+r2"
    assert (config.training.epochs, config.training.steps) == (None, 10)
    assert config.grammar == str(GRAMMAR)


def test_several_problems_at_once(tmp_path: Path) -> None:
    text = BASE.replace("time_steps: 4", "time_steps: 0").replace("offspring: 3", "ofspring: 3")
    found = problems(tmp_path, text.replace("name: test\n", "") + "seed: x\n")
    assert [line for line, _ in found] == [0, 4, 6, 10]
    assert found[0][1] == "name is missing"
    assert found[1][1].startswith("data.time_steps: input should be greater than or equal to 1, found 0")
    assert found[2][1].startswith(
        'unknown key search.ofspring; did you mean "offspring"? (known here: strategy,'
    )
    assert found[3][1].startswith("seed: input should be a valid integer, found 'x'")


@pytest.mark.parametrize(
    ("old", "new", "line", "problem"),
    [
        ("steps: 10", "steps: 10\n  epochs: 2", 9, "training: give exactly one of epochs, steps, seconds"),
        ("  steps: 10", "  {}", 9, "training: give exactly one of epochs, steps, seconds"),
        ("  time_steps: 4", "  fitness_share: 1.0", 5, "data.fitness_share: input should be less than 1"),
        (
            "  time_steps: 4",
            "  fitness_share: .nan",
            5,
            "data.fitness_share: input should be a finite number",
        ),
        ("  time_steps: 4", "  time_steps: 4.5", 5, "data.time_steps: expected a whole number, found 4.5"),
        ("  time_steps: 4", "  download: 1", 5, "data.download: input should be a valid boolean, found 1"),
        (
            "  offspring: 3",
            "  strategy: hill-climbing",
            7,
            "search.strategy: expected evolution or nsga2 or one-plus-lambda or random, found",
        ),
        ("  offspring: 3", "  limits: 3", 7, "search.limits: expected a section"),
        (
            "  offspring: 3",
            "  limits: {macs: -1}",
            7,
            "search.limits.macs: input should be greater than or equal",
        ),
        (
            "features: [1, 2]",
            "features: [1, x]",
            8,
            "search.sizes.features.1: input should be a valid integer",
        ),
        ("features: [1, 2]", "features: 3", 8, "search.sizes.features: input should be a valid tuple"),
        (
            "  offspring: 3",
            "  mutation:\n    sigma: 0.1\n    add: 0.1",
            9,
            "search.mutation.add: the preset few-changes has no such key (it has exponent, most, resize, duplicate, ",
        ),
        (
            "  offspring: 3",
            "  mutation:\n    most: 3\n    preset: spenser",
            8,
            "search.mutation.most: the preset spenser has no such key (it has add, duplicate, remove, unit, macro, ",
        ),
        (
            "  offspring: 3",
            "  mutation: {preset: default, add: 1}",
            7,
            "search.mutation.preset: input should be ",
        ),
        ("name: test", "name: ../test", 1, "name: string should match pattern"),
        ("name: test", "name: 2024-01-01", 1, "name: input should be a valid string"),
        ("name: test", "name: 2024-13-45", 1, "this is not YAML: month must be in 1..12"),
        ("name: test", "name: !!bool x", 1, "this is not YAML: "),
        (
            "name: test",
            "name: !!python/name:os.system",
            1,
            "this is not YAML: could not determine a constructor",
        ),
        ("name: test", "name: [", 3, "this is not YAML: "),
        ("name: test", "name: test\n  seed: 1", 2, "this is not YAML: mapping values are not allowed here"),
        ("name: test", "name: test\n1: 2", 2, "1: keys should be strings"),
        ("digits.lark", "nothing.lark", 2, "grammar: there is no file "),
        (f"grammar: {GRAMMAR}", f"grammar: {'x' * 5000}", 2, "grammar: there is no file "),
        ("  offspring: 3", "  start: no.net", 7, "search.start: there is no file no.net"),
    ],
)
def test_each_problem_at_its_line(tmp_path: Path, old: str, new: str, line: int, problem: str) -> None:
    assert old in BASE
    found = problems(tmp_path, BASE.replace(old, new))
    assert len(found) == 1
    assert found[0][0] == line
    assert found[0][1].startswith(problem)


def test_numbers_with_an_exponent(tmp_path: Path) -> None:
    # YAML 1.1 reads 1e-3 as a text.
    config = load(
        tmp_path, BASE.replace("  offspring: 3", "  seconds: 1e3\n  mutation: {resize: 1e-1, sigma: 2E-2}")
    )
    assert config.search.seconds == 1000.0
    assert (config.search.mutation.resize, config.search.mutation.sigma) == (0.1, 0.02)
    for wrong in ("1e999", "nan", "inf", "abc", "''"):
        text = BASE.replace("  offspring: 3", f"  seconds: {wrong}")
        assert problems(tmp_path, text)[0][1].startswith("search.seconds: ")


@pytest.mark.parametrize("written", ["1e2", "100.0", "1E+2", "1.0e2", "'1e2'"])
def test_whole_numbers_written_like_real_ones(tmp_path: Path, written: str) -> None:
    text = BASE.replace("[1, 2]", f"[1, {written}]").replace("steps: 10", f"steps: {written}")
    text = text.replace("offspring: 3", f"limits: {{macs: {written}}}") + f"seed: {written}\n"
    config = load(tmp_path, text, f"data.batch_size={written}", "data.channels=3.0")
    found = [config.seed, config.training.steps, config.search.limits.macs, config.data.batch_size]
    found += [config.search.sizes["features"][1], config.data.channels]
    assert found == [100] * 5 + [3]
    assert all(type(value) is int for value in found)


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        *((written, "expected a whole number, found ") for written in ("1.5", "1e-1", "15e-1")),
        *((written, "input should be a valid integer, found ") for written in ("1e400", ".nan", "true")),
        # A float can no longer say which whole number was meant.
        *((written, "input should be a valid integer, found ") for written in ("1e30", "9007199254740993.0")),
    ],
)
def test_what_is_no_whole_number_is_refused(tmp_path: Path, written: str, problem: str) -> None:
    found = problems(tmp_path, BASE + "seed: " + written + "\n")
    assert [(line, text.startswith(f"seed: {problem}")) for line, text in found] == [(11, True)]


@pytest.mark.parametrize("end", ["\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_a_byte_order_mark(tmp_path: Path, end: str, mark: bytes) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(mark + BASE.replace("\n", end).encode())
    assert load_config(path) == load(tmp_path)
    path.write_bytes(mark + BASE.replace("time_steps: 4", "time_steps: x").replace("\n", end).encode())
    with pytest.raises(InputError, match=r"c\.yaml:5:3: data\.time_steps"):
        load_config(path)


def test_duplicate_keys(tmp_path: Path) -> None:
    text = BASE + "name: again\ndata:\n  dataset: x\n  dataset: y\n"
    found = problems(tmp_path, text)
    assert [problem for _, problem in found] == [
        "name is given twice",
        "data is given twice",
        "data.dataset is given twice",
        "data.dataset is given twice",
    ]
    assert [line for line, _ in found] == [11, 12, 13, 14]


def test_texts_that_hold_no_sections(tmp_path: Path) -> None:
    for text, found in (("", "nothing"), ("# only this\n", "nothing"), ("- a\n", "a list"), ("3\n", "a int")):
        assert problems(tmp_path, text) == [(0, f"expected sections (`key: value` lines), found {found}")]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.yaml", tmp_path, tmp_path / ("x" * 300)):
        with pytest.raises(InputError, match="cannot read the configuration"):
            load_config(path)
    (tmp_path / "bytes").write_bytes(b"a\xff\xfe")
    with pytest.raises(InputError, match=r"bytes:1:2: this file is not UTF-8 text"):
        load_config(tmp_path / "bytes")


@pytest.mark.parametrize(
    "more",
    [
        "x: &a {y: *a}\n",
        "x: &a [*a]\n",
        "x: " + "[" * 100 + "]" * 100 + "\n",
        "x: " + "[" * 5000 + "]" * 5000 + "\n",
        "a: &a [1,2,3,4,5,6,7,8,9]\n"
        + "".join(
            f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefghi", "bcdefghij", strict=True)
        ),
    ],
    ids=["itself", "itself in a list", "deep", "deeper", "laughs"],
)
def test_texts_that_would_not_end(tmp_path: Path, more: str) -> None:
    assert len(problems(tmp_path, BASE + more)) == 1


def test_anchors_and_merges_are_read(tmp_path: Path) -> None:
    text = BASE.replace("features: [1, 2]", "features: &n [1, 2], classification: *n") + "<<: {seed: 7}\n"
    config = load(tmp_path, text)
    assert config.search.sizes == {"features": (1, 2), "classification": (1, 2)}
    assert config.seed == 7


def test_errors_can_be_printed(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, BASE.replace(str(GRAMMAR), '"a\\ud800b"'))
    str(caught.value).encode("utf-8")


# --- files that a configuration names -----------------------------------------------------------------


def test_files_are_looked_for_beside_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "configs"
    folder.mkdir()
    (folder / "own.lark").write_text(GRAMMAR.read_text())
    (folder / "first.net").write_text("")
    monkeypatch.chdir("/")
    text = BASE.replace(str(GRAMMAR), "own.lark").replace("  offspring: 3", "  start: first.net")
    config = load(folder, text)
    assert config.grammar == str((folder / "own.lark").resolve())
    assert config.search.start == str((folder / "first.net").resolve())
    # A shipped one is found from anywhere.
    assert load(folder, BASE.replace(str(GRAMMAR), "grammars/digits.lark")).grammar == str(GRAMMAR.resolve())


# --- overrides ----------------------------------------------------------------------------------------


def test_overrides(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        BASE,
        "search.generations=20",
        "seed=5",
        "search.sizes.classification=[0, 1]",
        "search.mutation.sigma=1e-1",
        "initialisation.terms=L+r1",
        "search.timeout=null",
        "name=a",
        "name=b",
    )
    assert (config.search.generations, config.seed, config.name) == (20, 5, "b")
    assert config.search.sizes == {"features": (1, 2), "classification": (0, 1)}
    assert config.search.mutation.sigma == 0.1
    assert config.initialisation.terms == "L+r1"
    assert config.search.offspring == 3


def test_an_override_of_the_budget_replaces_it(tmp_path: Path) -> None:
    config = load(tmp_path, BASE, "training.epochs=3")
    assert (config.training.epochs, config.training.steps) == (3, None)
    config = load(tmp_path, BASE, "training.seconds=1.5", "training.epochs=2")
    assert (config.training.seconds, config.training.epochs) == (None, 2)
    assert (config.training.memory_mb, config.training.precision) == (1024, "float32")
    config = load(tmp_path, BASE, "training.memory_mb=null")
    assert (config.training.steps, config.training.memory_mb) == (10, None)


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("search.generations", "expected key=value"),
        ("=3", "expected key=value"),
        ("", "expected key=value"),
        ("search.generatons=3", 'unknown key search.generatons; did you mean "generations"?'),
        ("serch.generations=3", 'unknown key serch; did you mean "search"?'),
        ("a.b.c=3", "unknown key a (known here: name,"),
        ("search=3", "search: expected a section"),
        ("name.x=1", "name is not a section"),
        ("data.dataset.x=1", "dataset is not a section"),
        ("seed=", "seed: input should be a valid integer, found None"),
        ("seed=two", "seed: input should be a valid integer, found 'two'"),
        ("seed=[", "the value is not YAML"),
        ("seed=2024-13-45", "the value is not YAML"),
        ("seed=!!bool x", "the value is not YAML"),
        ("seed=" + "[" * 5000, "the value is not YAML"),
        ("seed=&a [*a]", "the configuration is nested too deeply"),
        ("search..x=1", "unknown key search."),
        ("training.abandon=true", "unknown key training.abandon"),
        ("training.memory_mb=0", "training.memory_mb: input should be greater than or equal to 1, found 0"),
        ("training.memory_mb=1.5", "training.memory_mb: expected a whole number, found 1.5"),
        ("training.precision=float16", "training.precision: input should be 'float32' or 'bfloat16'"),
    ],
)
def test_overrides_that_cannot_be_used(tmp_path: Path, override: str, problem: str) -> None:
    (tmp_path / "c.yaml").write_text(BASE)
    with pytest.raises(InputError) as caught:
        load_config(tmp_path / "c.yaml", [override])
    assert len(caught.value.findings) == 1
    assert caught.value.findings[0].problem.startswith(problem)
    assert str(caught.value.findings[0].place).startswith(f"--set {override}")


# --- plain values -------------------------------------------------------------------------------------

NUMBERS = st.integers(1, 10**9)
SHARES = st.floats(0, 1)
ABOVE_0 = st.floats(1e-9, 1e9)


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


CONFIGS = st.fixed_dictionaries(
    {
        "name": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True),
        "grammar": st.text(),
        "data": st.fixed_dictionaries(
            {"dataset": st.text()},
            optional={
                "root": maybe(st.text()),
                "download": st.booleans(),
                "channels": st.sampled_from([None, 1, 3]),
                "time_steps": st.integers(1, 1000),
                "fitness_share": st.floats(0.001, 0.999),
            },
        ),
    },
    optional={
        "seed": st.integers(0, 2**70),
        "threads": maybe(NUMBERS),
        "search": st.fixed_dictionaries(
            {},
            optional={
                "strategy": st.sampled_from(["one-plus-lambda", "random"]),
                "generations": st.integers(0, 10**6),
                "sizes": st.dictionaries(st.text(), st.lists(st.integers(0, 99), max_size=4), max_size=3),
                "mutation": st.fixed_dictionaries(
                    {}, optional={"resize": maybe(SHARES), "sigma": maybe(ABOVE_0)}
                ),
                "limits": st.fixed_dictionaries({}, optional={"macs": maybe(NUMBERS)}),
                "timeout": maybe(ABOVE_0),
            },
        ),
        "initialisation": st.fixed_dictionaries(
            {}, optional={"lambda1": st.floats(-1e6, 0), "budget_share": maybe(ABOVE_0)}
        ),
        "training": st.one_of(
            st.fixed_dictionaries({"epochs": NUMBERS}), st.fixed_dictionaries({"seconds": ABOVE_0})
        ),
    },
)


@settings(max_examples=150, deadline=None)
@given(CONFIGS)
def test_plain_values_there_and_back(values: dict[str, Any]) -> None:
    config = Config.from_dict(values)
    plain = config.to_dict()
    again = Config.from_dict(json.loads(json.dumps(plain, allow_nan=False)))
    assert again == config
    assert again.to_dict() == plain
    # What was given is there, and nothing else was made of it.
    assert plain["data"].items() >= values["data"].items()
    assert plain["search"].get("sizes") == values.get("search", {}).get("sizes", {})
    assert plain["seed"] == values.get("seed", 0)


def test_from_dict_refuses_what_load_refuses() -> None:
    with pytest.raises(InputError, match=r"run.json: unknown key sed; did you mean \"seed\""):
        Config.from_dict({"name": "a", "grammar": "g", "data": {"dataset": "d"}, "sed": 1}, "run.json")


def test_a_bare_off_is_the_word(tmp_path: Path) -> None:
    assert load(tmp_path, BASE, "initialisation.terms=off").initialisation.terms == "off"
