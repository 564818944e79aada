"""The page around the sections."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from html_checks import check_page
from made_runs import NASTY

pytest.importorskip("jinja2")

from spenser_gee.report.drawing.page import render
from spenser_gee.report.drawing.section import Figure, Section, Table

SVG = '<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 1 1"><path d="M 0 0" /></svg>'


def _page(*parts: Figure | Table | str, title: str = "Title") -> str:
    return render(title, [Section("One", "one", parts), Section("Two", "two", ())])


def test_it_is_well_formed_and_each_section_is_in_the_contents() -> None:
    page = _page("words", Figure(SVG, "caption", "description"), Table(("a", "b"), (("1", "2"),), "rows"))
    checker = check_page(page)
    assert {"#one", "#two"} <= set(checker.links)
    assert {"one", "two"} <= set(checker.ids)
    for tag in ("main", "nav", "header", "figcaption", "table", "thead", "svg"):
        assert tag in checker.tags


@pytest.mark.parametrize(
    "where", ["title", "section", "paragraph", "caption", "description", "column", "cell"]
)
def test_text_is_never_markup(where: str) -> None:
    text = {key: NASTY if key == where else key for key in ("section", "paragraph", "caption", "description")}
    table = Table(
        (NASTY if where == "column" else "c",), ((NASTY if where == "cell" else "x",),), text["caption"]
    )
    figure = Figure(SVG, text["caption"], text["description"])
    section = Section(text["section"], "one", (text["paragraph"], figure, table))
    page = render(NASTY if where == "title" else "Title", [section])
    checker = check_page(page)
    assert "<script>alert" not in page
    if where != "description":
        assert NASTY in checker.text
    else:
        svg = ElementTree.fromstring(page[page.index("<svg ") : page.index("</svg>") + len("</svg>")])
        assert svg.get("aria-label") == NASTY


def test_numbers_stand_right() -> None:
    page = _page(Table(("name", "n"), (("x", "1"),), numeric=frozenset({1})))
    assert '<td class="number">1</td>' in page
    assert "<td>x</td>" in page


def test_a_figure_is_svg_of_ours() -> None:
    with pytest.raises(ValueError, match="to_svg"):
        _page(Figure("<?xml?><svg></svg>", "caption", "description"))


def test_an_anchor_is_used_once() -> None:
    with pytest.raises(ValueError, match="same anchor"):
        render("Title", [Section("One", "one", ()), Section("Another", "one", ())])
