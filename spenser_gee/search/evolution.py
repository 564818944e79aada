"""A population that evolves: parents by tournament, children by mutation and crossover, survival by age or by merit.

One design with options. With `survival: age` it is regularised evolution (Real et al., "Regularized evolution for image
classifier architecture search", AAAI 2019); with `survival: merit` a (mu + lambda) strategy, and with several objectives
NSGA-II (see `ranking`). Mutants can be screened by trees before they are evaluated (see `screen`).

All candidates are evaluated on one draw, so that values of different generations can be compared; what that draw
favoured is found out by the finalists' draw (see `finals`), or by duels.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Annotated, Any, Generic, Literal

import numpy as np
from pydantic import Field

from spenser_gee.errors import input_error
from spenser_gee.evaluation import Evaluation
from spenser_gee.objective import Objective
from spenser_gee.rng import derive_seed, stream
from spenser_gee.search.members import Member, complete_members, readable, require_counts
from spenser_gee.search.proposals import Described, Drawn, Frame, Proposer
from spenser_gee.search.ranking import best_first, by_species, chosen_first
from spenser_gee.search.screen import ENOUGH, Experience, Trees
from spenser_gee.search.strategy import Candidate, G, Progress, Proposal, Trained
from spenser_gee.settings import Chosen, NotNegative, Positive, Share, Whole

DRAW = 0
LEADING = 10
LARGEST_FRONT = 100


class EvolutionSettings(Chosen):
    """A population that evolves.

    population: networks that can be parents; the first so many are sampled. survival: the youngest (age) or the best
    (merit) stay in it. tournament: a parent is the best of so many drawn from the population. species: the best of each
    structure come before the second ones, in tournaments and in survival by merit. crossover: probability
    that a child has two parents. immigrants: sampled networks in each generation. duel: who takes the first place, and
    who loses it, are evaluated once more on a fresh draw. screen: for each child up to so many mutants are drawn, and
    trees fitted to all evaluations choose one; 1 = off.
    """

    kind: str = "evolution"
    population: Annotated[Whole, Field(ge=2)] = 10
    survival: Literal["age", "merit"] = "merit"
    tournament: Positive = 5
    species: bool = True
    crossover: Share = 0.0
    immigrants: NotNegative = 0
    duel: bool = False
    screen: Positive = 40


class Nsga2Settings(EvolutionSettings):
    """NSGA-II: `evolution` with that algorithm's survival, tournament and crossover, and without trees."""

    kind: str = "nsga2"
    population: Annotated[Whole, Field(ge=2)] = 24
    tournament: Positive = 2
    species: bool = False
    crossover: Share = 0.5
    screen: Positive = 1


@dataclass(frozen=True)
class EvolutionState(Generic[G]):
    """generation: the next one to ask for. population: by age. best: the front, or with one objective the best, in
    order. challenge: ids of those who are to be evaluated again. experience: for the trees. seen, next_id, counts: see
    `Proposer`."""

    generation: int = 0
    next_id: int = 0
    population: tuple[Member[G], ...] = ()
    best: tuple[Member[G], ...] = ()
    challenge: tuple[int, ...] = ()
    experience: Experience = field(default_factory=Experience)
    seen: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)


