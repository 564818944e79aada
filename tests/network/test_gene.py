"""Gene-encoded weights: the expansion, the start distribution, and the variance-preserving start."""

from __future__ import annotations

import math

import pytest
import torch

from spenser_gee.network.build import build_network
from spenser_gee.network.gene import (
    clipped_variance,
    encoding_shape,
    expand,
    population_scales,
    preserving_start,
    sample_encoding,
)
from spenser_gee.phenotype.plan import Plan, plan_network
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.layers import LIF, Conv, FullyConnected, GlobalPool, Layer, Skip
from spenser_gee.phenotype.words.training import Genes


def test_expand_equals_the_sum() -> None:
    generator = torch.Generator().manual_seed(0)
    e_in = torch.randn(3, 4, 2, generator=generator)
    e_out = torch.randn(5, 4, 2, generator=generator)
    g = torch.randn(2, 2, generator=generator)
    weights = expand(e_in, g, e_out)
    assert weights.shape == (5, 3, 4)
    for o in range(5):
        for c in range(3):
            for p in range(4):
                total = sum(e_in[c, p, a] * g[a, b] * e_out[o, p, b] for a in range(2) for b in range(2))
                assert weights[o, c, p].item() == pytest.approx(float(total), abs=1e-5)


def test_expand_passes_gradients_to_all_three() -> None:
    parts = [torch.randn(s, dtype=torch.float64, requires_grad=True) for s in ((3, 4, 2), (2, 2), (2, 4, 2))]
    assert torch.autograd.gradcheck(expand, parts)


@pytest.mark.parametrize(("beta1", "beta2"), [(1.0, 2.0), (0.7, 0.2), (2.0, 1e-3), (0.3, 50.0)])
def test_sample_is_a_clipped_normal(beta1: float, beta2: float) -> None:
    count = 400_000
    draw = sample_encoding((count,), beta1, beta2, torch.Generator().manual_seed(5)).double()
    assert draw.abs().max() <= beta2 * (1 + 1e-6)
    on_bounds = (draw.abs() >= beta2 * (1 - 1e-6)).double().mean().item()
    assert on_bounds == pytest.approx(math.erfc(beta2 / beta1 / math.sqrt(2)), abs=0.005)
    assert draw.var().item() == pytest.approx(clipped_variance(beta1, beta2), rel=0.01)
    assert draw.mean().item() == pytest.approx(0.0, abs=0.005 * beta1)


def test_clipped_variance_at_its_limits() -> None:
    assert clipped_variance(0.5, 1e6) == pytest.approx(0.25)
    assert clipped_variance(1e6, 0.5) == pytest.approx(0.25, rel=1e-5)
    assert clipped_variance(0.0, 1.0) == 0.0


def test_scale_multiplies_the_sample() -> None:
    plain = sample_encoding((10,), 1.0, 1.5, torch.Generator().manual_seed(1))
    scaled = sample_encoding((10,), 1.0, 1.5, torch.Generator().manual_seed(1), scale=3.0)
    torch.testing.assert_close(scaled, 3.0 * plain)


def gene_net(*extra: Layer, genes: int = 24) -> Plan:
    """Convs of very different fan-in, a flattened map and a gene-coded output."""
    units: list[tuple[Layer, ...]] = [
        (Conv(filters=8), LIF()),
        (Conv(filters=96, weights="gene"), LIF()),
        (Conv(filters=16, kernel=5, stride=2, weights="gene"), LIF(), *extra),
        (Conv(filters=64, kernel=5, stride=2, weights="gene"), LIF()),
        (FullyConnected(units=48, weights="gene"), LIF()),
        (FullyConnected(units=0, weights="gene"), LIF()),
    ]
    return plan_network(NetworkSpec(units=tuple(units), genes=Genes(genes)), (1, 8, 8), 10)


def test_start_preserves_the_variance_in_every_layer() -> None:
    plan = gene_net()
    scales = population_scales(plan)
    beta1, beta2, sigma = preserving_start(plan)
    assert set(scales) == set(plan.encodings)
    assert all(m > 0 for m in scales.values())
    common = plan.spec.genes.count * clipped_variance(beta1, beta2) * sigma
    assert math.sqrt(clipped_variance(beta1, beta2)) == pytest.approx(sigma)
    coded = [p for p in plan.layers if p.gene_out is not None]
    assert len(coded) == 5
    for p in coded:
        assert p.gene_out is not None
        (source,) = p.gene_in
        expected = math.sqrt(2 / p.fan_in)
        assert common * scales[source] * scales[p.gene_out] == pytest.approx(expected, rel=1e-9)


def test_weights_of_a_built_network_have_that_variance() -> None:
    plan = gene_net(genes=200)
    network = build_network(plan, 2, seed=4)
    assert network.genes is not None
    for p in plan.layers:
        if p.gene_coded:
            spread = network.genes.weights(p).std().item()
            assert spread == pytest.approx(math.sqrt(2 / p.fan_in), rel=0.1)


def test_concatenated_sources_get_a_compromise() -> None:
    plan = gene_net(Skip(back=1, mode="concat"))
    layer = next(p for p in plan.layers if len(p.gene_in) == 2)
    scales = population_scales(plan)
    beta1, beta2, sigma = preserving_start(plan)
    assert layer.gene_out is not None
    common = plan.spec.genes.count * clipped_variance(beta1, beta2) * sigma
    for source in layer.gene_in:
        assert 0.2 < common * scales[source] * scales[layer.gene_out] / math.sqrt(2 / layer.fan_in) < 5


def test_network_without_genes_has_a_plain_start() -> None:
    spec = NetworkSpec(units=((GlobalPool(), FullyConnected(units=0), LIF()),))
    plan = plan_network(spec, (3, 4, 4), 10)
    assert population_scales(plan) == {}
    assert all(value > 0 for value in preserving_start(plan))


def test_flattened_map_has_a_row_for_each_pixel() -> None:
    plan = gene_net()
    flattened = next(p for p in plan.layers if isinstance(p.layer, FullyConnected))
    assert encoding_shape(flattened.gene_in[0], 24) == (64 * 2 * 2, 1, 24)
