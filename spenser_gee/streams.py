"""Standard output and standard error that outlive their readers.

Whoever reads (`head`, `tee`, a terminal) may go away at any moment, and a disk may be full. A run is worth more than
what it prints: what cannot be written is left out.
"""

from __future__ import annotations

import io
import os
import select
import sys
from typing import Any


class StreamLost(Exception):
    """Standard output cannot be written to; the cause says why."""


class _Outlet(io.FileIO):
    """A standard stream's descriptor. lost: the latest failure. needed: whether the first one ends the command."""

    def __init__(self, descriptor: int, needed: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.needed = needed
        self.lost: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Bytes written, or left out."""
        while True:
            try:
                return os.write(self.fileno(), data)
            except BlockingIOError:
                select.select([], [self], [])
            except OSError as error:
                first, self.lost = self.lost is None, error
                if first and self.needed:
                    raise StreamLost from error
                return memoryview(data).nbytes


def guard_streams() -> None:
    """Make this process's standard streams outlive their readers; until `keep_going`, losing stdout is `StreamLost`.

    A descriptor that was closed from the beginning (`>&-`) is opened on /dev/null: a file of a run that got its number
    would be written over.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:  # the lowest free number is this one
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    # What a test or a notebook has put in their place stays.
    if sys.stdout is sys.__stdout__:
        sys.stdout = _text(_Outlet(1, needed=True), sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text(_Outlet(2, needed=False), sys.stderr)


def _text(outlet: _Outlet, before: Any) -> io.TextIOWrapper:
    at_once = before is not None and (before.line_buffering or before.write_through)
    encoding = "utf-8" if before is None else before.encoding
    # A file's name may hold what a terminal cannot show.
    return io.TextIOWrapper(
        io.BufferedWriter(outlet), encoding=encoding, errors="backslashreplace", line_buffering=at_once
    )


def keep_going() -> None:
    """From here on, losing stdout costs what was to be printed, and nothing else."""
    outlet = _stdout()
    if outlet is not None:
        outlet.needed = False


def stdout_lost() -> OSError | None:
    """Why something printed on stdout was lost, if it was."""
    outlet = _stdout()
    return None if outlet is None else outlet.lost


def _stdout() -> _Outlet | None:
    outlet = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return outlet if isinstance(outlet, _Outlet) else None
