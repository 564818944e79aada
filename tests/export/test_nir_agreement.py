"""NIR files, read back and run from NIR's own definitions: the same spikes as the network, all of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from sample_networks import GRAMMAR, drawn, signal_of, spec_of, trained

from spenser_gee.errors import InputError
from spenser_gee.export.nir_file import DT, write_nir
from spenser_gee.genotype import genotype_from_sentence
from spenser_gee.phenotype.check import open_grammar
from spenser_gee.phenotype.decode import decode
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
from spenser_gee.training.saved import SavedNetwork

nir = pytest.importorskip("nir")
from nir_interpreter import Interpreter  # noqa: E402 (it needs nir)

ZERO = LIF(beta=0.6, threshold=0.5, reset="zero")
SUBTRACT = LIF(beta=0.6, threshold=0.5)
HEAD: tuple[Layer, ...] = (FullyConnected(units=0), ZERO)


def unit(
    filters: int = 6, *behind: Layer, kernel: int = 3, neurons: LIF = ZERO, **conv: object
) -> tuple[Layer, ...]:
    return (Conv(filters=filters, kernel=kernel, **conv), *behind, neurons)  # type: ignore[arg-type]


def outputs(
    saved: SavedNetwork, path: Path, **options: object
) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
    """Spikes (T, B, classes) by us and from the file, both in float64, and what every node of the file gave."""
    path.unlink(missing_ok=True)
    write_nir(saved, Path("net"), path, **options)  # type: ignore[arg-type]
    signal = signal_of(saved)
    traces = Interpreter(nir.read(path), DT).run(signal)
    with torch.no_grad():
        ours = saved.network.double()(signal.double()).spikes
    return ours, traces["output"].flatten(2), traces


NETWORKS: dict[str, tuple[NetworkSpec, str | None]] = {
    "plain": (spec_of(unit(), HEAD), None),
    "spikes as input": (spec_of(unit(), HEAD, coding="rate"), None),
    "neurons that read the image": (spec_of((ZERO,), unit(), HEAD), None),
    "weights that neurons and a skip read": (
        spec_of((Conv(filters=4, kernel=3),), (ZERO,), (*unit(4)[:-1], Skip(back=2), ZERO), HEAD), None,
    ),
    "an average that neurons and a skip read": (
        spec_of(unit(4)[:-1], (AvgPool(2),), (ZERO,), (*unit(4)[:-1], Skip(back=2), ZERO), HEAD), None,
    ),
    "gene-encoded": (spec_of(unit(), unit(7, weights="gene"), (FullyConnected(units=0, weights="gene"), ZERO)), None),
    "batch norm behind conv and fc": (spec_of(unit(6, BatchNorm()), (FullyConnected(units=0), BatchNorm(), ZERO)), None),
    "batch norm behind an average": (spec_of(unit(6, AvgPool(2), BatchNorm(), BatchNorm()), HEAD), None),
    "batch norm first, and behind neurons": (spec_of((BatchNorm(), *unit(), BatchNorm()), HEAD), None),
    "batch norm behind weights that a skip reads": (
        spec_of((Conv(filters=4, kernel=3),), (BatchNorm(), LIF(reset="zero")), (*unit(4)[:-1], Skip(back=2), ZERO), HEAD),
        None,
    ),
    "batch norm on flat values": (spec_of(unit(), (FullyConnected(units=9), ZERO, BatchNorm()), HEAD), None),
    "average pools": (spec_of(unit(6, AvgPool(2)), (*unit(6), AvgPool(4)), HEAD), None),
    "max pool of spikes": (spec_of((*unit(), MaxPool(2)), (*unit(5), MaxPool(4)), HEAD), None),
    "max pool of the input": (spec_of((MaxPool(3), *unit()), HEAD, coding="latency"), None),
    "global average": (spec_of(unit(), (GlobalPool(),), HEAD), None),
    "adaptive average, equal windows": (spec_of(unit(), (AdaptivePool(4), *unit(5)), HEAD), None),
    "adaptive average, overlapping windows": (spec_of(unit(), (AdaptivePool(11), *unit(5)), HEAD), None),
    "adaptive average into fc, uneven windows": (spec_of(unit(), (AdaptivePool(5), Dropout(0.2)), HEAD), None),
    "even kernels and strides": (
        spec_of(unit(kernel=2), unit(kernel=4, stride=2), unit(kernel=5, stride=3), unit(kernel=2, stride=2), HEAD),
        None,
    ),
    "valid padding, stride beyond the kernel": (spec_of(unit(kernel=2, stride=3, padding="valid"), HEAD), None),
    "residual": (spec_of(unit(), unit(), (*unit(6)[:-1], Skip(back=2), ZERO), HEAD), None),
    "residual with projection and stride": (
        spec_of(unit(4), (*unit(6, stride=2)[:-1], Skip(back=1), ZERO), (*unit(6)[:-1], Skip(back=3), ZERO), HEAD),
        None,
    ),
    "subsample at a stride that leaves a border": (
        spec_of(unit(4), (*unit(4, stride=2, kernel=2, padding="valid")[:-1], Skip(back=1), ZERO), HEAD),
        None,
    ),
    "add to itself": (spec_of(unit(), (Skip(back=1), *unit()), HEAD), None),
    "concatenation": (
        spec_of(
            unit(4), (Conv(filters=3, stride=2), Skip(back=1, mode="concat"), BatchNorm(), ZERO), unit(5), HEAD
        ),
        None,
    ),
    "concatenation, pools and fc behind it": (
        spec_of(unit(4), (*unit(3), Skip(back=1, mode="concat"), MaxPool(2), AvgPool(2)), HEAD),
        None,
    ),
    "add to a concatenation": (
        spec_of(unit(4), (*unit(3), Skip(back=1, mode="concat")), (Skip(back=2), ZERO), (Skip(back=1), ZERO), HEAD),
        None,
    ),
    "concatenation at the output": (
        spec_of(unit(4), (FullyConnected(units=1), ZERO), (Skip(back=2, mode="concat"),)), None,
    ),
    "map into flat values": (spec_of(unit(4), (*HEAD[:1], Skip(back=1), ZERO)), None),
    "conv behind fc": (spec_of(unit(4), (FullyConnected(units=7), ZERO), unit(6), unit(6, kernel=4, stride=2), HEAD), None),
    "currents at the output": (spec_of(unit(4), HEAD[:1]), None),
    "beta of 0 and 1": (
        spec_of(unit(4, neurons=LIF(beta=0.0, reset="zero")), unit(5, neurons=LIF(beta=1.0, reset="zero")), HEAD),
        None,
    ),
    "trained decays": (
        spec_of(unit(4, neurons=LIF(learn_beta="plif", learn_threshold=True, reset="zero")), HEAD), None,
    ),
    "no reset": (spec_of(unit(4, neurons=LIF(reset="none")), (*HEAD[:1], LIF(beta=1.0, reset="none"))), None),
    "subtraction as a loop": (
        spec_of((*unit(4, neurons=SUBTRACT), MaxPool(2)), (*HEAD[:1], LIF(beta=1.0, threshold=0.4))), "loop",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_every_output_spike_is_the_same(name: str, tmp_path: Path) -> None:
    spec, subtract = NETWORKS[name]
    classes = 5 if name != "concatenation at the output" else 1 + 4
    ours, theirs, _ = outputs(trained(spec, classes=classes), tmp_path / "net.nir", subtract=subtract)
    if name == "currents at the output":
        assert torch.allclose(ours, theirs, atol=1e-5)
        return
    assert 0 < ours.mean() < 1, "the network says nothing"
    assert torch.equal(ours, theirs)


def test_a_network_that_a_search_found(tmp_path: Path) -> None:
    """28 x 28, latency coding, a skip that is resized and projected, and subtraction at the output."""
    path = Path(__file__).with_name("evolved.net")
    grammar = open_grammar(GRAMMAR)
    spec = decode(genotype_from_sentence(grammar, path.read_text(), path.name), grammar)
    saved = trained(spec, shape=(1, 28, 28), classes=10)
    ours, theirs, _ = outputs(saved, tmp_path / "net.nir", subtract="loop")
    assert 0 < ours.mean() < 1
    assert torch.equal(ours, theirs)


def test_hidden_spikes_are_the_same(tmp_path: Path) -> None:
    saved = trained(spec_of(unit(4), (*unit(6, stride=2), Skip(back=1), SUBTRACT), HEAD))
    _, _, traces = outputs(saved, tmp_path / "net.nir", subtract="loop")
    fired: list[torch.Tensor] = []
    for layer in saved.network.layers:
        if type(layer).__name__ == "LIF":
            layer.register_forward_hook(lambda module, inputs, output: fired.append(output[0]))
    with torch.no_grad():
        saved.network(signal_of(saved).double())
    names = ["lif_2", "lif_4", "lif_6_spikes", "lif_8"]
    assert [tuple(traces[name].shape) for name in names[:3]] == [tuple(f.shape) for f in fired[:3]]
    assert all(torch.equal(traces[n], f.view(traces[n].shape)) for n, f in zip(names, fired, strict=True))


def test_a_membrane_of_its_own_is_ours(tmp_path: Path) -> None:
    """Where the last neurons subtract, their membrane can be read in the file, and the notes say where."""
    saved = trained(spec_of(unit(4), (*HEAD[:1], SUBTRACT)))
    _, _, traces = outputs(saved, tmp_path / "net.nir", subtract="loop")
    with torch.no_grad():
        ours = saved.network(signal_of(saved).double(), membrane=True).membrane
    assert ours is not None
    node = nir.read(tmp_path / "net.nir").metadata["membrane_node"]
    assert torch.allclose(traces[node], ours, atol=1e-5)


def test_networks_drawn_from_the_shipped_grammar(tmp_path: Path) -> None:
    """Those that can be written agree; most can."""
    written = lively = 0
    specs = drawn(60)
    for seed, spec in enumerate(specs):
        saved = trained(spec, seed, same_steps=True)
        try:
            ours, theirs, _ = outputs(saved, tmp_path / "net.nir", subtract="loop")
        except InputError:
            continue
        assert torch.equal(ours, theirs), f"network {seed}"
        written += 1
        lively += bool(ours.any())
    assert written >= 30
    assert lively >= 25


def test_reset_to_zero_instead_of_subtraction(tmp_path: Path) -> None:
    """`zero` writes what the same weights with reset=zero are."""
    spec = spec_of(unit(4, neurons=SUBTRACT), (*HEAD[:1], SUBTRACT))
    ours, theirs, _ = outputs(trained(spec), tmp_path / "net.nir", subtract="zero")
    assert not torch.equal(ours, theirs)
    units = tuple(
        tuple(dataclasses.replace(x, reset="zero") if isinstance(x, LIF) else x for x in u)
        for u in spec.units
    )
    twin, _, _ = outputs(trained(dataclasses.replace(spec, units=units)), tmp_path / "twin.nir")
    assert torch.equal(twin, theirs)


@pytest.mark.parametrize("reset", ["zero", "none", "subtract"])
@pytest.mark.parametrize("threshold", [0.75, 1.0, 1.5, 2.0])
@pytest.mark.parametrize("beta", [0.0, 0.25, 0.5, 0.75, 0.9, 1.0])
def test_a_membrane_exactly_at_its_threshold_does_not_fire(
    beta: float, threshold: float, reset: str, tmp_path: Path
) -> None:
    """Spikes without weights between: sums of powers of beta, many of them exactly the threshold."""
    spec = spec_of((LIF(beta=beta, threshold=threshold, reset=reset),), HEAD[:1], coding="rate")
    saved = trained(spec, steps=8)  # after more, what is left of a spike is lost in the rounding of float32
    with torch.no_grad():
        saved.network.layers[0].threshold.fill_(threshold)
    _, _, traces = outputs(saved, tmp_path / "net.nir", subtract="loop")
    with torch.no_grad():
        spikes, membrane = saved.network.layers[0](signal_of(saved).double(), membrane=True)
    if beta in (0.0, 1.0) and threshold in (1.0, 2.0) and (beta or threshold == 1.0):
        assert (membrane == threshold).any(), "no membrane lies at the threshold"
    assert torch.equal(traces["lif_1" if reset == "zero" else "lif_1_spikes"], spikes)
