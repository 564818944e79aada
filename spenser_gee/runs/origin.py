"""What a run comes from: its configuration, grammar and environment, and the seeds of what is measured in it.

Who measures a network again, as a report does, needs the seed that it was measured with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spenser_gee.config import Config, load_config
from spenser_gee.errors import input_error
from spenser_gee.grammar import Grammar, parse_grammar
from spenser_gee.objective import Objective
from spenser_gee.phenotype.check import check_words
from spenser_gee.rng import derive_seed
from spenser_gee.runs.layout import RunPaths
from spenser_gee.runs.migrations import upgrade_config
from spenser_gee.runs.store import RunFolder
from spenser_gee.runs.typed import from_json


@dataclass(frozen=True)
class Commit:
    """Of the checkout that the program ran from. changed: whether files differed from it."""

    commit: str
    changed: bool = False


@dataclass(frozen=True)
class Hardware:
    """What the run began on."""

    system: str | None = None
    cpus: int | None = None
    memory_bytes: int | None = None
    gpus: tuple[str, ...] = ()


@dataclass(frozen=True)
class Environment:
    """What a run began with, as far as it is known; see `environment.describe_environment`."""

    command: tuple[str, ...] = ()
    seed: int | None = None
    python: str | None = None
    backend: str = "plain"
    packages: Mapping[str, str | None] = field(default_factory=dict)
    git: Commit | None = None
    hardware: Hardware = Hardware()

    @property
    def version(self) -> str:
        """Of the program."""
        return str(self.packages.get("spenser-gee"))


def environment_of(run: RunFolder) -> Environment:
    """What the run began with. Raises InputError."""
    try:
        return from_json(Environment, run.environment())
    except ValueError as error:
        raise input_error(str(run.environment_file), str(error)) from None


def config_of(run: RunFolder) -> Config:
    """The configuration of a run. Raises InputError."""
    name = str(run.config_file)
    try:
        return Config.from_dict(run.config(), name)
    except RecursionError:
        raise input_error(name, "a value contains itself") from None


def changed_config(path: Path, overrides: Sequence[str]) -> Config:
    """The configuration in a run folder with other values, as a file's: its paths are looked for. Raises InputError."""
    # The run has its own copies of its grammar and of the first parent, which plays no part here.
    overrides = [*overrides, "grammar=grammar.lark", "search.start=null"]
    return load_config(RunPaths(path).config_file, overrides, upgrade_config)


def grammar_of(run: RunFolder, config: Config) -> Grammar:
    """The grammar in a run folder. Raises InputError."""
    # Files that the grammar imports are looked for where it came from.
    grammar = parse_grammar(run.grammar_text(), str(run.grammar_file), Path(config.grammar).parent)
    check_words(grammar)
    return grammar


def objective_of(run: RunFolder) -> Objective:
    """The first declared objective, by which candidates are ranked where one is asked for. Raises InputError."""
    return config_of(run).strives_for[0]


def draw_seed(config: Config, draw: int) -> int:
    """Of all evaluations on one draw."""
    return derive_seed(config.seed, "generation", draw)


def fitness_seed(config: Config, draw: int) -> int:
    """Of the spike noise that the networks of a draw were measured with on Fitness."""
    return derive_seed(draw_seed(config, draw), "fitness")


def final_seed(config: Config) -> int:
    """Of the final training."""
    return derive_seed(config.seed, "final")


def test_seed(config: Config) -> int:
    """Of the spike noise that a network is tested with."""
    return derive_seed(config.seed, "test")


def retraining_seed(config: Config) -> int:
    """Of a network that is trained anew from its birth."""
    return derive_seed(config.seed, "retrain")
