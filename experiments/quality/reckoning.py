"""What a study would cost on this machine, before it starts."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from quality.grounds import Cache, Ground
from quality.searches import search
from quality.study import Study
from spenser_gee.evaluation import Evaluation
from spenser_gee.rng import stream
from spenser_gee.search.proposals import Proposer

SAMPLES = 6


class _Untrained:
    """A ground with the same space, whose evaluations are random numbers: it costs what the strategies cost."""

    def __init__(self, ground: Ground) -> None:
        self.space, self.suggest, self.about = ground.space, ground.suggest, ground.about
        self.chance, self.finalists = ground.chance, ground.finalists

    def evaluate(self, payload: Any, seed: int, draw: int, effort: float) -> Evaluation:
        return Evaluation("complete", {"fitness": float(stream(seed, "reckon", draw, id(payload)).random())})

    def endpoints(self, payload: Any, seed: int) -> list[float]:
        return [0.0]


def reckon(study: Study, workers: int) -> str:
    """In Markdown. Random networks are timed; what a search finds may be slower, what arms share costs less."""
    ground = study.request.ground()
    space = ground.space(next(iter(study.arms.values())))
    proposer = Proposer(space, {}, 0, 100)
    networks = [proposer.fresh(stream(0, "reckon", n)).candidate.payload for n in range(SAMPLES)]
    evaluation = statistics.mean(_seconds(ground.evaluate, one, 0, 0, 1.0) for one in networks)
    final = statistics.mean(_seconds(ground.endpoints, one, 0) for one in networks[:2])
    lines = [
        "| arm | s per evaluation | of the strategy | of the endpoint | hours, all seeds |",
        "|---" * 5 + "|",
    ]
    total = 0.0
    for name, arm in study.arms.items():
        untrained = search(_Untrained(ground), arm, 0, study.evaluations, Cache())
        own = untrained["strategy_seconds"]
        hours = len(study.seeds) * (untrained["units"] * evaluation + own + final) / 3600
        total += hours
        cells = f"{evaluation:.2g} | {own / untrained['evaluations']:.2g} | {final:.3g} | {hours:.2f}"
        lines.append(f"| {name} | {cells} |")
    return "\n".join(
        [*lines, "", f"{study.label}: {total / max(1, workers):.1f} hours with {workers} workers."]
    )


def _seconds(function: Callable[..., Any], *arguments: Any) -> float:
    begun = time.monotonic()
    function(*arguments)
    return time.monotonic() - begun
