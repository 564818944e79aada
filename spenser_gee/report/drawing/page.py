"""Sections as one HTML page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from spenser_gee.errors import printable
from spenser_gee.report.drawing.section import Figure, Section, Table

if TYPE_CHECKING:
    from markupsafe import Markup

# The mark by which a page is known as one of ours.
GENERATOR = "spenser_gee report"


def render(title: str, sections: Sequence[Section]) -> str:
    """The page: a contents list, then the sections in their order. All text is escaped; SVG is put in as it is.

    Raises ValueError where two sections have the same anchor.
    """
    import jinja2

    anchors = [section.anchor for section in sections]
    if len(set(anchors)) < len(anchors):
        raise ValueError(f"two sections have the same anchor: {anchors}")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("spenser_gee.report.drawing", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["figure"] = lambda part: isinstance(part, Figure)
    environment.tests["table"] = lambda part: isinstance(part, Table)
    environment.filters["picture"] = _picture
    template = environment.get_template("page.html.jinja")
    return printable(template.render(title=title, sections=sections, generator=GENERATOR))


def _picture(figure: Figure) -> Markup:
    """The figure's SVG with its description for those who cannot see it."""
    from markupsafe import Markup

    begin = "<svg "
    if not figure.svg.startswith(begin):
        raise ValueError("a figure's SVG begins with <svg: make it with report.svg.to_svg")
    label = Markup('<svg aria-label="{}" ').format(figure.description)
    return label + Markup(figure.svg.removeprefix(begin))
