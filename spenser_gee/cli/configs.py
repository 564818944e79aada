"""`config check` and `config kinds`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from spenser_gee.cli.console import output, print_json
from spenser_gee.cli.grammars import open_aloud
from spenser_gee.config import FITNESS_KINDS, load_config
from spenser_gee.execution import ENGINES
from spenser_gee.genotype.sample import check_sizes
from spenser_gee.objective import OBJECTIVES
from spenser_gee.search import STRATEGIES
from spenser_gee.settings import Chosen, Entry


def check_command(path: Path, overrides: Sequence[str], as_json: bool) -> None:
    """See `app.config_check`."""
    config = load_config(path, overrides)
    check_sizes(open_aloud(config.grammar), config.search.sizes)
    values = config.to_dict()
    if as_json:
        print_json(values)
    else:
        sys.stdout.write(yaml.safe_dump(values, sort_keys=False, allow_unicode=True))


def kinds_command() -> None:
    """See `app.config_kinds`."""
    registries: Mapping[str, Mapping[str, Entry]] = {
        "search.strategy": STRATEGIES,
        "fitness": FITNESS_KINDS,
        "search.engine": ENGINES,
    }
    for key, entries in registries.items():
        output.print(f"{key}: NAME, or {{kind: NAME, KEY: VALUE, ...}}")
        for name, entry in entries.items():
            output.print(f"  {name}{_keys(entry.settings)}: {_summary(entry.settings)}")
    output.print("objectives: [NAME, ...]")
    for objective in OBJECTIVES.values():
        unit = f", {objective.unit}" if objective.unit else ""
        output.print(f"  {objective.name}: {objective.direction}d{unit}")


def _keys(settings: type[Chosen]) -> str:
    own = {name: field.default for name, field in settings.model_fields.items() if name != "kind"}
    return f" ({', '.join(f'{name}: {default}' for name, default in own.items())})" if own else ""


def _summary(settings: type[Chosen]) -> str:
    return " ".join((settings.__doc__ or "").split())
