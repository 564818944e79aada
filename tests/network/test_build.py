"""Whole networks: against a network stepped over time, and what has to hold for every network."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import snntorch
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tiny_networks import parameter_count
from torch import Tensor

from spenser_gee.network.build import SpikingNetwork, build_network
from spenser_gee.network.gene import encoding_name
from spenser_gee.network.layers import kaiming
from spenser_gee.phenotype.plan import Plan, plan_network
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.layers import (
    LIF,
    AdaptivePool,
    AvgPool,
    BatchNorm,
    Conv,
    Dropout,
    FullyConnected,
    GlobalPool,
    Layer,
    MaxPool,
    Skip,
)
from spenser_gee.phenotype.words.site import Infeasible
from spenser_gee.phenotype.words.training import Genes

HEAD: tuple[Layer, ...] = (FullyConnected(units=0), LIF(beta=0.8))


def plan_of(*units: tuple[Layer, ...], shape: tuple[int, int, int] = (2, 8, 8), genes: int = 4) -> Plan:
    return plan_network(NetworkSpec(units=units, genes=Genes(genes)), shape, 3)


def images(steps: int, batch: int = 5, shape: tuple[int, ...] = (2, 8, 8), seed: int = 0) -> Tensor:
    return torch.rand(steps, batch, *shape, generator=torch.Generator().manual_seed(seed))


def boosted(network: SpikingNetwork) -> SpikingNetwork:
    """Larger direct weights, so that every layer of a small network fires."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.startswith("layers.") and parameter.dim() > 1:
                parameter.mul_(2)
    return network


def test_equals_a_network_stepped_over_time() -> None:
    plan = plan_of(
        (Conv(filters=6, kernel=3, stride=2), MaxPool(size=2), LIF(beta=0.7, reset="zero")),
        (Conv(filters=8, kernel=3, weights="gene", bias=False), LIF(beta=0.6, threshold=0.4)),
        HEAD,
    )
    network = boosted(build_network(plan, 6, seed=2)).eval()
    x = images(6)
    found = network(x, membrane=True)

    state = network.state_dict()
    name_in, name_out = (f"genes.E.{encoding_name(key)}" for key in plan.encodings)
    middle = torch.einsum("cpa,ab,opb->ocp", state[name_in], state["genes.G"], state[name_out]).view(
        8, 6, 3, 3
    )
    neurons = [
        snntorch.Leaky(beta=0.7, reset_mechanism="zero"),
        snntorch.Leaky(beta=0.6, threshold=0.4),
        snntorch.Leaky(beta=0.8),
    ]
    memory: list[Tensor | None] = [None, None, None]
    for t in range(6):
        signal = F.pad(x[t], (0, 1, 0, 1))
        signal = F.max_pool2d(F.conv2d(signal, state["layers.0.weight"], state["layers.0.bias"], 2), 2)
        signal, memory[0] = neurons[0](signal, torch.zeros_like(signal) if t == 0 else memory[0])
        signal = F.conv2d(signal, middle, padding=1)
        signal, memory[1] = neurons[1](signal, torch.zeros_like(signal) if t == 0 else memory[1])
        signal = F.linear(signal.flatten(1), state["layers.5.weight"], state["layers.5.bias"])
        signal, memory[2] = neurons[2](signal, torch.zeros_like(signal) if t == 0 else memory[2])
        assert torch.equal(found.spikes[t], signal)
        assert found.membrane is not None
        assert memory[2] is not None
        torch.testing.assert_close(found.membrane[t], memory[2], rtol=1e-5, atol=1e-5)
    rates = network(x, rates=True).rates
    assert (rates > 0).all(), "a silent layer makes the comparison empty"


def test_residual_block_in_closed_form() -> None:
    plan = plan_of(
        (Conv(filters=4), LIF()), (Conv(filters=6, stride=2), Skip(back=1), LIF()), (GlobalPool(), *HEAD)
    )
    network = build_network(plan, 3, seed=1)
    seen: dict[int, Tensor] = {}
    for index, layer in enumerate(network.layers):
        layer.register_forward_hook(lambda _m, _i, out, index=index: seen.update({index: out}))  # type: ignore[misc]
    network(images(3))
    state = network.state_dict()
    source = seen[1][0].flatten(0, 1)
    expected = seen[2] + F.conv2d(source, state["layers.3.weight"], stride=2)
    torch.testing.assert_close(seen[3], expected)


