"""Pictures: valid, unmistakable, the same each time, and fit for light and dark pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest

pytest.importorskip("matplotlib")

import matplotlib

from spenser_gee.errors import InputError
from spenser_gee.report.drawing import extra, svg


def _picture(draw: Callable[[Any], object] = lambda axes: axes.plot([0, 1], [2, 3])) -> str:
    with svg.figure(svg.WIDTH, 2.0) as fig:
        draw(fig.add_subplot())
        return svg.to_svg(fig)


def _luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    values = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colour", svg.PALETTE)
@pytest.mark.parametrize("page", ["#ffffff", "#14171c"])
def test_colours_have_contrast_on_both_pages(colour: str, page: str) -> None:
    light, dark = sorted((_luminance(colour), _luminance(page)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 3.0


def test_no_two_colours_are_alike() -> None:
    assert len(set(svg.PALETTE)) == len(svg.PALETTE)


def test_it_is_one_element_without_prolog_background_and_fixed_size() -> None:
    text = _picture()
    root = ElementTree.fromstring(text)
    assert text.startswith("<svg ")
    assert root.get("role") == "img"
    assert root.get("width") is None
    assert re.fullmatch(r"0 0 [\d.]+ 144", root.get("viewBox", ""))
    assert "metadata" not in text
    assert "#ffffff" not in text


def test_the_foreground_is_the_pages_and_colours_stay() -> None:
    text = _picture(lambda axes: axes.plot([0, 1], [2, 3], color=svg.BLUE))
    assert "#000000" not in text
    assert "stroke: currentColor" in text
    assert f"stroke: {svg.BLUE}" in text


def test_text_stays_text_and_is_escaped() -> None:
    root = ElementTree.fromstring(_picture(lambda axes: axes.set_title("a <b> & c #000000")))
    assert "a <b> & c #000000" in ["".join(element.itertext()) for element in root.iter()]


FOREIGN = {
    "$x^2$ and $\\frac{1$": "$x^2$ and $\\frac{1$",
    "</svg><script>alert(1)</script>": "</svg><script>alert(1)</script>",
    "caf\udce9": r"caf\udce9",
    "bell\x07, escape\x1b[31m": r"bell\x07, escape\x1b[31m",
    "日本": "日本",
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("text", "shown"), FOREIGN.items())
def test_what_users_have_named_is_drawn_as_it_is(text: str, shown: str) -> None:
    def draw(axes: Any) -> None:
        axes.set_title(text)
        axes.set_xlabel(text)
        axes.set_xticks([0, 1], [text, "other"])
        axes.set_yticks([2, 3], [text, text])
        axes.text(0.5, 2.5, text)
        axes.annotate(text, (0, 2))
        axes.plot([0, 1], [2, 3], label=text)
        axes.legend()

    with svg.figure(9, 9) as fig:
        draw(fig.add_subplot())
        picture = svg.to_svg(fig)
    texts = [
        element.text for element in ElementTree.fromstring(picture).iter() if element.tag.endswith("text")
    ]
    assert texts.count(shown) == 8
    assert "<script" not in picture


def test_nothing_in_a_picture_reaches_the_rest_of_the_page() -> None:
    text = _picture()
    assert "<style" not in text
    assert "xlink" not in text
    assert not re.search(r"(href|src)=\"(?!#|data:)", text)


def test_every_reference_has_its_target_and_every_id_its_use() -> None:
    def draw(axes: Any) -> None:
        axes.plot([0, 1], [2, 3], "o-")
        axes.bar([0], [1], hatch="//")
        axes.imshow([[0.0, 1.0]], aspect="auto")

    text = _picture(draw)
    ids = re.findall(r'\bid="([^"]+)"', text)
    used = re.findall(r'href="#([^"]+)"', text) + re.findall(r"url\(#([^)]+)\)", text)
    assert used
    assert set(ids) == set(used)
    assert len(ids) == len(set(ids))


def test_ids_of_different_pictures_differ() -> None:
    one, other = _picture(), _picture(lambda axes: axes.plot([0, 1], [3, 2]))
    ids = [set(re.findall(r'\bid="([^"]+)"', text)) for text in (one, other)]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_pictures_made_alike_are_alike_whatever_a_person_has_set() -> None:
    before = _picture()
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "path"}):
        assert _picture() == before


def test_noise_in_the_last_digits_is_not_seen() -> None:
    def draw(noise: float) -> str:
        with svg.figure(svg.WIDTH, 2.0) as fig:
            fig.set_layout_engine("none")
            axes = fig.add_axes((0.2, 0.2 + noise, 0.7, 0.7))
            axes.plot([0, 1], [2, 3], "o")
            return svg.to_svg(fig)

    assert draw(1e-12) == draw(0.0)
    assert draw(1e-2) != draw(0.0)


def test_the_settings_of_others_are_left_as_they_were() -> None:
    before = dict(matplotlib.rcParams)
    _picture()
    assert dict(matplotlib.rcParams) == before


def test_a_counting_axis_has_whole_ticks() -> None:
    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 0])
        svg.count_along(axes)
        assert all(float(tick).is_integer() for tick in axes.get_xticks())

    _picture(draw)


def test_without_the_libraries_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra, "LIBRARIES", ("matplotlib", "no_such_library"))
    with pytest.raises(InputError, match=r'no_such_library is not installed\n.*"spenser-gee\[report\]"'):
        _picture()
