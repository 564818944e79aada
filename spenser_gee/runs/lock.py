"""One writer a run: a lock which the system drops when its holder ends, however it ends."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from spenser_gee.errors import input_error


def take_lock(path: Path) -> int:
    """Lock the file and return its descriptor; closing it gives the lock back. InputError if it is taken."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise input_error(str(path), f"the run cannot be locked for writing: {error.strerror}") from error
    # A reader that asks `is_locked` holds the lock for an instant.
    for _ in range(10):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        else:
            return descriptor
    os.close(descriptor)
    raise input_error(
        str(path.parent),
        "another process is writing this run",
        "wait for it or stop it; `show` reads a run that goes on",
    )


def is_locked(path: Path) -> bool:
    """Whether a process (this one too) is writing the run."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
