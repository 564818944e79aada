"""Makes feasible, new candidates: redraws what cannot be built and what was evaluated already."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic

import numpy as np

from spenser_gee.objective import FITNESS, Objective
from spenser_gee.search.strategy import Candidate, G, Proposal

REDRAWS = ("redrawn_infeasible", "redrawn_duplicate")

TRIES = 100  # draws for one candidate
EFFORT = 4.0  # of finalists


@dataclass(frozen=True)
class Described:
    """What a genotype stands for. `infeasible_reason` is None for a network that can be built. payload: what was worked
    out on the way, for those who evaluate it."""

    sentence: str
    phenotype_key: str
    infeasible_reason: str | None = None
    payload: Any = None


@dataclass(frozen=True)
class Space(Generic[G]):
    """The search space as functions, so that a search knows nothing of grammars and networks.

    sample(rng) -> genotype; mutate(genotype, rng) -> (genotype, changes in words); describe(genotype), pure;
    to_json(genotype) -> JSON-able values, and its inverse from_json.
    cross(first, second, rng) -> a child of both, where the space has a crossover.
    features(genotype, payload) -> numbers by name that say what the network is like, for models of the fitness.
    species(payload) -> the same for networks of one structure, which compete with each other first.
    """

    sample: Callable[[np.random.Generator], G]
    mutate: Callable[[G, np.random.Generator], tuple[G, Sequence[str]]]
    describe: Callable[[G], Described]
    to_json: Callable[[G], Any]
    from_json: Callable[[Any], G]
    cross: Callable[[G, G, np.random.Generator], tuple[G, Sequence[str]]] | None = None
    features: Callable[[G, Any], Mapping[str, float]] | None = None
    species: Callable[[Any], str] | None = None

    def candidate_to_json(self, candidate: Candidate[G]) -> dict[str, Any]:
        """JSON-able values of a candidate."""
        return {
            "id": candidate.id,
            "genotype": self.to_json(candidate.genotype),
            "parents": list(candidate.parents),
            "origin": list(candidate.origin),
            "sentence": candidate.sentence,
            "phenotype_key": candidate.phenotype_key,
        }

    def candidate_from_json(self, values: Mapping[str, Any]) -> Candidate[G]:
        """The inverse of `candidate_to_json`; what the genotype stands for is worked out again."""
        genotype = self.from_json(values["genotype"])
        return Candidate(
            id=values["id"],
            genotype=genotype,
            parents=tuple(values["parents"]),
            origin=tuple(values["origin"]),
            sentence=values["sentence"],
            phenotype_key=values["phenotype_key"],
            payload=self.describe(genotype).payload,
        )

    def candidate_of(self, candidate: Candidate[G], genotype: G) -> Candidate[G]:
        """The candidate with another genotype."""
        described = self.describe(genotype)
        return replace(
            candidate,
            genotype=genotype,
            sentence=described.sentence,
            phenotype_key=described.phenotype_key,
            payload=described.payload,
        )


@dataclass(frozen=True)
class Frame(Generic[G]):
    """What every strategy is given. offspring: candidates of a generation, beside those that are evaluated again.
    start: a genotype to begin with, or None. tries: draws for one candidate that can be built and is new. finalists: how
    many of the best are evaluated once more in the end, with `effort` times the budget; the best of that is chosen.
    inherits: whether weights are inherited at all; if not, those of parents are not kept."""

    space: Space[G]
    seed: int
    offspring: int
    start: G | None = None
    tries: int = TRIES
    objectives: tuple[Objective, ...] = (FITNESS,)
    finalists: int = 0
    effort: float = EFFORT
    inherits: bool = True


@dataclass(frozen=True)
class Drawn(Generic[G]):
    """A genotype, the changes that made it in words, and the ids of its parents."""

    genotype: G
    changes: Sequence[str]
    parents: tuple[int, ...] = ()


Draw = Callable[[], Drawn[G]]


def short_key(phenotype_key: str) -> str:
    """64 bits of the key: the state holds one for each network seen, and is written every generation."""
    return hashlib.sha256(phenotype_key.encode()).hexdigest()[:16]


_Draw = Callable[[], tuple[G, Sequence[str]]]


class Proposer(Generic[G]):
    """Proposes the candidates of one generation, one after the other.

    seen: short key of every network proposed before -> the candidate's id. The proposer works on a copy,
        which grows by the networks it proposes.
    tries: draws for one candidate at most. If the last one is infeasible, it becomes a candidate recorded as
        such without an evaluation; if it is a duplicate, it takes over the earlier evaluation.

    `counts` holds the redraws so far (`REDRAWS`).
    """

    def __init__(self, space: Space[G], seen: Mapping[str, int], next_id: int, tries: int = TRIES) -> None:
        if tries < 1:
            raise ValueError(f"tries is at least 1, got {tries}")
        self._space = space
        self._tries = tries
        self.seen = dict(seen)
        self.next_id = next_id
        self.counts = dict.fromkeys(REDRAWS, 0)

    @property
    def state(self) -> dict[str, Any]:
        """What a strategy keeps of it, under the names of its state's fields."""
        return {"seen": self.seen, "next_id": self.next_id, "counts": dict(self.counts)}

    def fresh(self, rng: np.random.Generator) -> Proposal[G]:
        """A sampled candidate."""
        return self.first_new(self.sampling(rng))

    def mutant(self, genotype: G, parents: tuple[int, ...], rng: np.random.Generator) -> Proposal[G]:
        """A mutant of `genotype`; a sampled candidate where no mutant is new: near the genotype all is known then."""
        return self.first_new(lambda: Drawn(*self._space.mutate(genotype, rng), parents), self.sampling(rng))

    def sampling(self, rng: np.random.Generator) -> Draw[G]:
        """Draws sampled genotypes."""
        return lambda: Drawn(self._space.sample(rng), ("sampled",))

    def given(self, genotype: G, origin: str) -> Proposal[G]:
        """This very genotype: it is not redrawn."""
        return self.settle(Drawn(genotype, (origin,)), self._space.describe(genotype))

    def first_new(self, *draws: Draw[G]) -> Proposal[G]:
        """From the first of the draws that gives something new within `tries`, else the last of all."""
        for draw in draws:
            for left in reversed(range(self._tries)):
                drawn = draw()
                described = self._space.describe(drawn.genotype)
                if self._is_new(described):
                    return self.settle(drawn, described)
                if left:
                    self._count(described)
        return self.settle(drawn, described)

    def pool(self, draw: Draw[G], count: int) -> list[tuple[Drawn[G], Described]]:
        """Up to `count` different new candidates of as many draws and `tries` more; to `settle` one of them."""
        found: dict[str, tuple[Drawn[G], Described]] = {}
        for _ in range(count + self._tries):
            drawn = draw()
            described = self._space.describe(drawn.genotype)
            if self._is_new(described):
                found.setdefault(described.phenotype_key, (drawn, described))
                if len(found) == count:
                    break
            else:
                self._count(described)
        return list(found.values())

    def _count(self, described: Described) -> None:
        infeasible = described.infeasible_reason is not None
        self.counts["redrawn_infeasible" if infeasible else "redrawn_duplicate"] += 1

    def _is_new(self, described: Described) -> bool:
        return described.infeasible_reason is None and short_key(described.phenotype_key) not in self.seen

    def settle(self, drawn: Drawn[G], described: Described) -> Proposal[G]:
        """The proposal of what was drawn."""
        candidate = Candidate(
            self.next_id,
            drawn.genotype,
            drawn.parents,
            tuple(drawn.changes),
            described.sentence,
            described.phenotype_key,
            described.payload,
        )
        self.next_id += 1
        if described.infeasible_reason is not None:
            return Proposal(candidate, infeasible=described.infeasible_reason or "cannot be built")
        key = short_key(described.phenotype_key)
        if key in self.seen:
            return Proposal(candidate, same_as=self.seen[key])
        self.seen[key] = candidate.id
        return Proposal(candidate)
