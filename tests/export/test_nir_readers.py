"""NIR files, read and run by other people's simulators, norse and snnTorch: the same spikes as the network."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from sample_networks import GRAMMAR, drawn, signal_of, spec_of, trained
from torch import Tensor

from spenser_gee.errors import InputError
from spenser_gee.export.nir_file import DT, write_nir
from spenser_gee.genotype import genotype_from_sentence
from spenser_gee.phenotype.check import open_grammar
from spenser_gee.phenotype.decode import decode
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.layers import LIF, Conv, FullyConnected, Skip
from spenser_gee.training.saved import SavedNetwork

nir = pytest.importorskip("nir")
nirtorch = pytest.importorskip("nirtorch")
import_nir = pytest.importorskip("norse.torch.utils.import_nir")
import_from_nir = pytest.importorskip("snntorch.import_nir").import_from_nir

from test_nir_agreement import HEAD, NETWORKS  # noqa: E402 (it needs nir)

STEPS = 12

norse_node = partial(import_nir._import_norse_module, dt=DT)


def by_norse_alone(graph: Any) -> Any:
    """norse's own way; of graphs in which paths meet its executor runs the nodes in a wrong order."""
    return import_nir.from_nir(graph, dt=DT)


def by_norse(graph: Any) -> Any:
    """norse's neurons and weights in nirtorch's executor."""
    kinds = (nir.LIF, nir.IF, nir.Affine, nir.Linear, nir.Conv2d, nir.Flatten)
    return nirtorch.nir_to_torch(graph, dict.fromkeys(kinds, norse_node))


READERS = {"norse": by_norse, "snntorch": import_from_nir}

# What neither reads: LI and I, Threshold, Scale; and nirtorch no output of weights that are added up.
UNREAD = {"max pool", "no reset", "subtraction", "concatenation at the output", "concatenation, pools"}
READ = {
    name: spec for name, (spec, _) in NETWORKS.items() if not any(name.startswith(start) for start in UNREAD)
}


def run(make: Any, path: Path, signal: Tensor) -> Tensor:
    """(T, B, classes) for an input (T, B, C, H, W): image by image, with neurons at rest before each."""
    outputs = []
    for image in signal.unbind(1):
        network, state, spikes = make(nir.read(path)), None, []
        for step in image:
            with torch.no_grad():
                now, state = network(step, state)
            spikes.append(now.flatten())
        outputs.append(torch.stack(spikes))
    return torch.stack(outputs, 1)


def differences(make: Any, saved: SavedNetwork, path: Path) -> tuple[int, int]:
    """(output spikes that are not ours, all places where there may be one)."""
    path.unlink(missing_ok=True)
    write_nir(saved, Path("net"), path)
    signal = signal_of(saved)
    with torch.no_grad():
        ours = saved.network(signal).spikes
    return int((run(make, path, signal) != ours).sum()), ours.numel()


def resetting_to_zero(spec: NetworkSpec) -> NetworkSpec:
    units = tuple(
        tuple(dataclasses.replace(x, reset="zero") if isinstance(x, LIF) else x for x in unit)
        for unit in spec.units
    )
    return dataclasses.replace(spec, units=units)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", READ)
def test_every_output_spike_is_the_same(name: str, reader: str, tmp_path: Path) -> None:
    if (name, reader) == ("beta of 0 and 1", "snntorch"):
        pytest.skip("snnTorch reads an IF as neurons with a decay of 0.9")
    saved, path = trained(READ[name], steps=STEPS), tmp_path / "net.nir"
    if name == "currents at the output":
        write_nir(saved, Path("net"), path)
        signal = signal_of(saved)
        with torch.no_grad():
            ours = saved.network(signal).spikes
        assert torch.allclose(run(READERS[reader], path, signal), ours, atol=1e-5)
        return
    wrong, places = differences(READERS[reader], saved, path)
    with torch.no_grad():
        assert 0 < saved.network(signal_of(saved)).spikes.mean() < 1, "the network says nothing"
    assert wrong == 0, f"{wrong} of {places}"


