"""A network of three spikes whose operations are counted by hand; they are in the comments.

Two samples over T = 2 steps; the second one is dark, so all means are half of what the first one does.

    step 0    X . .      step 1    . X .
              . X .                . . .
              . . .                . . .

conv, 2 filters 3 x 3, "same": filter A copies the image, filter B moves it one to the right.
    fan-out: a corner is read by 4 outputs, an edge by 6, the centre by 9, of each filter:
    (4 + 9) x 2 at step 0, 6 x 2 at step 1: 38 accumulates.
lif, decay 0.5, threshold 0.9, reset to zero: every current of 1 gives a spike, and nothing is left at step 1:
    18 neurons, 2 x 2 spikes at step 0 and 2 at step 1: 6 spikes.
fc, 18 inputs, 2 units: 6 x 2 = 12 accumulates. Unit 0 has ones, unit 1 zeros, so the currents are (4, 0), (2, 0).
lif: 2 neurons, unit 0 fires at both steps (the membrane is reset to zero): 2 spikes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from spenser_gee.network.build import SpikingNetwork, build_network
from spenser_gee.phenotype.plan import plan_network
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.layers import LIF, Conv, FullyConnected

NEURONS = LIF(beta=0.5, threshold=0.9, reset="zero")


def network() -> SpikingNetwork:
    units = ((Conv(filters=2, bias=False), NEURONS), (FullyConnected(units=0, bias=False), NEURONS))
    net = build_network(plan_network(NetworkSpec(units), (1, 3, 3), 2), 2, seed=0)
    conv, _, fc, _ = net.layers
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[0, 0, 1, 1] = 1.0
        conv.weight[1, 0, 1, 0] = 1.0
        fc.weight.zero_()
        fc.weight[0] = 1.0
    return net


def spikes() -> Tensor:
    signal = torch.zeros(2, 2, 1, 3, 3)
    signal[0, 0, 0, 0, 0] = signal[0, 0, 0, 1, 1] = signal[1, 0, 0, 0, 1] = 1.0
    return signal
