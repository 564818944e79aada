"""The evolution of a start by CMA-ES: f, its terms, and where the search stood (the paper's Fig. 4)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from spenser_gee.report.drawing import svg
from spenser_gee.report.drawing.section import Figure, Section, Table
from spenser_gee.report.run.facts import fitness_of_all, number_of
from spenser_gee.runs.origin import config_of, objective_of
from spenser_gee.runs.queries import (
    InnerStep,
    best_candidate,
    detailed_evaluations,
    inner_search,
    inner_searched,
)
from spenser_gee.runs.store import RunFolder

# key of a step, name, meaning
CURVES = (
    ("f", "f", "objective (lower is better)"),
    ("loss", "L", "loss after the short training"),
    ("r1", "r1", "temporal difference"),
    ("r2", "r2", "spatial entropy"),
    ("sigma", "σ", "step size of CMA-ES"),
    ("beta1", "β1", "standard deviation of E's draws"),
    ("beta2", "β2", "bound of E's draws"),
)
# Those of which means over the living starts are recorded too.
_TERMS = ("loss", "r1", "r2")

_History = Sequence[InnerStep]


def inner_search_section(run: RunFolder) -> Section | None:
    """The inner search of the best, or of the best candidate that had one; None without a best."""
    best = best_candidate(run)
    if best is None:
        return None
    title, anchor = "Inner search", "inner-search"
    choice = _choose(run, best)
    if choice is None:
        nothing = f"No complete candidate had an inner search (terms: {_terms(run)})."
        return Section(title, anchor, (nothing, *_why_not(run, best)))
    candidate, generation = choice
    history = inner_search(run, candidate, generation)
    whose = "the best candidate" if candidate == best else "the fittest candidate that had one"
    words = (
        f"Candidate {candidate}, {whose}, in generation {generation}: "
        f"{number_of(len(history), 'generation')} of CMA-ES over the genes' start (terms: {_terms(run)})."
    )
    parts: list[str | Figure | Table] = [] if candidate == best else _why_not(run, best)
    parts += [words, _outcome(run, candidate, generation), _table(history)]
    if len(history) > 1:
        parts.insert(-1, _figure(history, candidate))
    return Section(title, anchor, tuple(parts))


def _choose(run: RunFolder, best: int) -> tuple[int, int] | None:
    """(candidate, generation) of the first inner search of the best, else of the fittest that had one."""
    searched = inner_searched(run)
    fitness = {number: value.mean for number, value in fitness_of_all(run).items() if number in searched}
    if not fitness:
        return None
    sign = objective_of(run).sign
    chosen = best if best in fitness else max(fitness, key=lambda number: (sign * fitness[number], -number))
    return chosen, searched[chosen]


def _terms(run: RunFolder) -> str:
    return config_of(run).initialisation.terms


def _why_not(run: RunFolder, best: int) -> list[str | Figure | Table]:
    """Why the best had none, as its last evaluation says it."""
    start = detailed_evaluations(run, best)[-1].details.start.chosen
    return [f"The best candidate, {best}, had no inner search in its evaluations (its last start: {start})."]


def _outcome(run: RunFolder, candidate: int, generation: int) -> str:
    (start,) = (
        each.details.start for each in detailed_evaluations(run, candidate) if each.generation == generation
    )
    losses = ", ".join(f"{name} {value:.4f}" for name, value in start.guard.items())
    compared = f" Losses on fresh batches after a longer short training: {losses}." if losses else ""
    return (
        f"Training began from this start: {start.chosen}.{compared} "
        f"The search took as much computing as {start.cost:,.0f} training steps."
    )


def _values(history: _History, key: str) -> list[float]:
    """NaN, a gap, where there is no finite value."""
    values: list[float] = [getattr(step, key) for step in history]
    return [value if math.isfinite(value) else math.nan for value in values]


def _figure(history: _History, candidate: int) -> Figure:
    first, *_, last = _values(history, "f")
    return Figure(
        _picture(history),
        "The best start of each generation of CMA-ES: f, its terms, the step size σ, and β1 and β2 of E. Dashed: the mean "
        "over the generation's living starts. Each generation has batches of its own, and f standardises its terms "
        "within the generation: it ranks the starts of one generation, and its level says little across them.",
        f"Seven small line charts of candidate {candidate}'s inner search over {len(history)} generations of CMA-ES; "
        f"f goes from {first:.3f} to {last:.3f}.",
    )


def _picture(history: _History) -> str:
    x = range(len(history))
    with svg.figure(svg.WIDTH, 3.8) as fig:
        all_axes = list(fig.subplots(3, 3, sharex=True).flat)
        for axes, (key, name, _) in zip(all_axes, CURVES, strict=False):
            axes.plot(x, _values(history, key), "o-", color=svg.BLUE, markersize=3)
            if key in _TERMS:
                axes.plot(x, _values(history, f"{key}_mean"), "--", color=svg.ORANGE, linewidth=1.2)
            axes.set_title(name)
            axes.grid(axis="y")
            svg.count_along(axes)
        for axes in all_axes[len(CURVES) :]:
            axes.remove()
        fig.supxlabel("generation of CMA-ES")
        return svg.to_svg(fig)


def _table(history: _History) -> Table:
    rows = [
        (str(number), *(_shown(*_values([step], key)) for key, _, _ in CURVES), f"{step.dead:.0f}")
        for number, step in enumerate(history)
    ]
    meanings = ", ".join(f"{name}: {meaning}" for _, name, meaning in CURVES)
    return Table(
        ("generation", *(name for _, name, _ in CURVES), "dead"),
        tuple(rows),
        f"The best start of each generation. {meanings}; dead: starts without a signal.",
        frozenset(range(len(CURVES) + 2)),
    )


def _shown(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4g}"