@pytest.mark.parametrize(
    "name",
    ["plain", "spikes as input", "batch norm first, and behind neurons", "add to itself", "conv behind fc"],
)
def test_norse_reads_what_has_no_branches_alone(name: str, tmp_path: Path) -> None:
    assert differences(by_norse_alone, trained(READ[name], steps=STEPS), tmp_path / "net.nir")[0] == 0


@pytest.mark.parametrize("reader", READERS)
def test_networks_drawn_from_the_shipped_grammar(reader: str, tmp_path: Path) -> None:
    """With their neurons reset to zero."""
    written = skips = 0
    for seed, spec in enumerate(drawn(20)):
        saved = trained(resetting_to_zero(spec), seed, same_steps=True, steps=6)
        try:
            wrong, places = differences(READERS[reader], saved, tmp_path / "net.nir")
        except InputError:
            continue
        assert wrong == 0, f"network {seed}: {wrong} of {places}"
        written += 1
        skips += any(isinstance(layer, Skip) for unit in spec.units for layer in unit)
    assert written >= 10
    assert skips


@pytest.mark.parametrize("reader", READERS)
def test_a_network_that_a_search_found(reader: str, tmp_path: Path) -> None:
    path = Path(__file__).with_name("evolved.net")
    grammar = open_grammar(GRAMMAR)
    spec = decode(genotype_from_sentence(grammar, path.read_text(), path.name), grammar)
    saved = trained(resetting_to_zero(spec), shape=(1, 28, 28), classes=10)
    assert differences(READERS[reader], saved, tmp_path / "net.nir")[0] == 0


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("threshold", [0.75, 1.0, 1.5])
@pytest.mark.parametrize("beta", [0.0, 0.25, 0.5, 0.75, 0.9])
def test_a_membrane_exactly_at_its_threshold_does_not_fire(
    beta: float, threshold: float, reader: str, tmp_path: Path
) -> None:
    """Neurons that read spikes, without weights between, in the readers' float32; seen through a 1x1 convolution of
    ones and neurons that fire for any spike."""
    seen = LIF(beta=0.0, threshold=0.5, reset="zero")
    spec = spec_of(
        (LIF(beta=beta, threshold=threshold, reset="zero"),), (FullyConnected(units=0), seen), coding="rate"
    )
    saved = trained(spec, steps=8, shape=(1, 4, 4), classes=16)
    with torch.no_grad():
        saved.network.layers[0].threshold.fill_(threshold)
        saved.network.layers[1].weight.copy_(torch.eye(16))
        saved.network.layers[1].bias.zero_()
        ours = saved.network(signal_of(saved)).spikes
    assert ours.any() or (beta, threshold) in {(0.0, 1.0), (0.0, 1.5), (0.25, 1.5)}
    assert differences(READERS[reader], saved, tmp_path / "net.nir")[0] == 0


def test_the_gain_goes_into_weights_where_there_are_weights(tmp_path: Path) -> None:
    """A residual: only the path without weights gets a node, of which neurons read the sum."""
    spec = spec_of(
        (Conv(filters=4), LIF(reset="zero")), (Conv(filters=4), Skip(back=1), LIF(reset="zero")), HEAD
    )
    write_nir(trained(spec), Path("net"), tmp_path / "net.nir")
    graph = nir.read(tmp_path / "net.nir")
    assert set(graph.nodes) == {
        "input", "conv_1", "lif_2", "conv_3", "lif_5_gain", "lif_5", "flatten_6", "fc_6", "lif_7", "output"
    }  # fmt: skip
    assert {("conv_3", "lif_5"), ("lif_2", "lif_5_gain"), ("lif_5_gain", "lif_5")} < set(graph.edges)
    for name, node in graph.nodes.items():
        if isinstance(node, nir.LIF):
            assert (node.r == 1).all(), name
    gain = graph.nodes["lif_5"].tau[0, 0, 0] / DT
    assert graph.nodes["lif_5_gain"].weight[:, :, 0, 0] == pytest.approx(
        gain * torch.eye(4).numpy(), rel=1e-6
    )
