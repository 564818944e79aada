"""The fitness over the generations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from spenser_gee.objective import Objective
from spenser_gee.report.drawing import svg
from spenser_gee.report.drawing.section import Figure, Section
from spenser_gee.report.run.facts import Fitness, effort_of, fitness_of_all, number_of, spread
from spenser_gee.runs.origin import objective_of
from spenser_gee.runs.queries import RecordedEvaluation, RecordedGeneration, evaluations, generations
from spenser_gee.runs.store import RunFolder

# Generations with a best, and the mean fitness of that.
_Known = Sequence[tuple[RecordedGeneration, float]]

# More would hide the lines that they stand on.
MOST_MARKS = 40


def evolution_section(run: RunFolder) -> Section:
    """The best and the mean fitness after each finished generation, above all single evaluations."""
    title, anchor = "Evolution", "evolution"
    finished, made = generations(run), evaluations(run)
    unfinished = _unfinished(made, len(finished))
    known = [(row, row.best_mean) for row in finished if row.best_mean is not None]
    if not known:
        nothing = "No finished generation has a complete candidate, so there is no fitness to draw."
        return Section(title, anchor, (nothing, *unfinished))
    objective = objective_of(run)
    # Its values are of another budget: no line goes there.
    finals = [(row, mean) for row, mean in known if row.finals]
    ordinary = [row for row in finished if not row.finals]
    said = "; ".join([*_in_words(ordinary, known, objective), *(_final_words(each, made) for each in finals)])
    picture = Figure(
        _picture(ordinary, known, made, fitness_of_all(run), objective),
        "Best: the mean over all evaluations of the candidate that was best after the generation, with its standard "
        "error (of a single evaluation: that of its images). Mean: over the generation's complete evaluations; the "
        "dashed line is its value in the first generation. Dots: single evaluations. The best was chosen for its "
        f"{objective.name}, which flatters it a little; the test accuracy is free of that."
        + (
            " Diamond: the best of the finals, whose networks were trained longer; it is on no line, since its values are "
            "those of another budget."
            if finals
            else ""
        ),
        f"Line chart of the {objective.name} over {number_of(len(finished), 'generation')}: {said}",
    )
    return Section(title, anchor, (f"{said}.", picture, *unfinished))


def _unfinished(made: Sequence[RecordedEvaluation], done: int) -> list[str]:
    begun = sum(each.generation >= done for each in made)
    if not begun:
        return []
    return [
        f"Generation {done} is not finished: {number_of(begun, 'evaluation')} of it "
        f"{'is' if begun == 1 else 'are'} recorded and count nowhere yet."
    ]


def _final_words(final: tuple[RecordedGeneration, float], made: Sequence[RecordedEvaluation]) -> str:
    row, mean = final
    effort = effort_of(made, row.generation)
    return (
        f"in the finals (generation {row.generation}: {number_of(row.finals, 'network')} with {effort:g} times the "
        f"training) it was {spread(mean, row.best_standard_error)}"
    )


def _in_words(ordinary: Sequence[RecordedGeneration], known: _Known, objective: Objective) -> Iterator[str]:
    curve = [(row, mean) for row, mean in known if not row.finals]
    if not curve:
        return
    (first, first_mean), (last, last_mean) = curve[0], curve[-1]
    yield (
        f"The best {objective.name} was {first_mean:.4f} after generation {first.generation} and "
        f"{spread(last_mean, last.best_standard_error)} after generation {last.generation}"
    )
    means = [row.mean_value for row in ordinary if row.mean_value is not None]
    if means:
        yield f"the mean went from {means[0]:.4f} to {means[-1]:.4f}"


def _picture(
    ordinary: Sequence[RecordedGeneration],
    known: _Known,
    made: Sequence[RecordedEvaluation],
    fitness: Mapping[int, Fitness],
    objective: Objective,
) -> str:
    single = [(each.generation, each.own_value) for each in made if each.own_value is not None]
    means = [(row.generation, row.mean_value) for row in ordinary if row.mean_value is not None]
    marks = ("o", "s") if len(ordinary) <= MOST_MARKS else ("", "")
    with svg.figure(svg.WIDTH, 2.7) as fig:
        axes = fig.add_subplot()
        axes.plot(
            [when for when, _ in single],
            [value for _, value in single],
            "o",
            color=svg.GREY,
            markersize=3,
            alpha=0.7,
            markeredgewidth=0,
            label="one evaluation",
        )
        for finals, style, label in ((False, f"{marks[0]}-", "best"), (True, "D", "finals: best")):
            shown = [(row, mean) for row, mean in known if bool(row.finals) is finals]
            if shown:
                axes.errorbar(
                    [row.generation for row, _ in shown],
                    [mean for _, mean in shown],
                    yerr=[_error(row, fitness) for row, _ in shown],
                    color=svg.BLUE,
                    fmt=style,
                    elinewidth=1,
                    label=label,
                )
        axes.plot(
            [when for when, _ in means],
            [mean for _, mean in means],
            color=svg.ORANGE,
            marker=marks[1],
            label="mean",
        )
        if means:
            axes.axhline(means[0][1], color=svg.ORANGE, linestyle="--", linewidth=1, label="mean at first")
        axes.set_xlabel("generation")
        axes.set_ylabel(objective.label)
        svg.count_along(axes)
        axes.grid(axis="y")
        fig.legend(loc="outside upper center", ncols=2)
        return svg.to_svg(fig)


def _error(row: RecordedGeneration, fitness: Mapping[int, Fitness]) -> float:
    error = row.best_standard_error
    if error is None and row.best_id is not None and row.best_id in fitness:
        best = fitness[row.best_id]
        error = best.error if best.evaluations == 1 else None
    return error or 0.0
