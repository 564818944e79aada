"""Leaky integrate-and-fire neurons in the words of NIR, for forward Euler steps of `dt` seconds.

NIR: tau v' = v_leak - v + r I. With v_leak = 0 a step of forward Euler is v + dt / tau (r I - v), so that

    beta = 1 - dt / tau  ->  tau = dt / (1 - beta)

and r = 1, which is all that some simulators read: an input that is to count 1 then has to come in as tau / dt, and
the weights before the neurons say so (nir_gains.py). beta = 1 has no tau: NIR's IF and I have v' = r I, r = 1 / dt,
and an input that is not scaled. A spike, v > v_threshold, sets v to v_reset = 0 in the same step; ours does so at
the start of the next one, before the decay: the spikes are equal.

Numbers in a file are float32. They are rounded so that a membrane comes out smaller, never larger: one that is
exactly at its threshold (spikes that a skip brings, threshold 1) does not fire here and must not fire there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from spenser_gee.export.nir_sketch import Block, Sketch
from spenser_gee.export.weights import Cell

SUBTRACT = ("loop", "zero")


@dataclass(frozen=True)
class Neurons:
    """How one layer is drawn. label: of the layer, in words. subtract: how a reset by subtraction is written, one of
    SUBTRACT; None = not at all."""

    sketch: Sketch
    name: str
    label: str
    cell: Cell
    dt: float
    subtract: str | None

    @property
    def own_membrane(self) -> bool:
        """Whether the membrane is a node of its own, with the layer's name."""
        return self.cell.reset == "none" or (self.cell.reset == "subtract" and self.subtract == "loop")

    def explain(self) -> None:
        """Remarks and refusals."""
        reset, sketch = self.cell.reset, self.sketch
        if reset == "none":
            sketch.remark(self.label, "reset=none written as LI and Threshold: exact")
        if reset != "subtract":
            return
        if self.subtract == "zero":
            text = "reset=subtract written as a reset to zero: THIS CHANGES ITS SPIKES, measure the accuracy anew"
            sketch.remark(self.label, text)
        elif self.subtract is None:
            sketch.refuse(
                self.label,
                "reset=subtract: NIR's LIF is set to v_reset by a spike and loses what lay above the threshold",
                "--subtract loop writes it exactly, as LI, Threshold and an edge back (few programs read loops); "
                "--subtract zero writes a LIF that resets to zero, which changes its spikes.",
            )
        elif self.cell.threshold < 0:
            sketch.refuse(
                self.label,
                f"its threshold is {self.cell.threshold:g}: below 0 it resets before the first step, a loop does not",
                "--subtract zero changes its spikes. --format state-dict writes it.",
            )
        else:
            text = "reset=subtract written as LI, Threshold and an edge back that arrives a step later: exact"
            sketch.remark(self.label, text)

    def draw(self, block: Block) -> Block:
        """The spikes of neurons that read a block."""
        if not self.own_membrane:
            return self._put(block, self._resetting(block.shape), binary=True)
        membrane = self._put(block, self._integrating(block.shape))
        spikes = self.sketch.threshold(f"{self.name}_spikes", membrane, self.cell.threshold)
        if self.cell.reset == "subtract":
            # One step of float32 more, since the gain of what comes back is a little less than 1.
            lift = np.nextafter(np.float32(self.cell.threshold), np.float32(np.inf))
            back = self.sketch.nir.Scale(scale=np.full(block.shape, -lift))
            reset = self.sketch.put(f"{self.name}_reset", back, spikes, block.shape)
            self.sketch.edges.append((reset.nodes[0], membrane.nodes[0]))
        return spikes

    def _put(self, block: Block, node: Any, *, binary: bool = False) -> Block:
        """A node of neurons; what one with a tau counts an input for is noted."""
        drawn = self.sketch.put(self.name, node, block, block.shape, binary=binary)
        if self.cell.beta < 1.0:
            self.sketch.rates[drawn.nodes[0]] = self.dt / float(self._tau)
        return drawn

    def _resetting(self, shape: tuple[int, ...]) -> Any:
        """A node whose neurons are set to 0 by a spike."""
        nir, level, zero = self.sketch.nir, _full(shape, self.cell.threshold), _full(shape, 0.0)
        kind = nir.IF if self.cell.beta == 1.0 else nir.LIF
        return kind(**self._membrane(shape), v_threshold=level, v_reset=zero)

    def _integrating(self, shape: tuple[int, ...]) -> Any:
        """A node of membranes that never fire."""
        nir = self.sketch.nir
        return (nir.I if self.cell.beta == 1.0 else nir.LI)(**self._membrane(shape))

    def _membrane(self, shape: tuple[int, ...]) -> dict[str, Any]:
        """What every kind of neurons has."""
        notes = {"beta": self.cell.beta, "dt": self.dt}
        if self.cell.beta == 1.0:
            return {"r": self._inverse_dt(shape), "metadata": notes}
        tau, r = np.full(shape, self._tau), _full(shape, 1.0)
        return {"tau": tau, "r": r, "v_leak": _full(shape, 0.0), "metadata": notes}

    @property
    def _tau(self) -> np.float32:
        """Seconds."""
        return _below(self.dt / (1 - self.cell.beta))

    def _inverse_dt(self, shape: tuple[int, ...]) -> np.ndarray:
        """The r of neurons without a tau, for which an input counts at most 1: r dt <= 1."""
        r = _below(1.0 / self.dt)
        return np.full(shape, r if self.dt * float(r) <= 1.0 else np.nextafter(r, np.float32(0)))


def _full(shape: tuple[int, ...], value: float) -> np.ndarray:
    return np.full(shape, value, np.float32)


def _below(value: float) -> np.float32:
    """The largest float32 that is not above a value > 0."""
    near = np.float32(value)
    return near if float(near) <= value else np.nextafter(near, np.float32(0))
