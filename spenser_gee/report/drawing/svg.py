"""Pictures in the house style, as SVG that stands inside a page.

What is black in a picture takes the colour of the page's text, and nothing has a background: one picture serves light
and dark pages. The colours of `PALETTE` are told apart with colour-blind eyes (after Okabe and Ito 2008), and have a
contrast of at least 3:1 on white and on the dark page.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from spenser_gee.errors import printable
from spenser_gee.report.drawing.extra import require_libraries

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, PURPLE, OCHRE, GREY = PALETTE = (
    "#0b78b8",
    "#d55e00",
    "#00936b",
    "#b8629a",
    "#967200",
    "#7d7d7d",
)

# Inches. A picture of this width is readable on a phone without scrolling.
WIDTH = 3.9

# A picture is drawn between these multiples of its own size; where the page has less room, it scrolls.
_SMALLEST, _LARGEST = 0.84, 1.6
_PIXELS_PER_INCH = 96

_STYLE: Any = {
    "font.size": 8.5,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8.5,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "lines.linewidth": 1.4,
    "lines.markersize": 3.5,
    "grid.color": GREY,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    # Text stays text, a dollar sign too, and equal pictures are equal files.
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "spenser-gee",
}

_SVG = "http://www.w3.org/2000/svg"
_HREF = "{http://www.w3.org/1999/xlink}href"
_IN_URL = re.compile(r"(?<=url\(#)[^)]+(?=\))")


@contextlib.contextmanager
def figure(width: float, height: float) -> Iterator[Figure]:
    """An empty figure of `width` x `height` inches; inside the block the house style holds.

    Raises InputError where matplotlib is not installed.
    """
    require_libraries()
    from matplotlib.figure import Figure

    with _house_style():
        yield Figure(figsize=(width, height), layout="constrained")


def count_along(axes: Axes) -> None:
    """The horizontal axis counts: ticks at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def to_svg(fig: Figure) -> str:
    """The figure as an `svg` element for a page: as wide as the page allows. Made alike, figures give the same text.

    Pictures that differ have no id in common.
    """
    text = io.StringIO()
    with _house_style(), warnings.catch_warnings():
        # Text stays text: the reader's browser has the letters.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
        _settle_texts(fig)
        metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        fig.savefig(text, format="svg", metadata=metadata)
    root = ElementTree.fromstring(text.getvalue())
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{_SVG}}}")
    _settle_size(root, float(fig.get_figwidth()))
    _settle_style(root)
    _settle_numbers(root)
    _settle_ids(root)
    return ElementTree.tostring(root, encoding="unicode")


def _settle_texts(fig: Figure) -> None:
    """What has no place in an SVG file, nor in a layout, is spelled out."""
    from matplotlib.text import Text
    from matplotlib.ticker import FuncFormatter

    for text in fig.findobj(Text):
        text.set_text(printable(text.get_text()))
    for axis in (axis for axes in fig.axes for axis in (axes.xaxis, axes.yaxis)):
        # Ticks that have names get their texts only while they are drawn.
        named = axis.get_major_formatter()
        if isinstance(named, FuncFormatter):
            axis.set_major_formatter(FuncFormatter(_printable(named.func)))


def _printable(name: Callable[..., str]) -> Callable[..., str]:
    return lambda *at: printable(name(*at))


@contextlib.contextmanager
def _house_style() -> Iterator[None]:
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # not what a person's own settings say
        matplotlib.rcParams.update(_STYLE)
        yield


def _settle_size(root: ElementTree.Element, width: float) -> None:
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.set("xmlns", _SVG)
    root.set("role", "img")
    root.set("fill", "currentColor")
    root.set("stroke-linejoin", "round")
    pixels = width * _PIXELS_PER_INCH
    smallest, largest = round(_SMALLEST * pixels), round(_LARGEST * pixels)
    root.set("style", f"width: 100%; min-width: {smallest}px; max-width: {largest}px; height: auto")


def _settle_style(root: ElementTree.Element) -> None:
    for parent in list(root.iter()):
        for child in list(parent):
            # Its one rule would hold for the whole page.
            if child.tag == "style":
                parent.remove(child)
    for element in root.iter():
        style = element.get("style")
        if style is not None and element is not root:
            style = (
                re.sub(r"font-family:[^;]*(;|$)", "", style).replace("#000000", "currentColor").strip("; ")
            )
            element.set("style", style)


def _settle_numbers(root: ElementTree.Element) -> None:
    """A hundredth of a point is enough. The solver of the layout differs in the last digits from call to call."""
    for element in root.iter():
        for name in ("d", "x", "y", "width", "height", "transform"):
            value = element.get(name)
            if value is not None and not value.startswith(("matrix", "scale")):
                rounded = re.sub(r"-?\d+\.\d{3,}", lambda found: f"{float(found[0]):.2f}", value)
                element.set(name, " ".join(rounded.split()))


def _settle_ids(root: ElementTree.Element) -> None:
    """Ids are kept where something refers to them: numbered, after a digest of the picture."""
    for element in root.iter():
        if _HREF in element.attrib:
            element.set("href", element.attrib.pop(_HREF))
    targets = [
        target
        for element in root.iter()
        for value in element.attrib.values()
        for target in _IN_URL.findall(value)
    ]
    targets += [element.attrib["href"][1:] for element in root.iter() if _is_local(element)]
    numbers = {target: str(number) for number, target in enumerate(dict.fromkeys(targets))}
    _rename(root, numbers)
    digest = hashlib.sha256(ElementTree.tostring(root)).hexdigest()[:10]
    _rename(root, {number: f"p{digest}-{number}" for number in numbers.values()})


def _is_local(element: ElementTree.Element) -> bool:
    return element.get("href", "").startswith("#")


def _rename(root: ElementTree.Element, names: dict[str, str]) -> None:
    """Ids by their new names; those without one go."""
    for element in root.iter():
        own = element.attrib.pop("id", None)
        if own in names:
            element.set("id", names[own])
        for key, value in element.attrib.items():
            element.set(key, _IN_URL.sub(lambda found: names[found[0]], value))
        if _is_local(element):
            element.set("href", f"#{names[element.attrib['href'][1:]]}")