@pytest.mark.parametrize("training", [False, True])
def test_static_input_equals_the_repeated_one(training: bool) -> None:
    plan = plan_of(
        (
            Conv(filters=4),
            BatchNorm(),
            Dropout(0.2),
            Skip(back=1, mode="concat"),
            MaxPool(),
            LIF(threshold=0.5),
        ),
        (Conv(filters=4, weights="gene"), BatchNorm(over="step"), Dropout(0.3, "step"), Skip(back=2), LIF()),
        HEAD,
    )
    x = images(1)
    results = []
    for given_input in (x, x.expand(4, *x.shape[1:]).contiguous()):
        network = build_network(plan, 4, seed=5).train(training)
        network.use_generator(torch.Generator().manual_seed(1))
        output = network(given_input, membrane=True, rates=True)
        output.membrane.square().sum().backward()
        results.append((output, [p.grad for p in network.parameters()]))
    (static, static_grads), (repeated, repeated_grads) = results
    assert torch.equal(static.spikes, repeated.spikes)
    torch.testing.assert_close(static.membrane, repeated.membrane)
    torch.testing.assert_close(static.rates, repeated.rates)
    torch.testing.assert_close(static_grads, repeated_grads, rtol=1e-3, atol=1e-4)


def test_per_step_layers_before_the_first_neurons_see_time() -> None:
    plan = plan_of((Conv(filters=4), BatchNorm(over="step"), Dropout(0.5, "step"), LIF()), HEAD)
    network = build_network(plan, 3, seed=0)
    seen: list[Tensor] = []
    network.layers[2].register_forward_hook(lambda _m, _i, out: seen.append(out))
    network(images(1))
    by_step = seen[0].view(3, 5, 4, 8, 8)
    assert not torch.equal(by_step[0], by_step[1])


def test_network_that_does_not_end_with_neurons_gives_its_currents() -> None:
    plan = plan_of((Conv(filters=4), LIF(threshold=0.2)), (FullyConnected(units=0),))
    output = build_network(plan, 4, seed=0)(images(4), membrane=True)
    assert output.membrane is output.spikes
    assert output.spikes.unique().numel() > 2


def test_units_without_layers_pass_their_input_on() -> None:
    block: tuple[Layer, ...] = (Conv(filters=2), Skip(back=2), LIF())
    with_empty = plan_of((), block, (), (), (Conv(filters=2), Skip(back=3), LIF()), HEAD)
    network = build_network(with_empty, 2, seed=0)
    first, second = (with_empty.layers[i].join for i in (1, 4))
    assert first is not None
    assert second is not None
    assert (first.source, second.source) == (-1, 1)
    seen: dict[int, tuple[Tensor, ...]] = {}
    for index in (1, 2, 4):
        network.layers[index].register_forward_hook(
            lambda _m, inputs, out, index=index: seen.update({index: (*inputs, out)})  # type: ignore[misc]
        )
    x = images(2)
    network(x)
    assert torch.equal(seen[1][1], x.flatten(0, 1))
    # Unit 5 reads three units back: unit 2's spikes, through the two empty units between.
    spikes = seen[2][-1][0]
    assert 0 < spikes.mean() < 1
    assert torch.equal(seen[4][1], spikes.flatten(0, 1))


def test_rates_in_closed_form() -> None:
    plan = plan_of((Conv(filters=4), LIF(threshold=0.5, beta=0.0, reset="none")), HEAD)
    network = build_network(plan, 4, seed=0)
    with torch.no_grad():
        network.layers[0].weight.zero_()
        network.layers[0].bias.copy_(torch.tensor([1.0, 0.0, 1.0, 0.0]))
    rates = network(images(4), rates=True).rates
    assert rates[0].item() == 0.5


def test_wrong_input_is_refused() -> None:
    network = build_network(plan_of((Conv(filters=4), LIF()), HEAD), 4, seed=0)
    for wrong in (images(3), images(4, shape=(1, 8, 8)), images(4)[0]):
        with pytest.raises(ValueError, match=r"expected \(4 or 1, batch, 2, 8, 8\)"):
            network(wrong)


GENETIC: tuple[tuple[Layer, ...], ...] = (
    (Conv(filters=6), LIF()),
    (Conv(filters=6, weights="gene"), LIF()),
    (Conv(filters=5, weights="gene"), Skip(back=2, mode="concat"), MaxPool(size=4), LIF()),
    (FullyConnected(units=7, weights="gene"), LIF()),
    HEAD,
)


