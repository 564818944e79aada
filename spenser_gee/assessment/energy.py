"""What operations cost, in picojoules per sample: theoretical figures for 45 nm CMOS, each named for what it counts.

No figure counts the network between cores, the addresses of events, control, leakage, or the sensor: none is a
measurement of a chip. See docs/energy.md for what each is good for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from spenser_gee.assessment.operations import LayerOperations, NeuronOperations, Operations
from spenser_gee.errors import input_error

# M. Horowitz, "Computing's energy problem", ISSCC 2014, Fig. 1.1.9: 45 nm, 0.9 V, 32-bit floating point.
E_MULTIPLY = 3.7
E_AC = 0.9  # an addition
E_MAC = E_MULTIPLY + E_AC  # 4.6, as in GEE (arXiv 2411.06792, Eq. 17)
# The same figure: one access of 64 bits costs 10 pJ (cache of 8 KB), 20 pJ (32 KB), 100 pJ (1 MB), 1.3 to 2.6 nJ
# (DRAM). Halved for words of 32 bits; of the DRAM's range the lower end.
E_8_KB = 10.0 / 2
E_32_KB = 20.0 / 2
E_1_MB = 100.0 / 2
E_DRAM = 1300.0 / 2

WORD = 4  # bytes


@dataclass(frozen=True)
class Costs:
    """Energy of single operations in picojoules; memory by its size, an access is one word of 32 bits.

    mac: a multiply-accumulate. ac: an accumulate. Raises InputError for a cost below 0 or one that is no number.
    """

    mac: float = E_MAC
    ac: float = E_AC
    memory_8_kb: float = E_8_KB
    memory_32_kb: float = E_32_KB
    memory_1_mb: float = E_1_MB
    dram: float = E_DRAM

    def __post_init__(self) -> None:
        for field in fields(self):
            cost = getattr(self, field.name)
            if not (math.isfinite(cost) and cost >= 0):
                raise input_error(f"cost {field.name}", f"expected picojoules, 0 or more, found {cost}")

    def access(self, words: int) -> float:
        """Of one word in the smallest memory that holds `words`: 8 KB, 32 KB, 1 MB, or DRAM beyond."""
        size = words * WORD
        if size <= 8 * 2**10:
            return self.memory_8_kb
        if size <= 32 * 2**10:
            return self.memory_32_kb
        return self.memory_1_mb if size <= 2**20 else self.dram


@dataclass(frozen=True)
class Energy:
    """Picojoules per sample, over all time steps.

    gee_eq17: GEE's Eq. 17, to compare with papers that use it: dense operations x mean firing rate. No neurons, no memory.
    operations: what was counted: MACs, synaptic operations with their real fan-out, and neuron updates. No memory.
    with_memory: `operations` and the memory accesses of weights, sums and membranes.
    dense_ann: the same layers once, without spikes: all MACs of one time step. No neurons, no memory: compare it
        with the first two, not with `with_memory`.
    """

    gee_eq17: float
    operations: float
    with_memory: float
    dense_ann: float


def energy(operations: Operations, costs: Costs | None = None) -> Energy:
    """All figures for what was counted; `costs` None: the defaults."""
    costs = costs or Costs()
    arithmetic = _arithmetic(operations, costs)
    return Energy(
        gee_eq17=_gee_eq17(operations, costs),
        operations=arithmetic,
        with_memory=arithmetic + _memory(operations, costs),
        dense_ann=operations.dense_macs * costs.mac,
    )


def _gee_eq17(operations: Operations, costs: Costs) -> float:
    """E_MAC FL_conv1 + E_AC T (sum of FL fr over the later convolutions and all fully connected layers).

    FL are dense MACs of one step. The first convolution is paid once, in MACs, whatever it reads; a network
    without one has no such term. fr is the rate of what a layer reads (after a pool), as operations follow from
    that and not from what it fires itself. Projections of skips are convolutions.
    """
    first = next((layer for layer in operations.layers if layer.word == "conv"), None)
    later = sum(layer.dense_macs * layer.rate for layer in operations.layers if layer is not first)
    once = 0 if first is None else first.dense_macs
    return costs.mac * once + costs.ac * operations.time_steps * later


def _arithmetic(operations: Operations, costs: Costs) -> float:
    """A neuron update is one MAC: decay x membrane + input. Threshold and reset are left out."""
    return (operations.macs + operations.neuron_updates) * costs.mac + operations.sops * costs.ac


def _memory(operations: Operations, costs: Costs) -> float:
    """Each layer's weights lie in a memory of their own, and so do its sums and membranes."""
    layers = sum(_layer_memory(layer, costs) for layer in operations.layers)
    return layers + sum(_neuron_memory(layer, costs) for layer in operations.neurons)


def _layer_memory(layer: LayerOperations, costs: Costs) -> float:
    sums = layer.state_accesses * costs.access(math.prod(layer.output))
    return layer.weight_reads * costs.access(layer.weights) + sums


def _neuron_memory(layer: NeuronOperations, costs: Costs) -> float:
    return layer.state_accesses * costs.access(layer.neurons)
