"""For all tests: signals reach the processes that they start; side by side, each process takes one thread.

Ignored signals are inherited by child processes: a shell starts background jobs with SIGINT ignored, and the program's
`main`, called in this process, ignores SIGINT and SIGTERM at its end. Tests that interrupt a child would wait for ever.
"""

import os
import signal
from collections.abc import Iterator

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # before torch is imported
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def _listen() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


_listen()


@pytest.fixture(autouse=True)
def _listening() -> Iterator[None]:
    yield
    _listen()
