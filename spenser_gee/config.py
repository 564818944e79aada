"""A run's configuration: YAML -> validated, frozen sections.

Every problem in a file is reported at once, each with its line, its dotted path and what was expected.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from spenser_gee.errors import Finding, InputError, Place, input_error, nearest
from spenser_gee.shipped import shipped_folder


def _number(value: Any) -> Any:
    """PyYAML reads `1e-3` as a string (YAML 1.1 wants `1.0e-3`): take it as the number that it is."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _off(value: Any) -> Any:
    """YAML 1.1 reads a bare `off` as false: take it as the word that it is."""
    return "off" if value is False else value


Real = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Share = Annotated[Real, Field(ge=0.0, le=1.0)]
Positive = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]


MAX_DEPTH = 30
MAX_NODES = 10_000


class Section(BaseModel):
    """A part of the configuration: frozen, and closed to keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Data(Section):
    """The data set and how it is presented."""

    dataset: str
    root: str | None = None
    download: bool = False
    image_size: Positive | None = None  # image folders: resize to this height and width
    channels: Literal[1, 3] | None = None  # image folders: convert to grey (1) or colour (3)
    time_steps: Annotated[int, Field(ge=1, le=1000)] = 10
    batch_size: Positive = 64
    train_subset: Positive | None = None  # a stratified subset of the training images for the search
    fitness_share: Annotated[Real, Field(gt=0.0, lt=1.0)] = 0.3


class Mutation(Section):
    """Operators and rates; SPENSER's Table 2 by default. docs/search.md explains each."""

    preset: Literal["default", "spenser"] = "default"
    add: Share | None = None
    duplicate: Share | None = None
    remove: Share | None = None
    unit: Share | None = None
    macro: Share | None = None
    sigma: Annotated[Real, Field(gt=0.0)] | None = None


class Limits(Section):
    """Networks beyond these are infeasible and redrawn; null = no limit."""

    parameters: Positive | None = None
    macs: Positive | None = None  # dense multiply-accumulates per time step and sample
    activations: Positive | None = None  # layer outputs per time step and sample: the scale of memory


class Search(Section):
    """The outer search."""

    strategy: Literal["one-plus-lambda", "random"] = "one-plus-lambda"
    generations: NotNegative = 10
    offspring: Positive = 4
    workers: NotNegative = 0  # worker processes; 0 = in this process
    start: str | None = None  # a sentence (.net file) for the first parent
    sizes: Mapping[str, tuple[NotNegative, ...]] = Field(default_factory=dict)  # initial numbers of units
    mutation: Mutation = Mutation()
    limits: Limits = Limits()
    redraws: Positive = 100  # tries for a network that can be built and is new
    evaluations: Positive | None = None  # stop after this many
    seconds: Annotated[Real, Field(gt=0.0)] | None = None  # stop after this wall-clock time
    timeout: Annotated[Real, Field(gt=0.0)] | None = None  # seconds that one candidate may take
    recycle: Positive = 50  # a worker is replaced after this many candidates


class Initialisation(Section):
    """The inner search: CMA-ES over {log beta1, log beta2, G} (GEE, Eq. 9-16)."""

    terms: Annotated[Literal["off", "random", "L", "L+r1", "L+r2", "L+r1+r2"], BeforeValidator(_off)] = (
        "L+r1+r2"
    )
    generations: Positive = 5
    population: Annotated[int, Field(ge=4)] = 8
    steps: NotNegative = 8  # training steps before the loss of a start is taken; fewer if the budget is small
    budget_share: Annotated[Real, Field(gt=0.0)] | None = 0.1  # of the training's steps; null = no cap
    lambda1: Annotated[Real, Field(le=0.0)] = -0.7  # fading of r1 (Eq. 16)
    lambda2: Annotated[Real, Field(le=0.0)] = -0.7  # fading of r2
    covariance: Literal["auto", "full", "separable"] = "auto"
    guard_batches: NotNegative = 2  # fresh batches on which the winner has to beat the plain start; 0 = off
    inherit: Literal["none", "distribution", "trained", "weights"] = "weights"


