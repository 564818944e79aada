"""The fitness over the generations."""

from __future__ import annotations

from typing import Any

from spenser_gee.report.drawing import svg
from spenser_gee.report.drawing.section import Figure, Section
from spenser_gee.report.run.facts import Fitness, fitness_of_all, number_of, spread
from spenser_gee.runs.store import RunFolder

# More would hide the lines that they stand on.
MOST_MARKS = 40


def evolution_section(run: RunFolder) -> Section:
    """The best and the mean fitness after each finished generation, above all single evaluations."""
    title, anchor = "Evolution", "evolution"
    generations = run.rows("SELECT * FROM generations ORDER BY generation")
    unfinished = _unfinished(run, len(generations))
    known = [row for row in generations if row["best_mean"] is not None]
    if not known:
        nothing = "No finished generation has a complete candidate, so there is no fitness to draw."
        return Section(title, anchor, (nothing, *unfinished))
    picture = Figure(
        _picture(run, generations, fitness_of_all(run)),
        "Best: the mean over all evaluations of the candidate that was best after the generation, with its standard "
        "error (of a single evaluation: that of its images). Mean: over the generation's complete evaluations; the "
        "dashed line is its value in the first generation. Dots: single evaluations. The best was chosen for its fitness, "
        "which flatters it a little; the test accuracy is free of that.",
        f"Line chart of the fitness over {number_of(len(generations), 'generation')}: "
        + _in_words(generations, known),
    )
    return Section(title, anchor, (_in_words(generations, known) + ".", picture, *unfinished))


def _unfinished(run: RunFolder, done: int) -> list[str]:
    begun = run.rows("SELECT count(*) AS n FROM evaluations WHERE generation >= ?", done)[0]["n"]
    if not begun:
        return []
    return [
        f"Generation {done} is not finished: {number_of(begun, 'evaluation')} of it "
        f"{'is' if begun == 1 else 'are'} recorded and count nowhere yet."
    ]


def _in_words(generations: list[dict[str, Any]], known: list[dict[str, Any]]) -> str:
    first, last = known[0], known[-1]
    text = (
        f"The best fitness was {first['best_mean']:.4f} after generation {first['generation']} and "
        f"{spread(last['best_mean'], last['best_standard_error'])} after generation {last['generation']}"
    )
    means = [row["mean_fitness"] for row in generations if row["mean_fitness"] is not None]
    return f"{text}; the mean went from {means[0]:.4f} to {means[-1]:.4f}" if means else text


def _picture(run: RunFolder, generations: list[dict[str, Any]], fitness: dict[int, Fitness]) -> str:
    evaluations = run.rows(
        "SELECT generation, fitness FROM evaluations WHERE evaluated AND status = 'complete'"
        " ORDER BY generation, candidate_id"
    )
    best = [row for row in generations if row["best_mean"] is not None]
    means = [row for row in generations if row["mean_fitness"] is not None]
    marks = ("o", "s") if len(generations) <= MOST_MARKS else ("", "")
    with svg.figure(svg.WIDTH, 2.7) as fig:
        axes = fig.add_subplot()
        axes.plot(
            [row["generation"] for row in evaluations],
            [row["fitness"] for row in evaluations],
            "o",
            color=svg.GREY,
            markersize=3,
            alpha=0.7,
            markeredgewidth=0,
            label="one evaluation",
        )
        axes.errorbar(
            [row["generation"] for row in best],
            [row["best_mean"] for row in best],
            yerr=[_error(row, fitness) for row in best],
            color=svg.BLUE,
            marker=marks[0],
            elinewidth=1,
            label="best",
        )
        axes.plot(
            [row["generation"] for row in means],
            [row["mean_fitness"] for row in means],
            color=svg.ORANGE,
            marker=marks[1],
            label="mean",
        )
        if means:
            first = means[0]["mean_fitness"]
            axes.axhline(first, color=svg.ORANGE, linestyle="--", linewidth=1, label="mean at first")
        axes.set_xlabel("generation")
        axes.set_ylabel("fitness (accuracy)")
        svg.count_along(axes)
        axes.grid(axis="y")
        fig.legend(loc="outside upper center", ncols=2)
        return svg.to_svg(fig)


def _error(row: dict[str, Any], fitness: dict[int, Fitness]) -> float:
    error = row["best_standard_error"]
    if error is None and row["best_id"] in fitness and fitness[row["best_id"]].evaluations == 1:
        error = fitness[row["best_id"]].error
    return float(error or 0.0)
