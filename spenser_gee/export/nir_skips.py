"""Skips in the words of NIR: edges that meet add up, and projections are weights over the channels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spenser_gee.export import nir_geometry as geometry
from spenser_gee.export.nir_geometry import Pair
from spenser_gee.export.nir_sketch import Block, Signal, Sketch, parts, total
from spenser_gee.export.weights import Array


@dataclass(frozen=True)
class Joint:
    """One skip. name: of its nodes."""

    sketch: Sketch
    name: str

    def averaged(self, source: Signal) -> Signal:
        """Over all positions."""
        return tuple(self.sketch.pool(f"{self.name}_mean", b, b.map_size, b.map_size, (1, 1)) for b in source)

    def flattened(self, source: Signal) -> Signal:
        """Without maps."""
        return tuple(self.sketch.flatten(f"{self.name}_flatten", block) for block in source)

    def picked(self, source: Signal, size: Pair, weight: Array | None) -> Signal | None:
        """The nearest subsample, by a stride; the projection (out, in), if there is one, in the same nodes. None:
        the distances are uneven."""
        had = source[0].map_size
        down, right = (geometry.subsample_stride(had[d], size[d]) for d in (0, 1))
        if down is None or right is None:
            return None
        stride = (down, right)
        window = geometry.window(had, size, 1, stride, (0, 0))
        if window is None:
            return None
        found = []
        for block, part in parts(source):
            own = np.eye(block.shape[0]) if weight is None else weight[:, part]
            drawn = self.sketch.convolve(self.name, block, own[:, :, None, None], None, window, stride, size)
            found.append(Block(drawn.nodes, drawn.shape, block.binary and weight is None))
        return tuple(found) if weight is None else (total(found),)

    def added(self, here: Signal, there: Signal) -> Signal:
        """Their sum, in the blocks of `here`."""
        if [block.shape for block in here] == [block.shape for block in there]:
            return tuple(self.sketch.plus(a, b) for a, b in zip(here, there, strict=True))
        eye = np.eye(sum(block.shape[0] for block in here))
        return tuple(
            self.sketch.plus(block, self.sketch.mix_all(self.name, there, eye[part]))
            for block, part in parts(here)
        )
