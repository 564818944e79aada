"""The front of a run, and its finals, on runs whose contents are known."""

from __future__ import annotations

from pathlib import Path

import pytest
from html_checks import check_page
from made_runs import DOMINATED, FRONT, family, finals, made_run, several
from test_sections import figures, tables, words

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure as Plot

from spenser_gee.report.drawing.front import draw_front
from spenser_gee.report.drawing.page import render
from spenser_gee.report.report import write_report
from spenser_gee.report.run import front
from spenser_gee.report.run.evolution import evolution_section
from spenser_gee.report.run.facts import fitness_of_all
from spenser_gee.report.run.front import front_section
from spenser_gee.report.tensorboard import scalars
from spenser_gee.search.strategy import Standing


def test_each_further_objective_against_the_first(tmp_path: Path) -> None:
    section = front_section(several(tmp_path).run)
    assert section is not None
    assert words(section) == (
        "Best: of those within one standard error of the highest fitness, the one with the best parameters."
    )
    sizes, rates = figures(section)
    assert "fitness against parameters" in sizes.description
    assert "fitness against firing_rate" in rates.description
    assert "best is candidate 2 with fitness 0.9000 and parameters 2,000" in sizes.description
    assert f"the {len(DOMINATED)} other complete" in sizes.caption
    assert "Better is left and up" in sizes.caption
    (table,) = tables(section)
    assert table.columns[1:4] == ("fitness (maximise)", "parameters (minimise)", "firing_rate (minimise)")
    assert table.rows == (
        ("1", "0.9200 ± 0.0300", "9,000", "0.4000", ""),
        ("2", "0.9000 ± 0.0200", "2,000", "0.2000", "best"),
        ("4", "0.5000", "300", "0.1000", ""),
    )
    check_page(render("front", [section]))


def test_a_front_of_the_finals_says_that_its_values_are_of_more_training(tmp_path: Path) -> None:
    made = several(tmp_path, 2)
    values = {"fitness": 0.95, "parameters": 2000.0}
    made.evaluation(2, 1, 0.95, further=values, effort=4.0)
    made.front(1, [Standing(2, 1, 1, values, values, {})], finals=1)
    said = words(front_section(made.run))
    assert "its values are those after 4 times the training that the others had" in said


def test_members_are_named_where_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = several(tmp_path, 2).run
    (named,) = figures(front_section(run))
    monkeypatch.setattr(front, "MOST_NAMES", len(FRONT) - 1)
    (bare,) = figures(front_section(run))
    assert named.svg.count("<text") - bare.svg.count("<text") == len(FRONT)


def test_one_objective_has_no_front(tmp_path: Path) -> None:
    made = made_run(tmp_path)
    family(made)
    assert front_section(made.run) is None


def test_a_run_with_several_objectives_is_one_sound_page(tmp_path: Path) -> None:
    made = several(tmp_path)
    warnings: list[str] = []
    page = write_report(made.run.path, None, tmp_path / "page.html", None, warnings.append)
    checker = check_page(page.read_text())
    assert "front-title" in checker.ids
    # Its data are the run's own, but it has no weights.
    assert [each for each in warnings if "activity" not in each] == []
    # Fitness is the first objective.
    assert "The best fitness was 0.9000 after generation 0" in words(evolution_section(made.run))


@pytest.mark.parametrize(
    ("signs", "front_of", "corners"),
    [
        # Points A (1, 1), B (2, 3), C (3, 2), the x axis from 0 to 4. Smaller x and larger y: A, then B.
        ((-1.0, 1.0), [0, 1], [(1, 1), (2, 1), (2, 3), (4, 3)]),
        # Both larger: C, then B, and on to the left.
        ((1.0, 1.0), [2, 1], [(3, 2), (2, 2), (2, 3), (0, 3)]),
        # Both smaller: A is best in both.
        ((-1.0, -1.0), [0], [(1, 1), (4, 1)]),
    ],
)
def test_the_line_of_a_front(
    signs: tuple[float, float], front_of: list[int], corners: list[tuple[float, float]]
) -> None:
    axes = Plot().add_subplot()
    axes.set_xlim(0, 4)
    assert draw_front(axes, [(1, 1), (2, 3), (3, 2)], signs) == front_of
    (line,) = axes.lines
    drawn = line.get_path().interpolated(1).vertices.tolist()
    # The last corner is there twice.
    assert list(dict.fromkeys(map(tuple, drawn))) == corners
    assert axes.get_xlim() == (0, 4)


# --- finals


def test_the_finals_are_on_no_line(tmp_path: Path) -> None:
    made = made_run(tmp_path)
    family(made)
    before = figures(evolution_section(made.run))[0]
    finals(made)
    section = evolution_section(made.run)
    # The curve ends before them.
    assert "The best fitness was 0.5000 after generation 0 and 0.9500 after generation 2" in words(section)
    assert "the mean went from 0.5000 to 0.8750" in words(section)
    assert "in the finals (generation 3: 2 networks with 4 times the training) it was 0.9900" in words(
        section
    )
    (after,) = figures(section)
    assert "Diamond" in after.caption
    assert "Diamond" not in before.caption
    assert "finals: best" in after.svg
    assert "finals" not in before.svg
    check_page(render("finals", [section]))
    tags = {(each.tag, each.step) for each in scalars(made.run)}
    assert {("finals/best", 3), ("fitness/best", 2)} < tags
    assert ("fitness/best", 3) not in tags


def test_a_fitness_is_a_mean_over_one_budget(tmp_path: Path) -> None:
    made = made_run(tmp_path)
    family(made)
    before = fitness_of_all(made.run)
    finals(made)
    assert fitness_of_all(made.run) == before
    made.evaluation(6, 4, 0.6, effort=4.0)
    assert fitness_of_all(made.run)[6].mean == 0.6
