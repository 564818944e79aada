"""All benchmarks of the evaluation engine, one after the other, and docs/performance.md from their results.

    python benchmarks/all.py --data-root DATA --out docs/results/performance

On a machine that does nothing else. About 25 minutes on two cores; each benchmark says its own share. With
--device cuda the results are NAME-cuda.json. A benchmark that fails does not stop the others; the exit code is 1.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from report import SUFFIXES

ROOT = Path(__file__).resolve().parent.parent
CORES = os.cpu_count() or 1
CONFIG = ROOT / "configs" / "fmnist_small.yaml"
# A short search whose candidates are trained for 10 s each, for which the goal on overhead is stated. From the second
# generation on the parent is evaluated too: as many evaluations as the workers can share equally.
SEARCH = {
    "training.epochs": "null",
    "training.seconds": "10",
    "search.generations": "4",
    "search.offspring": str(3 * CORES - 1),
    "final.epochs": "0",
}


def commands(data_root: Path, out: Path, device: str, run: Path) -> dict[str, list[str]]:
    """What is run, in order: name -> arguments of Python."""
    programs = Path(__file__).resolve().parent
    own: dict[str, list[str]] = {
        "lif": [],
        "step": ["--threads", "1", *(["2"] if CORES > 1 and device == "cpu" else [])],
        "memory": [],
        "inner": [],
        "scaling": [],
        "epoch": ["--data-root", str(data_root)],
        "search": [str(run)],
    }
    changes = [part for key, value in SEARCH.items() for part in ("--set", f"{key}={value}")]
    search = ["-m", "spenser_gee", "run", str(CONFIG), "--data-root", str(data_root), "--out", str(run)]
    made = {}
    for name, extra in own.items():
        if name == "search":
            made["a run for search"] = [*search, "--device", device, "--workers", str(CORES), *changes]
        target = ["--out", str(out / f"{name}{SUFFIXES[device]}.json"), "--device", device]
        made[name] = [str(programs / f"{name}.py"), *extra, *target]
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Runs everything; how many failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-root", type=Path, required=True, help="folder that holds FashionMNIST/raw")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "performance")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "performance.md")
    parser.add_argument("--device", choices=tuple(SUFFIXES), default="cpu")
    options = parser.parse_args(argv)
    out, page, data_root = options.out.resolve(), options.page.resolve(), options.data_root.resolve()
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        todo = commands(data_root, out, options.device, Path(folder) / "run")
        report = str(Path(__file__).with_name("report.py").resolve())
        todo["report"] = [report, "--results", str(out), "--page", str(page)]
        for name, command in todo.items():
            print(f"== {name}", flush=True)
            begun = time.monotonic()
            path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
            done = subprocess.run(
                [sys.executable, *command], cwd=ROOT, env={**os.environ, "PYTHONPATH": path}
            )
            if done.returncode:
                failed.append(name)
            print(f"== {name}: {time.monotonic() - begun:.0f} s", flush=True)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(min(main(), 1))
