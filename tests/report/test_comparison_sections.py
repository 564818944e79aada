"""A comparison's tables and figures, from results that are written here."""

from __future__ import annotations

import functools
import itertools
import json
import math
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from html_checks import check_page
from hypothesis import given
from hypothesis import strategies as st
from made_results import nothing_yet, results
from sklearn.isotonic import isotonic_regression

from spenser_gee.comparison.results import Results
from spenser_gee.report.comparison.sections import comparison_sections
from spenser_gee.report.drawing.front import pareto_front
from spenser_gee.report.drawing.label_places import label_offsets, spread_out
from spenser_gee.report.drawing.page import render
from spenser_gee.report.drawing.section import Figure, Section, Table

VALUES = st.integers(0, 12).map(float)  # few, so that equal ones are common


# --- pure functions -----------------------------------------------------------------------------------


@given(st.lists(st.tuples(VALUES, VALUES), max_size=12))
def test_the_front_is_what_nothing_dominates(points: list[tuple[float, float]]) -> None:
    def dominated(point: tuple[float, float]) -> bool:
        return any(other != point and other[0] <= point[0] and other[1] >= point[1] for other in points)

    front = pareto_front(points)
    assert sorted(front) == [i for i, point in enumerate(points) if not dominated(point)]
    assert [points[i] for i in front] == sorted(points[i] for i in front)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.001, 0.3))
def test_labels_are_moved_apart_as_little_as_possible(values: list[float], gap: float) -> None:
    values = sorted(values)
    found = spread_out(values, gap, 0.0, 1.0)
    gap = min(gap, 1 / max(len(values) - 1, 1))
    steps = gap * np.arange(len(values))
    # Without the gaps, it is a regression on ascending numbers with bounds.
    expected = isotonic_regression(np.array(values) - steps, y_min=0.0, y_max=1.0 - steps[-1]) + steps
    assert found == pytest.approx(expected.tolist(), abs=1e-9)
    assert all(after - before >= gap - 1e-9 for before, after in itertools.pairwise(found))
    assert min(found) >= -1e-9
    assert max(found) <= 1 + 1e-9


@given(st.lists(st.tuples(st.floats(0, 200), st.floats(0, 200)), max_size=3))
def test_numbers_cover_neither_points_nor_each_other(places: list[tuple[float, float]]) -> None:
    offsets = label_offsets(places, gap=9.0)
    labels = [(x + dx, y + dy) for (x, y), (dx, dy) in zip(places, offsets, strict=True)]
    for label in labels:
        others = [other for other in [*places, *labels] if other is not label]
        # Three points leave room in the outermost ring, wherever they lie.
        assert min((math.dist(label, other) for other in others), default=9.0) > 8.8
    assert all(math.hypot(*offset) <= 2.2 * 9 for offset in offsets)


def test_many_numbers_at_one_place_are_all_elsewhere() -> None:
    labels = label_offsets([(5.0, 5.0)] * 12)
    assert len(set(labels)) == 12


# --- sections -----------------------------------------------------------------------------------------


def sections_of(values: dict[str, Any]) -> list[Section]:
    return comparison_sections(Results.from_dict(values))


@functools.cache
def sections_by_anchor() -> dict[str, Section]:
    return {section.anchor: section for section in sections_of(results())}


def section(anchor: str) -> Section:
    return sections_by_anchor()[anchor]


def tables() -> list[Table]:
    return [part for part in section("comparison").parts if isinstance(part, Table)]


def column(table: Table, name: str) -> dict[str, str]:
    """By contender."""
    who, what = table.columns.index("contender"), table.columns.index(name)
    return {row[who]: row[what] for row in table.rows}


def figures(anchor: str) -> list[Figure]:
    return [part for part in section(anchor).parts if isinstance(part, Figure)]


def texts(figure: Figure) -> list[str]:
    root = ElementTree.fromstring(figure.svg)
    return ["".join(e.itertext()).strip() for e in root.iter("{http://www.w3.org/2000/svg}text")]


def test_a_page_of_them() -> None:
    sections = sections_of(json.loads(json.dumps(results())))
    anchors = ["comparison", "accuracy-size", "accuracy-energy", "robustness", "layer-rates"]
    assert [section.anchor for section in sections] == anchors
    check_page(render("Comparison", sections))


def test_it_says_what_was_compared_and_that_it_is_not_finished() -> None:
    (words,) = (part for part in section("comparison").parts if isinstance(part, str))
    assert "fashion-mnist, each trained for 1 epoch with 3 seeds" in words
    assert "not finished" in words
    (done, *_) = sections_of({**results(), "finished": True})
    assert "not finished" not in str(done.parts[0])


def test_sizes() -> None:
    table = tables()[0]
    assert column(table, "parameters")["evolved"] == "13,500"
    assert column(table, "dense")["evolved"] == "43,548"
    assert column(table, "ratio")["evolved"] == "0.310"
    assert column(table, "kind")["evolved-twin"] == "evolved, twin with direct weights"
    assert "vgg_large" not in column(table, "kind")


