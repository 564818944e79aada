"""Figures that objectives need: their values, that only they are measured, and the health of spikes beside them."""

from __future__ import annotations

import math
import time
from typing import Any

import hand_counted
import pytest
import torch
from tiny_networks import HEAD, gene_spec, task

from spenser_gee.assessment.energy import energy
from spenser_gee.assessment.latency import Latency
from spenser_gee.assessment.operations import count_operations
from spenser_gee.assessment.robustness import robustness
from spenser_gee.config import FITNESS_KINDS, Initialisation, load_config
from spenser_gee.data.samples import Samples
from spenser_gee.errors import InputError
from spenser_gee.evaluation import Evaluation
from spenser_gee.fitness import figures, trained
from spenser_gee.fitness.evaluator import Evaluated
from spenser_gee.fitness.figures import FIGURES, Bench, measure_figures
from spenser_gee.fitness.trained import evaluate
from spenser_gee.initialisation import from_birth
from spenser_gee.objective import FITNESS, OBJECTIVES, Objective
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.layers import LIF, Conv, FullyConnected, Layer
from spenser_gee.phenotype.words.training import CEMembrane, Input
from spenser_gee.rng import derive_seed
from spenser_gee.training.measure import Measurement
from spenser_gee.training.mode import PLAIN
from spenser_gee.training.source import Source
from spenser_gee.training.train import Budget

OFF = Initialisation(terms="off")
REPEATABLE = ("fitness", "sops", "energy", "energy_with_memory", "robustness")


def run(spec: NetworkSpec, *objectives: str | Objective, seed: int = 1) -> Evaluated:
    chosen = [OBJECTIVES[each] if isinstance(each, str) else each for each in objectives]
    return evaluate(spec, task(), Budget(steps=6), OFF, seed, objectives=chosen)


def hand_bench() -> Bench:
    network, signal = hand_counted.network(), hand_counted.spikes()
    data = Samples(signal.transpose(0, 1).contiguous(), torch.zeros(2, dtype=torch.int64))
    return Bench(network, network.plan.spec, Source(data, torch.arange(2), 1, 99), 0, PLAIN)


# --- values


def test_figures_by_hand() -> None:
    # 19 + 6 synaptic operations and 40 updates; everything lies in 8 KB at 5 pJ (tests/assessment/test_energy.py).
    arithmetic = 0.9 * 25 + 4.6 * 40
    values, errors = measure_figures(("energy_with_memory", "energy", "sops"), hand_bench())
    assert values == pytest.approx(
        {
            "sops": 25.0,
            "energy": arithmetic / 1000,
            "energy_with_memory": (arithmetic + 5 * (25 + 2 * 25 + 2 * 40)) / 1000,
        }
    )
    assert errors == {}


@pytest.mark.parametrize("coding", ["direct", "rate"])
def test_an_evaluation_holds_what_the_assessment_says_of_its_network(coding: str) -> None:
    spec = gene_spec(input=Input(coding))
    done = run(spec, *REPEATABLE)
    evaluation, network, source = done.evaluation, done.network, task().fitness
    assert evaluation.status == "complete", evaluation.reason
    assert network is not None
    stimulus = source.stimulus(spec, derive_seed(1, "operations"), augment=False)
    counted = count_operations(network, (stimulus(images) for images, _ in source.once()))
    noise = derive_seed(1, "robustness")
    (noisy,) = robustness(network, spec, source.once, noise, noise=(0.5,), drop=()).noise
    assert counted.samples == 60
    assert evaluation.objectives == {
        "fitness": evaluation.objectives["fitness"],
        "sops": counted.sops,
        "energy": energy(counted).operations / 1000,
        "energy_with_memory": energy(counted).with_memory / 1000,
        "robustness": noisy.accuracy,
    }
    deviation = math.sqrt(noisy.accuracy * (1 - noisy.accuracy) / 60)
    assert evaluation.errors == {
        "fitness": evaluation.errors["fitness"],
        "robustness": pytest.approx(deviation),
    }
    again = run(spec, *REPEATABLE).evaluation
    assert (again.objectives, again.errors) == (evaluation.objectives, evaluation.errors)