class Evolution(Generic[G]):
    """See the module; `frame.offspring` candidates are evaluated in a generation."""

    def __init__(self, settings: EvolutionSettings, frame: Frame[G]) -> None:
        if frame.offspring < 1:
            raise ValueError(f"offspring is at least 1, got {frame.offspring}")
        if settings.duel and frame.offspring < 2:
            raise input_error(
                "search.strategy",
                f"a duel takes two places of a generation, found offspring: {frame.offspring}",
                "Set search.offspring to 2 or more, or leave duel out.",
            )
        if settings.screen > 1 and frame.space.features is None:
            raise ValueError("mutants are screened by their features, which this space does not have")
        if settings.crossover > 0 and frame.space.cross is None:
            raise ValueError("this space has no crossover")
        self._settings, self._frame, self._space = settings, frame, frame.space

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """See `Strategy.objectives`."""
        return self._frame.objectives

    def init(self) -> EvolutionState[G]:
        """See `Strategy.init`."""
        return EvolutionState()

    # -- proposals ---------------------------------------------------------------------------------------

    def ask(self, state: EvolutionState[G]) -> tuple[Sequence[Proposal[G]], EvolutionState[G]]:
        """`offspring` proposals: who is challenged, then immigrants, then children."""
        proposer = Proposer(self._space, state.seen, state.next_id, self._frame.tries)
        proposals = [
            Proposal(member.candidate, again=True, draw=state.generation)
            for member in state.best
            if member.candidate.id in state.challenge
        ]
        order = self._order(state.population)
        breeding = _Breeding(self._settings, self._frame, state, proposer, order)
        trained = {member.candidate.id: member.evaluation for member in self._parents(state)}
        while len(proposals) < self._frame.offspring:
            proposal = breeding.newcomer(len(proposals))
            parents = [number for number in proposal.candidate.parents if number in trained]
            inherits = trained[parents[0]] if parents else None
            proposals.append(replace(proposal, draw=DRAW, inherits=inherits))
        return proposals, replace(state, **proposer.state)

    # -- selection ---------------------------------------------------------------------------------------

    def tell(
        self, state: EvolutionState[G], evaluated: Sequence[tuple[Candidate[G], Evaluation]]
    ) -> EvolutionState[G]:
        """Complete evaluations join the population; who leaves it is a matter of `survival`."""
        generation = state.generation
        told = {each.candidate.id: each for each in complete_members(evaluated, generation, DRAW)}

        def updated(member: Member[G]) -> Member[G]:
            found = told.get(member.candidate.id)
            return member if found is None else replace(found.after(member), draw=generation)

        known = {member.candidate.id for member in (*state.population, *state.best)}
        new = [member for number, member in told.items() if number not in known]
        population = self._survivors([*map(updated, state.population), *new])
        best = self._best([*map(updated, state.best), *new])
        return replace(
            state,
            generation=generation + 1,
            population=population,
            best=best,
            challenge=self._challenge(state, best),
            experience=self._learned(state.experience, new),
        )

    def _survivors(self, members: list[Member[G]]) -> tuple[Member[G], ...]:
        size = self._settings.population
        if self._settings.survival == "merit":
            chosen = sorted(self._order(members)[:size])
            return tuple(members[at] for at in chosen)
        return tuple(members[-size:])

    def _order(self, members: Sequence[Member[G]]) -> list[int]:
        """Places of `members`, those first that are to survive and to be parents."""
        order, species = best_first(members, self.objectives), self._space.species
        if species is None or not self._settings.species:
            return order
        return by_species(order, [species(member.candidate.payload) for member in members])

    def _best(self, members: list[Member[G]]) -> tuple[Member[G], ...]:
        """With one objective the `LEADING`; with several the front, the one to choose first."""
        if len(self.objectives) > 1:
            return tuple(chosen_first(members, self.objectives)[:LARGEST_FRONT])
        leading = best_first(members, self.objectives)[: max(LEADING, self._frame.finalists)]
        return tuple(members[at] for at in leading)

    def _challenge(self, state: EvolutionState[G], best: Sequence[Member[G]]) -> tuple[int, ...]:
        """The old and the new first, where they differ and both are still among the best."""
        if not self._settings.duel or not state.best or not best:
            return ()
        pair = {state.best[0].candidate.id, best[0].candidate.id}
        if len(pair) < 2 or not pair <= {member.candidate.id for member in best}:
            return ()
        return tuple(sorted(pair))

    def _learned(self, experience: Experience, new: Sequence[Member[G]]) -> Experience:
        if self._settings.screen == 1:
            return experience
        assert self._space.features is not None
        for member in new:
            features = self._space.features(member.candidate.genotype, member.candidate.payload)
            experience = experience.with_network(features, [member.mean(o.name) for o in self.objectives])
        return experience

    # -- what others ask ---------------------------------------------------------------------------------

    def progress(self, state: EvolutionState[G]) -> Progress:
        """See `Strategy.progress`."""
        front = tuple(member.standing(self.objectives) for member in self._front(state))
        return Progress(state.generation, front, state.counts)

    def _front(self, state: EvolutionState[G]) -> Sequence[Member[G]]:
        return state.best if len(self.objectives) > 1 else state.best[:1]

    def _parents(self, state: EvolutionState[G]) -> Sequence[Member[G]]:
        """From whom children inherit."""
        return state.population if self._frame.inherits else ()

    def finalists(self, state: EvolutionState[G]) -> Sequence[Candidate[G]]:
        """The best; of a front the one to choose and those that stand alone."""
        return [member.candidate for member in state.best[: self._frame.finalists]]

    def needed(self, state: EvolutionState[G]) -> Collection[Trained]:
        """Those of the front, and of the population where children inherit from it."""
        return {member.evaluation for member in (*self._front(state), *self._parents(state))}

    def reencode(
        self, state: EvolutionState[G], change: Callable[[Candidate[G]], Candidate[G]]
    ) -> EvolutionState[G]:
        """See `Strategy.reencode`. All but the best may be lost."""
        best = [member.reencoded(change) for member in state.best[:1]]
        return replace(
            state,
            population=readable(state.population, change),
            best=(*best, *readable(state.best[1:], change)),
        )

    def state_to_json(self, state: EvolutionState[G]) -> dict[str, Any]:
        """See `Strategy.state_to_json`."""
        members = {m.candidate.id: m.to_json(self._space) for m in (*state.population, *state.best)}
        return {
            "generation": state.generation,
            "next_id": state.next_id,
            "members": list(members.values()),
            "population": [member.candidate.id for member in state.population],
            "best": [member.candidate.id for member in state.best],
            "challenge": list(state.challenge),
            "experience": state.experience.to_json(),
            "seen": dict(state.seen),
            "counts": dict(state.counts),
        }

    def state_from_json(self, values: Mapping[str, Any]) -> EvolutionState[G]:
        """See `Strategy.state_from_json`."""
        seen, counts, challenge = dict(values["seen"]), dict(values["counts"]), tuple(values["challenge"])
        require_counts(values["generation"], values["next_id"], *seen.values(), *counts.values(), *challenge)
        names = [objective.name for objective in self.objectives]
        read = partial(Member.from_json, space=self._space, names=names)
        members = {member.candidate.id: member for member in map(read, values["members"])}
        return EvolutionState(
            values["generation"],
            values["next_id"],
            tuple(members[number] for number in values["population"]),
            tuple(members[number] for number in values["best"]),
            challenge,
            Experience.from_json(values["experience"], len(names)),
            seen,
            counts,
        )