def test_encodings_depend_on_the_seed_and_their_name_only() -> None:
    plan, shorter = plan_of(*GENETIC), plan_of(*GENETIC[:2], HEAD)
    networks = [build_network(plan, 2, 1), build_network(plan, 2, 2), build_network(shorter, 2, 3)]
    for network in networks:
        network.set_genes(torch.eye(4), 11, 0.5, 0.6, dict.fromkeys(network.plan.encodings, 1.0))
    states = [network.state_dict() for network in networks]
    genetic = [name for name in states[0] if name.startswith("genes.")]
    assert len(genetic) == 1 + len(plan.encodings)
    for name in genetic:
        assert torch.equal(states[0][name], states[1][name])
    shared = [name for name in states[2] if name.startswith("genes.")]
    assert len(shared) == 3
    for name in shared:
        assert torch.equal(states[0][name], states[2][name])
    networks[0].set_genes(torch.eye(4), 12, 0.5, 0.6, dict.fromkeys(plan.encodings, 1.0))
    assert not torch.equal(networks[0].state_dict()[shared[1]], states[1][shared[1]])


def test_tensors_are_inherited_where_name_and_shape_agree() -> None:
    parent = build_network(plan_of(*GENETIC), 2, seed=1)
    child = build_network(plan_of(*GENETIC[:2], (Conv(filters=9, weights="gene"), LIF()), HEAD), 2, seed=2)
    taken = child.inherit(parent.state_dict())
    genes = {name for name in taken if name.startswith("genes.")}
    assert genes == {"genes.G", "genes.E.p0_c6_k9_s1", "genes.E.p2_c6_k9_s1"}
    assert "layers.0.weight" in taken
    for name in taken:
        assert torch.equal(child.state_dict()[name], parent.state_dict()[name])
    other_size = build_network(plan_of(*GENETIC, genes=5), 2, seed=1)
    assert not [name for name in other_size.inherit(parent.state_dict()) if name.startswith("genes.")]


def test_state_round_trip_and_seeds() -> None:
    plan, x = plan_of(*GENETIC), images(2)
    first, same, other = (build_network(plan, 2, seed) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), same.parameters(), strict=True))
    assert not torch.equal(next(first.parameters()), next(other.parameters()))
    other.load_state_dict(first.state_dict())
    assert torch.equal(first(x, membrane=True).membrane, other(x, membrane=True).membrane)


def test_a_layer_starts_alike_wherever_the_global_generator_is() -> None:
    torch.manual_seed(0)
    first = kaiming((3, 3), 3, 1)
    torch.rand(5)
    before = torch.random.get_rng_state()
    assert torch.equal(first, kaiming((3, 3), 3, 1))
    assert torch.equal(before, torch.random.get_rng_state())


