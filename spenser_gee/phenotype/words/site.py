"""Where a layer stands in a network."""

from __future__ import annotations

from dataclasses import dataclass

Shape = tuple[int, int, int]  # (channels, height, width); a fully connected layer gives (units, 1, 1)


class Infeasible(Exception):
    """The network cannot be built; the message says why. During a search it becomes a recorded status."""


@dataclass(frozen=True)
class Join:
    """How a skip's source is brought to the shape at the joint: resampled in space, then projected 1x1."""

    source: int  # unit whose output it is; -1 is the network's input
    source_shape: Shape
    resample: tuple[int, int] | None
    project: bool


@dataclass(frozen=True)
class Site:
    """What a layer finds where it stands. classes: of the data. join: of a skip. gene_coded: whether its weights
    come from genes."""

    input: Shape
    classes: int
    join: Join | None = None
    gene_coded: bool = False
