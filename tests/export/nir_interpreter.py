"""Runs a NIR graph from NIR's own definitions: forward Euler steps of dt, then threshold and reset. Knows nothing of
the program that wrote it.

Inputs to a node add up. An edge that closes a loop carries the value of the step before (0 at first).
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import nir
import torch
import torch.nn.functional as F
from torch import Tensor


class Interpreter:
    """graph: as read from a file. dt: seconds per step. Computes in float64."""

    def __init__(self, graph: Any, dt: float) -> None:
        self.nodes, self.dt = graph.nodes, dt
        self.sources: dict[str, list[str]] = defaultdict(list)
        for source, target in graph.edges:
            self.sources[target].append(source)
        self.order = self._order()

    def _order(self) -> list[str]:
        """Every node behind its sources; in a loop the membrane comes first."""
        order: list[str] = []
        waiting = sorted(self.nodes)
        while waiting:
            ready = [n for n in waiting if all(s in order for s in self.sources[n])]
            if not ready:  # a loop: take the membrane of which all but the way back is there
                ready = [
                    n
                    for n in waiting
                    if isinstance(self.nodes[n], (nir.LI, nir.I))
                    and all(s in order or isinstance(self.nodes[s], nir.Scale) for s in self.sources[n])
                ][:1]
            assert ready, f"no order for {waiting}"
            order += ready
            waiting = [n for n in waiting if n not in ready]
        return order

    def run(self, images: Tensor) -> dict[str, Tensor]:
        """The output of each node, (T, B, ...), for an input (T, B, C, H, W)."""
        state: dict[str, Tensor] = {}
        traces: dict[str, list[Tensor]] = defaultdict(list)
        before: dict[str, Tensor] = {}
        for step in images.double():
            now: dict[str, Tensor] = {}
            for name in self.order:
                if isinstance(self.nodes[name], nir.Input):
                    now[name] = step
                else:
                    found = [now[s] if s in now else before.get(s) for s in self.sources[name]]
                    total = torch.stack([f for f in found if f is not None]).sum(0)
                    now[name] = self._step(name, self.nodes[name], total, state)
                traces[name].append(now[name])
            before = now
        return {name: torch.stack(values) for name, values in traces.items()}

    def _step(self, name: str, node: Any, x: Tensor, state: dict[str, Tensor]) -> Tensor:
        if isinstance(node, nir.Output):
            return x
        if isinstance(node, nir.Affine):
            return x @ number(node.weight).T + number(node.bias)
        if isinstance(node, nir.Linear):
            return x @ number(node.weight).T
        if isinstance(node, nir.Scale):
            return x * number(node.scale)
        if isinstance(node, nir.Flatten):
            assert (int(node.start_dim), int(node.end_dim)) == (0, -1)
            return x.flatten(1)
        if isinstance(node, nir.Threshold):
            return (x > number(node.threshold)).double()
        if isinstance(node, nir.Conv2d):
            pads, strides = pair(node.padding), pair(node.stride)
            assert pair(node.dilation) == (1, 1)
            assert int(node.groups) == 1
            return F.conv2d(x, number(node.weight), number(node.bias), strides, pads)
        if isinstance(node, (nir.SumPool2d, nir.AvgPool2d)):
            size, stride = pair(node.kernel_size), pair(node.stride)
            assert pair(node.padding) == (0, 0)
            mean = F.avg_pool2d(x, size, stride)
            return mean if isinstance(node, nir.AvgPool2d) else mean * (size[0] * size[1])
        v = state.get(name, torch.zeros_like(x))
        if isinstance(node, (nir.LIF, nir.LI)):
            v = v + self.dt / number(node.tau) * (number(node.v_leak) - v + number(node.r) * x)
        elif isinstance(node, (nir.IF, nir.I)):
            v = v + self.dt * number(node.r) * x
        else:
            raise AssertionError(f"{name} is a {type(node).__name__}")
        if isinstance(node, (nir.LI, nir.I)):
            state[name] = v
            return v
        spikes = v > number(node.v_threshold)
        state[name] = torch.where(spikes, number(node.v_reset), v)
        return spikes.double()


def number(values: Any) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float64)


def pair(values: Any) -> tuple[int, int]:
    first, second = (int(v) for v in values)
    return first, second
