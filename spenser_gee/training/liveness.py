"""Whether anything of the input reaches the output: finds silent and saturated networks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from spenser_gee.network.build import Output, SpikingNetwork

# A layer that fires at more than this share of all neuron-steps carries next to no information.
SATURATED = 0.999

NOT_FINITE = "the output membrane is not finite"


@torch.no_grad()
def probe(network: SpikingNetwork, signal: Tensor) -> Output:
    """The output of `network` as it is while it trains (statistics of the batch), with membrane and rates."""
    training = network.training
    network.train()
    output: Output = network(signal, membrane=True, rates=True)
    network.train(training)
    return output


def responds(membrane: Tensor) -> Tensor:
    """Whether a finite output membrane (T, B, classes) depends on the sample: a boolean on its device."""
    spread = membrane - membrane[:, :1]
    return torch.isfinite(spread).all() & (spread != 0).any()


def dead_reason(output: Output) -> str | None:
    """Why the outputs do not depend on the input, or None where they do.

    output: of different samples (B > 1), from `probe`. A silent layer that a skip connection goes around is no
    reason; therefore the output membrane decides, and the firing rates only explain.
    """
    assert output.membrane is not None
    assert output.rates is not None
    if bool(responds(output.membrane)):
        return None
    if not bool(torch.isfinite(output.membrane - output.membrane[:, :1]).all()):
        return NOT_FINITE
    return constant_layer(output.rates.tolist(), 0.0, SATURATED) or "the outputs are the same for all inputs"


def constant_layer(
    rates: Sequence[float], silent: float, saturated: float, *, but_last: bool = False
) -> str | None:
    """Names the first layer of neurons that (almost) never or (almost) always fires, or None.

    rates: spikes per neuron and step, by layer. silent: the largest rate of a layer that never fires. saturated: any larger
    one is that of a layer that always fires. but_last: whether the last one may.
    """
    for number, rate in enumerate(rates[:-1] if but_last else rates, start=1):
        if rate <= silent:
            return f"silent: lif layer {number} of {len(rates)} never fires"
        if rate > saturated:
            return f"saturated: lif layer {number} of {len(rates)} always fires"
    return None
