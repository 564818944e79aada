"""From trials to figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from spenser_gee.comparison.contenders import Contender
from spenser_gee.comparison.finished import Accuracies, Finished, Measured
from spenser_gee.comparison.folder import ComparisonFolder
from spenser_gee.comparison.ground import Ground
from spenser_gee.comparison.recipes import Arm, arm_spec, arms_of
from spenser_gee.comparison.results import (
    Against,
    ArmResults,
    ContenderResults,
    Curve,
    DataFacts,
    LatencyResults,
    Results,
    RobustnessResults,
)
from spenser_gee.comparison.schedule import Key
from spenser_gee.comparison.statistics import Interval, holm, interval, paired_difference
from spenser_gee.phenotype.recipe import Recipe
from spenser_gee.runs.typed import to_json

Trials = Mapping[Key, Finished]


def all_finished(folder: ComparisonFolder) -> dict[Key, Finished]:
    """Of every finished trial, by contender, arm and seed."""
    found: dict[Key, Finished] = {}
    definition = folder.definition
    for contender in definition.contenders:
        for arm in arms_of(definition.settings):
            for seed in range(definition.seeds):
                outcome = folder.trial(contender.name, arm, seed)
                if outcome is not None:
                    found[contender.name, arm, seed] = outcome
    return found


def collect(
    folder: ComparisonFolder,
    outcomes: Trials,
    ground: Ground,
    environment: Mapping[str, object],
    seconds: float,
) -> Results:
    """The results so far. environment: see `describe_environment`. seconds: of wall clock that it took."""
    settings, contenders = folder.definition.settings, folder.definition.contenders
    arms, seeds, latencies = arms_of(settings), tuple(range(folder.definition.seeds)), folder.latencies()
    reference = contenders[0].name
    due = [(c.name, arm, seed) for c in contenders if not c.problem for arm in arms for seed in seeds]
    rows = [_row(c, arms, seeds, outcomes, latencies.get(c.name), ground) for c in contenders]
    for arm in arms:
        rows = _compared(reference, rows, arm)
    return Results(
        finished=all(key in outcomes for key in due),
        seconds=seconds,
        data=_facts(ground),
        environment=environment,
        budget=settings.budget,
        settings=to_json(settings),
        seeds=seeds,
        arms=arms,
        common_recipe=settings.common_recipe,
        reference=reference,
        contenders=tuple(rows),
    )


def _facts(ground: Ground) -> DataFacts:
    data = ground.data
    return DataFacts(
        data.name,
        len(data.train),
        len(data.test),
        data.input_shape,
        data.class_count,
        ground.time_steps,
    )


def _row(
    contender: Contender,
    arms: Sequence[Arm],
    seeds: Sequence[int],
    outcomes: Trials,
    latency: LatencyResults | None,
    ground: Ground,
) -> ContenderResults:
    row = ContenderResults(
        name=contender.name,
        kind=contender.kind,
        twin=contender.twin,
        source=contender.source,
        sentence=contender.sentence,
        problem=contender.problem or None,
        search=contender.search,
        latency=latency,
    )
    if contender.problem:
        return row
    plan = contender.plan(ground.data.input_shape, ground.data.class_count)

    def results_of(arm: Arm) -> ArmResults:
        keys = [(contender.name, arm, seed) for seed in seeds]
        recipe = str(Recipe.of(arm_spec(contender.spec, arm)))
        return _arm(recipe, [outcomes[key] for key in keys if key in outcomes])

    return replace(
        row,
        parameters=plan.parameters,
        dense_parameters=plan.dense_parameters,
        ratio=plan.parameters / plan.dense_parameters,
        dense_macs=plan.macs,
        neurons=plan.neurons,
        arms={arm: results_of(arm) for arm in arms},
    )


def _arm(recipe: str, outcomes: Sequence[Finished]) -> ArmResults:
    trials = tuple(outcome.trial for outcome in outcomes)
    measured = [outcome.measured for outcome in outcomes if outcome.measured is not None]
    return ArmResults(
        recipe=recipe,
        accuracy=interval([trial.accuracy for trial in trials if trial.accuracy is not None]),
        sops=interval([one.sops for one in measured]),
        macs=interval([one.macs for one in measured]),
        spikes=interval([one.spikes for one in measured]),
        firing_rate=interval([one.firing_rate for one in measured]),
        energy_gee_eq17_nj=interval([one.energy_gee_eq17_nj for one in measured]),
        energy_operations_nj=interval([one.energy_operations_nj for one in measured]),
        energy_with_memory_nj=interval([one.energy_with_memory_nj for one in measured]),
        energy_dense_ann_nj=interval([one.energy_dense_ann_nj for one in measured]),
        against_reference=None,
        robustness=_robustness(measured),
        layer_rates=_means([one.layer_rates for one in measured]),
        trials=trials,
    )


def _means(rows: Sequence[Sequence[float]]) -> tuple[float, ...] | None:
    return tuple(sum(column) / len(column) for column in zip(*rows, strict=True)) if rows else None


def _robustness(measured: Sequence[Measured]) -> RobustnessResults | None:
    found = [one.robustness for one in measured]
    if not found:
        return None
    noise, drop = _curve([one.noise for one in found]), _curve([one.spike_drop for one in found])
    return RobustnessResults(noise, drop, found[0].images)


def _curve(curves: Sequence[Accuracies]) -> Curve:
    """Of curves with the same levels."""
    found: list[tuple[float, Interval]] = []
    for points in zip(*curves, strict=True):
        spread = interval([accuracy for _, accuracy in points])
        assert spread is not None  # there is a curve
        found.append((points[0][0], spread))
    return tuple(found)


def _compared(reference: str, rows: Sequence[ContenderResults], arm: Arm) -> list[ContenderResults]:
    """The rows with the paired differences of one arm; their p-values are adjusted together."""
    accuracies = {row.name: _accuracies(row, arm) for row in rows}
    base, found = accuracies[reference], {}
    for name, own in accuracies.items():
        both = [seed for seed in own if seed in base and name != reference]
        difference = paired_difference([own[seed] for seed in both], [base[seed] for seed in both])
        if difference is not None:
            found[name] = difference
    adjusted = dict(zip(found, holm([difference.p for difference in found.values()]), strict=True))
    return [
        _with_difference(row, arm, Against(**vars(found[row.name]), p_holm=adjusted[row.name]))
        if row.name in found
        else row
        for row in rows
    ]


def _accuracies(row: ContenderResults, arm: Arm) -> dict[int, float]:
    """By seed."""
    trials = row.arms[arm].trials if arm in row.arms else ()
    return {trial.seed: trial.accuracy for trial in trials if trial.accuracy is not None}


def _with_difference(row: ContenderResults, arm: Arm, against: Against) -> ContenderResults:
    return replace(row, arms={**row.arms, arm: replace(row.arms[arm], against_reference=against)})
