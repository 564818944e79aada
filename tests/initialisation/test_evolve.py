"""The start of a network: reproducible, within its budget, guarded, inherited; and nothing of it leaks."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tiny_networks import HEAD, dropout_spec, equal_states, gene_spec, gene_unit, network_of, plan_of, task

from spenser_gee.initialisation import evolve
from spenser_gee.initialisation.evolve import Initialisation, InnerRecord, ParentGenes, Trial, evolve_start
from spenser_gee.initialisation.inherit import inherited_genes
from spenser_gee.initialisation.objective import DEAD, Terms
from spenser_gee.initialisation.parent import parent_genes, start_to_save
from spenser_gee.initialisation.start import GeneStart, plain_start, random_start
from spenser_gee.network.backends import backend
from spenser_gee.network.build import SpikingNetwork
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.layers import LIF, Conv
from spenser_gee.training.saved import load_network, save_network

FREE = Initialisation(generations=2, population=4, steps=1, budget_share=None)
OFF = FREE.model_copy(update={"terms": "off"})


@pytest.fixture(autouse=True)
def one_after_the_other() -> Iterator[None]:
    """The plain backend trains one network after the other, so that they can be counted and replaced."""
    with backend("plain"):
        yield


def evolved(
    spec: NetworkSpec,
    settings: Initialisation = FREE,
    seed: int = 3,
    steps: int | None = None,
    parent: ParentGenes | None = None,
    **options: float,
) -> tuple[SpikingNetwork, InnerRecord]:
    network = network_of(spec)
    record = evolve_start(network, task().evo_train, settings, steps, seed, parent, **options)
    return network, record


def rebuilt(spec: NetworkSpec, start: GeneStart) -> SpikingNetwork:
    """A network with the genes of a start, from nothing but the start."""
    network = network_of(spec)
    plain_start(network.plan, 0)[0].apply(network, start)
    return network


# --- reproducible -------------------------------------------------------------------------------------


@pytest.mark.parametrize("terms", ["off", "L", "L+r1+r2"])
@pytest.mark.parametrize("kind", [gene_spec, dropout_spec])
def test_training_starts_from_exactly_the_recorded_start(terms: str, kind: type) -> None:
    # The evolved one has to be chosen at least once for this to say something: no guard.
    settings = FREE.model_copy(update={"terms": terms, "guard_batches": 0})
    network, record = evolved(kind(), settings)
    assert record.chosen == ("plain" if terms == "off" else "evolved")
    assert record.start is not None
    assert equal_states(network, rebuilt(kind(), record.start))


def test_the_search_leaves_no_trace_in_the_ordinary_weights() -> None:
    network, _ = evolved(gene_spec())
    born = network_of(gene_spec()).state_dict()
    for name, tensor in network.state_dict().items():
        if not name.startswith("genes."):
            assert torch.equal(tensor, born[name]), name


def test_equal_arguments_give_equal_starts() -> None:
    first, record = evolved(dropout_spec())
    torch.manual_seed(99)  # the global generator plays no part
    second, again = evolved(dropout_spec())
    assert equal_states(first, second)
    assert (record.remarks(), record.history) == (again.remarks(), again.history)
    other, _ = evolved(dropout_spec(), seed=4)
    assert not equal_states(first, other)


def test_equal_starts_get_equal_terms_in_a_generation() -> None:
    # Same batches, same spike noise, same dropout masks: only the start makes a difference.
    network = network_of(dropout_spec())
    frame, start = plain_start(network.plan, 1)
    trial = Trial(network, task().evo_train, frame, 2, seed=5)
    other = dataclasses.replace(start, seed=start.seed + 1)
    terms = trial.generation([start, other, start], 0)
    assert terms[0] == terms[2] != terms[1]
    assert trial.generation([start], 1)[0] != terms[0]


def test_random_is_the_papers() -> None:
    network, record = evolved(gene_spec(genes=20), FREE.model_copy(update={"terms": "random"}))
    assert record.chosen == "random"
    assert record.start is not None
    assert (record.start.beta1, record.start.beta2) == (1.0, math.inf)
    for tensor in (network.genes.G, *network.genes.E.values()):
        assert float(tensor.detach().std()) == pytest.approx(1.0, abs=0.15)
    again = network_of(gene_spec(genes=20))
    random_start(again.plan, 0)[0].apply(again, record.start)
    assert equal_states(network, again)


def test_without_gene_coded_layers_nothing_happens() -> None:
    spec = NetworkSpec(((Conv(filters=4), LIF()), HEAD))
    network, record = evolved(spec)
    assert (record.start, record.cost) == (None, 0.0)
    assert record.chosen == "no gene-encoded layers"
    assert equal_states(network, network_of(spec))


# --- budget and guard ---------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [20, 60, 100, 200, 400, 1000])
@pytest.mark.parametrize("share", [0.05, 0.1, 0.3])
@pytest.mark.parametrize("guard", [0, 2])
def test_the_share_is_kept(monkeypatch: pytest.MonkeyPatch, steps: int, share: float, guard: int) -> None:
    passes = {"train": 0, "forward": 0}
    real = evolve.train

    def counting(*args: object, **options: object) -> object:
        passes["train"] += args[4].steps  # type: ignore[attr-defined]
        return real(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(evolve, "train", counting)
    network = network_of(gene_spec(gene_unit(2, stride=2), gene_unit(2)))
    network.register_forward_hook(lambda *_: passes.update(forward=passes["forward"] + 1))
    settings = Initialisation(generations=3, population=4, steps=4, budget_share=share, guard_batches=guard)
    record = evolve_start(network, task().evo_train, settings, steps, 0)
    # Forward passes outside of training steps, counted apart from what the record says.
    spent = passes["train"] + (passes["forward"] - passes["train"]) / 3
    assert spent <= share * steps + 1e-9
    assert record.cost <= share * steps + 1e-9
    assert record.cost == pytest.approx(spent)
    if not record.history:
        assert "the budget is too small for a generation" in record.chosen
        # One generation of four starts after four steps, and the guard.
        assert share * steps < 4 * (4 + 2 / 3) + (2 * (8 + 1) if guard else 0)


def test_a_larger_budget_buys_more() -> None:
    settings = Initialisation(generations=3, population=4, steps=8)
    bought = []
    for steps in (370, 450, 600, 800, 1000, 2000):
        fitted = evolve._fit_to_budget(settings, steps)
        assert fitted is not None
        bought.append((fitted.steps, fitted.generations))
    assert bought == sorted(bought)
    assert bought[0] == (4, 1)
    assert bought[-1] == (8, 3)
    assert evolve._fit_to_budget(settings, None) == settings
    uncapped = settings.model_copy(update={"budget_share": None})
    assert evolve._fit_to_budget(uncapped, 1) == uncapped


def test_fewer_steps_than_say_anything_are_not_bought() -> None:
    settings = Initialisation(generations=5, population=4, steps=8, budget_share=1.0)
    # One generation after four steps, and the guard after eight: 4 (4 + 2/3) + 2 (8 + 1).
    assert evolve._fit_to_budget(settings, 36) is None
    assert evolve._fit_to_budget(settings, 37) == settings.model_copy(update={"generations": 1, "steps": 4})
    # Who asks for a loss at birth gets it.
    at_birth = settings.model_copy(update={"steps": 0})
    assert evolve._fit_to_budget(at_birth, 36) == at_birth


@pytest.mark.parametrize("better", ["plain", "evolved"])
def test_the_guard_takes_the_better_start(monkeypatch: pytest.MonkeyPatch, better: str) -> None:
    plan = plan_of(gene_spec())
    plain = plain_start(plan, 3)[1]
    asked: list[bool] = []

    def terms(self: Trial, start: GeneStart, seed: int, batches: int, reach: int = 1) -> Terms:
        is_plain = start.seed == plain.seed
        if batches == 2:  # the guard, which looks further ahead
            assert reach > 1
            asked.append(is_plain)
        return Terms(1.0 if is_plain == (better == "plain") else 2.0, 0.1, 0.5)

    monkeypatch.setattr(Trial, "terms", terms)
    network, record = evolved(gene_spec())
    assert sorted(asked) == [False, True]
    assert record.chosen == better
    assert record.guard[better] == 1.0
    assert record.start is not None
    assert (record.start.seed == plain.seed) == (better == "plain")
    assert equal_states(network, rebuilt(gene_spec(), record.start))


def test_the_guard_sees_batches_that_the_search_did_not(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: dict[int, set[int]] = {1: set(), 2: set()}

    def terms(self: Trial, start: GeneStart, seed: int, batches: int, reach: int = 1) -> Terms:
        seeds[batches].add(seed)
        return Terms(1.0, 0.1, 0.5)

    monkeypatch.setattr(Trial, "terms", terms)
    evolved(gene_spec())
    assert len(seeds[1]) == FREE.generations
    assert len(seeds[2]) == 1
    assert not seeds[1] & seeds[2]


def test_all_starts_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trial, "terms", lambda self, start, seed, batches: DEAD)
    network, record = evolved(gene_spec())
    assert record.chosen == "plain (all evolved starts are dead)"
    assert record.guard == {}
    assert record.start is not None
    assert equal_states(network, rebuilt(gene_spec(), record.start))


def test_dead_starts_are_marked() -> None:
    silent = gene_spec((Conv(filters=5), LIF()), (Conv(filters=5, weights="gene"), LIF(threshold=100.0)))
    _, record = evolved(silent)
    assert record.chosen.endswith("(all evolved starts are dead)")
    assert [row["dead"] for row in record.history] == [4.0, 4.0]


def test_past_the_deadline_nothing_is_trained() -> None:
    begin = time.monotonic()
    long = FREE.model_copy(update={"steps": 10**6})
    _, record = evolved(gene_spec(), long, deadline=begin + 0.3)
    assert time.monotonic() - begin < 5
    assert record.start is not None


# --- what the record says -----------------------------------------------------------------------------


def test_the_record_is_json_able() -> None:
    _, record = evolved(gene_spec())
    values = json.loads(json.dumps({"start": record.remarks(), "inner": record.history}, allow_nan=False))
    assert values["start"]["chosen"] in ("plain", "evolved")
    assert set(values["start"]["guard"]) == {"plain", "evolved"}
    assert len(values["inner"]) == 2
    assert values["inner"][1]["generation"] == 1


# --- inheritance --------------------------------------------------------------------------------------


def parent_of(spec: NetworkSpec) -> ParentGenes:
    """With tensors that differ from those of its start, as after training."""
    network, record = evolved(spec, OFF, seed=77)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1.5)
    return ParentGenes(network.plan, record.start, network.state_dict())


PARENT, CHILD = gene_spec(), gene_spec(gene_unit(7), gene_unit(5, stride=2), gene_unit(6))


def with_inherit(inherit: str, terms: str = "off") -> Initialisation:
    return FREE.model_copy(update={"terms": terms, "inherit": inherit})  # type: ignore[arg-type]


def test_inherit_none() -> None:
    network, record = evolved(CHILD, with_inherit("none"), parent=parent_of(PARENT))
    assert record.chosen == "plain"
    assert equal_states(network, evolved(CHILD, OFF)[0])


def test_inherit_distribution() -> None:
    parent = parent_of(PARENT)
    network, record = evolved(CHILD, with_inherit("distribution"), parent=parent)
    assert record.chosen == "inherited distribution"
    assert record.start is not None
    assert (record.start.beta1, record.start.beta2) == (parent.start.beta1, parent.start.beta2)
    assert torch.equal(network.genes.G.detach(), torch.from_numpy(parent.start.G).float())
    # E is drawn anew, from the child's seed.
    assert record.start.seed == 3
    assert equal_states(network, rebuilt(CHILD, record.start))


def test_inherit_trained() -> None:
    parent = parent_of(PARENT)
    network, record = evolved(CHILD, with_inherit("trained"), parent=parent)
    assert record.chosen == "inherited genes"
    assert torch.equal(network.genes.G.detach(), parent.tensors["genes.G"])
    inherited = inherited_genes(parent.plan, parent.tensors, network.plan)
    assert len(inherited) == len(parent.plan.encodings)
    drawn = rebuilt(CHILD, record.start).state_dict()
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, inherited.get(name, drawn[name])), name
    assert set(inherited) < {f"genes.E.{name}" for name in network.genes.E}  # the new unit's is drawn


def test_inherit_weights() -> None:
    parent = parent_of(PARENT)
    network, _ = evolved(PARENT, with_inherit("weights"), parent=parent)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, parent.tensors[name]), name


def test_another_number_of_genes_inherits_nothing() -> None:
    other = gene_spec(genes=5)
    for inherit in ("distribution", "trained"):
        network, record = evolved(other, with_inherit(inherit), parent=parent_of(PARENT))
        assert record.chosen == "plain"
        assert equal_states(network, evolved(other, OFF)[0])


def test_the_search_goes_on_from_inherited_genes() -> None:
    parent = parent_of(PARENT)
    network, record = evolved(
        CHILD, with_inherit("trained", "L").model_copy(update={"guard_batches": 0}), parent=parent
    )
    assert record.chosen == "evolved"
    inherited = inherited_genes(parent.plan, parent.tensors, network.plan)
    for name, tensor in inherited.items():
        assert torch.equal(network.state_dict()[name], tensor)
    G = network.genes.G.detach()
    trained = parent.tensors["genes.G"]
    # Perturbed, not drawn anew: near the parent's, and not equal to it.
    assert 0 < (G - trained).norm() < 0.8 * trained.norm()


def test_a_parent_without_gene_coded_layers() -> None:
    plain = network_of(NetworkSpec(((Conv(filters=5), LIF()), HEAD)))
    parent = ParentGenes(plain.plan, None, plain.state_dict())
    network, record = evolved(PARENT, with_inherit("trained"), parent=parent)
    assert record.chosen == "plain"
    assert equal_states(network, evolved(PARENT, OFF)[0])


def test_a_parent_comes_back_from_its_file(tmp_path: Path) -> None:
    network, record = evolved(PARENT, OFF)
    path = tmp_path / "p.safetensors"
    tensors, notes = start_to_save(record.start)
    save_network(path, network, "", tensors, notes)
    parent = parent_genes(load_network(path))
    assert parent.start is not None
    assert record.start is not None
    assert torch.equal(torch.from_numpy(parent.start.G), torch.from_numpy(record.start.G))
    for name in ("beta1", "beta2", "seed"):
        assert getattr(parent.start, name) == getattr(record.start, name)
    assert equal_states(rebuilt(PARENT, parent.start), network)
    bare = network_of(NetworkSpec((HEAD,)))
    save_network(path, bare, "", *start_to_save(None))
    assert parent_genes(load_network(path)).start is None
