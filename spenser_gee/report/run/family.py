"""Where the best candidate comes from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from spenser_gee.report.drawing import svg
from spenser_gee.report.drawing.section import Figure, Section, Table
from spenser_gee.report.run.facts import Fitness, ancestors, fitness_of_all, number_of
from spenser_gee.runs.origin import objective_of
from spenser_gee.runs.queries import RecordedCandidate, best_candidate, candidate, candidates, evaluations
from spenser_gee.runs.store import RunFolder

# The width of a digit, as a share of the picture's.
DIGIT = 0.025


def family_section(run: RunFolder) -> Section | None:
    """The chain of ancestors of the best with the mutations and what each gained; None without a best."""
    best = best_candidate(run)
    if best is None:
        return None
    fitness = fitness_of_all(run)
    chain = [candidate(run, number) for number in ancestors(run, best)]
    parts: list[str | Figure | Table] = []
    if len(chain) == 1:
        parts.append(
            f"Candidate {best} has no ancestors: it was {', '.join(chain[0].origin) or 'there at first'}."
        )
    else:
        parts.append(
            f"Candidate {best} is the last of a chain of {len(chain)}: "
            f"{number_of(len(chain) - 1, 'step')} from candidate {chain[0].id}, which was "
            f"{', '.join(chain[0].origin) or 'there at first'}."
        )
        parts.append(_figure(run, chain, fitness))
    parts.append(_table(run, chain, fitness))
    return Section("Family tree of the best", "family", tuple(parts))


def _figure(run: RunFolder, chain: Sequence[RecordedCandidate], fitness: Mapping[int, Fitness]) -> Figure:
    siblings = _siblings(run, chain)
    given_up = sum(number not in fitness for number, _ in siblings)
    steps = ", ".join(f"{each.id} ({fitness[each.id].mean:.3f})" for each in chain if each.id in fitness)
    return Figure(
        _picture(chain, siblings, fitness, objective_of(run).name),
        "Each numbered candidate of the chain stands at the generation it was born in and at its fitness, the mean "
        "over its evaluations; it is the parent up to the next one's birth. Small dots: its other children. "
        f"{number_of(given_up, 'child', 'children')} without a fitness {'is' if given_up == 1 else 'are'} not drawn.",
        f"Stepped line of the ancestors' fitness over the generations: {steps}.",
    )


def _siblings(run: RunFolder, chain: Sequence[RecordedCandidate]) -> list[tuple[int, int]]:
    """(candidate, generation) of the children of the chain that are not in it."""
    own = {each.id for each in chain}
    return [
        (each.id, each.generation)
        for each in candidates(run)
        if each.id not in own and own & set(each.parents)
    ]


def _picture(
    chain: Sequence[RecordedCandidate],
    siblings: Sequence[tuple[int, int]],
    fitness: Mapping[int, Fitness],
    label: str,
) -> str:
    measured = [each for each in chain if each.id in fitness]
    born = [each.generation for each in measured]
    values = [fitness[each.id].mean for each in measured]
    names = [str(each.id) for each in measured]
    drawn = [(when, fitness[number].mean) for number, when in siblings if number in fitness]
    with svg.figure(svg.WIDTH, 2.7) as fig:
        axes = fig.add_subplot()
        axes.plot(
            [when for when, _ in drawn],
            [value for _, value in drawn],
            "o",
            color=svg.GREY,
            markersize=3,
            alpha=0.8,
            markeredgewidth=0,
        )
        axes.plot(born, values, drawstyle="steps-post", color=svg.BLUE, alpha=0.6)
        axes.plot(born, values, "o", color=svg.BLUE, markersize=6 if len(chain) <= 20 else 3.5)
        for when, value, name in _spaced(list(zip(born, values, names, strict=True))):
            axes.annotate(name, (when, value), (0, 6), textcoords="offset points", ha="center")
        axes.margins(y=0.12)
        axes.set_xlabel("generation of birth")
        axes.set_ylabel(label)
        svg.count_along(axes)
        axes.grid(axis="y")
        return svg.to_svg(fig)


def _spaced(points: list[tuple[int, float, str]]) -> list[tuple[int, float, str]]:
    """The points whose names can be written without covering the next; the last one always."""
    last = points[-1][0]
    kept: list[tuple[int, float, str]] = []
    for when, value, name in reversed(points):
        if not kept or kept[-1][0] - when >= DIGIT * len(kept[-1][2]) * last:
            kept.append((when, value, name))
    return kept


def _table(run: RunFolder, chain: Sequence[RecordedCandidate], fitness: Mapping[int, Fitness]) -> Table:
    rows = []
    known = {(each.candidate_id, each.generation): each.value for each in evaluations(run)}
    for before, each in zip([None, *chain[:-1]], chain, strict=True):
        own = fitness.get(each.id)
        # How much better it was than its parent in the generation it was born in, if both were complete.
        ours = known.get((each.id, each.generation))
        theirs = None if before is None else known.get((before.id, each.generation))
        gain = None if ours is None or theirs is None else ours - theirs
        rows.append(
            (
                str(each.generation),
                str(each.id),
                "–" if own is None else str(own),
                "0" if own is None else str(own.evaluations),
                "–" if gain is None else f"{gain:+.4f}",
                _short("; ".join(each.origin)) or "–",
            )
        )
    return Table(
        ("generation", "candidate", "fitness", "evaluations", "gain", "changes"),
        tuple(rows),
        "The chain. Gain: over the parent's fitness in the same generation, on the same data and noise. The best of "
        "several children won each step, so the gains are flattered by chance.",
        frozenset({0, 1, 2, 3, 4}),
    )


def _short(changes: str) -> str:
    """With numbers of four digits: the sentence has them all."""
    return re.sub(r"\d+\.\d{3,}(e-?\d+)?", lambda found: f"{float(found[0]):.4g}", changes)
