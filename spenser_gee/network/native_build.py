"""Builds the C kernel once for this processor, and keeps it in the user's cache.

The key of a build is everything that it depends on: the source, the compiler, the flags and the processor's
instructions; so a home folder that is shared by unlike machines holds one build for each.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).with_name("lif_native.c")
CACHE_VARIABLE = "SPENSER_GEE_CACHE"
FLAGS = ("-O3", "-march=native", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math")
BUILD_SECONDS = 120


class Built(NamedTuple):
    """A loaded library, or None; and in words where it is, or why there is none."""

    library: ctypes.CDLL | None
    note: str


@functools.cache
def native_library() -> Built:
    """The kernel's library: from the cache, or built now (seconds). Never raises."""
    if sys.byteorder != "little":
        return Built(None, "written for little-endian processors")
    compiler = _compiler()
    if compiler is None:
        return Built(None, "no C compiler found (cc, gcc or clang; or set CC)")
    try:
        return _from_cache_or_built(compiler)
    except OSError as error:
        return Built(None, f"the kernel could not be built: {error}")


def _compiler() -> list[str] | None:
    """The command of $CC, else of the first compiler that there is."""
    if named := shlex.split(os.environ.get("CC", "")):
        return named if shutil.which(named[0]) else None
    found = next((path for name in ("cc", "gcc", "clang") if (path := shutil.which(name))), None)
    return None if found is None else [found]


def cache_folder() -> Path:
    """$SPENSER_GEE_CACHE, else spenser_gee/ in the user's cache folder."""
    if named := os.environ.get(CACHE_VARIABLE):
        return Path(named).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "spenser_gee"


def _from_cache_or_built(compiler: list[str]) -> Built:
    folder = cache_folder()
    path = folder / f"lif-{_key(compiler)}.so"
    if path.exists():
        library = _load(path)
        if library is not None:
            return Built(library, f"{path} (built with {compiler[0]})")
    writable = _is_writable(folder)
    with tempfile.TemporaryDirectory(dir=folder if writable else None) as temporary:
        target = Path(temporary) / "lif.so"
        problem = _compile(compiler, target)
        if problem:
            return Built(None, problem)
        library = _load(target)
        if library is None:
            return Built(None, f"{compiler[0]} built a library that cannot be loaded")
        if not writable:
            return Built(
                library, f"built with {compiler[0]} for this process only: {path.parent} cannot be written"
            )
        # Whoever comes second replaces it by the same thing.
        os.replace(target, path)
    return Built(library, f"{path} (built with {compiler[0]})")


def _is_writable(folder: Path) -> bool:
    """Whether files can be made in a folder, which is made if it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def _compile(compiler: list[str], target: Path) -> str:
    """Why the build failed, or ""; without OpenMP where the compiler has none."""
    output = ""
    for threads in (["-fopenmp"], []):
        command = [*compiler, *FLAGS, *threads, "-shared", "-fPIC", "-o", str(target), str(SOURCE), "-lm"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS)
        except subprocess.TimeoutExpired:
            return f"{compiler[0]} took longer than {BUILD_SECONDS} s"
        if done.returncode == 0:
            return ""
        output = (done.stderr or done.stdout).strip()
    first = output.splitlines()[0] if output else f"exit code {done.returncode}"
    return f"{compiler[0]} failed: {first}"


def _load(path: Path) -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(str(path))
    except OSError:
        return None


def _key(compiler: list[str]) -> str:
    digest = hashlib.sha256(SOURCE.read_bytes())
    for part in (
        *compiler,
        *FLAGS,
        _version(compiler),
        platform.system(),
        platform.machine(),
        _instructions(),
    ):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:16]


def _version(compiler: list[str]) -> str:
    try:
        done = subprocess.run([*compiler, "--version"], capture_output=True, text=True, timeout=10)
    except subprocess.SubprocessError:
        return ""
    return done.stdout


def _instructions() -> str:
    """What the processor can do, as Linux lists it; elsewhere its name."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor()
    wanted = ("flags", "Features", "model name")
    return "\n".join(sorted({line for line in text.splitlines() if line.startswith(wanted)}))