def test_training_reduces_the_loss() -> None:
    plan = plan_of(*GENETIC)
    network = build_network(plan, 3, seed=0)
    x = images(1, batch=12)
    labels = torch.arange(12) % 3
    optimiser = torch.optim.Adam(network.parameters(), lr=0.02)
    losses = []
    for _ in range(60):
        loss = F.cross_entropy(network(x, membrane=True).membrane.mean(0), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


# --- every network ------------------------------------------------------------------------------------

WEIGHTS = st.sampled_from(("gene", "direct"))
NEURONS = st.builds(
    LIF,
    beta=st.floats(0, 1),
    learn_beta=st.sampled_from(("true", "false", "plif")),
    threshold=st.floats(0.3, 1.5),
    learn_threshold=st.booleans(),
    surrogate=st.sampled_from(("atan", "fast_sigmoid", "sigmoid", "triangular")),
    reset=st.sampled_from(("subtract", "zero", "none")),
)
BETWEEN = st.lists(
    st.one_of(
        st.builds(MaxPool, size=st.integers(1, 2)),
        st.builds(AvgPool, size=st.integers(1, 2)),
        st.builds(AdaptivePool, size=st.integers(1, 4)),
        st.builds(GlobalPool),
        st.builds(BatchNorm, over=st.sampled_from(("time-batch", "step"))),
        st.builds(Dropout, rate=st.floats(0, 0.6), mask=st.sampled_from(("sample", "step"))),
    ),
    max_size=3,
)
SKIPS = st.one_of(
    st.just(()), st.tuples(st.builds(Skip, back=st.integers(1, 2), mode=st.sampled_from(("add", "concat"))))
)
CONVS = st.builds(
    Conv,
    filters=st.integers(1, 6),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 3),
    padding=st.sampled_from(("same", "valid")),
    bias=st.booleans(),
    weights=WEIGHTS,
)
FULL = st.builds(FullyConnected, units=st.integers(1, 8), bias=st.booleans(), weights=WEIGHTS)
UNITS = st.lists(
    st.tuples(st.one_of(CONVS, CONVS, CONVS, FULL), BETWEEN, SKIPS, NEURONS).map(
        lambda u: (u[0], *u[1], *u[2], u[3])
    ),
    max_size=4,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(
    units=UNITS,
    head=st.tuples(WEIGHTS, NEURONS),
    shape=st.sampled_from(((1, 11, 11), (2, 12, 9))),
    genes=st.integers(1, 5),
    static=st.booleans(),
)
def test_every_network_is_what_its_plan_says(
    units: list[tuple[Layer, ...]],
    head: tuple[str, LIF],
    shape: tuple[int, int, int],
    genes: int,
    static: bool,
) -> None:
    ending = (FullyConnected(units=0, weights=head[0]), head[1])
    try:
        plan = plan_of(*units, ending, shape=shape, genes=genes)
    except Infeasible:
        assume(False)
    network = build_network(plan, 3, seed=0)
    assert parameter_count(network) == plan.parameters
    shapes: dict[int, tuple[int, ...]] = {}

    def note(index: int) -> object:
        def hook(_module: object, _inputs: object, out: Tensor | tuple[Tensor, ...]) -> None:
            shapes[index] = tuple((out if isinstance(out, Tensor) else out[0]).shape[-3:])

        return hook

    for index, layer in enumerate(network.layers):
        layer.register_forward_hook(note(index))  # type: ignore[arg-type]
    output = network(images(1 if static else 3, 2, shape), membrane=True, rates=True)
    assert [shapes[i] for i in range(len(plan.layers))] == [p.output for p in plan.layers]
    assert output.spikes.shape == output.membrane.shape == (3, 2, 3)
    assert torch.isfinite(output.membrane).all()
    assert len(output.rates) == sum(isinstance(p.layer, LIF) for p in plan.layers)
    assert ((output.rates >= 0) & (output.rates <= 1)).all()
    output.membrane.square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


# --- the backbones ------------------------------------------------------------------------------------

BACKBONES = Path(__file__).parents[2] / "configs" / "backbones"


def backbone(name: str, genes: int, classes: int, shape: tuple[int, int, int] = (3, 32, 32)) -> Plan:
    """The plan of a shipped sentence with g = `genes`."""
    from dataclasses import replace

    from spenser_gee.genotype.genotype import genotype_from_sentence
    from spenser_gee.grammar.load import load_grammar
    from spenser_gee.phenotype.decode import decode

    grammar = load_grammar(BACKBONES.parents[1] / "grammars" / "spenser_gee.lark")
    path = BACKBONES / f"{name}.net"
    spec = decode(genotype_from_sentence(grammar, path.read_text(), path.name), grammar)
    return plan_network(replace(spec, genes=Genes(genes)), shape, classes)


# Table II of GEE (arXiv 2411.06792): parameters for 10 and 100 classes.
TABLE = [
    ("cifarnet", 100, 3_721_754, 3_814_004),
    ("cifarnet", 200, 7_438_154, 7_530_404),
    ("vgg_small", 100, 2_514_522, 2_698_932),
    ("vgg_large", 200, 6_887_050, 7_255_780),
    ("resnet18", 100, 3_659_418, 3_682_548),
    ("resnet18", 250, 8_723_118, 8_746_248),
    ("resnet19", 100, 4_352_154, 4_375_284),
    ("resnet19", 200, 8_414_154, 8_437_284),
]


@pytest.mark.parametrize(("name", "genes", "ten", "hundred"), TABLE)
def test_backbones_have_the_papers_parameters(name: str, genes: int, ten: int, hundred: int) -> None:
    assert backbone(name, genes, 10).parameters == ten
    assert backbone(name, genes, 100).parameters == hundred
    if genes == 100:
        assert parameter_count(build_network(backbone(name, genes, 10), 1, seed=0)) == ten


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
def test_backbones_run_on_both_image_sizes(shape: tuple[int, int, int]) -> None:
    for name in sorted(path.stem for path in BACKBONES.glob("*.net")):
        assert backbone(name, 16, 10, shape).layers[-1].output == (10, 1, 1)
    network = build_network(backbone("lenet", 16, 10, shape), 2, seed=0)
    assert network(torch.rand(1, 3, *shape)).spikes.shape == (2, 3, 10)
    assert parameter_count(network) == backbone("lenet", 16, 10, shape).parameters


def test_signals_keep_their_scale_through_a_deep_network() -> None:
    plan = backbone("resnet19", 32, 10, (3, 16, 16))
    network = build_network(plan, 2, seed=0)
    assert network.genes is not None
    for p in plan.layers:
        if p.gene_coded:
            spread = network.genes.weights(p).std().item()
            assert 0.6 < spread / math.sqrt(2 / p.fan_in) < 1.6
