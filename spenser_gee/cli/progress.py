"""Live progress: a bar where there is a terminal, plain lines where there is none."""

from __future__ import annotations

import time
from typing import Any

from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TextColumn, TimeRemainingColumn

from spenser_gee.cli.console import duration, errors, say
from spenser_gee.evaluation import Evaluation
from spenser_gee.objective import FITNESS, Objective, figure
from spenser_gee.search import Candidate, GenerationSummary

# The share of the final training after which a line is written where there is no terminal.
FINAL_LINES = 0.25


def started_bar(*columns: ProgressColumn) -> Progress | None:
    """A bar where there is a terminal: what is done, how much of it, `columns`, and the time left."""
    if not errors.is_terminal:
        return None
    count = TextColumn("{task.completed:.0f}/{task.total:.0f}")
    name, left = TextColumn("{task.description}"), TimeRemainingColumn()
    bar = Progress(name, BarColumn(), count, *columns, left, console=errors)
    bar.start()
    return bar


def outcome(evaluation: Evaluation, only: str = "") -> str:
    """What came of an evaluation, in words: all its objectives, or the first one by the name `only`."""
    if evaluation.status == "complete":
        if only:
            return f"{only} {figure(next(iter(evaluation.objectives.values())))}"
        return ", ".join(
            f"{name.replace('_', ' ')} {figure(value)}" for name, value in evaluation.objectives.items()
        )
    return f"{evaluation.status}: {evaluation.reason}"


class ProgressReporter:
    """A `session.Reporter` on stderr."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._generations, self._total, self._done = 0, 0.0, 0.0
        self._begun = 0.0
        self._best: float | None = None
        self._objective = FITNESS
        self._estimated = False
        self._effort: float | None = None
        self._final_shown = 0.0

    def __enter__(self) -> ProgressReporter:
        self._bar = started_bar(TextColumn("{task.fields[best]}"))
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def searching(self, generation: int, generations: int, budgets: float, objective: Objective) -> None:
        """See `Reporter.searching`."""
        self._generations, self._objective, self._total = generations, objective, budgets
        self._begun = time.monotonic()
        if self._bar is not None:
            self._task = self._bar.add_task("search", total=self._total, best="")

    def candidate(self, candidate: Candidate[Any], generation: int, evaluation: Evaluation) -> None:
        """See `Reporter.candidate`."""
        self._done += evaluation.effort
        if evaluation.evaluated:
            self._effort = evaluation.effort
        objective = self._objective
        if evaluation.status == "complete":
            value = evaluation.objectives[objective.name]
            if self._best is None or objective.sign * value > objective.sign * self._best:
                self._best = value
        best = "" if self._best is None else f"best so far {figure(self._best)}"
        line = f"generation {generation}  candidate {candidate.id:3d}  {outcome(evaluation)}"
        if self._bar is not None and self._task is not None:
            self._bar.update(
                self._task,
                completed=self._done,
                best=best,
                description=f"generation {generation} of {self._generations}, candidate {candidate.id}",
            )
            if evaluation.status != "complete":
                say(line)
        else:
            left = self._left()
            say(f"{line}  {best}{f'  about {duration(left)} left' if left is not None else ''}")
        self._estimate()

    def _left(self) -> float | None:
        if self._done < 2:
            return None
        return (time.monotonic() - self._begun) / self._done * (self._total - self._done)

    def _estimate(self) -> None:
        # After the first few candidates, and once: one candidate says little about the next.
        if self._estimated or self._done < min(4, self._total):
            return
        self._estimated = True
        left = self._left()
        if left is None:
            return
        say(f"The whole search takes about {duration(left + time.monotonic() - self._begun)} at this pace.")

    def generation(self, summary: GenerationSummary) -> None:
        """See `Reporter.generation`."""
        effort, self._effort = self._effort, None
        if not summary.front:
            say(f"generation {summary.generation}: no candidate was complete")
            return
        best, name = summary.front[0], self._objective.name
        mean = f", mean {figure(summary.means[name])}" if summary.means else ""
        which = f"generation {summary.generation}"
        if summary.finals:
            longer = f", {effort:g} x the training" if effort is not None else ""
            which = f"finals: {summary.finals} networks{longer}"
        say(
            f"{which}: best {figure(best.latest[name])} (candidate {best.id})"
            f"{mean}, {duration(summary.seconds)}",
            style="bold",
        )

    def final(self, share: float) -> None:
        """See `Reporter.final`."""
        if self._bar is not None:
            if self._final_shown == 0.0:
                if self._task is not None:
                    self._bar.remove_task(self._task)
                self._task = self._bar.add_task("final training, %", total=100, best="")
            self._final_shown = share
            assert self._task is not None
            self._bar.update(self._task, completed=100 * share)
        elif share >= self._final_shown + FINAL_LINES or (share >= 1.0 > self._final_shown):
            self._final_shown = share
            say(f"final training on all of Train: {share:.0%}")

    def note(self, text: str) -> None:
        """See `Reporter.note`."""
        say(text, style="yellow")
