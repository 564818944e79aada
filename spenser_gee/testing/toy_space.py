"""A toy search space: bit strings, maximise the ones; a species is the first two bits. `describe` calls a string
infeasible on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from spenser_gee.evaluation import Evaluation
from spenser_gee.rng import stream
from spenser_gee.search import Described, Proposal, Space

Bits = tuple[int, ...]


def never(bits: Bits) -> str | None:
    return None


def toy_space(length: int = 24, infeasible: Callable[[Bits], str | None] = never) -> Space[Bits]:
    def sample(rng: np.random.Generator) -> Bits:
        return tuple(int(bit) for bit in rng.integers(0, 2, length))

    def mutate(bits: Bits, rng: np.random.Generator) -> tuple[Bits, Sequence[str]]:
        place = int(rng.integers(length))
        return (*bits[:place], 1 - bits[place], *bits[place + 1 :]), (f"flip {place}",)

    def describe(bits: Bits) -> Described:
        sentence = " ".join(map(str, bits))
        return Described(sentence, f"key {sentence}", infeasible(bits), bits)

    def cross(one: Bits, other: Bits, rng: np.random.Generator) -> tuple[Bits, Sequence[str]]:
        place = int(rng.integers(1, length))
        return (*one[:place], *other[place:]), (f"cross at {place}",)

    def features(bits: Bits, payload: Any) -> dict[str, float]:
        return {f"bit {place}": float(bit) for place, bit in enumerate(bits)}

    def species(bits: Bits) -> str:
        return str(bits[:2])

    return Space(sample, mutate, describe, list, tuple, cross, features, species)


def best_of(strategy: Any, state: Any) -> int | None:
    """The id of the first of the front."""
    front = strategy.progress(state).front
    return front[0].id if front else None


def one_max(proposal: Proposal[Bits], generation: int) -> Evaluation:
    """Ones, plus noise which all candidates of a draw share."""
    common = float(stream(1, "noise", proposal.draw).normal())
    ones = float(sum(proposal.candidate.genotype))
    return Evaluation("complete", {"fitness": ones + common}, {"parameters": ones})


def evaluator(
    score: Callable[[Proposal[Bits], int], Evaluation] = one_max, order: str = "forward"
) -> Callable[[Sequence[Proposal[Bits]], int], Iterator[tuple[int, Evaluation]]]:
    """An evaluate_generation which also counts its calls in its attribute `made`."""
    made: list[tuple[int, int]] = []

    def evaluate(proposals: Sequence[Proposal[Bits]], generation: int) -> Iterator[tuple[int, Evaluation]]:
        order_of_results = list(range(len(proposals)))
        if order == "backward":
            order_of_results.reverse()
        elif order == "shuffled":
            np.random.default_rng(generation).shuffle(order_of_results)
        for proposal in (proposals[at] for at in order_of_results):
            made.append((generation, proposal.candidate.id))
            yield proposal.candidate.id, score(proposal, generation)

    evaluate.made = made  # type: ignore[attr-defined]
    return evaluate


def comparable(summary: Any) -> dict[str, Any]:
    """A generation's summary without its time."""
    return {key: value for key, value in vars(summary).items() if key != "seconds"}
