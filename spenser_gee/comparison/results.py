"""From trials to figures: what results.json holds, and docs/compare.md explains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from spenser_gee.comparison.contenders import Contender
from spenser_gee.comparison.folder import FORMAT, ComparisonFolder
from spenser_gee.comparison.recipes import Arm, arm_spec, arms_of
from spenser_gee.comparison.statistics import Interval, holm, interval, paired_difference
from spenser_gee.comparison.trials import Key
from spenser_gee.evaluation import Evaluation
from spenser_gee.phenotype.plan import Shape
from spenser_gee.phenotype.recipe import Recipe

# Details of a trial that are averaged over seeds.
_AVERAGED = (
    "sops",
    "macs",
    "spikes",
    "firing_rate",
    "energy_gee_eq17_nj",
    "energy_operations_nj",
    "energy_with_memory_nj",
    "energy_dense_ann_nj",
)

Trials = Mapping[Key, Evaluation]


def all_trials(folder: ComparisonFolder) -> dict[Key, Evaluation]:
    """Every finished trial by contender, arm and seed."""
    found: dict[Key, Evaluation] = {}
    definition = folder.definition
    for contender in definition.contenders:
        for arm in arms_of(definition.settings):
            for seed in range(definition.seeds):
                trial = folder.trial(contender.name, arm, seed)
                if trial is not None:
                    found[contender.name, arm, seed] = trial
    return found


def collect(
    folder: ComparisonFolder,
    trials: Trials,
    shape: Shape,
    classes: int,
    facts: Mapping[str, Any],
    seconds: float,
) -> dict[str, Any]:
    """The results so far, JSON-able. facts: of the data and the environment, as they are to be shown. seconds: of
    wall clock that the comparison took."""
    settings, contenders = folder.definition.settings, folder.definition.contenders
    arms, seeds, latencies = arms_of(settings), range(folder.definition.seeds), folder.latencies()
    reference = contenders[0].name
    due = [(c.name, arm, seed) for c in contenders if not c.problem for arm in arms for seed in seeds]
    rows = [_row(c, arms, seeds, trials, latencies.get(c.name), shape, classes) for c in contenders]
    for arm in arms:
        _compare_with(reference, rows, arm, seeds, trials)
    return {
        "format": FORMAT,
        "finished": all(key in trials for key in due),
        "seconds": seconds,
        **facts,
        "budget": settings["budget"],
        "settings": settings,
        "seeds": list(seeds),
        "arms": list(arms),
        "common_recipe": settings["common_recipe"],
        "reference": reference,
        "contenders": rows,
    }


def _row(
    contender: Contender,
    arms: Sequence[Arm],
    seeds: Sequence[int],
    trials: Trials,
    latency: Any,
    shape: Shape,
    classes: int,
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": contender.name,
        "kind": contender.kind,
        "twin": contender.twin,
        "source": contender.source,
        "sentence": contender.sentence,
        "problem": contender.problem or None,
        "search": contender.search,
        "parameters": None,
        "dense_parameters": None,
        "ratio": None,
        "dense_macs": None,
        "neurons": None,
        "latency": latency,
        "arms": {},
    }
    if contender.problem:
        return row
    plan = contender.plan(shape, classes)
    row |= {
        "parameters": plan.parameters,
        "dense_parameters": plan.dense_parameters,
        "ratio": plan.parameters / plan.dense_parameters,
        "dense_macs": plan.macs,
        "neurons": plan.neurons,
    }
    for arm in arms:
        mine = {
            seed: trials[contender.name, arm, seed] for seed in seeds if (contender.name, arm, seed) in trials
        }
        row["arms"][arm] = _arm(str(Recipe.of(arm_spec(contender.spec, arm))), mine)
    return row


def _arm(recipe: str, trials: Mapping[int, Evaluation]) -> dict[str, Any]:
    complete = [trial for trial in trials.values() if trial.status == "complete"]
    return {
        "recipe": recipe,
        "accuracy": _spread([trial.objectives["fitness"] for trial in complete]),
        **{name: _spread([trial.details[name] for trial in complete]) for name in _AVERAGED},
        "against_reference": None,
        "robustness": _robustness([trial.details["robustness"] for trial in complete]),
        "layer_rates": _means([trial.details["layer_rates"] for trial in complete]),
        "trials": [_shown(seed, trial) for seed, trial in trials.items()],
    }


def _shown(seed: int, trial: Evaluation) -> dict[str, Any]:
    complete = trial.status == "complete"
    return {
        "seed": seed,
        "status": trial.status,
        "reason": trial.reason,
        "accuracy": trial.objectives["fitness"] if complete else None,
        "loss": trial.measures.get("loss"),
        "seconds": trial.cost.get("training_seconds"),
        "steps": trial.cost.get("training_steps"),
        "start_steps": trial.cost.get("start_steps"),
    }


def _spread(values: Sequence[float]) -> dict[str, Any] | None:
    found: Interval | None = interval(values)
    return None if found is None else found.to_dict()


def _means(rows: Sequence[Sequence[float]]) -> list[float] | None:
    return [sum(column) / len(column) for column in zip(*rows, strict=True)] if rows else None


def _robustness(found: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    if not found:
        return None
    curves = {
        kind: [
            [level, _spread([one[kind][place][1] for one in found])]
            for place, (level, _) in enumerate(found[0][kind])
        ]
        for kind in ("noise", "spike_drop")
    }
    return {**curves, "images": found[0]["images"]}


def _compare_with(
    reference: str, rows: Sequence[dict[str, Any]], arm: Arm, seeds: Sequence[int], trials: Trials
) -> None:
    """Fills in the paired differences of one arm; their p-values are adjusted together."""

    def accuracies(name: str) -> dict[int, float]:
        found = {seed: trials.get((name, arm, seed)) for seed in seeds}
        return {
            seed: t.objectives["fitness"]
            for seed, t in found.items()
            if t is not None and t.status == "complete"
        }

    base = accuracies(reference)
    compared = []
    for row in rows:
        if row["name"] == reference or row["problem"]:
            continue
        own = accuracies(row["name"])
        both = [seed for seed in seeds if seed in own and seed in base]
        difference = paired_difference([own[seed] for seed in both], [base[seed] for seed in both])
        if difference is not None:
            compared.append((row, asdict(difference)))
    adjusted = holm([values["p"] for _, values in compared])
    for (row, values), p in zip(compared, adjusted, strict=True):
        row["arms"][arm]["against_reference"] = {**values, "p_holm": p}
