"""`run` and `resume`: announce, carry out, show."""

from __future__ import annotations

import contextlib
import itertools
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from spenser_gee.cli.console import print_json, say
from spenser_gee.cli.progress import ProgressReporter
from spenser_gee.cli.show import print_summary
from spenser_gee.config import load_config
from spenser_gee.config.yaml_reader import read_override
from spenser_gee.errors import input_error, printable
from spenser_gee.grammar import space_size
from spenser_gee.runs.layout import RunPaths
from spenser_gee.runs.queries import evaluations
from spenser_gee.runs.store import RunFolder
from spenser_gee.runs.summary import summarise
from spenser_gee.session import resume_run, start_run
from spenser_gee.session.setup import Setup
from spenser_gee.streams import keep_going

RUNS = Path("runs")


def run_command(
    config_path: Path, overrides: Sequence[str], out: Path | None, data_root: str | None, as_json: bool
) -> int:
    """See `app.run`. The exit code: 1 where no candidate was complete."""
    keep_going()
    config = load_config(config_path, overrides)
    with contextlib.nullcontext(out) if out is not None else _new_folder(config.name) as folder:

        def announce(setup: Setup) -> None:
            _announce(setup, folder)
            _point_to_smaller(setup, config_path)

        with ProgressReporter() as reporter:
            summary = _interruptible(lambda: start_run(config, folder, data_root, reporter, announce), folder)
    return _show_result(summary, folder, as_json)


def resume_command(
    path: Path,
    overrides: Sequence[str],
    data_root: str | None,
    grammar: Path | None,
    drop_unreadable: bool,
    as_json: bool,
) -> int:
    """See `app.resume`. The exit code: 1 where no candidate was complete."""
    keep_going()
    changes = dict(_change(override) for override in overrides)
    with ProgressReporter() as reporter:
        summary = _interruptible(
            lambda: resume_run(
                path,
                changes,
                grammar_path=grammar,
                drop_unreadable=drop_unreadable,
                data_root=data_root,
                reporter=reporter,
                announce=lambda setup: _announce(setup, path),
                warn=say,
            ),
            path,
        )
    return _show_result(summary, path, as_json)


def _change(override: str) -> tuple[str, Any]:
    key, value, text = read_override(override)
    # `+2`, two more, would be 2 in YAML.
    return key, text if text.startswith("+") else value


def _interruptible(action: Callable[[], dict[str, Any]], folder: Path) -> dict[str, Any]:
    try:
        return action()
    except KeyboardInterrupt:
        if RunPaths(folder).database_file.is_file():
            command = f"python -m spenser_gee resume {shlex.quote(str(folder))}"
            say(f"\nInterrupted; everything evaluated is saved. Go on with:\n  {command}")
        raise


@contextlib.contextmanager
def _new_folder(name: str) -> Iterator[Path]:
    """The first of runs/NAME, NAME-2, NAME-3, ... that is not there, made at once: of several processes one gets it.

    It is removed again where nothing was written to it.
    """
    made_runs = not RUNS.exists()
    try:
        RUNS.mkdir(exist_ok=True)
        for number in itertools.count(1):
            folder = RUNS / (name if number == 1 else f"{name}-{number}")
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
                break
    except OSError as error:
        raise input_error(
            str(RUNS / name), f"no folder can be made here: {error.strerror}", "Choose another with --out."
        ) from None
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()
            if made_runs:
                RUNS.rmdir()


def _announce(setup: Setup, folder: Path) -> None:
    config, search = setup.config, setup.config.search
    channels, height, width = setup.data.input_shape
    steps = setup.data.train.recorded_steps or config.data.time_steps
    finals = f", then {setup.finalists} finalists" if setup.finalists else ""
    budget = {k: v for k, v in config.training.model_dump().items() if v is not None}
    (kind, amount), *_ = budget.items()
    workers = f"{search.workers} worker processes" if search.workers else "in this process"
    lines = [
        f"run        {folder}",
        f"data       {setup.data.name}: {len(setup.data.train):,} training and {len(setup.data.test):,} test images, "
        f"{channels} x {height} x {width}, {setup.data.class_count} classes, {steps} time steps",
        f"grammar    {_short(config.grammar)}: about 10^{space_size(setup.grammar):.0f} networks",
        f"search     {search.strategy}, {search.generations} generations of {search.offspring} offspring: "
        f"{setup.evaluations_from(0)} evaluations at most{finals}",
        f"candidate  {amount:g} {kind} of training; start: {config.initialisation.terms}, "
        f"inherit {config.initialisation.inherit}",
        f"final      {config.final.epochs} epochs on all training images, then one test",
        f"device     {setup.device}, {workers}, seed {config.seed}",
    ]
    for line in lines:
        say(line)


def _short(path: str) -> str:
    """A path as seen from the current folder, where it lies below it."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path


def _point_to_smaller(setup: Setup, config_path: Path) -> None:
    """Where a search that is meant for a GPU begins on a CPU."""
    small = config_path.with_name(f"{config_path.stem}_small.yaml")
    if setup.device.type == "cpu" and small.is_file():
        say(f"For a CPU there is a smaller configuration: python -m spenser_gee run {small}", style="yellow")


def _show_result(summary: dict[str, Any], folder: Path, as_json: bool) -> int:
    if as_json:
        print_json(summary)
    else:
        with RunFolder.open(folder) as run:
            print_summary(summarise(run), folder)
    if summary["best"] is not None:
        return 0
    say(f"error: {folder}: no candidate was complete, so there is no network to train further")
    with RunFolder.open(folder) as run:
        reasons = Counter((each.status, each.reason) for each in evaluations(run))
    # The most frequent ones.
    for (status, reason), count in sorted(reasons.items(), key=lambda item: (-item[1], item[0][1]))[:5]:
        say(f"    {count} {status}: {printable(reason)}")
    return 1
