"""Random search as a contender: what the same number of evaluations finds without evolution."""

from __future__ import annotations

from pathlib import Path

from spenser_gee.comparison.contenders import Contender, evolved_contenders
from spenser_gee.config import Config
from spenser_gee.rng import derive_seed
from spenser_gee.runs import queries
from spenser_gee.runs.store import RunFolder
from spenser_gee.search.registry import RandomSettings
from spenser_gee.session import Reporter, resume_run, start_run


def random_contenders(
    config: Config, like: Path, out: Path, count: int, data_root: str | None, reporter: Reporter
) -> list[Contender]:
    """The best networks of `count` random searches in the space and with the evaluations of the run `like`.

    They are whole runs in `out`/random-N, and go on where they were interrupted.
    """
    with RunFolder.open(like) as run:
        # Finalists come on top, in both.
        evaluations = sum(row.evaluations for row in queries.generations(run) if not row.finals)
    found = []
    for number in range(1, count + 1):
        path = out / f"random-{number}"
        if (path / "run.sqlite").is_file():
            summary = resume_run(path, data_root=data_root, reporter=reporter)
        else:
            summary = start_run(_random(config, evaluations, number), path, data_root, reporter)
        if summary["best"] is not None:
            found += evolved_contenders(path, path.name, kind="random")
    return found


def _random(config: Config, evaluations: int, number: int) -> Config:
    # As many generations as it takes.
    stops = {"generations": evaluations, "evaluations": evaluations, "seconds": None}
    search = {"strategy": RandomSettings(), **stops}
    return config.model_copy(
        update={
            "seed": derive_seed(config.seed, "random search", number) % 2**31,
            "search": config.search.model_copy(update=search),
            # Its best is trained anew with the other contenders.
            "final": config.final.model_copy(update={"epochs": 0}),
        }
    )
