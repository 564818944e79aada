"""Giving a training up: its accuracy is compared with what another training had at the same share of its budget.

Losses differ between candidates (the loss is a gene), so the accuracy on the training images is compared. How
often the rule is wrong is measured by experiments/abandonment.py; docs/search.md has the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from spenser_gee.training.meter import Entry

# No training is given up before this share of its budget.
FIRST_LOOK = 0.3
# By so much the accuracy may be lower than the rival's: some networks learn late, others are regularised.
MARGIN = 0.1
# Standard errors of the difference that are granted on top.
ERRORS = 2.0


@dataclass(frozen=True)
class Point:
    """An entry of the rival's curve: accuracy over `images` that ends at `share` of its training."""

    share: float
    accuracy: float
    images: int


@dataclass(frozen=True)
class Rival:
    """A finished training that another one has to keep up with. points: by increasing share."""

    points: tuple[Point, ...]
    margin: float = MARGIN
    first_look: float = FIRST_LOOK

    @staticmethod
    def of_curve(curve: Sequence[Sequence[float]], batch_size: int) -> Rival:
        """From entries (step, loss, accuracy) of a complete training; its last step is its budget."""
        ends = [0, *(int(entry[0]) for entry in curve)]
        points = [
            Point(end / ends[-1], entry[2], (end - begin) * batch_size)
            for begin, end, entry in zip(ends, ends[1:], curve, strict=False)
        ]
        return Rival(tuple(points))

    def reason_to_give_up(self, entry: Entry) -> str:
        """Why a training that stands at `entry` is given up; empty where it goes on."""
        if not self.first_look <= entry.share < 1.0:
            return ""
        # The last entry before: where the rival's curve rises, this is the lower, lenient one.
        before = [point for point in self.points if point.share <= entry.share]
        if not before:
            return ""
        point = before[-1]
        allowed = self.margin + ERRORS * math.hypot(
            _standard_error(point.accuracy, point.images), _standard_error(entry.accuracy, entry.images)
        )
        if entry.accuracy >= point.accuracy - allowed:
            return ""
        return (
            f"training accuracy {entry.accuracy:.2f} after {entry.share:.0%} of the training; "
            f"the parent had {point.accuracy:.2f}"
        )


def _standard_error(accuracy: float, images: int) -> float:
    """Of an accuracy as a proportion."""
    return math.sqrt(accuracy * (1.0 - accuracy) / images)