def test_accuracies_have_intervals_and_differences() -> None:
    own = tables()[1]
    given_values = results()["contenders"][6]["arms"]["own"]
    spread = given_values["accuracy"]
    expected = f"{spread['mean']:.4f} [{spread['low']:.4f}, {spread['high']:.4f}]"
    assert column(own, "accuracy")["lenet"] == expected
    assert column(own, "difference")["lenet"] == "+0.0070 [+0.0000, +0.0200]"
    assert column(own, "p")["lenet"] == "0.012"
    assert column(own, "p (Holm)")["lenet"] == "0.096"
    assert column(own, "difference")["evolved"] == "reference"
    single = [f"{trial['accuracy']:.4f}" for trial in given_values["trials"]]
    assert column(own, "every seed")["lenet"] == ", ".join(single)
    assert column(own, "seeds needed")["lenet"] == "5"
    assert column(own, "seeds needed")["evolved"] == "–"


def test_seeds_beyond_reach_are_not_called_unknown() -> None:
    changed = results()
    changed["contenders"][6]["arms"]["own"]["against_reference"]["seeds_needed"] = None
    own = [part for part in sections_of(changed)[0].parts if isinstance(part, Table)][1]
    assert column(own, "seeds needed")["lenet"] == "over 1000"


def test_what_searches_took() -> None:
    changed = results()
    changed["contenders"][0]["search"] = {"evaluations": 143, "steps": 21766.0}
    (table,) = [
        part
        for part in sections_of(changed)[0].parts
        if isinstance(part, Table) and "evaluations" in part.columns
    ]
    assert table.rows == (("evolved", "runs/evolved", "143", "21,766"),)


def test_what_is_missing_is_a_dash() -> None:
    own, common = tables()[1], tables()[3]
    assert "[" not in column(own, "accuracy")["random-2"]  # a single trial has no interval
    assert column(own, "p")["random-2"] == "–"
    assert len(column(own, "every seed")["random-2"].split(", ")) == 1
    assert column(own, "every seed")["random-3"].split(", ")[1] == "–"
    assert column(common, "accuracy")["random-2"] == "–"
    assert column(common, "every seed")["random-2"] == ""


def test_costs() -> None:
    table = tables()[2]
    assert column(table, "nJ, with memory")["lenet"] == "1,800"
    assert column(table, "nJ, counted")["lenet"] == "900"
    assert column(table, "nJ, Eq. 17")["lenet"] == "600"
    assert column(table, "SOPs")["lenet"] == "1,116,000"
    assert column(table, "latency, ms")["lenet"] == "3.6"
    assert column(table, "images/s")["lenet"] == "556"


def test_who_is_not_in_it_and_what_failed() -> None:
    unable, failed = tables()[-2:]
    assert column(unable, "why") == {"vgg_large": "pool-max size=2 leaves nothing of 512 x 1 x 1"}
    assert failed.rows == (("random-3", "own", "1", "failed", "loss is NaN"),)


@pytest.mark.parametrize("anchor", ["accuracy-size", "accuracy-energy", "robustness", "layer-rates"])
def test_figures_number_the_contenders_that_have_figures(anchor: str) -> None:
    shown = figures(anchor)
    arms = [{*range(1, 10)}, {*range(1, 10)} - {5}]
    assert len(shown) == (4 if anchor == "robustness" else 2)
    for figure in shown:
        expected = arms[figure.caption.startswith("All with the common recipe")]
        assert {int(text) for text in texts(figure) if text in {str(n) for n in range(1, 11)}} == expected
        for number in expected:
            assert f"{number} {results()['contenders'][number - 1]['name']}" in figure.caption
        assert "vgg_large" not in figure.caption


def test_the_front_is_told_in_words() -> None:
    energies, sizes = figures("accuracy-energy")[0], figures("accuracy-size")[0]
    assert sizes.description.endswith("front: evolved, evolved-twin, resnet8, vgg_small.")
    assert energies.description.endswith("front: evolved, evolved-twin, lenet, resnet8, vgg_small.")


def test_robustness_is_told_in_words() -> None:
    noise, drop = figures("robustness")[:2]
    mean = results()["contenders"][0]["arms"]["own"]["accuracy"]["mean"]
    assert f"evolved {mean:.3f} at 0, {mean * math.exp(-0.4):.3f} at 0.4" in noise.description
    assert f"evolved {mean:.3f} at 0, {mean * 0.75:.3f} at 0.5" in drop.description


def test_before_the_first_trial_there_is_the_table_alone() -> None:
    sections = sections_of(nothing_yet())
    assert [section.anchor for section in sections] == ["comparison"]
    check_page(render("Comparison", sections))


def test_one_arm_and_no_contender() -> None:
    one = {**results(), "arms": ["own"], "common_recipe": None}
    titles = [section.title for section in sections_of(one)]
    assert len(titles) == 5
    nobody = sections_of({**results(), "contenders": []})
    check_page(render("Comparison", nobody))


def test_empty_curves_and_unknown_energies_are_left_out() -> None:
    values = results()
    own = values["contenders"][0]["arms"]["own"]
    own["robustness"]["spike_drop"] = []
    own["energy_with_memory_nj"] = None
    sections = {section.anchor: section for section in sections_of(values)}
    parts = [part for part in sections["accuracy-energy"].parts if isinstance(part, Figure)]
    assert "1 evolved," not in parts[0].caption
    assert "1 evolved," in parts[1].caption
    parts = [part for part in sections["robustness"].parts if isinstance(part, Figure)]
    assert ["1 evolved," in part.caption for part in parts] == [True, False, True, True]
    check_page(render("Comparison", list(sections.values())))
