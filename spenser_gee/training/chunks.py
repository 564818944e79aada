"""How many samples a forward and backward pass of training may have, so that what it keeps fits into memory.

The gradient of a batch is the sum of its chunks' gradients. That does not hold for networks whose samples see each
other (batch norm), and dropout would draw its masks in another order: those are never cut into chunks.
"""

from __future__ import annotations

from spenser_gee.phenotype.plan import Plan

FLOAT = 4  # bytes


def samples_at_once(
    plan: Plan, time_steps: int, memory: int | None, signal_steps: int | None = None
) -> int | None:
    """As many as `memory` bytes are enough for, at least 1. None: any number. signal_steps: see `kept_bytes`."""
    if memory is None or not all(planned.layer.divisible for planned in plan.layers):
        return None
    return max(1, memory // kept_bytes(plan, time_steps, signal_steps))


def kept_bytes(plan: Plan, time_steps: int, signal_steps: int | None = None) -> int:
    """What the backward pass needs of one sample, with what layers answer for one time step; fused neurons keep less
    around poolings and of a static input.

    signal_steps: time steps of the input, T or 1 for one that is the same at every step: up to the first neurons one
    step of it is computed. None: as the coding of images makes it.
    """
    steps = signal_steps or (1 if plan.spec.input.coding == "direct" else time_steps)
    values = 0
    for planned in plan.layers:
        steps = time_steps if planned.layer.spiking else steps
        values += steps * planned.kept
    return FLOAT * values
