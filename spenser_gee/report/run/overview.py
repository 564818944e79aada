"""The facts of a run, and how to repeat it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from spenser_gee.report.drawing.section import Section, Table
from spenser_gee.report.run.facts import number_of, seconds, spread
from spenser_gee.runs.origin import config_of, environment_of
from spenser_gee.runs.store import RunFolder
from spenser_gee.runs.summary import Summary, summarise
from spenser_gee.settings import Section as ConfigSection


def overview_section(run: RunFolder) -> Section:
    """What was run on what, what came out, and with what it was made."""
    summary = summarise(run)
    parts: tuple[str | Table, ...] = (
        *_state(summary),
        _table("What came out", _results(summary)),
        _table("What was asked for", _request(run)),
        _table("What it was made with", _environment(run)),
    )
    return Section("Overview", "overview", parts)


def repeat_section(run: RunFolder) -> Section:
    """The commands that make the run again, or go on with it."""
    environment, name = environment_of(run), run.path.name
    commit = environment.git
    version = f"commit {commit.commit[:12]}" if commit else f"version {environment.version}"
    folder = shlex.quote(name)
    commands = Table(
        ("to", "command"),
        (
            (f"make it ({version} of spenser_gee)", _command(environment.command)),
            (
                "run its configuration again",
                f"python -m spenser_gee run {folder}/config.yaml --out {folder}-again",
            ),
            ("go on with it", f"python -m spenser_gee resume {folder} --set search.generations=+5"),
        ),
    )
    words = (
        "The run folder holds the resolved configuration (config.yaml) and the grammar's text (grammar.lark). With the "
        "same version and the same data, the same configuration gives the same run, whatever the number of workers. "
        "Another processor, another number of threads or another backend of the neurons may change the last digits, "
        "and the search may take another way from there."
    )
    parts = (commands, words)
    return Section("How to repeat it", "repeat", parts)


def _state(summary: Summary) -> Iterable[str]:
    if summary.status == "running":
        yield "The run is still going on: this page shows what was recorded when it was made."
    elif summary.status == "interrupted":
        yield "The run was interrupted; it can be resumed."
    if summary.best is None:
        yield (
            "No candidate is complete in a finished generation, so there is no best network. "
            "The section on what was not complete has the reasons."
        )
    tests = 1 if summary.final is None else summary.final.tests
    if tests > 1:
        yield f"The test images have been used for {tests} networks of this run: they are a little less unseen."


def _results(summary: Summary) -> Iterable[tuple[str, str]]:
    statuses = ", ".join(f"{count:,} {name}" for name, count in summary.statuses.items() if count)
    yield "status", summary.status
    yield "generations finished", f"{summary.generation:,}"
    yield "evaluations", f"{summary.evaluations:,}" + (f" ({statuses})" if statuses else "")
    yield "wall clock", seconds(summary.seconds)
    best, final = summary.best, summary.final
    if best is None:
        return
    yield "best candidate", str(best.id)
    if best.fitness is not None:
        fitness = spread(best.fitness, best.fitness_standard_error)
        yield "its fitness", f"{fitness} (mean of {number_of(best.evaluations, 'evaluation')})"
    if final is not None:
        accuracy = spread(final.test_accuracy, final.test_standard_error)
        yield "test accuracy", f"{accuracy} on {final.test_images:,} images, after {final.epochs} more epochs"
        yield "parameters", f"{final.parameters:,} ({final.dense_parameters:,} with ordinary weights)"
    else:
        yield "test accuracy", "not tested yet"
        if best.parameters is not None:
            yield "parameters", f"{best.parameters:,.0f}"
    yield "its sentence", best.sentence


def _request(run: RunFolder) -> Iterable[tuple[str, str]]:
    config = config_of(run)
    data, search = config.data, config.search
    yield "data", f"{data.dataset}, {data.time_steps} time steps, batches of {data.batch_size}"
    subset = data.train_subset
    yield "search images", "all training images" if subset is None else f"{subset:,} of the training images"
    yield "share for the fitness", str(data.fitness_share)
    yield "grammar", f"{Path(config.grammar).name}, SHA-256 {run.grammar_sha256()[:16]}…"
    yield (
        "search",
        f"{search.strategy}, {search.generations} generations of {search.offspring} offspring, "
        f"{search.workers} worker processes",
    )
    yield "candidate's training", _given(config.training)
    yield "candidate's start", _given(config.initialisation)
    yield "final training", _given(config.final)


def _given(section: ConfigSection) -> str:
    words = {True: "on", False: "off"}
    return ", ".join(
        f"{key} {words[value] if isinstance(value, bool) else value}"
        for key, value in section
        if value is not None
    )


def _environment(run: RunFolder) -> Iterable[tuple[str, str]]:
    environment = environment_of(run)
    hardware, git = environment.hardware, environment.git
    yield "seed", str(environment.seed)
    yield "spenser_gee", environment.version
    if git is not None:
        yield "commit", f"{git.commit}{' with local changes' if git.changed else ''}"
    yield "backend of the neurons", environment.backend
    yield "Python", str(environment.python)
    packages = environment.packages.items()
    yield (
        "packages",
        ", ".join(f"{name} {version}" for name, version in packages if name != "spenser-gee" and version),
    )
    memory = hardware.memory_bytes
    yield (
        "system",
        f"{hardware.system}, {hardware.cpus} cores" + (f", {memory / 2**30:.0f} GiB" if memory else ""),
    )
    yield "GPUs", "; ".join(hardware.gpus) or "none"


def _command(words: Sequence[str]) -> str:
    """As it would be typed: the first word of a recorded command is the program's file."""
    if words and Path(words[0]).name == "__main__.py":
        return shlex.join(["python", "-m", "spenser_gee", *words[1:]])
    return shlex.join(words) or "(no command was recorded)"


def _table(caption: str, rows: Iterable[tuple[str, str]]) -> Table:
    return Table(("what", "value"), tuple(rows), caption)
