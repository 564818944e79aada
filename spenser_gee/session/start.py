"""Starting a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from spenser_gee.config import Config
from spenser_gee.phenotype.check import open_grammar
from spenser_gee.phenotype.spec import BUILDER_VERSION
from spenser_gee.runs.environment import describe_environment
from spenser_gee.runs.store import RunFolder, require_free
from spenser_gee.session.carry_on import carry_on
from spenser_gee.session.reporter import Reporter, Silent
from spenser_gee.session.setup import Setup, set_up
from spenser_gee.text import read_text


def start_run(
    config: Config,
    out: Path,
    data_root: str | None = None,
    reporter: Reporter | None = None,
    announce: Callable[[Setup], None] | None = None,
) -> dict[str, Any]:
    """Runs a whole configuration in the new folder `out`.

    Args:
        config: of the run, see `load_config`.
        out: the run folder, which must not be there yet.
        data_root: where the data lie; before the configuration's own `data.root`.
        reporter: hears of the progress.
        announce: called once all input has been checked, before the folder is made.

    Returns:
        The summary as of `show --json`.

    Raises:
        InputError: before anything is written, where the input is wrong.
    """
    require_free(out)
    grammar = open_grammar(config.grammar)
    setup = set_up(config, grammar, data_root)
    if announce is not None:
        announce(setup)
    environment = {
        "builder": BUILDER_VERSION,
        "backend": setup.backend,
        **describe_environment(config.seed),
    }
    start = None if config.search.start is None else read_text(config.search.start, "network")
    folder = RunFolder.create(
        out,
        setup.config.to_dict(),
        grammar.source,
        grammar.canonical(),
        grammar.sha256,
        environment,
        start,
    )
    with folder:
        folder.event("start")
        return carry_on(setup, folder, reporter or Silent())