def test_latency_is_in_milliseconds_with_half_its_interquartile_range(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shapes = []

    def timed(network: Any, signal: torch.Tensor, **options: int) -> Latency:
        shapes.append((tuple(signal.shape), options))
        return Latency(0.004, 0.003, 0.007, 1.0, 1, 30, "cpu", 1)

    assert FIGURES["latency"](hand_bench())[0] > 0
    monkeypatch.setattr(figures, "latency", timed)
    assert FIGURES["latency"](hand_bench()) == pytest.approx((4.0, 2.0))
    assert shapes == [((2, 1, 1, 3, 3), {"batch_size": 1})]


def test_operations_are_counted_on_images_from_all_over_fitness(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "COUNTED", 1)
    bench = hand_bench()
    assert bench.operations.samples == 1
    assert bench.operations.sops == 50.0  # the first sample does it all, the second is dark
    # In the order of the classes, as an image folder has them.
    ten = Source(task().fitness.data, torch.arange(10, 20), 4, 4)
    assert figures._some(ten, 4).indices.tolist() == [10, 12, 15, 17]
    assert figures._some(ten, 10).indices.tolist() == list(range(10, 20))


# --- only what is needed


@pytest.mark.parametrize(
    ("objectives", "measured"),
    [
        (("fitness",), []),
        (("fitness", "loss", "firing_rate", "parameters", "macs"), []),
        (("fitness", "sops", "energy", "energy_with_memory"), ["count_operations"]),
        (("robustness",), ["measure_with_noise"]),
        (("latency", "loss"), ["latency"]),
    ],
)
def test_only_what_objectives_need_is_measured_and_that_once(
    monkeypatch: pytest.MonkeyPatch, objectives: tuple[str, ...], measured: list[str]
) -> None:
    calls = []

    def spied(name: str) -> None:
        real = getattr(figures, name)

        def spy(*arguments: Any, **options: Any) -> Any:
            calls.append(name)
            return real(*arguments, **options)

        monkeypatch.setattr(figures, name, spy)

    for name in ("count_operations", "latency", "measure_with_noise"):
        spied(name)
    evaluation = run(gene_spec(), *objectives).evaluation
    assert tuple(evaluation.objectives) == objectives, evaluation.reason
    assert calls == measured
    always = {"fitness", "loss", "firing_rate"}
    assert set(evaluation.measures) == always - set(objectives)
    assert set(evaluation.errors) == {"fitness", *({"robustness", "latency"} & set(objectives))}


def test_measuring_seconds_hold_all_that_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def slow(*_: Any, **__: Any) -> Latency:
        now[0] += 1000.0
        return Latency(0.004, 0.003, 0.007, 1.0, 1, 30, "cpu", 1)

    real = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: real() + now[0])
    monkeypatch.setattr(figures, "latency", slow)
    assert 1000 <= run(gene_spec(), "latency").evaluation.cost["measuring_seconds"] < 1100


def test_an_objective_of_ones_own_says_which_figures_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    double = Objective("double", "minimise", of=lambda found: 2 * found["energy"], reads=("energy",))
    evaluation = run(gene_spec(), double).evaluation
    assert evaluation.objectives["double"] == 2 * evaluation.measures["energy"] > 0
    monkeypatch.setitem(
        OBJECTIVES, "own", Objective("own", of=lambda found: found["warmth"], reads=("warmth",))
    )
    with pytest.raises(InputError, match="warmth is not measured by fitness: training, which gives fitness"):
        load_config("configs/digits.yaml", ["objectives=[own]"])


def test_every_figure_can_be_named_in_a_configuration() -> None:
    assert set(FIGURES) < set(FITNESS_KINDS["training"].figures)
    config = load_config("configs/digits.yaml", [f"objectives=[fitness, {', '.join(FIGURES)}]"])
    assert [each.name for each in config.strives_for] == ["fitness", *FIGURES]
    assert {each.name for each in config.strives_for if each.sign > 0} == {"fitness", "robustness"}


