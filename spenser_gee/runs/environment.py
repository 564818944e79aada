"""What a run was made with: versions, commit, hardware, seed and command. Imports no heavy library."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    "spenser-gee",
    "torch",
    "torchvision",
    "snntorch",
    "lark",
    "deap",
    "cma",
    "numpy",
    "scikit-learn",
    "pydantic",
    "safetensors",
)


def describe_environment(seed: int, command: Sequence[str] | None = None) -> dict[str, Any]:
    """JSON-able facts for `environment.json`; `command` is this process's command line by default."""
    return {
        "command": list(sys.argv if command is None else command),
        "seed": seed,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "git": _git(),
        "hardware": {
            "system": platform.platform(),
            "machine": platform.machine(),
            "cpus": os.cpu_count(),
            "memory_bytes": _memory_bytes(),
            "gpus": _gpus(),
        },
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git() -> dict[str, Any] | None:
    """The commit of the checkout which the package lies in; None for an installed package."""
    folder = Path(__file__).resolve().parents[1]
    # A virtual environment may lie inside a checkout of something else: that commit would be a false one.
    if not (folder.parent / ".git").exists():
        return None
    commit = _output(["git", "-C", str(folder), "rev-parse", "HEAD"])
    if not commit:
        return None
    changed = _output(["git", "-C", str(folder), "status", "--porcelain", "--", "."])
    return {"commit": commit, "changed": bool(changed)}


def _gpus() -> list[str]:
    if shutil.which("nvidia-smi") is None:
        return []
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    return (_output(query) or "").splitlines()


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def _output(command: list[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