class Training(Section):
    """The training of one candidate. Its budget: exactly one of epochs, steps, seconds."""

    epochs: Positive | None = None
    steps: Positive | None = None
    seconds: Annotated[Real, Field(gt=0.0)] | None = None
    abandon: bool = True  # give up candidates that stay far behind the parent; not in random search
    memory_mb: Positive | None = (
        1024  # for what the backward pass needs of a chunk of the batch; null = whole
    )
    precision: Literal["float32", "bfloat16"] = "float32"

    @model_validator(mode="after")
    def _one_budget(self) -> Training:
        if sum(value is not None for value in (self.epochs, self.steps, self.seconds)) != 1:
            raise ValueError("give exactly one of epochs, steps, seconds")
        return self


class Final(Section):
    """Further training of the best on all of Train, and the one test on Test."""

    epochs: NotNegative = 10


class Config(Section):
    """Everything that a run needs."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    seed: NotNegative = 0
    grammar: str
    device: Literal["auto", "cpu", "cuda"] = "auto"
    backend: Literal["auto", "native", "triton", "plain"] = "auto"  # of the neurons; see `doctor`
    threads: Positive | None = (
        None  # CPU threads; null = one for a candidate, all cores for the final training
    )
    data: Data
    search: Search = Search()
    initialisation: Initialisation = Initialisation()
    training: Training = Training(epochs=1)
    final: Final = Final()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able values, defaults filled in."""
        return self.model_dump(mode="json")

    @staticmethod
    def from_dict(values: Mapping[str, Any], where: str = "<config>") -> Config:
        """The inverse of `to_dict`. Raises InputError."""
        return _validate(dict(values), where, {})


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Reads a YAML file and applies `key=value` overrides (dotted keys, YAML values).

    Raises InputError with every problem found: file:line, the dotted key, what was expected.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a text file (UTF-8)"
        raise input_error(str(path), f"cannot read the configuration: {why}", "Name a YAML file.") from None
    values, lines = _read_yaml(text, str(path))
    for override in overrides:
        _apply(override, values, lines)
    config = _validate(values, str(path), lines)
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
    place = _place(key, lines, str(folder))
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


def _validate(values: dict[str, Any], where: str, lines: Mapping[str, Place]) -> Config:
    try:
        return Config.model_validate(_listed(values))
    except ValidationError as error:
        findings = []
        for problem in error.errors():
            path = ".".join(str(part) for part in problem["loc"])
            findings.append(Finding(_place(path, lines, where), _explain(problem, path)))
        findings.sort(key=lambda finding: (finding.place.line, finding.place.column))
        raise InputError(*dict.fromkeys(findings)) from None


def _listed(value: Any) -> Any:
    """Lists become tuples (the sections are strict and frozen)."""
    if isinstance(value, dict):
        return {key: _listed(inner) for key, inner in value.items()}
    return tuple(_listed(inner) for inner in value) if isinstance(value, list) else value


def _place(path: str, lines: Mapping[str, Place], where: str) -> Place:
    """The line of a dotted path, or of the nearest section around it."""
    while path:
        if path in lines:
            return lines[path]
        path = path.rpartition(".")[0]
    return Place(where)


def _explain(problem: Any, path: str) -> str:
    kind, found = problem["type"], problem.get("input")
    if kind == "extra_forbidden":
        section, _, key = path.rpartition(".")
        known = _keys_at(section)
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


def _keys_at(section: str) -> list[str]:
    model: type[BaseModel] = Config
    for part in section.split(".") if section else []:
        field = model.model_fields.get(part)
        options = typing.get_args(field.annotation) if field else ()
        kinds = [field.annotation] if field and not isinstance(field.annotation, types.UnionType) else options
        inner = next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)
        if inner is None:
            return []
        model = inner
    return list(model.model_fields)
