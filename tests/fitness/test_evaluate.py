"""Evaluations: every status, equal results for equal arguments, common draws, and Test out of reach."""

from __future__ import annotations

import dataclasses
import gc
import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_networks import HEAD, dropout_spec, equal_states, gene_spec, gene_unit, task
from torch import Tensor

from spenser_gee.config import Initialisation
from spenser_gee.data.samples import Samples
from spenser_gee.evaluation import Evaluation
from spenser_gee.fitness import trained
from spenser_gee.fitness.evaluator import Evaluated, Task
from spenser_gee.fitness.trained import evaluate
from spenser_gee.initialisation import from_birth
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.layers import LIF, Conv, Dropout, FullyConnected, Layer, MaxPool
from spenser_gee.phenotype.words.training import Adam, CEMembrane, Flip, Input, MSECount, Shift
from spenser_gee.training.train import Budget

INNER = Initialisation(generations=1, population=4, steps=1, budget_share=None)
OFF = Initialisation(terms="off")


def run(
    spec: NetworkSpec,
    steps: int = 6,
    seed: int = 1,
    inner: Initialisation = INNER,
    on: Task | None = None,
    **options: Any,
) -> Evaluated:
    return evaluate(spec, on or task(), Budget(steps=steps), inner, seed, **options)


def timeless(evaluation: Evaluation) -> dict[str, Any]:
    """Without the seconds, which are no two times the same."""
    values = evaluation.to_dict()
    values["cost"] = {name: v for name, v in values["cost"].items() if "seconds" not in name}
    return values


# --- statuses -----------------------------------------------------------------------------------------


def test_complete() -> None:
    done = run(gene_spec(input=Input("direct"), optimiser=Adam(lr=0.02)), steps=80)
    evaluation = done.evaluation
    assert evaluation.status == "complete"
    assert evaluation.objectives["fitness"] > 0.4  # chance is 0.1
    assert evaluation.errors["fitness"] == pytest.approx(
        math.sqrt(evaluation.objectives["fitness"] * (1 - evaluation.objectives["fitness"]) / 60)
    )
    assert evaluation.cost["training_steps"] == 80
    assert done.network is not None
    assert evaluation.cost["parameters"] == sum(p.numel() for p in done.network.parameters())
    assert evaluation.cost["start_steps"] > 0
    assert len(evaluation.details["firing_rates"]) == 3
    assert evaluation.curve[-1][0] == 80
    assert evaluation.details["start"]["chosen"] in ("plain", "evolved")
    again = Evaluation.from_dict(json.loads(json.dumps(evaluation.to_dict(), allow_nan=False)))
    assert again == evaluation


def test_a_shape_that_cannot_be_built() -> None:
    done = run(gene_spec((Conv(), MaxPool(size=16), LIF())))
    assert done.evaluation.status == "infeasible"
    assert "pool-max size=16 leaves nothing" in done.evaluation.reason
    assert done.network is None


def test_dead() -> None:
    done = run(gene_spec(gene_unit(4), (Conv(filters=4), LIF(threshold=100.0))))
    assert done.evaluation.status == "infeasible"
    assert done.evaluation.reason == "silent: lif layer 2 of 3 never fires"
    assert done.evaluation.cost["training_steps"] == 1  # after a fifth of the training
    assert done.evaluation.objectives == {}
    assert done.network is None


def test_outputs_that_never_fire() -> None:
    # The membrane lives, so training may raise it; here it does not, and no spike ever counts.
    silent: tuple[Layer, ...] = (FullyConnected(units=0), LIF(threshold=100.0))
    done = run(NetworkSpec((silent,), loss=MSECount()))
    assert done.evaluation.status == "infeasible"
    assert done.evaluation.reason == "silent: the output neurons never fire"
    assert done.network is None
    # Where the membrane is read, spikes at the output are not needed.
    assert run(NetworkSpec((silent,), loss=CEMembrane())).evaluation.status == "complete"


def test_a_network_that_does_not_end_with_neurons() -> None:
    # Its last lif layer is a hidden one, whatever its rate; what counts are the values of the outputs.
    units = ((Conv(filters=4), LIF(threshold=0.5)), (FullyConnected(units=0),))
    assert run(NetworkSpec(units)).evaluation.status == "complete"


def test_timed_out() -> None:
    done = run(gene_spec(), steps=10**6, inner=OFF, deadline=time.monotonic() + 0.3)
    assert done.evaluation.status == "timed_out"
    assert done.evaluation.reason.startswith("training was at step")
    assert done.network is None


