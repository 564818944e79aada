"""Going on with a run from where it stopped."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from spenser_gee.config import Config
from spenser_gee.errors import input_error
from spenser_gee.phenotype.check import open_grammar
from spenser_gee.phenotype.spec import BUILDER_VERSION
from spenser_gee.runs.origin import config_of, grammar_of
from spenser_gee.runs.queries import best_candidate
from spenser_gee.runs.store import RunFolder
from spenser_gee.runs.summary import summarise
from spenser_gee.session.carry_on import best_of, carry_on, end, nothing_to_do
from spenser_gee.session.edited_grammar import adopt_grammar
from spenser_gee.session.reporter import Reporter, Silent
from spenser_gee.session.setup import Setup, set_up
from spenser_gee.training.saved import load_network

# What may be changed when a run goes on: nothing that decides what was evaluated so far.
CHANGEABLE = (
    "search.generations",
    "search.evaluations",
    "search.seconds",
    "search.workers",
    "search.timeout",
    "search.recycle",
    "final.epochs",
    "data.root",
    "device",
    "backend",
    "threads",
)


def resume_run(
    path: Path,
    changes: Mapping[str, Any] | None = None,
    *,
    grammar_path: Path | None = None,
    drop_unreadable: bool = False,
    data_root: str | None = None,
    reporter: Reporter | None = None,
    announce: Callable[[Setup], None] | None = None,
    warn: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Goes on with a run from where it stopped; with more generations where `changes` says so.

    Args:
        path: the run folder.
        changes: dotted key -> value, of `CHANGEABLE`.
        grammar_path: an edited grammar to go on with; by default the run folder's own.
        drop_unreadable: go on although some stored networks are not in the edited grammar.
        data_root: where the data lie now; by default where they were.
        reporter: hears of the progress.
        announce: called once all input has been checked.
        warn: gets messages on an edited grammar, and that there is nothing to do.

    Returns:
        The summary as of `show --json`.

    Raises:
        InputError: where the folder is no run, or something of it does not fit.
    """
    with RunFolder.open(path, write=True) as folder:
        config = _changed(config_of(folder), changes or {})
        _check_builder(folder)
        if grammar_path is None:
            grammar = grammar_of(folder, config)
        else:
            grammar = open_grammar(grammar_path)
            config = config.model_copy(update={"grammar": str(grammar_path.resolve())})
        setup = set_up(_with_own_start(folder, config), grammar, data_root)
        _check_best(setup, folder)
        _compare_backend(setup, folder, warn)
        if grammar.sha256 != folder.grammar_sha256():
            adopt_grammar(folder, setup, drop_unreadable, warn)
        folder.write_config({**setup.config.to_dict(), "search": config.to_dict()["search"]})
        if announce is not None:
            announce(setup)
        if nothing_to_do(setup, folder):
            warn(
                "The run is finished: there is nothing to do. For two more generations: "
                "resume --set search.generations=+2"
            )
            summary = summarise(folder)
            if summary.status == ("finished" if summary.best else "failed"):
                return summary.to_dict()
            folder.event("resume")
            return end(setup, folder)
        folder.event("resume")
        return carry_on(setup, folder, reporter or Silent())


def _with_own_start(folder: RunFolder, config: Config) -> Config:
    """With the run's own copy of the first parent, while the search may still need it."""
    needed = best_candidate(folder) is None
    start = str(folder.first_parent) if needed and config.search.start is not None else None
    return config.model_copy(update={"search": config.search.model_copy(update={"start": start})})


def _changed(config: Config, changes: Mapping[str, Any]) -> Config:
    values = config.to_dict()
    for key, value in changes.items():
        if key not in CHANGEABLE:
            raise input_error(
                f"--set {key}",
                "this would change what was evaluated so far, so a resumed run cannot change it",
                f"Start a new run, or change one of: {', '.join(CHANGEABLE)}.",
            )
        *sections, last = key.split(".")
        target = values
        for section in sections:
            target = target[section]
        target[last] = _more(target[last], value)
    where = " ".join(f"--set {key}={value}" for key, value in changes.items())
    return Config.from_dict(values, where) if changes else config


def _more(before: Any, value: Any) -> Any:
    """`+N` is N more than before."""
    if isinstance(value, str) and isinstance(before, int) and re.fullmatch(r"\+[0-9]+", value):
        return before + int(value)
    return value


def _check_builder(folder: RunFolder) -> None:
    found = folder.environment().get("builder")
    if found != BUILDER_VERSION:
        raise input_error(
            str(folder.path),
            f"the run needs version {found} of the network builder, this is {BUILDER_VERSION}: "
            "its words mean other networks now",
            "Resume it with the version of the program that began it (environment.json).",
        )


def _compare_backend(setup: Setup, folder: RunFolder, warn: Callable[[str], None]) -> None:
    """Results of backends differ in their last digits; a search can take another way from there."""
    before = folder.environment().get("backend", "plain")
    if before != setup.backend:
        warn(
            f"The neurons ran on the {before} backend when this run began, and run on {setup.backend} now: "
            f"results may differ in their last digits (--set backend={before} keeps it, where it works)"
        )


def _check_best(setup: Setup, folder: RunFolder) -> None:
    """The search and the final training go on from the trained best network. Raises InputError without it."""
    best = best_of(setup, folder)
    if best is not None and setup.fitness.trains:
        load_network(folder.weights_path(best.id, best.trained), setup.device)
