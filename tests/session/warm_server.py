"""Runs commands of `spenser_gee` in forks of one process that has imported everything: a killed run costs its own
time, not that of importing torch.

Reads lines of JSON {"arguments": [...], "log": file, "stop_at": n or null, "number": signal}; answers each with the
child's process id, and with its exit status (negative: the signal) when it has ended. `stop_at`: the child sends
itself the signal before its n-th lasting step (a commit or the replacement of a file). What it says goes to the
log; its last line is the number of steps.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

# A run imports these when it needs them.
import cma  # noqa: F401
import sklearn.datasets  # noqa: F401
import torch._dynamo  # noqa: F401

import spenser_gee.cli.runs
import spenser_gee.fitness.worker  # noqa: F401
import spenser_gee.runs.store as run_folder
from spenser_gee.cli.app import main


def count_steps(stop_at: int | None, number: int) -> None:
    """Counts the lasting steps of this process, and stops it at one."""
    steps = 0
    replace, transaction = os.replace, run_folder.transaction

    def step() -> None:
        nonlocal steps
        steps += 1
        if steps == stop_at:
            os.kill(os.getpid(), number)

    def counted_replace(*arguments: Any) -> None:
        step()
        replace(*arguments)

    @contextlib.contextmanager
    def counted_transaction(connection: Any) -> Iterator[None]:
        with transaction(connection):
            yield
            step()

    os.replace = counted_replace  # type: ignore[assignment]
    run_folder.transaction = counted_transaction
    try:
        main()
    finally:
        print(f"steps {steps}", file=sys.stderr, flush=True)


def serve() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            with open(request["log"], "w") as log:
                os.dup2(log.fileno(), 1)
                os.dup2(log.fileno(), 2)
            sys.argv = ["spenser-gee", *request["arguments"]]
            count_steps(request["stop_at"], request["number"])
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    serve()
