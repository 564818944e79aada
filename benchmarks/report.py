"""Writes the tables of docs/performance.md from the JSON files of the benchmarks, and their figures.

    python benchmarks/report.py --results docs/results/performance --page docs/performance.md

NAME.json holds what benchmark NAME measured on a CPU, NAME-cuda.json on a GPU. Tables stand between the markers
`<!-- begin TABLE -->` and `<!-- end TABLE -->`; the rest of the page stays as it is.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from goals import goals
from measure import table
from plots import plot_bandwidth, plot_scaling, plot_steps

from spenser_gee.atomic import write_text
from spenser_gee.errors import input_error, run_script

BENCHMARKS = ("lif", "step", "epoch", "memory", "scaling", "inner", "search")
PLOTS: Mapping[str, Callable[[Any, Path], None]] = {
    "step": plot_steps,
    "lif": plot_bandwidth,
    "scaling": plot_scaling,
}
SUFFIXES = {"cpu": "", "cuda": "-cuda"}
MISSING = "Not measured yet."


def read_results(folder: Path, device: str) -> dict[str, dict[str, Any]]:
    """What the folder has for a device. Raises InputError for a file of a --quick run, which measured nothing."""
    found = {}
    for name in BENCHMARKS:
        path = folder / f"{name}{SUFFIXES[device]}.json"
        if not path.exists():
            continue
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise input_error(str(path), f"not JSON: {error}", "Run the benchmark again.") from None
        if values["quick"] or (values["benchmark"], values["device"]) != (name, device):
            what = f"{values['benchmark']} on {values['device']}{', --quick' if values['quick'] else ''}"
            raise input_error(
                str(path), f"this is {what}, expected a whole {name} on {device}", "Run it again."
            )
        found[name] = values
    return found


def sections(folder: Path, page: Path) -> dict[str, str]:
    """The text for each pair of markers; draws the figures."""
    texts = {}
    for device in SUFFIXES:
        results = read_results(folder, device)
        header = ["goal", "wanted", "measured", "met"]
        lines = [goal.line(results) for goal in goals(device)]
        texts[f"goals {device}"] = table(header, lines) if results else MISSING
        texts[f"conditions {device}"] = conditions(results) if results else MISSING
        for name in BENCHMARKS:
            key = f"{name} {device}"
            texts[key] = importlib.import_module(name).tables(results[name]) if name in results else MISSING
            if name in results and name in PLOTS:
                figure = folder / f"{name}{SUFFIXES[device]}.svg"
                PLOTS[name](results[name], figure)
                texts[key] += f"\n\n![{name}]({Path(os.path.relpath(figure, page.parent)).as_posix()})"
    return texts


def conditions(results: Mapping[str, Mapping[str, Any]]) -> str:
    """On what each benchmark ran, and how busy the machine was at its end."""
    header = ["benchmark", "data", "processor", "GPU", "backends", "threads", "torch", "snnTorch"]
    return table(
        [*header, "SpikingJelly", "commit", "load after it"],
        [
            [
                name,
                str(found["data"]),
                f"{found['processor']['name']}, {found['processor']['cores']} cores, {found['processor']['vectors']}",
                "; ".join(found["environment"]["hardware"]["gpus"]) or "none",
                ", ".join(found["backends"]),
                str(found["threads"]).strip("[]"),
                str(found["environment"]["packages"]["torch"]),
                str(found["environment"]["packages"]["snntorch"]),
                str(found["other_packages"]["spikingjelly"] or "none"),
                commit(found["environment"]["git"]),
                f"{found['load'][0]:.1f}" if found["load"] else "",
            ]
            for name, found in results.items()
        ],
    )


def commit(git: Mapping[str, Any] | None) -> str:
    """Its first figures, and whether the package was changed since."""
    if git is None:
        return "unknown"
    return f"{git['commit'][:10]}{', changed' if git['changed'] else ''}"


def filled(page: str, texts: Mapping[str, str], name: str) -> str:
    """The page with new text between its markers. Raises InputError for a marker that nothing belongs to."""

    def text(found: re.Match[str]) -> str:
        key = found.group(1)
        if key not in texts:
            known = ", ".join(texts)
            raise input_error(name, f'unknown marker "begin {key}"', f"Known are: {known}.")
        return f"<!-- begin {key} -->\n{texts[key]}\n<!-- end {key} -->"

    return re.sub(r"<!-- begin ([a-z ]+) -->.*?<!-- end \1 -->", text, page, flags=re.DOTALL)


def main(argv: Sequence[str] | None = None) -> None:
    """Fills the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=Path("docs/results/performance"))
    parser.add_argument("--page", type=Path, default=Path("docs/performance.md"))
    options = parser.parse_args(argv)
    if not options.page.is_file():
        raise input_error(str(options.page), "no such file", "Name the page with the markers.")
    page = options.page.read_text(encoding="utf-8")
    write_text(options.page, filled(page, sections(options.results, options.page), str(options.page)))


if __name__ == "__main__":
    run_script(main)
