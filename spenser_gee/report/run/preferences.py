"""What the best networks are made of, against what the grammar offers (SPENSER, Table 3)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spenser_gee.config import Config
from spenser_gee.config.sections import Limits
from spenser_gee.errors import InputError
from spenser_gee.genotype import Genotype, reencode, sample_genotype
from spenser_gee.grammar import Grammar
from spenser_gee.phenotype.decode import decode
from spenser_gee.phenotype.space import infeasible_reason
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.layers import LIF, Conv, FullyConnected, Layer
from spenser_gee.phenotype.words.site import Shape
from spenser_gee.report.drawing import svg
from spenser_gee.report.drawing.section import Figure, Section, Table
from spenser_gee.report.run.facts import ancestors, fitness_of_all, number_of, percent
from spenser_gee.rng import stream
from spenser_gee.runs.origin import config_of, grammar_of, objective_of
from spenser_gee.runs.queries import candidate, candidates
from spenser_gee.runs.store import RunFolder
from spenser_gee.training.saved import load_network

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BEST = 10
PRIOR_SAMPLES = 500
MOST_DRAWS = 5000

# 97.5 % of a normal distribution lie below this many standard deviations.
_Z = 1.959964


def _layers(spec: NetworkSpec) -> list[Layer]:
    return [layer for unit in spec.units for layer in unit]


def _weighted(spec: NetworkSpec) -> list[Conv | FullyConnected]:
    """The layers whose weights can be gene-encoded: all with weights but the one that reads the input."""
    return [layer for layer in _layers(spec) if isinstance(layer, (Conv, FullyConnected))][1:]


def _neurons(spec: NetworkSpec) -> list[LIF]:
    return [layer for layer in _layers(spec) if isinstance(layer, LIF)]


# What is chosen -> the choices that one network made.
_GROUPS: Mapping[str, Callable[[NetworkSpec], list[str]]] = {
    "layers": lambda spec: [layer.word for layer in _layers(spec) if not isinstance(layer, LIF)],
    "weights": lambda spec: [layer.weights for layer in _weighted(spec)],
    "surrogate": lambda spec: [layer.surrogate for layer in _neurons(spec)],
    "reset": lambda spec: [layer.reset for layer in _neurons(spec)],
    "optimiser": lambda spec: [spec.optimiser.word],
    "loss": lambda spec: [spec.loss.word],
    "coding": lambda spec: [spec.input.coding],
}


@dataclass(frozen=True)
class Share:
    """One choice: how often the best made it (`count` of `total`), and the prior's share."""

    choice: str
    count: int
    total: int
    prior: float

    @property
    def share(self) -> float:
        """Of the best; 0 where none of them had anything to choose."""
        return self.count / self.total if self.total else 0.0


@dataclass(frozen=True)
class _Prior:
    specs: tuple[NetworkSpec, ...]
    words: str


def preferences_section(run: RunFolder) -> Section | None:
    """The choices of the ten best different networks beside the grammar's; None where nothing was complete."""
    title, anchor = "Preferences", "preferences"
    fittest = best_different(run)
    if not fittest:
        return None
    try:
        config = config_of(run)
        grammar = grammar_of(run, config)
    except InputError as error:
        return Section(
            title, anchor, (f"The run's grammar cannot be read here: {error.findings[0].problem}.",)
        )
    specs = _specs(run, fittest, grammar)
    if not specs:
        return Section(title, anchor, ("None of the fittest networks is in the run's edited grammar.",))
    best, prior = list(specs), _prior(run, config, grammar)
    groups = shares(list(specs.values()), prior.specs)
    picture = Figure(
        _picture(groups, len(best)),
        f"Blue: the share of each choice among the {number_of(len(best), 'best network')}, with its Wilson 95 % interval "
        "as if every choice were made independently. Grey: among random networks of the grammar.",
        "Bar charts of the shares of "
        + ", ".join(groups)
        + f" among the {number_of(len(best), 'best network')} and in the grammar's prior; the table has the numbers.",
    )
    return Section(title, anchor, (_words(run, fittest, best, prior), picture, _table(groups)))


def best_different(run: RunFolder, most: int = BEST) -> list[int]:
    """The fittest candidates that are different networks, the best first, by the mean over their evaluations."""
    fitness = {number: value.mean for number, value in fitness_of_all(run).items()}
    keys = {each.id: each.phenotype_key for each in candidates(run)}
    sign = objective_of(run).sign
    ranked = sorted(fitness, key=lambda number: (-sign * fitness[number], number))
    firsts = {keys[number]: number for number in reversed(ranked)}
    return [number for number in ranked if firsts[keys[number]] == number][:most]


def _specs(run: RunFolder, numbers: Sequence[int], grammar: Grammar) -> dict[int, NetworkSpec]:
    """By candidate, of those that are in the grammar.

    By their sentences: under an edited grammar, codons that were not read again would mean other networks.
    """
    read = reencode([candidate(run, number).sentence for number in numbers], grammar)
    return {
        number: decode(found, grammar)
        for number, found in zip(numbers, read, strict=True)
        if isinstance(found, Genotype)
    }


