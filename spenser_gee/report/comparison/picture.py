"""Accuracy against size as one picture that stands alone: for a README, or a paper."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from spenser_gee.comparison.results import Results
from spenser_gee.report.comparison.contender import ARMS, ShownContender
from spenser_gee.report.comparison.sections import shown_contenders
from spenser_gee.report.comparison.trade_off import SIZE, draw_trade_off, legend, number_spots, spots
from spenser_gee.report.drawing import svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PANEL, _KEY, _HEIGHT = 3.0, 2.2, 3.6  # inches
_HEAD, _LINE = 0.7, 0.18  # of the key: what is above it, and a line of it
_PIXELS_PER_INCH = 96

# A README is light or dark, and does not tell its pictures which: this one has a ground of its own, on which it can be
# read either way.
_STYLE = """svg { color: #1f2328; font-family: system-ui, sans-serif } .ground { fill: #ffffff }
@media (prefers-color-scheme: dark) { svg { color: #e6edf3 } .ground { fill: #0d1117 } }"""


def size_picture(results: Results) -> str:
    """An SVG file: a panel for each recipe, and the names. Raises ValueError where no contender is trained yet."""
    contenders = shown_contenders(results)
    panels = [(arm, spots(contenders, arm, SIZE)) for arm in results.arms]
    panels = [(arm, shown) for arm, shown in panels if shown]
    if not panels:
        raise ValueError("no contender has an accuracy yet")
    drawn = [spot.contender for _, shown in panels for spot in shown]
    present = [contender for contender in contenders if contender in drawn]
    key = _key(present)
    width, height = _PANEL * len(panels) + _KEY, max(_HEIGHT, _HEAD + _LINE * (len(key) + 1))
    with svg.figure(width, height) as fig:
        grid = fig.add_gridspec(1, len(panels) + 1, width_ratios=[*(_PANEL for _ in panels), _KEY])
        places: list[Axes] = []
        for number, (arm, shown) in enumerate(panels):
            axes = fig.add_subplot(grid[number], sharey=places[0] if places else None)
            draw_trade_off(axes, shown)
            axes.set_title(ARMS[arm])
            axes.set_xlabel(SIZE.label)
            places.append(axes)
        places[0].set_ylabel(f"accuracy on Test, {results.data.dataset}", parse_math=False)
        beside = fig.add_subplot(grid[-1])
        beside.set_axis_off()
        words = beside.text(0, 1, "\n".join(key), va="top", linespacing=1.5, parse_math=False)
        words.set_in_layout(False)
        legend(fig, present)
        for axes, (_, shown) in zip(places, panels, strict=True):
            number_spots(fig, axes, shown)
        return _alone(svg.to_svg(fig), width, height)


def _key(shown: Sequence[ShownContender]) -> list[str]:
    """Whose number is whose, and what the signs are."""
    names = [f"{contender.number}  {contender.name}" for contender in shown]
    return [*names, "", "bars: 95 % intervals", "hollow: dense twins", "line: the Pareto front"]


def _alone(picture: str, width: float, height: float) -> str:
    """A picture for a page as a file of its own: with its size, its colours, and a ground."""
    _, view, rest = re.split(r"<svg[^>]*?viewBox=\"([^\"]*)\"[^>]*>", picture, maxsplit=1)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{view}" width="{width * _PIXELS_PER_INCH:.0f}" '
        f'height="{height * _PIXELS_PER_INCH:.0f}" role="img" fill="currentColor" stroke-linejoin="round">'
    )
    return f'{head}<style>{_STYLE}</style><rect class="ground" width="100%" height="100%"/>{rest}\n'
