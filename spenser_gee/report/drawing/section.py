"""What a report is made of: sections of paragraphs, figures, and tables."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One picture: inline SVG, what stands below it, and what a reader who cannot see it is told."""

    svg: str
    caption: str
    description: str


@dataclass(frozen=True)
class Table:
    """Rows of text under columns; `numeric` holds the indices of the columns that are set flush right."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    numeric: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Section:
    """A part of the page; a `str` among its parts is a paragraph of plain text."""

    title: str
    anchor: str
    parts: tuple[Figure | Table | str, ...]
