"""Operations against counts by hand, by loops, by a convolution with ones, and by torch's own counter."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import hand_counted
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_networks import equal_states
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from spenser_gee.assessment.operations import LayerOperations, NeuronOperations, Operations, count_operations
from spenser_gee.errors import InputError
from spenser_gee.genotype import genotype_from_sentence, sample_genotype
from spenser_gee.network import layers
from spenser_gee.network.build import SpikingNetwork, build_network
from spenser_gee.network.spike_encoding import encode
from spenser_gee.phenotype.check import open_grammar
from spenser_gee.phenotype.decode import decode
from spenser_gee.phenotype.plan import Plan, plan_network
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.layers import (
    LIF,
    AvgPool,
    BatchNorm,
    Conv,
    FullyConnected,
    GlobalPool,
    Layer,
    MaxPool,
    Skip,
)
from spenser_gee.phenotype.words.site import Infeasible, Shape
from spenser_gee.phenotype.words.training import Genes
from spenser_gee.rng import stream

ROOT = Path(__file__).parents[2]
GRAMMAR = ROOT / "grammars" / "spenser_gee.lark"
BACKBONES = sorted((ROOT / "configs" / "backbones").glob("*.net"))
HEAD: tuple[Layer, ...] = (FullyConnected(units=0), LIF())


def network_of(
    *units: tuple[Layer, ...], shape: Shape = (2, 6, 5), steps: int = 3, seed: int = 0
) -> SpikingNetwork:
    return build_network(plan_network(NetworkSpec(units, Genes(4)), shape, 3), steps, seed)


def random_spikes(*shape: int, rate: float = 0.4) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return (torch.rand(*shape, generator=generator) < rate).float()


def test_counted_by_hand() -> None:
    found = count_operations(hand_counted.network(), [hand_counted.spikes()])
    assert found == Operations(
        samples=2,
        time_steps=2,
        layers=(
            LayerOperations(0, "conv", (1, 3, 3), (2, 3, 3), 18, 162, False, "spikes", 3 / 36, 19.0, 0.0),
            LayerOperations(2, "fc", (2, 3, 3), (2, 1, 1), 36, 36, False, "spikes", 6 / 72, 6.0, 0.0),
        ),
        neurons=(NeuronOperations(1, 18, 36, 3.0), NeuronOperations(3, 2, 4, 1.0)),
    )
    assert (found.sops, found.macs, found.spikes, found.neuron_updates) == (25.0, 0.0, 4.0, 40)
    assert sum(layer.weight_reads for layer in found.layers) == 25.0
    assert sum(layer.state_accesses for layer in (*found.layers, *found.neurons)) == 50.0 + 80.0
    assert found.dense_macs == 198
    assert found.neurons[0].rate == 3 / 36
    assert found.every_step() == found


def test_a_static_image_is_multiplied_once() -> None:
    image = torch.zeros(1, 1, 1, 3, 3)
    image[0, 0, 0, 1, 1], image[0, 0, 0, 2, 2] = 0.5, 0.25  # the centre, 9 x 2, and a corner, 4 x 2
    found = count_operations(hand_counted.network(), [image])
    first = found.layers[0]
    assert (first.signal, first.static, first.macs, first.sops, first.rate) == (
        "graded",
        True,
        26.0,
        0.0,
        2 / 9,
    )
    again = found.every_step()
    assert (again.layers[0].macs, again.layers[0].static) == (52.0, False)
    # What the same image costs when it is sent in at every step.
    assert again == count_operations(hand_counted.network(), [image.expand(2, -1, -1, -1, -1)])


def test_the_batch_size_plays_no_part() -> None:
    net = network_of((Conv(filters=4, stride=2), MaxPool(), LIF()), HEAD)
    signal = random_spikes(3, 7, 2, 6, 5)
    whole = count_operations(net, [signal])
    assert count_operations(net, list(signal.split(3, 1))) == whole
    assert count_operations(net, list(signal.split(1, 1))) == whole


def padding_before(size: int, kernel: int, stride: int, padding: str) -> tuple[int, int]:
    """(values before the first one, outputs)"""
    if padding == "valid":
        return 0, (size - kernel) // stride + 1
    outputs = (size + stride - 1) // stride
    return max((outputs - 1) * stride + kernel - size, 0) // 2, outputs


def looped(signal: Tensor, conv: Conv) -> int:
    """Weights that meet a spike, one after the other. signal: (T, B, C, H, W)."""
    height, width = signal.shape[3:]
    top, rows = padding_before(height, conv.kernel, conv.stride, conv.padding)
    left, columns = padding_before(width, conv.kernel, conv.stride, conv.padding)
    maps = signal.sum((0, 1, 2)).tolist()
    count = 0
    for row in range(rows):
        for column in range(columns):
            for i in range(conv.kernel):
                for j in range(conv.kernel):
                    y, x = row * conv.stride - top + i, column * conv.stride - left + j
                    if 0 <= y < height and 0 <= x < width:
                        count += int(maps[y][x]) * conv.filters
    return count


@settings(max_examples=80, deadline=None)
@given(
    conv=st.builds(
        Conv,
        filters=st.integers(1, 4),
        kernel=st.integers(1, 5),
        stride=st.integers(1, 4),
        padding=st.sampled_from(["same", "valid"]),
    ),
    shape=st.tuples(st.integers(1, 3), st.integers(5, 8), st.integers(5, 8)),
    seed=st.integers(0, 99),
)
def test_synaptic_operations_of_a_convolution_equal_a_loop(conv: Conv, shape: Shape, seed: int) -> None:
    signal = (torch.rand(2, 3, *shape, generator=torch.Generator().manual_seed(seed)) < 0.3).float()
    found = count_operations(network_of((conv, LIF()), HEAD, shape=shape, steps=2), [signal]).layers[0]
    assert found.signal == "spikes"
    assert found.sops * 3 == pytest.approx(looped(signal, conv), abs=1e-9)
    assert found.rate == pytest.approx(signal.mean().item())


def test_added_spikes_are_counts_and_concatenated_ones_are_spikes() -> None:
    counted = []
    for mode in ("add", "concat"):
        net = network_of(
            (Conv(filters=4), LIF(threshold=0.2)),
            (Conv(filters=4), LIF(threshold=0.2), Skip(back=1, mode=mode)),
            HEAD,
        )
        found = count_operations(net, [random_spikes(3, 2, 2, 6, 5)])
        assert len(found.layers) == 3  # a join without projection multiplies nothing
        counted.append(found.layers[-1])
        # Either way each spike of both layers reaches the 3 outputs.
        assert counted[-1].sops == pytest.approx(3 * found.spikes - 3 * found.neurons[-1].spikes)
    assert [layer.signal for layer in counted] == ["counts", "spikes"]
    assert counted[0].rate == pytest.approx(2 * counted[1].rate)


def test_a_projection_reads_the_resampled_source() -> None:
    net = network_of(
        (Conv(filters=4), LIF(threshold=0.2)), (Conv(filters=7, stride=2), Skip(back=1), LIF()), HEAD
    )
    seen = []
    net.layers[1].register_forward_hook(lambda module, inputs, output: seen.append(output[0]))
    found = count_operations(net, [random_spikes(3, 2, 2, 6, 5)])
    skip = found.layers[2]
    # 6 x 5 to 3 x 3: rows 0, 2, 4 and columns 0, 1, 3 (the floor of 0, 5/3, 10/3).
    read = seen[0][:, :, :, ::2][..., [0, 1, 3]]
    assert (skip.word, skip.input, skip.output, skip.weights) == ("skip", (4, 3, 3), (7, 3, 3), 28)
    assert (skip.signal, skip.dense_macs) == ("spikes", 28 * 9)
    assert skip.sops == pytest.approx(read.sum().item() * 7 / 2)


@pytest.mark.parametrize(
    ("between", "signal"),
    [
        ((LIF(),), "spikes"),
        ((LIF(), MaxPool()), "spikes"),
        ((MaxPool(), LIF()), "spikes"),
        ((LIF(), AvgPool()), "graded"),
        ((AvgPool(), LIF()), "spikes"),
        ((LIF(), GlobalPool()), "graded"),
        ((BatchNorm(),), "graded"),
    ],
)
def test_what_a_layer_reads_is_seen_in_its_values(between: tuple[Layer, ...], signal: str) -> None:
    net = network_of((Conv(filters=4), *between), (Conv(filters=3), LIF()), HEAD)
    found = count_operations(net, [random_spikes(3, 4, 2, 6, 5)])
    assert found.layers[0].signal == "spikes"
    second = found.layers[1]
    assert second.signal == signal
    assert (second.sops == 0) == (signal == "graded")
    assert (second.macs > 0) == (signal == "graded")


def test_spikes_are_counted_before_they_are_pooled() -> None:
    net = network_of((Conv(filters=4), LIF(threshold=0.2), MaxPool()), HEAD)
    seen = []
    signal = random_spikes(3, 2, 2, 6, 5)
    found = count_operations(net, [signal])
    with torch.no_grad():
        net.layers[1].register_forward_hook(lambda module, inputs, output: seen.append(output[0].sum()))
        rates = net(signal, rates=True).rates
    assert found.neurons[0].spikes == seen[0] / 2
    assert [layer.rate for layer in found.neurons] == pytest.approx(rates.tolist())


def test_static_and_rate_coding() -> None:
    net = network_of((Conv(filters=4), BatchNorm(), LIF()), HEAD)
    images = torch.rand(3, 2, 6, 5, generator=torch.Generator().manual_seed(1))
    direct = count_operations(net, [encode(images, "direct", 3)]).layers
    rate = count_operations(net, [encode(images, "rate", 3, torch.Generator().manual_seed(2))]).layers
    assert [(layer.static, layer.signal) for layer in direct] == [(True, "graded"), (False, "spikes")]
    assert [(layer.static, layer.signal) for layer in rate] == [(False, "spikes")] * 2
    # Every pixel is lit: all weights but those that meet the border, which 3 x 3 filters reach from 6 x 5 outputs.
    assert direct[0].macs == 4 * 2 * (3 * 6 - 2) * (3 * 5 - 2)
    assert direct[0].dense_macs == 4 * 2 * 9 * 30


# --- against torch's own counter ----------------------------------------------------------------------


def flops(run: object, *arguments: object, **options: object) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run(*arguments, **options)  # type: ignore[operator]
    return counter.get_total_flops()


def expansion_flops(net: SpikingNetwork) -> int:
    """Of the products W = E1 G E2^T, which torch's counter sees too."""
    coded = [planned for planned in net.plan.layers if planned.gene_coded]
    return sum(flops(net.genes.weights, planned) for planned in coded) if net.genes is not None else 0