# --- the health of spikes

LIVELY: tuple[Layer, ...] = (Conv(filters=4), LIF(beta=0.9, threshold=0.3))
MEMBRANE = NetworkSpec((LIVELY, LIVELY, HEAD), loss=CEMembrane())


def broken(monkeypatch: pytest.MonkeyPatch, layer: int, bias: float) -> None:
    """After the training, nothing but this bias decides what the neurons behind `layer` do."""
    real = from_birth.train

    def train(network: Any, *arguments: Any, **options: Any) -> Any:
        record = real(network, *arguments, **options)
        with torch.no_grad():
            network.layers[layer].bias.fill_(bias)
        return record

    monkeypatch.setattr(from_birth, "train", train)


@pytest.mark.parametrize(
    ("bias", "reason"),
    [
        (-1e4, "silent: lif layer {} of 3 never fires"),
        (1e9, "saturated: lif layer {} of 3 always fires"),
    ],
)
@pytest.mark.parametrize("number", [1, 2])
def test_silent_and_saturated_layers_are_infeasible_where_there_are_several_objectives(
    monkeypatch: pytest.MonkeyPatch, number: int, bias: float, reason: str
) -> None:
    broken(monkeypatch, 2 * (number - 1), bias)
    monkeypatch.setattr(figures, "count_operations", None)  # which nobody needs of such a network
    done = run(MEMBRANE, "fitness", "energy")
    # What is behind a silent layer may be silent too: the first one is named.
    assert (done.evaluation.status, done.evaluation.reason) == ("infeasible", reason.format(number))
    assert done.evaluation.cost["measuring_seconds"] > 0
    assert done.network is None
    assert run(MEMBRANE, "fitness").evaluation.status == "complete"


@pytest.mark.parametrize(
    ("rates", "reason"),
    [
        ((0.5, 0.5, 0.5), ""),
        ((1.1e-4, 0.99989, 0.5), ""),
        ((0.5, 0.9e-4, 0.5), "silent: lif layer 2 of 3 never fires"),
        ((0.99991, 0.5, 0.5), "saturated: lif layer 1 of 3 always fires"),
        ((0.5, 0.5, 1.0), ""),  # read for its membrane
    ],
)
def test_one_neuron_step_in_ten_thousand_has_to_differ(
    monkeypatch: pytest.MonkeyPatch, rates: tuple[float, ...], reason: str
) -> None:
    monkeypatch.setattr(trained, "measure", lambda *_: Measurement(0.5, 60, 1.0, rates))
    evaluation = run(MEMBRANE, "fitness", "parameters").evaluation
    assert (evaluation.status, evaluation.reason) == ("infeasible" if reason else "complete", reason)


def test_an_output_whose_membrane_is_read_may_be_silent() -> None:
    silent: tuple[Layer, ...] = (FullyConnected(units=0), LIF(threshold=100.0))
    membrane = NetworkSpec((LIVELY, silent), loss=CEMembrane())
    done: Evaluation = run(membrane, "fitness", "energy").evaluation
    assert (done.status, done.details["firing_rates"][-1]) == ("complete", 0.0)
    spikes = run(NetworkSpec((LIVELY, silent)), "fitness", "energy").evaluation
    assert (spikes.status, spikes.reason) == ("infeasible", "silent: the output neurons never fire")


def test_the_last_neurons_of_a_network_that_ends_without_are_hidden_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = NetworkSpec((LIVELY, (FullyConnected(units=0),)), loss=CEMembrane())
    assert run(spec, "fitness", "energy").evaluation.status == "complete"
    broken(monkeypatch, 0, -1e4)
    assert run(spec, "fitness", "energy").evaluation.reason == "silent: lif layer 1 of 1 never fires"
    assert run(spec, FITNESS).evaluation.status == "complete"
