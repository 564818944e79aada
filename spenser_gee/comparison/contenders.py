"""Who takes part: what runs have found, hand-designed networks, and the dense twin of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from spenser_gee.comparison.orders import Spec
from spenser_gee.errors import input_error
from spenser_gee.genotype import genotype_from_sentence, sentence_of
from spenser_gee.grammar import Grammar
from spenser_gee.phenotype.decode import decode
from spenser_gee.phenotype.plan import Plan, plan_network
from spenser_gee.phenotype.twin import dense_twin
from spenser_gee.phenotype.words.site import Infeasible, Shape
from spenser_gee.runs.origin import config_of, grammar_of
from spenser_gee.runs.queries import candidate, evaluations, generations
from spenser_gee.runs.store import RunFolder
from spenser_gee.session.setup import read_sentence

Kind = Literal["evolved", "first-generation", "random", "backbone"]


@dataclass(frozen=True)
class SearchCost:
    """What a search took. steps: of training, those of inner searches too."""

    evaluations: int
    steps: float


@dataclass(frozen=True)
class Contender:
    """One network of the comparison.

    name: unique, fit for a file's name. twin: whether it is the dense twin of the one before it. source: the run or
    file that it comes from. problem: why it cannot take part (empty: it can). search: what finding it took.
    """

    name: str
    kind: Kind
    twin: bool
    source: str
    sentence: str
    spec: Spec
    problem: str = ""
    search: SearchCost | None = None

    def plan(self, shape: Shape, classes: int) -> Plan:
        """Its shapes for these data. Raises Infeasible."""
        return plan_network(self.spec, shape, classes)


def evolved_contenders(path: Path, name: str, *, kind: Kind = "evolved") -> list[Contender]:
    """The best network of a run and, unless `kind` is random, the best of its first generation where that is another
    one. Raises InputError where the run has no best network."""
    with RunFolder.open(path) as folder:
        grammar = grammar_of(folder, config_of(folder))
        bests = [finished.best_id for finished in generations(folder)]
        best = bests[-1] if bests else None
        if best is None:
            raise input_error(
                str(path), "the run has no complete candidate yet", "Let it finish a generation: resume it."
            )
        spent = _spent(folder)
        found = [replace(_of_candidate(folder, grammar, best, name, kind, path), search=spent)]
        first = bests[0]
        if kind == "evolved" and first not in (None, best):
            found.append(
                _of_candidate(folder, grammar, first, f"{name}-first-generation", "first-generation", path)
            )
    return found


def candidate_contender(path: Path, number: int, name: str) -> Contender:
    """A candidate of a run. Raises InputError for an unknown one."""
    with RunFolder.open(path) as folder:
        grammar = grammar_of(folder, config_of(folder))
        return replace(_of_candidate(folder, grammar, number, name, "evolved", path), search=_spent(folder))


def _spent(folder: RunFolder) -> SearchCost:
    """What a whole search took. Equal evaluations need not be equal steps: dead candidates are given up early."""
    costs = [each.cost for each in evaluations(folder) if each.evaluated]
    steps = sum(cost.get("training_steps", 0.0) + cost.get("start_steps", 0.0) for cost in costs)
    return SearchCost(len(costs), steps)


def _of_candidate(
    folder: RunFolder, grammar: Grammar, number: int, name: str, kind: Kind, path: Path
) -> Contender:
    sentence = candidate(folder, number).sentence
    spec = decode(genotype_from_sentence(grammar, sentence, f"{path}: candidate {number}"), grammar)
    return Contender(name, kind, False, f"{path}: candidate {number}", sentence, spec)


def backbone(path: Path, grammar: Grammar) -> Contender:
    """A hand-written network. Raises InputError with the place in the file."""
    genotype = read_sentence(path, grammar)
    sentence, spec = sentence_of(genotype, grammar), decode(genotype, grammar)
    return Contender(path.stem, "backbone", False, str(path), sentence, spec)


def entrants(found: Sequence[Contender], shape: Shape, classes: int) -> list[Contender]:
    """Each with the reason where it cannot be built for these data, else followed by its dense twin where it has
    gene-encoded layers. Raises InputError for two of one name."""
    all_of_them = [one for contender in found for one in _with_twin(_checked(contender, shape, classes))]
    sources: dict[str, str] = {}
    for contender in all_of_them:
        if contender.name in sources:
            raise input_error(
                contender.source,
                f'a second contender has the name "{contender.name}" (the first: {sources[contender.name]})',
                "Rename a file, so that results can be told apart.",
            )
        sources[contender.name] = contender.source
    return all_of_them


def _checked(contender: Contender, shape: Shape, classes: int) -> Contender:
    try:
        contender.plan(shape, classes)
    except Infeasible as error:
        return replace(contender, problem=f"it cannot be built for these data: {error}")
    return contender


def _with_twin(contender: Contender) -> list[Contender]:
    twin = dense_twin(contender.spec)
    if contender.problem or twin == contender.spec:
        return [contender]
    return [contender, replace(contender, name=f"{contender.name}-dense", twin=True, spec=twin, search=None)]
