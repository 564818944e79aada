"""What neurons with r = 1 ask of their input, tau / dt times as much, goes into the weights before them."""

from __future__ import annotations

import numpy as np

from spenser_gee.export.nir_sketch import Block, Sketch
from spenser_gee.export.weights import Array


def fold_gains(sketch: Sketch) -> None:
    """Scales the weights that neurons read, and rounds all weights of a graph that is drawn to float32.

    Where neurons read what cannot be scaled (spikes, an image, weights that others read too), a weight of each
    channel with itself comes in between: not a Scale, which few programs read.
    """
    rates: dict[str, float] = {}
    for neurons, rate in sketch.rates.items():
        found = {name: _weights_behind(sketch, name) for name in _sources(sketch, neurons)}
        fixed = [name for name, weights in found.items() if weights is None]
        if fixed:
            found["between"] = {_put_between(sketch, fixed, neurons)}
        for weights in found.values():
            rates |= dict.fromkeys(weights or (), rate)
    for name, node in sketch.nodes.items():
        for values in ("weight", "bias", "scale"):
            if hasattr(node, values):
                setattr(node, values, _divided(getattr(node, values), rates.get(name, 1.0)))


def _weights_behind(sketch: Sketch, name: str) -> set[str] | None:
    """The nodes whose weights can scale what a node puts out: itself, or those before averages and flattening. None:
    there are none, or somebody else reads them."""
    nir, node = sketch.nir, sketch.nodes[name]
    if sum(source == name for source, _ in sketch.edges) > 1:
        return None
    if isinstance(node, (nir.Conv2d, nir.Affine, nir.Linear, nir.Scale)):
        return {name}
    if not isinstance(node, (nir.AvgPool2d, nir.Flatten)):
        return None
    found: set[str] = set()
    for source in _sources(sketch, name):
        weights = _weights_behind(sketch, source)
        if weights is None:
            return None
        found |= weights
    return found


def _sources(sketch: Sketch, name: str) -> list[str]:
    return [source for source, target in sketch.edges if target == name]


def _put_between(sketch: Sketch, sources: list[str], neurons: str) -> str:
    """A weight of each channel with itself, for the sum of what some nodes put out."""
    sketch.edges = [edge for edge in sketch.edges if edge[1] != neurons or edge[0] not in sources]
    block = Block(tuple(sources), sketch.nodes[neurons].tau.shape)
    between = sketch.mix(f"{neurons}_gain", block, np.eye(block.shape[0])).nodes[0]
    sketch.edges.append((between, neurons))
    return between


def _divided(values: Array, rate: float) -> np.ndarray:
    """values / rate, in float32; rounded so that rate times it is never above them, unless the rate is 1."""
    near = (values / rate).astype(np.float32)
    above = (near.astype(np.float64) * rate > values) if rate != 1.0 else False
    return np.where(above, np.nextafter(near, np.float32(-np.inf)), near)
