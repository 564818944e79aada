"""What all contenders of a comparison meet on: data, budget, device, and the settings that decide a trial."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from spenser_gee.comparison.request import Allowance, Request
from spenser_gee.config import Config, Data
from spenser_gee.data import Dataset, Identity, chooses_data, load_data, require_same, resolve_data
from spenser_gee.errors import input_error
from spenser_gee.network.backends import resolve_backend
from spenser_gee.network.device import choose_device
from spenser_gee.runs.origin import changed_config
from spenser_gee.runs.store import RunFolder


@dataclass(frozen=True, eq=False)
class Ground:
    """config: the first run's, with overrides. search: the same as the run had it, for random searches; only where
    and with how many workers is overridden. steps: of a training; None where the budget is in seconds."""

    config: Config
    search: Config
    data: Dataset
    identity: Identity
    settings: Data
    device: torch.device
    backend: str
    threads: int
    budget: Allowance
    steps: int | None

    @property
    def time_steps(self) -> int:
        """T: of the data where they have time, else of the coding."""
        return self.data.train.recorded_steps or self.settings.time_steps

    @property
    def seconds(self) -> float | None:
        """Of a training, where the budget is in seconds."""
        return self.budget.amount if self.steps is None else None


# What may be overridden: where and how fast things are done, and what decides a trial. The rest is the search's.
_PLACE_KEYS = (
    "search.workers",
    "search.recycle",
    "device",
    "backend",
    "threads",
    "data.root",
    "data.download",
)
_TRIAL_KEYS = ("data.", "initialisation.", "training.memory_mb", "training.precision", "seed")


def prepare_ground(request: Request, overrides: Sequence[str], data_root: str | None) -> Ground:
    """Reads the runs' configurations and the data. Raises InputError where the runs' data differ."""
    config = _config(request.runs[0], overrides)
    _require_meaning(overrides)
    search = _config(request.runs[0], [each for each in overrides if each.startswith(_PLACE_KEYS)])
    for other in request.runs[1:]:
        if described(_config(other, overrides).data) != described(config.data):
            raise input_error(
                str(other), f"its data section differs from that of {request.runs[0]}", "Compare them apart."
            )
    _require_bounded_search(config, request.runs[0])
    settings = resolve_data(config.data, data_root)
    device = choose_device(config.device)
    backend = resolve_backend(config.backend, device)
    data = load_data(settings)
    identity = Identity.of(data)
    if not chooses_data(overrides):
        for path in request.runs:
            with RunFolder.open(path) as run:
                require_same(run.data_record(), identity, str(path))
    budget = request.budget or Allowance("epochs", float(config.final.epochs))
    steps = _steps(budget, len(data.train), settings.batch_size)
    threads = config.threads or 1
    return Ground(config, search, data, identity, settings, device, backend, threads, budget, steps)


def _require_meaning(overrides: Sequence[str]) -> None:
    for override in overrides:
        if not override.strip().startswith((*_PLACE_KEYS, *_TRIAL_KEYS)):
            raise input_error(
                f"--set {override}",
                "this has no meaning in a comparison: contenders are trained, nothing is searched",
                "It knows data.*, initialisation.*, training.memory_mb, training.precision, seed; and for where it runs: "
                "search.workers, search.recycle, device, backend, threads.",
            )


def _require_bounded_search(config: Config, run: Path) -> None:
    inner = config.initialisation
    if inner.budget_share is None and inner.terms not in ("off", "random"):
        raise input_error(
            str(run / "config.yaml"),
            "initialisation.budget_share is null: the inner search could take a whole training's budget",
            "Give it a share: --set initialisation.budget_share=0.1 (or: --set initialisation.terms=off).",
        )


def _steps(budget: Allowance, images: int, batch_size: int) -> int | None:
    kind, amount = budget.kind, budget.amount
    if kind == "seconds" and amount > 0:
        return None
    # As batches are drawn: an incomplete last one is left out of an epoch.
    per_epoch = max(1, images // batch_size)
    steps = round(amount * per_epoch) if kind == "epochs" else math.ceil(amount / batch_size)
    if steps < 1 or kind == "seconds":
        raise input_error(f"--{kind} {amount:g}", "the budget is not enough for one training step")
    return steps


def described(data: Data) -> dict[str, object]:
    """The data and how they are presented, wherever they lie."""
    return data.model_dump(exclude={"root", "download"})


def _config(run: Path, overrides: Sequence[str]) -> Config:
    """The run's configuration. Raises InputError where the folder is no run."""
    with RunFolder.open(run):
        return changed_config(run, overrides)
