"""Where numbers stand so that they cover nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def label_points(
    fig: Figure, axes: Axes, points: Sequence[tuple[float, float]], labels: Sequence[str]
) -> None:
    """Each point's label beside it, where it covers neither a point nor another label."""
    fig.draw_without_rendering()
    scale = 72 / fig.dpi  # points per pixel
    middles = [axes.transData.transform(point) for point in points]
    offsets = label_offsets([tuple(value * scale for value in middle) for middle in middles])
    for point, label, offset in zip(points, labels, offsets, strict=True):
        axes.annotate(label, point, offset, textcoords="offset points", ha="center", va="center", fontsize=8)


def label_offsets(places: Sequence[Sequence[float]], gap: float = 9.0) -> list[tuple[float, float]]:
    """Where labels go, relative to their points, all in one unit: the first of rings of directions where a label is at
    least `gap` from every point and from all labels before it; else the place that is farthest from them."""
    # First above to the left: from a point on the front, its line goes right and down.
    turns = [math.tau * (k / 12 + 3 / 8) for k in range(12)]
    rings = [
        (gap * reach * math.cos(turn), gap * reach * math.sin(turn))
        for reach in (1.0, 1.5, 2.1)
        for turn in turns
    ]
    taken = [(place[0], place[1]) for place in places]
    offsets = []
    for place in places:
        spots = [(place[0] + x, place[1] + y) for x, y in rings]
        room = [min(math.dist(spot, other) for other in taken) for spot in spots]
        # A hair less than the gap: the nearest ring is just that far from its own point.
        free = next((k for k, distance in enumerate(room) if distance > 0.98 * gap), None)
        chosen = max(range(len(rings)), key=room.__getitem__) if free is None else free
        taken.append(spots[chosen])
        offsets.append(rings[chosen])
    return offsets


def spread_out(values: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Ascending values moved apart to `gap` from each other, within low..high: the least sum of squared moves where
    the range allows it. A range too small for all makes the gap smaller.

    Neighbours that would be too near are moved as one block (the pool-adjacent-violators algorithm).
    """
    count = len(values)
    gap = min(gap, (high - low) / max(count - 1, 1))
    blocks: list[
        tuple[float, int]
    ] = []  # mean of what the values are without their gaps, and how many they are
    for place, value in enumerate(values):
        mean, size = value - place * gap, 1
        while blocks and blocks[-1][0] > mean:
            before, many = blocks.pop()
            mean, size = (mean * size + before * many) / (size + many), size + many
        blocks.append((mean, size))
    level = [min(max(mean, low), high - (count - 1) * gap) for mean, size in blocks for _ in range(size)]
    return [mean + place * gap for place, mean in enumerate(level)]
