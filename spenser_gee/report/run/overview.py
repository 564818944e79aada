"""The facts of a run, and how to repeat it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from spenser_gee.report.drawing.section import Section, Table
from spenser_gee.report.run.facts import seconds, spread
from spenser_gee.runs.store import RunFolder


def overview_section(run: RunFolder) -> Section:
    """What was run on what, what came out, and with what it was made."""
    summary = run.summary()
    parts: tuple[str | Table, ...] = (
        *_state(summary),
        _table("What came out", _results(summary)),
        _table("What was asked for", _request(run)),
        _table("What it was made with", _environment(run)),
    )
    return Section("Overview", "overview", parts)


def repeat_section(run: RunFolder) -> Section:
    """The commands that make the run again, or go on with it."""
    environment, name = run.environment(), run.path.name
    commit = (environment.get("git") or {}).get("commit")
    version = f"commit {commit[:12]}" if commit else f"version {_version(environment)}"
    folder = shlex.quote(name)
    commands = Table(
        ("to", "command"),
        (
            (f"make it ({version} of spenser_gee)", _command(environment.get("command") or [])),
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


def _state(summary: dict[str, Any]) -> Iterable[str]:
    status = summary["status"]
    if status == "running":
        yield "The run is still going on: this page shows what was recorded when it was made."
    elif status == "interrupted":
        yield "The run was interrupted; it can be resumed."
    if summary["best"] is None:
        yield (
            "No candidate is complete in a finished generation, so there is no best network. "
            "The section on what was not complete has the reasons."
        )
    if (tests := (summary["final"] or {}).get("tests", 1)) > 1:
        yield f"The test images have been used for {tests} networks of this run: they are a little less unseen."


def _results(summary: dict[str, Any]) -> Iterable[tuple[str, str]]:
    statuses = ", ".join(f"{count:,} {name}" for name, count in summary["statuses"].items() if count)
    yield "status", summary["status"]
    yield "generations finished", f"{summary['generation']:,}"
    yield "evaluations", f"{summary['evaluations']:,}" + (f" ({statuses})" if statuses else "")
    yield "wall clock", seconds(summary["seconds"])
    best = summary["best"]
    if best is None:
        return
    number = best["evaluations"]
    yield "best candidate", str(best["id"])
    fitness = spread(best["fitness"], best["fitness_standard_error"])
    yield "its fitness", f"{fitness} (mean of {number} evaluation{'s' if number > 1 else ''})"
    final = summary["final"]
    if final is None:
        yield "test accuracy", "not tested yet"
    else:
        accuracy = spread(final["test_accuracy"], final["test_standard_error"])
        yield (
            "test accuracy",
            f"{accuracy} on {final['test_images']:,} images, after {final['epochs']} more epochs",
        )
        yield "parameters", f"{final['parameters']:,} ({final['dense_parameters']:,} with ordinary weights)"
    if final is None and best["parameters"] is not None:
        yield "parameters", f"{best['parameters']:,.0f}"
    yield "its sentence", best["sentence"]


def _request(run: RunFolder) -> Iterable[tuple[str, str]]:
    config = run.config()
    data, search = config.get("data", {}), config.get("search", {})
    yield (
        "data",
        f"{data.get('dataset')}, {data.get('time_steps')} time steps, batches of {data.get('batch_size')}",
    )
    subset = data.get("train_subset")
    yield "search images", "all training images" if subset is None else f"{subset:,} of the training images"
    yield "share for the fitness", str(data.get("fitness_share"))
    yield "grammar", f"{Path(str(config.get('grammar'))).name}, SHA-256 {run.grammar_sha256()[:16]}…"
    yield (
        "search",
        f"{search.get('strategy')}, {search.get('generations')} generations of {search.get('offspring')} offspring, "
        f"{search.get('workers')} worker processes",
    )
    yield "candidate's training", _given(config.get("training", {}))
    yield "candidate's start", _given(config.get("initialisation", {}))
    yield "final training", _given(config.get("final", {}))


def _given(section: dict[str, Any]) -> str:
    words = {True: "on", False: "off"}
    return ", ".join(
        f"{key} {words[value] if isinstance(value, bool) else value}"
        for key, value in section.items()
        if value is not None
    )


def _environment(run: RunFolder) -> Iterable[tuple[str, str]]:
    environment = run.environment()
    hardware, git = environment.get("hardware") or {}, environment.get("git") or {}
    yield "seed", str(environment.get("seed"))
    yield "spenser_gee", _version(environment)
    if git:
        yield "commit", f"{git.get('commit')}{' with local changes' if git.get('changed') else ''}"
    yield "backend of the neurons", str(environment.get("backend", "plain"))
    yield "Python", str(environment.get("python"))
    packages = environment.get("packages") or {}
    others = [f"{name} {version}" for name, version in packages.items() if name != "spenser-gee" and version]
    yield "packages", ", ".join(others)
    memory = hardware.get("memory_bytes")
    yield (
        "system",
        f"{hardware.get('system')}, {hardware.get('cpus')} cores"
        + (f", {memory / 2**30:.0f} GiB" if memory else ""),
    )
    yield "GPUs", "; ".join(hardware.get("gpus") or []) or "none"


def _version(environment: dict[str, Any]) -> str:
    return str((environment.get("packages") or {}).get("spenser-gee"))


def _command(words: list[str]) -> str:
    """As it would be typed: the first word of a recorded command is the program's file."""
    if words and Path(words[0]).name == "__main__.py":
        return shlex.join(["python", "-m", "spenser_gee", *words[1:]])
    return shlex.join(words) or "(no command was recorded)"


def _table(caption: str, rows: Iterable[tuple[str, str]]) -> Table:
    return Table(("what", "value"), tuple(rows), caption)
