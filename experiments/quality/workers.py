"""Jobs spread over processes; what they give comes back as it is made."""

from __future__ import annotations

import multiprocessing
import queue
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

Work = Callable[[Any], Iterable[Any]]
_DONE, _ROW, _ERROR = range(3)


def spread(make: Callable[[Any], Work], settings: Any, jobs: Sequence[Any], workers: int) -> Iterator[Any]:
    """What `make(settings)` gives for each job, in any order. workers: 0 is this process.

    `make` is a function of a module and is called once in each process. An error in a job ends all of them.
    """
    if workers == 0:
        work = make(settings)
        for job in jobs:
            yield from work(job)
        return
    context = multiprocessing.get_context("spawn")
    waiting, made = context.Queue(), context.Queue()
    for job in [*jobs, *[None] * workers]:
        waiting.put(job)
    processes = [
        context.Process(target=_serve, args=(make, settings, waiting, made), daemon=True)
        for _ in range(workers)
    ]
    for process in processes:
        process.start()
    try:
        busy = workers
        while busy:
            kind, value = _next(made, processes)
            if kind == _ERROR:
                raise value
            if kind == _ROW:
                yield value
            busy -= kind == _DONE
    finally:
        for process in processes:
            process.terminate()


def _next(made: Any, processes: Sequence[Any]) -> tuple[int, Any]:
    while True:
        try:
            found: tuple[int, Any] = made.get(timeout=5)
            return found
        except queue.Empty:
            if any(process.exitcode not in (None, 0) for process in processes):
                raise RuntimeError("a worker process died") from None


def _serve(make: Callable[[Any], Work], settings: Any, waiting: Any, made: Any) -> None:
    try:
        work = make(settings)
        parent = multiprocessing.parent_process()
        while (job := waiting.get()) is not None:
            for row in work(job):
                if parent is not None and not parent.is_alive():
                    return  # it was killed: nobody takes the row
                made.put((_ROW, row))
        made.put((_DONE, None))
    except Exception as error:
        made.put((_ERROR, error))
