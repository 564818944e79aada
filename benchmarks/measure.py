"""What the benchmarks share: their command line, interleaved timing, statistics, and results as JSON.

Variants that are compared are timed in turn, round after round in one process: a machine that slows down slows
all of them down. Ratios are taken within rounds, and their median and quartiles are what is reported.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from spenser_gee.atomic import write_json
from spenser_gee.network.backends import backend, resolve_backend
from spenser_gee.network.device import choose_device
from spenser_gee.runs.environment import describe_environment

Samples = dict[str, list[float]]

# A sample is at least so long: the clock and the call around it then cost nothing.
LEAST_SAMPLE_S = 0.02


@dataclass(frozen=True)
class Pace:
    """How long a comparison goes on: until `seconds` are over, but from `least` to `most` rounds."""

    seconds: float
    least: int = 5
    most: int = 25


QUICK = Pace(0.0, least=2)


def arguments(
    document: str | None,
    argv: Sequence[str] | None,
    *extra: tuple[str, dict[str, Any]],
    many_threads: bool = False,
) -> Any:
    """The command line of a benchmark: --out, --device, --threads, --quick, and its own `extra` options.

    many_threads: whether --threads takes several numbers, to be measured one after the other.
    """
    parser = argparse.ArgumentParser(
        description=document, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, settings in extra:
        parser.add_argument(name, **settings)
    parser.add_argument("--out", type=Path, help="JSON file for the results")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument(
        "--threads",
        type=int,
        nargs="+" if many_threads else None,
        default=[1] if many_threads else 1,
        help="CPU threads of a process (default 1)",
    )
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes: shows that it runs, measures nothing"
    )
    options = parser.parse_args(argv)
    options.device = choose_device(options.device)
    if not many_threads:
        torch.set_num_threads(options.threads)
    return options


def interleave(
    variants: Mapping[str, Callable[[], object]], pace: Pace, device: torch.device | None = None
) -> Samples:
    """Seconds a call of each variant, one sample a round; every other round goes backwards.

    One call of each before the first round warms up and says how many calls a sample needs.
    """
    calls = {}
    for name, run in variants.items():
        seconds_of(run, 1, device)
        calls[name] = max(1, math.ceil(LEAST_SAMPLE_S / max(seconds_of(run, 1, device), 1e-9)))
    samples: Samples = {name: [] for name in variants}
    begun, rounds = time.perf_counter(), 0
    while rounds < pace.least or (rounds < pace.most and time.perf_counter() - begun < pace.seconds):
        for name in list(variants) if rounds % 2 == 0 else reversed(list(variants)):
            samples[name].append(seconds_of(variants[name], calls[name], device))
        rounds += 1
    return samples


def seconds_of(run: Callable[[], object], calls: int, device: torch.device | None) -> float:
    """Mean seconds of a call, the device's work included."""
    begun = time.perf_counter()
    for _ in range(calls):
        run()
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)
    return (time.perf_counter() - begun) / calls


def summary(values: Sequence[float]) -> dict[str, Any]:
    """Median, quartiles, range and number of the values (any unit)."""
    pair = [values[0], values[0]] if len(values) == 1 else list(values)
    lower, _, upper = statistics.quantiles(pair, n=4, method="inclusive")
    return {
        "median": statistics.median(values),
        "quartiles": [lower, upper],
        "range": [min(values), max(values)],
        "count": len(values),
    }


def ratios(samples: Mapping[str, Sequence[float]], of: str, to: str) -> list[float]:
    """seconds of `of` / seconds of `to`, round by round."""
    return [a / b for a, b in zip(samples[of], samples[to], strict=True)]


def backends(device: torch.device) -> list[str]:
    """The backends of the neurons that work on `device`, the one that "auto" takes first."""
    return list(dict.fromkeys([resolve_backend("auto", device), "plain"]))


def using(name: str, run: Callable[[], object]) -> Callable[[], object]:
    """`run` with the neurons on a backend."""

    def call() -> object:
        with backend(name):
            return run()

    return call


def in_fresh_process(function: Callable[..., Any], *values: Any) -> Any:
    """function(*values) in a process that has done nothing before."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *values).result()


def save(
    options: Any, name: str, data: str, rows: Sequence[Mapping[str, Any]], **facts: Any
) -> dict[str, Any]:
    """Everything about a benchmark as one JSON-able value; written to `--out` where that is given.

    data: which data were used. rows: the results. facts: settings and other results.
    """
    results = {
        "benchmark": name,
        "quick": options.quick,
        "data": data,
        "device": options.device.type,
        "threads": options.threads,
        **facts,
        "load": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "processor": processor(),
        "backends": backends(options.device),
        # Without the command line: it names folders of whoever ran it.
        "environment": describe_environment(0, [f"benchmarks/{name}.py"]),
        "other_packages": {package: _version(package) for package in ("spikingjelly", "matplotlib")},
        "rows": list(rows),
    }
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        write_json(options.out, results)
    return results


def processor() -> dict[str, Any]:
    """Name, cores and vector instructions of the CPU."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "name": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "vectors": torch.backends.cpu.get_cpu_capability(),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
