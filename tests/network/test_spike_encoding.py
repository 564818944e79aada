"""Input codings against snntorch.spikegen and closed forms."""

from __future__ import annotations

import pytest
import torch
from snntorch import spikegen

from spenser_gee.network.spike_encoding import encode


def images() -> torch.Tensor:
    """Two images with dark, bright and random pixels."""
    x = torch.rand(2, 3, 5, 4, generator=torch.Generator().manual_seed(0))
    x[0, 0, 0] = torch.tensor([0.0, 1.0, 0.009, 0.01])
    return x


@pytest.mark.parametrize("steps", [2, 5, 25])
def test_latency_equals_snntorch(steps: int) -> None:
    expected = spikegen.latency(images(), num_steps=steps, linear=True, normalize=True, clip=True)
    assert torch.equal(encode(images(), "latency", steps), expected)


@pytest.mark.parametrize("steps", [1, 4, 9])
def test_latency_in_closed_form(steps: int) -> None:
    x = images()
    spikes = encode(x, "latency", steps)
    assert spikes.shape == (steps, *x.shape)
    assert torch.equal(spikes.sum(0), (x >= 0.01).float())
    when = spikes.argmax(0)[x >= 0.01]
    assert torch.equal(when, torch.round((1 - x[x >= 0.01]) * (steps - 1)).long())


def test_rate_fires_with_the_value_as_probability() -> None:
    x = torch.tensor([0.0, 0.1, 0.5, 0.93, 1.0]).view(1, 1, 1, 5)
    spikes = encode(x, "rate", 20_000, torch.Generator().manual_seed(1))
    assert spikes.dtype == torch.float32
    assert set(spikes.unique().tolist()) == {0.0, 1.0}
    rates = spikes.mean(0).flatten()
    torch.testing.assert_close(rates, x.flatten(), atol=0.012, rtol=0)
    assert rates[0] == 0
    assert rates[-1] == 1


def test_rate_depends_on_its_generator_only() -> None:
    first = encode(images(), "rate", 4, torch.Generator().manual_seed(3))
    torch.rand(7)
    assert torch.equal(first, encode(images(), "rate", 4, torch.Generator().manual_seed(3)))
    assert not torch.equal(first, encode(images(), "rate", 4, torch.Generator().manual_seed(4)))


def test_direct_is_the_image_once() -> None:
    assert torch.equal(encode(images(), "direct", 8), images().unsqueeze(0))


def test_unusable_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="coding 'delta' is not one of rate, latency, direct"):
        encode(images(), "delta", 4)
    with pytest.raises(ValueError, match="time_steps is 0"):
        encode(images(), "rate", 0)
