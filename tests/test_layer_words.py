"""Every layer word keeps the contract of its kind: what it answers without torch is what its module does, and every part
of the program that handles layers handles it. A new word is tested here as soon as it stands in LAYERS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from tiny_networks import parameter_count
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from spenser_gee.assessment.operations import count_operations
from spenser_gee.errors import InputError
from spenser_gee.export.nir_file import write_nir
from spenser_gee.export.state_dict import write_state_dict
from spenser_gee.network.backends import backend
from spenser_gee.network.build import SpikingNetwork, build_network
from spenser_gee.phenotype.decode import read_units
from spenser_gee.phenotype.plan import Plan, PlannedLayer, plan_network
from spenser_gee.phenotype.reference import reference
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.keys import keys_of
from spenser_gee.phenotype.words.keywords import KEYWORDS
from spenser_gee.phenotype.words.layers import (
    LAYERS,
    LIF,
    AdaptivePool,
    Answers,
    Conv,
    Dropout,
    FullyConnected,
    Layer,
    MaxPool,
    Skip,
)
from spenser_gee.phenotype.words.training import CECount, Genes, Input
from spenser_gee.report.run.architecture import describe_layer, draw_plan, layer_table
from spenser_gee.training.chunks import FLOAT
from spenser_gee.training.saved import SavedNetwork

SHAPE, CLASSES, STEPS, BATCH = (2, 12, 12), 5, 3, 4
NEURONS = LIF(beta=0.6, threshold=0.4, reset="zero")
# What a word needs to do something in the network below; all others do with their defaults.
SETTINGS: dict[type[Any], dict[str, Any]] = {Skip: {"back": 2}, AdaptivePool: {"size": 4}}
PLACE = 3  # of the word, in the plan


def _variants() -> Iterator[Any]:
    """Every word with its defaults, and with every choice of each of its keys."""
    for kind in LAYERS:
        usual = kind(**SETTINGS.get(kind, {}))
        yield usual
        for name, (key, default) in keys_of(kind).items():
            if key.kind == "choice":
                choices = (True, False) if isinstance(default, bool) else key.choices
                yield from (replace(usual, **{name: value}) for value in choices if value != default)


WORDS = [pytest.param(layer, id=f"{layer.word} {number}") for number, layer in enumerate(_variants())]


def spec_of(*layers: Layer) -> NetworkSpec:
    """Behind two convolutions of different shapes, both of spikes and not the first weights."""
    units: tuple[tuple[Layer, ...], ...] = (
        (Conv(filters=3, kernel=3), NEURONS),
        (Conv(filters=4, kernel=3, stride=2),),
        layers,
        (FullyConnected(units=0), NEURONS),
    )
    return NetworkSpec(units, Genes(3), loss=CECount(), input=Input("rate"))


def planned(layer: Layer) -> tuple[Plan, PlannedLayer]:
    plan = plan_network(spec_of(layer), SHAPE, CLASSES)
    assert plan.layers[PLACE].layer == layer
    return plan, plan.layers[PLACE]


def built(*layers: Layer) -> SpikingNetwork:
    return build_network(plan_network(spec_of(*layers), SHAPE, CLASSES), STEPS, seed=1)


def spikes(batch: int = BATCH) -> Tensor:
    return (torch.rand((STEPS, batch, *SHAPE), generator=torch.Generator().manual_seed(0)) < 0.5).float()


def test_all_words_are_listed() -> None:
    def below(kind: type[Any]) -> set[type[Any]]:
        return {kind, *(inner for child in kind.__subclasses__() for inner in below(child))}

    assert set(LAYERS) == set(get_args(Layer)) == {kind for kind in below(Answers) if "word" in vars(kind)}
    assert all(KEYWORDS[kind.word] is kind for kind in LAYERS)


@pytest.mark.parametrize("layer", WORDS)
def test_it_is_read_from_a_sentence_and_from_a_file(layer: Any) -> None:
    def said(value: Any) -> str:
        return str(value).lower() if isinstance(value, bool) else str(value)

    words = [part for key in keys_of(type(layer)) for part in (key, "=", said(getattr(layer, key)))]
    assert read_units([("conv",), ("conv",), (layer.word, *words)]).units[-1] == (layer,)
    spec = spec_of(layer)
    assert NetworkSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    assert f"**`{layer.word}`**" in reference()


@pytest.mark.parametrize("layer", WORDS)
def test_shapes_and_parameters_are_those_of_its_module(layer: Any) -> None:
    plan, step = planned(layer)
    network, shapes = built(layer), []
    network.layers[PLACE].register_forward_hook(
        lambda module, inputs, out: shapes.append((out if isinstance(out, Tensor) else out[0]).shape[-3:])
    )
    network(spikes(), rates=True)
    assert [tuple(shape) for shape in shapes] == [step.output]
    assert parameter_count(network.layers[PLACE]) == step.parameters
    assert parameter_count(network) == plan.parameters
    assert step.gene_coded == (layer.weighted and layer.weights == "gene")


@pytest.mark.parametrize("layer", WORDS)
def test_its_operations_are_what_torch_counts(layer: Any) -> None:
    _, step = planned(layer)
    network = built(layer).eval()
    with FlopCounterMode(display=False) as counter:
        network(spikes())
    counts = counter.get_flop_counts().get(f"SpikingNetwork.layers.{PLACE}", {})
    assert sum(counts.values()) == 2 * step.macs * STEPS * BATCH
    counted = {row.index: row for row in count_operations(network, [spikes()]).layers}
    assert (PLACE in counted) == (step.macs > 0)
    if step.macs:
        assert counted[PLACE].dense_macs == step.macs
        assert counted[PLACE].weights == step.weight_count > 0


@contextmanager
def _keeping(network: SpikingNetwork, index: int) -> Iterator[dict[int, int]]:
    """Storage -> bytes of what one layer keeps for the backward pass; parameters and buffers do not count."""
    own = {tensor.untyped_storage().data_ptr() for tensor in [*network.parameters(), *network.buffers()]}
    kept: dict[int, int] = {}
    inside = False

    def switch(on: bool) -> Any:
        def hook(*_: Any) -> None:
            nonlocal inside
            inside = on

        return hook

    def pack(tensor: Tensor) -> Tensor:
        place = tensor.untyped_storage().data_ptr()
        if inside and place not in own:
            size = min(tensor.untyped_storage().nbytes(), tensor.nbytes)
            kept[place] = max(kept.get(place, 0), size)
        return tensor

    network.layers[index].register_forward_pre_hook(switch(True))
    network.layers[index].register_forward_hook(switch(False))
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield kept


def _kept_bytes(layer: Layer, batch: int) -> int:
    network = built(layer)
    with backend("plain"), _keeping(network, PLACE) as kept:
        network(spikes(batch), rates=True)
    return sum(kept.values())


@pytest.mark.parametrize("layer", WORDS)
def test_what_it_keeps_of_each_sample_for_training(layer: Any) -> None:
    """The plain neurons of the backend, and what torch keeps of everything else; weights are the same for any batch."""
    found = (_kept_bytes(layer, BATCH) - _kept_bytes(layer, 1)) // (BATCH - 1)
    said = FLOAT * planned(layer)[1].kept * STEPS
    if isinstance(layer, Dropout) and layer.mask == "sample":
        assert found == said // STEPS  # one mask for all steps: less than what it says
    else:
        assert found == said


def _gradients(network: nn.Module, parts: list[Tensor]) -> list[Tensor]:
    network.zero_grad()
    torch.manual_seed(0)
    for part in parts:
        network(part).spikes.square().sum().backward()
    return [parameter.grad.clone() for parameter in network.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("layer", WORDS)
def test_whether_a_batch_may_be_divided(layer: Any) -> None:
    network, signal = built(layer, layer), spikes()  # two: what is random comes in another order
    whole, parts = _gradients(network, [signal]), _gradients(network, [signal[:, :2], signal[:, 2:]])
    alike = all(torch.allclose(a, b, rtol=1e-4, atol=1e-5) for a, b in zip(whole, parts, strict=True))
    assert any(gradient.any() for gradient in whole)
    assert alike == layer.divisible


@pytest.mark.parametrize("layer", WORDS)
def test_it_goes_to_other_programs_or_is_refused_by_name(layer: Any, tmp_path: Path) -> None:
    nir = pytest.importorskip("nir")
    network = built(layer).eval()
    saved = SavedNetwork(network, spec_of(layer), "a sentence", SHAPE, CLASSES, STEPS, {}, {})
    write_state_dict(saved, Path("net"), tmp_path / "net")
    assert (tmp_path / "net" / "network.py").stat().st_size
    if _has_no_word_in_nir(layer):
        with pytest.raises(InputError) as refusal:
            write_nir(saved, Path("net"), tmp_path / "net.nir")
        assert {str(finding.place) for finding in refusal.value.findings} == {
            f"net, layer {PLACE + 1} ({layer.word})"
        }
        assert not (tmp_path / "net.nir").exists()
    else:
        write_nir(saved, Path("net"), tmp_path / "net.nir")
        assert nir.read(tmp_path / "net.nir").nodes


def _has_no_word_in_nir(layer: Layer) -> bool:
    """Of currents, as here."""
    return isinstance(layer, MaxPool) or (isinstance(layer, LIF) and layer.reset == "subtract")


@pytest.mark.parametrize("layer", WORDS)
def test_the_report_draws_it(layer: Any) -> None:
    plan, step = planned(layer)
    assert describe_layer(layer).split()[0].rstrip(",") == layer.word
    figure = draw_plan(plan)
    assert layer.word in figure.svg
    row = layer_table(plan).rows[PLACE]
    assert row[1] == describe_layer(layer)
    assert row[4] == (f"{step.macs:,}" if step.macs else "")
    assert bool(row[5]) == layer.spiking
