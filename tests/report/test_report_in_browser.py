"""The page in headless Chromium: it renders, asks for nothing, complains of nothing, and fits small and large windows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Page, browser_page, find_chromium
from html_checks import check_page

pytest.importorskip("matplotlib")

from spenser_gee.report.report import write_report

CHROMIUM = find_chromium()

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium here: the page is not tried in a browser"
)

WIDTHS = [360, 1280]

# What sticks out at the right of the window, unless something around it scrolls.
STICKS_OUT = """
[...document.querySelectorAll("body *")].filter(e =>
    !e.closest(".scroll") && e.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5
).map(e => e.outerHTML.slice(0, 80))
"""

# As the browser computed them: of the text, of the page, of the text in a picture.
COLOURS = """
[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor,
 getComputedStyle(document.querySelector("svg text")).fill]
"""


@pytest.fixture(scope="module")
def url(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("browser") / "report.html"
    return write_report(finished, None, out, None).as_uri()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    assert CHROMIUM is not None
    with browser_page(CHROMIUM, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.mark.parametrize("width", WIDTHS)
def test_every_section_and_picture_is_shown(page: Page, url: str, width: int) -> None:
    page.open(url, width)
    sections = page.evaluate(
        "[...document.querySelectorAll('main > section')].map(e => [e.id, e.offsetHeight])"
    )
    assert [name for name, _ in sections] == [
        link.removeprefix("#")
        for link in page.evaluate("[...document.links].map(e => e.getAttribute('href'))")
    ]
    assert len(sections) > 7
    assert all(height > 50 for _, height in sections)
    sizes = page.evaluate(
        "[...document.querySelectorAll('svg')].map(e => e.getBoundingClientRect()).map(r => [r.width, r.height])"
    )
    assert len(sizes) > 5
    assert all(wide > 200 and high > 50 for wide, high in sizes), sizes


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_sticks_out(page: Page, url: str, width: int) -> None:
    page.open(url, width)
    assert page.evaluate("innerWidth") == width
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    assert page.evaluate(STICKS_OUT) == []


@pytest.mark.parametrize("width", WIDTHS)
def test_text_in_pictures_can_be_read(page: Page, url: str, width: int) -> None:
    page.open(url, width)
    heights = page.evaluate(
        "[...document.querySelectorAll('svg text')].filter(e => e.textContent.trim()).map(e =>"
        " parseFloat(getComputedStyle(e).fontSize) * e.ownerSVGElement.getBoundingClientRect().width"
        " / e.ownerSVGElement.viewBox.baseVal.width)"
    )
    assert len(heights) > 50
    assert min(heights) >= 8.5
    assert max(heights) < 24


def test_it_asks_for_nothing_and_complains_of_nothing(page: Page, url: str) -> None:
    page.requests.clear()
    page.complaints.clear()
    page.open(url, 1280)
    outside = [request for request in page.requests if not request.startswith("data:")]
    assert outside == [url]
    assert page.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(page: Page, url: str, scheme: str) -> None:
    page.open(url, 1280, scheme=scheme)
    text, background, drawn = (
        [int(value) for value in colour[4:-1].split(",")] for colour in page.evaluate(COLOURS)
    )
    assert drawn == text
    assert sum(background) > 600 if scheme == "light" else sum(background) < 150
    assert abs(sum(text) - sum(background)) > 500


def test_print_is_dark_on_white(page: Page, url: str) -> None:
    page.open(url, 1280, scheme="dark", media="print")
    text, background, _ = page.evaluate(COLOURS)
    assert (text, background) == ("rgb(0, 0, 0)", "rgb(255, 255, 255)")


def test_the_checks_can_fail(page: Page, tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text(
        "<!DOCTYPE html><meta name=viewport content='width=device-width'><body><p style='width:2000px'>x</p>"
        "<img src='file:///no/such/picture.png'><script>console.error('no'); undefined_name</script>"
    )
    page.requests.clear()
    page.complaints.clear()
    page.open(bad.as_uri(), 1280)
    assert page.evaluate("document.documentElement.scrollWidth") > 1280
    assert page.evaluate(STICKS_OUT)
    assert "file:///no/such/picture.png" in page.requests
    assert any("undefined_name" in complaint for complaint in page.complaints)
    assert any('"no"' in complaint for complaint in page.complaints)
    with pytest.raises(AssertionError):
        check_page(bad.read_text())