def shares(best: Sequence[NetworkSpec], prior: Sequence[NetworkSpec]) -> dict[str, list[Share]]:
    """By group, each choice that was met anywhere, the prior's most frequent first."""
    found = {}
    for group, choices in _GROUPS.items():
        ours, theirs = _count(best, choices), _count(prior, choices)
        total, prior_total = ours.total(), theirs.total()
        met = sorted({*ours, *theirs}, key=lambda choice: (-theirs[choice], choice))
        if met:
            found[group] = [
                Share(c, ours[c], total, theirs[c] / prior_total if prior_total else 0.0) for c in met
            ]
    return found


def _count(specs: Iterable[NetworkSpec], choices: Callable[[NetworkSpec], list[str]]) -> Counter[str]:
    return Counter(choice for spec in specs for choice in choices(spec))


def wilson(count: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927); 0 to 1 where there is nothing to count."""
    if total == 0:
        return 0.0, 1.0
    share, z = count / total, _Z**2 / total
    centre = (share + z / 2) / (1 + z)
    half = math.sqrt(share * (1 - share) * z + z * z / 4) / (1 + z)
    # At shares of 0 and 1 an end is the share itself: rounding must not take it past.
    return min(max(centre - half, 0.0), share), max(min(centre + half, 1.0), share)


def _prior(run: RunFolder, config: Config, grammar: Grammar) -> _Prior:
    """Random networks as the search draws its first ones: from the configured sizes, those that can be built."""
    sizes = dict(config.search.sizes)
    draws = (
        decode(sample_genotype(grammar, stream(0, "report prior", number), sizes), grammar)
        for number in range(MOST_DRAWS)
    )
    try:
        saved = load_network(run.best_weights)
    except InputError:
        first = tuple(spec for _, spec in zip(range(PRIOR_SAMPLES), draws, strict=False))
        words = f"{len(first)} random networks; without best.safetensors it is not known which of them can be built"
        return _Prior(first, words)
    return _feasible(draws, saved.input_shape, saved.classes, config.search.limits)


def _feasible(draws: Iterable[NetworkSpec], shape: Shape, classes: int, limits: Limits) -> _Prior:
    kept, tried = [], 0
    for spec in draws:
        tried += 1
        if infeasible_reason(spec, shape, classes, limits) is None:
            kept.append(spec)
        if len(kept) == PRIOR_SAMPLES:
            break
    return _Prior(tuple(kept), f"{len(kept)} random networks that can be built, of {tried:,} draws")


def _words(run: RunFolder, fittest: Sequence[int], best: Sequence[int], prior: _Prior) -> str:
    roots = Counter(ancestors(run, number)[0] for number in best)
    root, descend = roots.most_common(1)[0]
    networks = number_of(len(fittest), "fittest different network")
    text = f"The {networks} of this run, against the grammar's prior: {prior.words}. "
    if len(best) < len(fittest):
        text += f"Only {len(best)} of them are in the grammar as it was edited, and count. "
    if descend > 1:
        whose = f"all {descend}" if descend == len(best) else f"{descend} of them"
        text += (
            f"They are no independent observations: {whose} descend from candidate {root}, and a descendant keeps "
            "most of what its parent had. A choice may have spread because it came along with a good one, so the "
            "intervals are too narrow, and a preference needs several runs to be shown. "
        )
    return text + "The layer that reads the input is left out of weights: its weights are always direct."


def _picture(groups: Mapping[str, Sequence[Share]], best: int) -> str:
    heights = [len(group) + 1.1 for group in groups.values()]
    with svg.figure(svg.WIDTH, 0.21 * sum(heights) + 0.5) as fig:
        all_axes = fig.subplots(len(groups), 1, height_ratios=heights, sharex=True, squeeze=False)[:, 0]
        for axes, (name, group) in zip(all_axes, groups.items(), strict=True):
            _bars(axes, group, best)
            axes.set_title(name, loc="left", fontweight="bold")
            axes.tick_params(axis="y", length=0)
            axes.grid(axis="x")
        all_axes[-1].set_xlabel("share (%)")
        handles, labels = all_axes[0].get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside upper right", ncols=2)
        return svg.to_svg(fig)


def _bars(axes: Axes, group: Sequence[Share], best: int) -> None:
    intervals = [wilson(share.count, share.total) for share in group]
    places = range(len(group))
    axes.barh(
        [place - 0.2 for place in places],
        [100 * share.share for share in group],
        0.38,
        xerr=[
            [100 * (share.share - low) for share, (low, _) in zip(group, intervals, strict=True)],
            [100 * (high - share.share) for share, (_, high) in zip(group, intervals, strict=True)],
        ],
        color=svg.BLUE,
        error_kw={"elinewidth": 0.8},
        label=f"{best} best",
    )
    axes.barh(
        [place + 0.2 for place in places],
        [100 * s.prior for s in group],
        0.38,
        color=svg.GREY,
        label="grammar",
    )
    axes.set_yticks(list(places), [share.choice for share in group])
    axes.set_xlim(0, 100)
    axes.invert_yaxis()


def _table(groups: Mapping[str, Sequence[Share]]) -> Table:
    rows = []
    for group, choices in groups.items():
        for share in choices:
            low, high = wilson(share.count, share.total)
            interval = f"{100 * low:.0f} to {percent(high)}" if share.total else "–"
            ours = percent(share.share) if share.total else "–"
            rows.append(
                (group, share.choice, ours, interval, f"{share.count} of {share.total}", percent(share.prior))
            )
    columns = ("what", "choice", "best", "95 % interval", "count", "grammar")
    return Table(columns, tuple(rows), "", frozenset({2, 3, 4, 5}))
