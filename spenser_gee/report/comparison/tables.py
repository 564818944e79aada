"""A comparison in tables: who takes part, how well, at what cost."""

from __future__ import annotations

from collections.abc import Sequence

from spenser_gee.comparison.recipes import Arm
from spenser_gee.comparison.results import Against, Results
from spenser_gee.comparison.statistics import Interval
from spenser_gee.report.comparison.contender import ARMS, KINDS, ShownContender, in_arm
from spenser_gee.report.drawing.section import Section, Table
from spenser_gee.report.run.facts import number_of


def table_section(results: Results, contenders: Sequence[ShownContender]) -> Section:
    parts: list[str | Table] = [_introduction(results)]
    able = [contender for contender in contenders if not contender.row.problem]
    parts.append(_sizes(able))
    for arm in results.arms:
        parts += [_accuracies(able, arm, results.reference), _costs(able, arm)]
    searched = _searches(able)
    if searched:
        columns = ("contender", "source", "evaluations", "training steps")
        caption = "What finding them took; steps of inner searches are counted too."
        parts.append(Table(columns, searched, caption, frozenset((2, 3))))
    unable = tuple((str(c.number), c.name, c.row.problem) for c in contenders if c.row.problem)
    if unable:
        parts.append(Table(("no.", "contender", "why"), unable, "Not in the comparison.", frozenset((0,))))
    failed = _failed(able, results.arms)
    if failed:
        heads = ("contender", "arm", "seed", "outcome", "reason")
        parts.append(Table(heads, failed, "Trials without a result.", frozenset((2,))))
    return Section("Comparison", "comparison", tuple(parts))


def _introduction(results: Results) -> str:
    budget = results.budget
    kind = budget.kind.removesuffix("s") if budget.amount == 1 else budget.kind
    words = (
        f"Contenders on {results.data.dataset}, each trained for {budget.amount:g} {kind} with "
        f"{number_of(len(results.seeds), 'seed')} and measured on Test. Differences are to {results.reference}, paired "
        "by seed."
    )
    if results.common_recipe:
        words += f" The common recipe: {results.common_recipe}."
    return words if results.finished else f"{words} The comparison is not finished: figures are preliminary."


def _sizes(contenders: Sequence[ShownContender]) -> Table:
    columns = ("no.", "contender", "kind", "parameters", "dense", "ratio", "MACs a step", "neurons")
    rows = []
    for contender in contenders:
        row = contender.row
        kind = KINDS[row.kind][0]
        rows.append(
            (
                str(contender.number),
                contender.name,
                f"{kind}, twin with direct weights" if row.twin else kind,
                _whole(row.parameters),
                _whole(row.dense_parameters),
                _number(row.ratio, ".3f"),
                _whole(row.dense_macs),
                _whole(row.neurons),
            )
        )
    caption = "Dense: the parameters of the same layers with ordinary weights; ratio: parameters to these."
    return Table(columns, tuple(rows), caption, frozenset((0, 3, 4, 5, 6, 7)))


def _accuracies(contenders: Sequence[ShownContender], arm: Arm, reference: str) -> Table:
    columns = (
        "no.",
        "contender",
        "accuracy",
        "difference",
        "p",
        "p (Holm)",
        "seeds needed",
        "every seed",
    )
    rows = []
    for contender, values in in_arm(contenders, arm):
        against = values.against_reference
        rows.append(
            (
                str(contender.number),
                contender.name,
                _spread(values.accuracy, ".4f"),
                "reference" if contender.name == reference else _difference(against),
                _number(against.p if against else None, ".3f"),
                _number(against.p_holm if against else None, ".3f"),
                _seeds_needed(against),
                ", ".join(_number(trial.accuracy, ".4f") for trial in values.trials),
            )
        )
    caption = (
        f"Accuracy on Test, {ARMS[arm]}: mean over seeds [95 % interval]. p: two-sided paired t-test; Holm: "
        "adjusted for all contenders. Seeds needed: for a power of 80 %, if difference and scatter are as found."
    )
    return Table(columns, tuple(rows), caption, frozenset((0, 2, 3, 4, 5, 6, 7)))


def _seeds_needed(against: Against | None) -> str:
    """Without a p nothing was tested; with one and no number it is beyond what is looked for."""
    if against is None or against.p is None:
        return "–"
    return "over 1000" if against.seeds_needed is None else str(against.seeds_needed)


def _difference(against: Against | None) -> str:
    if against is None:
        return "–"
    return _spread(Interval(against.difference, against.low, against.high, against.n), "+.4f")


def _costs(contenders: Sequence[ShownContender], arm: Arm) -> Table:
    columns = (
        "no.",
        "contender",
        "SOPs",
        "nJ, Eq. 17",
        "nJ, counted",
        "nJ, with memory",
        "firing rate",
        "latency, ms",
        "images/s",
    )
    rows = []
    for contender, values in in_arm(contenders, arm):
        latency = contender.row.latency
        energies = (values.energy_gee_eq17_nj, values.energy_operations_nj, values.energy_with_memory_nj)
        rows.append(
            (
                str(contender.number),
                contender.name,
                _mean(values.sops, ",.0f"),
                *(_energy(spread) for spread in energies),
                _mean(values.firing_rate, ".4f"),
                _number(latency.single_ms if latency else None, ".3g"),
                _number(latency.throughput if latency else None, ",.0f"),
            )
        )
    caption = (
        f"Cost of one image, {ARMS[arm]}: means over seeds. SOPs: synaptic operations. Energies (nJ): theory "
        "for 45 nm, no measurements of a chip; after GEE's Eq. 17, of the operations counted, and with their memory "
        "accesses. Latency: of one image; images/s: in batches."
    )
    return Table(columns, tuple(rows), caption, frozenset((0, *range(2, len(columns)))))


def _searches(contenders: Sequence[ShownContender]) -> tuple[tuple[str, ...], ...]:
    rows = [contender.row for contender in contenders]
    return tuple(
        (row.name, row.source, _whole(row.search.evaluations), _whole(row.search.steps))
        for row in rows
        if row.search is not None
    )


def _failed(contenders: Sequence[ShownContender], arms: Sequence[Arm]) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (contender.name, arm, str(trial.seed), trial.status, trial.reason)
        for contender in contenders
        for arm in arms
        if arm in contender.row.arms
        for trial in contender.row.arms[arm].trials
        if trial.status != "complete"
    )


def _whole(value: float | None) -> str:
    return _number(value, ",.0f")


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _mean(spread: Interval | None, form: str) -> str:
    return _number(spread.mean if spread else None, form)


def _energy(spread: Interval | None) -> str:
    """`73.3`, `1,234`: no exponents."""
    return _mean(spread, ".3g" if spread is not None and spread.mean < 999.5 else ",.0f")


def _spread(spread: Interval | None, form: str) -> str:
    """`0.9012 [0.8990, 0.9034]`; without an interval where there is none."""
    mean = _mean(spread, form)
    if spread is None or spread.low is None or spread.high is None:
        return mean
    return f"{mean} [{spread.low:{form}}, {spread.high:{form}}]"