def check_dense(net: SpikingNetwork, signal: Tensor, found: Operations) -> None:
    steps = [1 if layer.static else net.time_steps for layer in found.layers]
    dense = sum(layer.dense_macs * count for layer, count in zip(found.layers, steps, strict=True))
    assert flops(net, signal) - expansion_flops(net) == 2 * dense * signal.shape[1]
    assert found.dense_macs == net.plan.macs


@pytest.mark.parametrize("path", BACKBONES, ids=[path.stem for path in BACKBONES])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
def test_dense_operations_equal_torchs_count(path: Path, shape: Shape) -> None:
    grammar = open_grammar(GRAMMAR)
    spec = decode(genotype_from_sentence(grammar, path.read_text(), path.name), grammar)
    net = build_network(plan_network(replace(spec, genes=Genes(4)), shape, 10), 2, seed=0).eval()
    image = torch.rand(1, 1, *shape, generator=torch.Generator().manual_seed(3))
    found = count_operations(net, [image])
    assert found.layers[0].static
    assert not found.layers[1].static
    check_dense(net, image, found)


def drawn_plans(count: int) -> list[Plan]:
    grammar = open_grammar(GRAMMAR)
    found: list[Plan] = []
    number = 0
    while len(found) < count:
        units = {"features": (1, 2, 3), "classification": (0, 1)}
        genotype = sample_genotype(grammar, stream(4, "drawn", number), units)
        number += 1
        try:
            plan = plan_network(decode(genotype, grammar), (1, 12, 12), 5)
        except Infeasible:
            continue
        if plan.macs < 4e6:
            found.append(plan)
    return found


