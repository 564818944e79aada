"""A comparison in tables: who takes part, how well, at what cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spenser_gee.report.comparison.contender import ARMS, ENERGY, KINDS, ShownContender
from spenser_gee.report.drawing.section import Section, Table


def table_section(
    results: Mapping[str, Any], contenders: Sequence[ShownContender], arms: Sequence[str]
) -> Section:
    parts: list[str | Table] = [_introduction(results)]
    able = [contender for contender in contenders if not contender.values.get("problem")]
    reference = results.get("reference")
    parts.append(_sizes(able))
    for arm in arms:
        parts += [_accuracies(able, arm, reference), _costs(able, arm)]
    searched = _searches(able)
    if searched:
        columns = ("contender", "source", "evaluations", "training steps")
        caption = "What finding them took; steps of inner searches are counted too."
        parts.append(Table(columns, searched, caption, frozenset((2, 3))))
    unable = [contender for contender in contenders if contender.values.get("problem")]
    if unable:
        rows = tuple((str(c.number), c.name, str(c.values["problem"])) for c in unable)
        parts.append(Table(("no.", "contender", "why"), rows, "Not in the comparison.", frozenset((0,))))
    failed = _failed(able, arms)
    if failed:
        heads = ("contender", "arm", "seed", "outcome", "reason")
        parts.append(Table(heads, failed, "Trials without a result.", frozenset((2,))))
    return Section("Comparison", "comparison", tuple(parts))


def _introduction(results: Mapping[str, Any]) -> str:
    data, budget = results.get("data") or {}, results.get("budget") or {}
    amount = "a budget"
    if budget.get("amount") is not None:
        kind = str(budget["kind"])
        amount = f"{budget['amount']:g} {kind.removesuffix('s') if budget['amount'] == 1 else kind}"
    seeds = len(results.get("seeds") or ())
    words = (
        f"Contenders on {data.get('dataset', 'the data')}, each trained for {amount} with {_plural(seeds, 'seed')} and "
        f"measured on Test. Differences are to {results.get('reference')}, paired by seed."
    )
    if results.get("common_recipe"):
        words += f" The common recipe: {results['common_recipe']}."
    return (
        words
        if results.get("finished")
        else f"{words} The comparison is not finished: figures are preliminary."
    )


def _plural(count: int, one: str) -> str:
    return f"{count} {one}" if count == 1 else f"{count} {one}s"


def _sizes(contenders: Sequence[ShownContender]) -> Table:
    columns = ("no.", "contender", "kind", "parameters", "dense", "ratio", "MACs a step", "neurons")
    rows = []
    for contender in contenders:
        values = contender.values
        kind = KINDS.get(values["kind"], (str(values["kind"]),))[0]
        rows.append(
            (
                str(contender.number),
                contender.name,
                f"{kind}, twin with direct weights" if values.get("twin") else kind,
                _whole(values.get("parameters")),
                _whole(values.get("dense_parameters")),
                _number(values.get("ratio"), ".3f"),
                _whole(values.get("dense_macs")),
                _whole(values.get("neurons")),
            )
        )
    caption = "Dense: the parameters of the same layers with ordinary weights; ratio: parameters to these."
    return Table(columns, tuple(rows), caption, frozenset((0, 3, 4, 5, 6, 7)))


def _accuracies(contenders: Sequence[ShownContender], arm: str, reference: Any) -> Table:
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
    for contender in contenders:
        values = contender.arm(arm)
        against = values.get("against_reference") or {}
        single = [_number(trial.get("accuracy"), ".4f") for trial in values.get("trials") or ()]
        difference = "reference" if contender.name == reference else _difference(against)
        numbers = (_number(against.get("p"), ".3f"), _number(against.get("p_holm"), ".3f"))
        accuracy = _spread(values.get("accuracy"), ".4f")
        rows.append(
            (
                str(contender.number),
                contender.name,
                accuracy,
                difference,
                *numbers,
                _seeds_needed(against),
                ", ".join(single),
            )
        )
    caption = (
        f"Accuracy on Test, {ARMS.get(arm, arm)}: mean over seeds [95 % interval]. p: two-sided paired t-test; Holm: "
        "adjusted for all contenders. Seeds needed: for a power of 80 %, if difference and scatter are as found."
    )
    return Table(columns, tuple(rows), caption, frozenset((0, 2, 3, 4, 5, 6, 7)))


def _seeds_needed(against: Mapping[str, Any]) -> str:
    """Without a p nothing was tested; with one and no number it is beyond what is looked for."""
    if against.get("p") is None:
        return "–"
    return "over 1000" if against.get("seeds_needed") is None else str(against["seeds_needed"])


def _difference(against: Mapping[str, Any]) -> str:
    return _spread({**against, "mean": against.get("difference")}, "+.4f") if against else "–"


def _costs(contenders: Sequence[ShownContender], arm: str) -> Table:
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
    for contender in contenders:
        values, latency = contender.arm(arm), contender.values.get("latency") or {}
        energies = ("energy_gee_eq17_nj", "energy_operations_nj", ENERGY)
        rows.append(
            (
                str(contender.number),
                contender.name,
                _mean(values.get("sops"), ",.0f"),
                *(_energy(values.get(name)) for name in energies),
                _mean(values.get("firing_rate"), ".4f"),
                _number(latency.get("single_ms"), ".3g"),
                _number(latency.get("throughput"), ",.0f"),
            )
        )
    caption = (
        f"Cost of one image, {ARMS.get(arm, arm)}: means over seeds. SOPs: synaptic operations. Energies (nJ): theory "
        "for 45 nm, no measurements of a chip; after GEE's Eq. 17, of the operations counted, and with their memory "
        "accesses. Latency: of one image; images/s: in batches."
    )
    return Table(columns, tuple(rows), caption, frozenset((0, *range(2, len(columns)))))


def _searches(contenders: Sequence[ShownContender]) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (
            contender.name,
            str(contender.values["source"]),
            _whole(contender.values["search"]["evaluations"]),
            _whole(contender.values["search"]["steps"]),
        )
        for contender in contenders
        if contender.values.get("search")
    )


def _failed(contenders: Sequence[ShownContender], arms: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (contender.name, arm, str(trial["seed"]), str(trial["status"]), str(trial.get("reason") or ""))
        for contender in contenders
        for arm in arms
        for trial in contender.arm(arm).get("trials") or ()
        if trial["status"] != "complete"
    )


def _whole(value: Any) -> str:
    return _number(value, ",.0f")


def _number(value: Any, form: str) -> str:
    return "–" if value is None else format(value, form)


def _mean(values: Mapping[str, Any] | None, form: str) -> str:
    return _number((values or {}).get("mean"), form)


def _energy(values: Mapping[str, Any] | None) -> str:
    """`73.3`, `1,234`: no exponents."""
    mean = (values or {}).get("mean")
    return _number(mean, ".3g" if mean is not None and mean < 999.5 else ",.0f")


def _spread(values: Mapping[str, Any] | None, form: str) -> str:
    """`0.9012 [0.8990, 0.9034]`; without an interval where there is none."""
    mean = _mean(values, form)
    if not values or values.get("low") is None or values.get("high") is None:
        return mean
    return f"{mean} [{values['low']:{form}}, {values['high']:{form}}]"
