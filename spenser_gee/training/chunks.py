"""How many samples a forward and backward pass of training may have, so that what it keeps fits into memory.

The gradient of a batch is the sum of its chunks' gradients. That does not hold for networks whose samples see each
other (batch norm), and dropout would draw its masks in another order: those are never cut into chunks.
"""

from __future__ import annotations

import math

from spenser_gee.phenotype.plan import Plan
from spenser_gee.phenotype.words.layers import (
    LIF,
    AdaptivePool,
    AvgPool,
    BatchNorm,
    Conv,
    Dropout,
    FullyConnected,
    MaxPool,
    Skip,
)

FLOAT = 4  # bytes


def samples_at_once(plan: Plan, time_steps: int, memory: int | None) -> int | None:
    """As many as `memory` bytes are enough for, at least 1. None: any number."""
    if memory is None or any(isinstance(planned.layer, (BatchNorm, Dropout)) for planned in plan.layers):
        return None
    return max(1, memory // kept_bytes(plan, time_steps))


def kept_bytes(plan: Plan, time_steps: int) -> int:
    """What the backward pass needs of one sample, without dropout.

    As the plain neurons keep it, in float32; fused ones keep less around poolings and of a static input.
    """
    # A direct input is the same at every step: up to the first neurons one step is computed.
    steps = 1 if plan.spec.input.coding == "direct" else time_steps
    values = 0
    for planned in plan.layers:
        layer, inputs, outputs = planned.layer, math.prod(planned.input), math.prod(planned.output)
        if isinstance(layer, LIF):
            steps = time_steps
            values += steps * outputs  # the membrane
        elif isinstance(layer, (Conv, FullyConnected, BatchNorm, AvgPool, AdaptivePool)):
            values += steps * inputs
        elif isinstance(layer, MaxPool):
            values += steps * (inputs + 2 * outputs)  # and where the largest were, in 8 bytes each
        elif isinstance(layer, Skip) and planned.join is not None and planned.join.project:
            values += steps * planned.join.source_shape[0] * math.prod(planned.input[1:])
    return FLOAT * values