def test_the_deadline_holds_for_the_inner_search_too() -> None:
    begin = time.monotonic()
    long = INNER.model_copy(update={"steps": 10**6})
    assert run(gene_spec(), inner=long, deadline=begin + 0.3).evaluation.status == "timed_out"
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize("after", [0, 3])
def test_nan(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    # Before the check for dead networks, or after it. The loss of spike counts is finite all the while.
    real = from_birth.train

    def train(network: Any, spec: Any, batches: Any, *args: Any, **options: Any) -> Any:
        def poisoned() -> Iterator[tuple[Tensor, Tensor]]:
            for number, (images, labels) in enumerate(batches):
                yield (images * math.nan if number >= after else images), labels

        return real(network, spec, poisoned(), *args, **options)

    monkeypatch.setattr(from_birth, "train", train)
    done = run(gene_spec(loss=MSECount(), input=Input("direct")))
    assert done.evaluation.status == "failed"
    assert "the weights are not finite" in done.evaluation.reason
    assert done.network is None


def test_a_budget_in_seconds() -> None:
    done = evaluate(gene_spec(), task(), Budget(seconds=0.5), INNER, 1)
    assert done.evaluation.status == "complete"
    assert 0.5 <= done.evaluation.cost["training_seconds"] < 5


# --- reproducible, and comparable ---------------------------------------------------------------------

RICH = gene_spec(*dropout_spec().units[:-1], augmentation=(Shift(1), Flip(0.5)))


@pytest.mark.parametrize("inner", [INNER, OFF])
@pytest.mark.parametrize("spec", [gene_spec(), RICH])
def test_equal_arguments_give_equal_results(spec: NetworkSpec, inner: Initialisation) -> None:
    torch.manual_seed(1)
    first = run(spec, inner=inner)
    torch.manual_seed(2)
    run(gene_spec(gene_unit(3)))  # what was evaluated before plays no part
    second = run(spec, inner=inner)
    assert first.evaluation.status == "complete"
    assert timeless(first.evaluation) == timeless(second.evaluation)
    assert first.network is not None
    assert second.network is not None
    assert equal_states(first.network, second.network)
    other = run(spec, inner=inner, seed=2)
    assert other.network is not None
    assert not equal_states(first.network, other.network)


def seen_in_training(
    monkeypatch: pytest.MonkeyPatch, spec: NetworkSpec, inner: Initialisation
) -> list[Tensor]:
    """The labels and the signals of the training's first batches, and of the measuring."""
    seen: list[Tensor] = []
    real_train, real_measure = from_birth.train, trained.measure

    def train(network: Any, spec: Any, batches: Any, stimulus: Any, *args: Any, **options: Any) -> Any:
        def noted() -> Iterator[tuple[Tensor, Tensor]]:
            for images, labels in batches:
                seen.append(labels)
                yield images, labels

        def coded(images: Tensor) -> Tensor:
            seen.append(stimulus(images))
            return seen[-1]

        return real_train(network, spec, noted(), coded, *args, **options)

    def measure(
        network: Any, spec: Any, batches: Any, stimulus: Callable[[Tensor], Tensor], mode: Any
    ) -> Any:
        def coded(images: Tensor) -> Tensor:
            seen.append(stimulus(images))
            return seen[-1]

        return real_measure(network, spec, batches, coded, mode)

    monkeypatch.setattr(from_birth, "train", train)
    monkeypatch.setattr(trained, "measure", measure)
    assert run(spec, inner=inner).evaluation.status == "complete"
    monkeypatch.undo()
    return seen


def test_candidates_of_a_generation_see_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    first = seen_in_training(monkeypatch, gene_spec(), INNER)
    second = seen_in_training(monkeypatch, NetworkSpec(((Dropout(0.5),), HEAD), input=Input("rate")), OFF)
    assert len(first) == len(second) == 2 * 6 + 1
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


# --- what an evaluation may see -----------------------------------------------------------------------


def test_training_does_not_see_fitness_images() -> None:
    one = task()
    images, labels = one.evo_train.data.images.clone(), one.evo_train.data.labels.clone()
    images[one.fitness.indices] = 255 - images[one.fitness.indices]
    labels[one.fitness.indices] = 0
    data = Samples.of_images(images, labels)
    other = dataclasses.replace(
        one,
        evo_train=dataclasses.replace(one.evo_train, data=data),
        fitness=dataclasses.replace(one.fitness, data=data),
    )
    first, second = run(gene_spec(), on=one), run(gene_spec(), on=other)
    assert first.network is not None
    assert second.network is not None
    assert equal_states(first.network, second.network)
    assert first.evaluation.inner == second.evaluation.inner
    assert first.evaluation.objectives != second.evaluation.objectives


# --- many in one process ------------------------------------------------------------------------------


def resident() -> int:
    """Bytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
def test_memory_does_not_grow_over_many_candidates() -> None:
    # An object that is kept for every candidate shows first in their number, then in the memory.
    def many(count: int) -> None:
        for seed in range(count):
            run(gene_spec(gene_unit(4 + seed % 3, stride=2)), steps=1, seed=seed, inner=OFF)

    many(20)
    gc.collect()
    objects, before = len(gc.get_objects()), resident()
    many(150)
    gc.collect()
    assert len(gc.get_objects()) - objects < 150
    assert resident() - before < 8 * 2**20