class _Breeding(Generic[G]):
    """The newcomers of one generation. order: places of the population, the best first."""

    def __init__(
        self,
        settings: EvolutionSettings,
        frame: Frame[G],
        state: EvolutionState[G],
        proposer: Proposer[G],
        order: Sequence[int],
    ) -> None:
        self._settings, self._frame, self._space = settings, frame, frame.space
        self._state, self._proposer, self._objectives = state, proposer, frame.objectives
        self._rank = {at: rank for rank, at in enumerate(order)}

    @cached_property
    def _trees(self) -> Trees | None:
        """Fitted when the first child is screened: a generation of samples needs none."""
        experience = self._state.experience
        if len(experience.rows) < ENOUGH:
            return None
        seed = derive_seed(self._frame.seed, "trees", self._state.generation)
        return Trees(experience, self._objectives, seed)

    def newcomer(self, index: int) -> Proposal[G]:
        """The candidate at this place of the generation."""
        seed, start, state = self._frame.seed, self._frame.start, self._state
        settings, proposer = self._settings, self._proposer
        if proposer.next_id < settings.population or not state.population:
            if start is None:
                return proposer.fresh(stream(seed, "sample", state.generation, index))
            if proposer.next_id == 0:
                return proposer.given(start, "start")
            return proposer.mutant(start, (0,), stream(seed, "mutation", state.generation, index))
        if index >= self._frame.offspring - settings.immigrants:
            return proposer.fresh(stream(seed, "sample", state.generation, index))
        rng = stream(seed, "variation", state.generation, index)
        # Log-uniform: how far a child relies on the trees differs, and one in nine (of 40) does not at all. Where all do,
        # what the trees have met in poor networks only is never tried again.
        mutants = round(settings.screen ** rng.random())
        if mutants > 1 and self._trees is not None:
            # Of one parent: the trees do not choose between those that the tournament has chosen from.
            parent = self._parent(rng)
            pool = proposer.pool(lambda: self._child(parent, rng), mutants)
            if pool:
                return proposer.settle(*pool[self._most_promising(pool)])
        # Where no child is new, all is known near the population.
        return proposer.first_new(lambda: self._child(self._parent(rng), rng), proposer.sampling(rng))

    def _child(self, parent: Candidate[G], rng: np.random.Generator) -> Drawn[G]:
        genotype, changes, parents = parent.genotype, list[str](), [parent.id]
        if self._space.cross is not None and rng.random() < self._settings.crossover:
            other = self._parent(rng)
            genotype, crossed = self._space.cross(genotype, other.genotype, rng)
            changes += crossed
            parents.append(other.id)
        genotype, changed = self._space.mutate(genotype, rng)
        return Drawn(genotype, (*changes, *changed), tuple(parents))

    def _parent(self, rng: np.random.Generator) -> Candidate[G]:
        """The best of a tournament."""
        count = len(self._state.population)
        drawn = rng.choice(count, min(self._settings.tournament, count), replace=False)
        return self._state.population[min(drawn, key=lambda at: self._rank[int(at)])].candidate

    def _most_promising(self, pool: Sequence[tuple[Drawn[G], Described]]) -> int:
        assert self._trees is not None
        assert self._space.features is not None
        features = [self._space.features(drawn.genotype, each.payload) for drawn, each in pool]
        return best_first(self._trees.hopes(features), self._objectives)[0]
