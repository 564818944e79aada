"""The picture of a comparison that stands alone: in a README, light or dark."""

from __future__ import annotations

import importlib
import json
import re
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from made_results import nothing_yet, results
from test_svg import _luminance

from spenser_gee.comparison.results import Results
from spenser_gee.errors import InputError
from spenser_gee.report.comparison.picture import size_picture

ROOT = Path(__file__).parents[2]
SVG = "{http://www.w3.org/2000/svg}"
COMMITTED = ROOT / "docs" / "results" / "comparison"


def drawn(values: dict[str, Any]) -> ElementTree.Element:
    return ElementTree.fromstring(size_picture(Results.from_dict(values)))


def texts(root: ElementTree.Element) -> list[str]:
    return ["".join(e.itertext()).strip() for e in root.iter(f"{SVG}text")]


def test_it_names_whom_it_shows_and_is_as_large_as_it_says() -> None:
    values = results()
    values["contenders"][0]["name"] = "a$b_$c & <d>"
    root = drawn(values)
    said = "\n".join(texts(root))
    assert "a$b_$c & <d>" in said
    for name in ("evolved-twin", "lenet", "resnet8", "hand-designed", "each with its own recipe"):
        assert name in said
    assert "vgg_large" not in said
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    # Points to pixels.
    assert float(root.attrib["width"]) == pytest.approx(width * 96 / 72, abs=1)
    assert float(root.attrib["height"]) == pytest.approx(height * 96 / 72, abs=1)


def test_one_recipe_is_one_panel_and_many_names_have_room() -> None:
    one = drawn({**results(), "arms": ["own"], "common_recipe": None})
    two = drawn(results())
    assert float(one.attrib["width"]) < float(two.attrib["width"])
    values = results()
    values["contenders"] = [{**values["contenders"][0], "name": f"evolved-{n}"} for n in range(40)]
    root = drawn(values)
    lowest = max(float(e.attrib["y"]) for e in root.iter(f"{SVG}text") if "y" in e.attrib)
    assert lowest < float(root.attrib["viewBox"].split()[3])
    assert float(root.attrib["height"]) > float(two.attrib["height"])


def test_its_words_can_be_read_on_its_own_ground() -> None:
    """Whatever colours the page around it has."""
    style = next(e for e in drawn(results()).iter(f"{SVG}style")).text
    assert style is not None
    colours = re.findall(r"#[0-9a-f]{6}", style)
    assert len(colours) == 4
    for words, ground in (colours[:2], colours[2:]):
        light, dark = sorted((_luminance(words), _luminance(ground)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) > 7


def test_before_the_first_training_there_is_nothing_to_draw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "results.json").write_text(json.dumps(nothing_yet()))
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    picture = importlib.import_module("comparison_picture")
    with pytest.raises(InputError, match="no contender has an accuracy yet"):
        picture.main([str(tmp_path), "--out", str(tmp_path / "a.svg")])
    assert not (tmp_path / "a.svg").exists()
    picture.main([str(COMMITTED), "--out", str(tmp_path / "a.svg")])
    again = texts(ElementTree.fromstring((tmp_path / "a.svg").read_text()))
    # The places of ticks are matplotlib's and may change with it.
    words = {text for text in again if not re.fullmatch(r"[\d.]+k?", text)}
    committed = (COMMITTED / "accuracy.svg").read_text()
    assert words <= set(texts(ElementTree.fromstring(committed)))
    assert len(committed) < 60_000
    sys.modules.pop("comparison_picture")