def test_networks_drawn_from_the_grammar() -> None:
    """Dense operations as torch counts them; real ones as the outputs of the same layers with ones as weights."""
    kinds = set()
    for number, plan in enumerate(drawn_plans(12)):
        net = build_network(plan, 3, number).eval()
        images = torch.rand(2, 1, 12, 12, generator=torch.Generator().manual_seed(number))
        signal = encode(images, plan.spec.input.coding, 3, torch.Generator().manual_seed(number))
        seen: dict[int, Tensor] = {}
        handles = [
            layer.register_forward_pre_hook(
                lambda module, inputs, i=i, seen=seen: seen.update({i: inputs[0]})
            )
            for i, layer in enumerate(net.layers)
            if isinstance(layer, layers.Weighted)
        ]
        found = count_operations(net, [signal])
        for handle in handles:
            handle.remove()
        check_dense(net, signal, found)
        for layer in found.layers:
            kinds.add(layer.signal)
            if layer.word != "skip":
                ones = copy.deepcopy(net.layers[layer.index])
                ones.bias = None
                values = (seen[layer.index] != 0).float() if layer.signal == "graded" else seen[layer.index]
                met = ones(values, torch.ones(ones.shape)).double().sum().item() / 2
                assert layer.sops + layer.macs == pytest.approx(met, rel=1e-6)
    assert kinds >= {"spikes", "graded"}


# --- manners ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
def test_the_network_stays_as_it_was(training: bool) -> None:
    net = network_of((Conv(filters=4), BatchNorm(), LIF()), HEAD).train(training)
    before = copy.deepcopy(net)
    count_operations(net, [random_spikes(3, 2, 2, 6, 5)])
    with pytest.raises(ValueError, match="the input has shape"):
        count_operations(net, [torch.zeros(3, 2, 2, 6, 6)])
    assert net.training is training
    assert equal_states(net, before)
    assert all(not module._forward_hooks and not module._forward_pre_hooks for module in net.modules())


def test_nothing_to_count_on() -> None:
    net = hand_counted.network()
    with pytest.raises(InputError, match="at least one sample"):
        count_operations(net, [])
    with pytest.raises(InputError, match="same number of time steps"):
        count_operations(net, [hand_counted.spikes(), hand_counted.spikes()[:1]])
