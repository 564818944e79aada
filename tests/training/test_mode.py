"""bfloat16: it runs everywhere, it learns, and without it nothing changes."""

from __future__ import annotations

import pytest
import torch
from tiny_networks import STEPS, dropout_spec, gene_spec, network_of, task

from spenser_gee.config import Initialisation, Training
from spenser_gee.fitness.trained import evaluate
from spenser_gee.phenotype.spec import TET, Adam, CECount, CEMembrane, CERate, Input, MSECount
from spenser_gee.training.losses import loss_value, needs_membrane
from spenser_gee.training.mode import PLAIN, Mode, run_network
from spenser_gee.training.train import Budget

HALF = Mode(precision="bfloat16")


def test_of_the_configuration() -> None:
    section = Training(epochs=1, memory_mb=3, precision="bfloat16")
    assert Mode.of_settings(section) == Mode(3 * 1024 * 1024, "bfloat16")
    assert Mode.of_settings(Training(epochs=1, memory_mb=None)) == PLAIN


def test_float32_is_the_network_itself() -> None:
    network, signal = network_of(gene_spec()), torch.rand(STEPS, 3, 1, 8, 8)
    expected, found = network(signal, membrane=True), run_network(network, signal, PLAIN, membrane=True)
    assert torch.equal(expected.spikes, found.spikes)
    assert torch.equal(expected.membrane, found.membrane)
    # Not even where somebody else's autocast would have it otherwise.
    assert run_network(network, signal, PLAIN).spikes.dtype == torch.float32


@pytest.mark.parametrize("loss", [MSECount(), CECount(), CERate(), CEMembrane(), TET()])
def test_bfloat16_computes_in_it_and_gives_float32(loss: object) -> None:
    spec = gene_spec(loss=loss)
    network, signal = network_of(spec), torch.rand(STEPS, 3, 1, 8, 8)
    seen: list[torch.dtype] = []
    for layer in network.layers:
        layer.register_forward_hook(lambda module, inputs, output: seen.append(_first(output).dtype))
    output = run_network(network, signal, HALF, membrane=needs_membrane(spec.loss))
    assert torch.bfloat16 in seen
    assert output.spikes.dtype == torch.float32
    assert output.membrane is None or output.membrane.dtype == torch.float32
    loss_value(spec.loss, output, torch.tensor([0, 1, 2])).backward()
    assert all(p.grad is None or p.grad.dtype == p.dtype == torch.float32 for p in network.parameters())


def _first(output: object) -> torch.Tensor:
    found = output[0] if isinstance(output, tuple) else output
    assert isinstance(found, torch.Tensor)
    return found


@pytest.mark.parametrize("units", [gene_spec().units[:-1], dropout_spec().units[:-1]])
def test_it_learns_the_digits(units: tuple[tuple[object, ...], ...]) -> None:
    spec = gene_spec(*units, input=Input("direct"), optimiser=Adam(lr=0.02))  # type: ignore[arg-type]
    inner = Initialisation(generations=1, population=4, steps=1, budget_share=None)
    results = [evaluate(spec, task(), Budget(steps=80), inner, 1, mode=mode) for mode in (PLAIN, HALF)]
    whole, half = (done.evaluation for done in results)
    assert half.status == whole.status == "complete"
    assert half.objectives["fitness"] > 0.4  # chance is 0.1
    assert half.measures["loss"] != whole.measures["loss"]
    network = results[1].network
    assert network is not None
    assert all(p.dtype == torch.float32 for p in network.parameters())
