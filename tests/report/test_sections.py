"""The sections that need only the run's database, on runs whose contents are known."""

from __future__ import annotations

import itertools
import json
import sqlite3
from pathlib import Path

import pytest
from made_runs import NASTY, MadeRun, family, made_run
from scipy.stats import binomtest

pytest.importorskip("matplotlib")

from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.layers import LIF, Conv, Dropout, FullyConnected
from spenser_gee.phenotype.words.training import Adam
from spenser_gee.report.drawing.section import Figure, Section, Table
from spenser_gee.report.run import evolution
from spenser_gee.report.run import time as times
from spenser_gee.report.run.evolution import evolution_section
from spenser_gee.report.run.facts import Fitness, ancestors, fitness_of_all
from spenser_gee.report.run.failures import failures_section
from spenser_gee.report.run.family import _spaced, family_section
from spenser_gee.report.run.inner_search import inner_search_section
from spenser_gee.report.run.overview import overview_section, repeat_section
from spenser_gee.report.run.preferences import best_different, preferences_section, shares, wilson
from spenser_gee.runs import queries
from spenser_gee.runs.queries import RecordedEvaluation


@pytest.fixture
def made(tmp_path: Path) -> MadeRun:
    run = made_run(tmp_path, origin=NASTY)
    family(run)
    return run


def tables(section: Section | None) -> list[Table]:
    assert section is not None
    return [part for part in section.parts if isinstance(part, Table)]


def figures(section: Section | None) -> list[Figure]:
    assert section is not None
    return [part for part in section.parts if isinstance(part, Figure)]


def words(section: Section | None) -> str:
    assert section is not None
    return " ".join(part for part in section.parts if isinstance(part, str))


# --- facts


def test_a_fitness_is_the_mean_of_the_evaluations_with_its_standard_error(made: MadeRun) -> None:
    found = fitness_of_all(made.run)
    assert set(found) == {0, 1, 2, 3}
    # 0.7 and 0.8: standard deviation sqrt(0.005), over sqrt(2).
    assert found[1].mean == pytest.approx(0.75)
    assert found[1].error == pytest.approx(0.05)
    assert found[2] == Fitness(0.3, 0.01, 1)


def test_ancestors_go_back_to_the_beginning(made: MadeRun) -> None:
    assert ancestors(made.run, 3) == [0, 1, 3]
    assert ancestors(made.run, 0) == [0]


# --- evolution


def test_the_fitness_over_the_generations(made: MadeRun) -> None:
    section = evolution_section(made.run)
    assert "The best fitness was 0.5000 after generation 0 and 0.9500 after generation 2" in words(section)
    assert "the mean went from 0.5000 to 0.8750" in words(section)
    assert len(figures(section)) == 1


def test_a_long_run_is_drawn_without_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = made_run(tmp_path)
    family(run)
    marked = figures(evolution_section(run.run))[0].svg
    monkeypatch.setattr(evolution, "MOST_MARKS", 2)
    plain = figures(evolution_section(run.run))[0].svg
    assert plain.count("<use ") < marked.count("<use ")


def test_an_unfinished_generation_is_told_and_not_counted(made: MadeRun) -> None:
    made.evaluation(5, 3, 0.99, (3,))
    text = words(evolution_section(made.run))
    assert "Generation 3 is not finished: 1 evaluation of it is recorded" in text
    assert "0.99" not in text


def test_without_a_fitness_there_is_no_figure(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    run.evaluation(0, 0, None)
    run.generation(0, None, None, None)
    section = evolution_section(run.run)
    assert not figures(section)
    assert "no fitness" in words(section)


# --- family


def test_the_chain_with_what_each_step_gained(made: MadeRun) -> None:
    section = family_section(made.run)
    (table,) = tables(section)
    assert [row[1] for row in table.rows] == ["0", "1", "3"]
    # Against the parent in the same generation: 0.7 - 0.4, and 0.95 - 0.8.
    assert [row[4] for row in table.rows] == ["–", "+0.3000", "+0.1500"]
    assert table.rows[0][5] == NASTY
    assert table.rows[1][5] == "learning 1: lr 0.01235 -> 0.5"
    (figure,) = figures(section)
    assert "0 (0.450), 1 (0.750), 3 (0.950)" in figure.description
    assert "1 child without a fitness is not drawn" in figure.caption


def test_names_keep_their_distance() -> None:
    points = [(when, 0.5, f"{100 + when}") for when in range(101)]
    kept = [when for when, _, _ in _spaced(points)]
    assert kept[0] == 100
    assert min(before - after for before, after in itertools.pairwise(kept)) >= 7
    assert _spaced([(0, 0.5, "7")]) == [(0, 0.5, "7")]


def test_a_best_without_parents_is_a_chain_of_one(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    run.evaluation(0, 0, 0.5)
    run.generation(0, 0, 0.5, 0.5)
    section = family_section(run.run)
    assert not figures(section)
    assert words(section) == "Candidate 0 has no ancestors: it was sampled."


def test_without_a_best_there_is_no_family(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    assert family_section(run.run) is None
    assert preferences_section(run.run) is None
    assert inner_search_section(run.run) is None


# --- preferences


@pytest.mark.parametrize(("count", "total"), [(0, 10), (10, 10), (3, 10), (1, 1), (0, 1), (17, 39)])
def test_the_interval_is_wilsons(count: int, total: int) -> None:
    expected = binomtest(count, total).proportion_ci(method="wilson")
    assert wilson(count, total) == pytest.approx((expected.low, expected.high), abs=1e-6)
    low, high = wilson(count, total)
    assert low <= count / total <= high


def test_nothing_to_count_says_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


def test_shares_are_counted_over_the_networks() -> None:
    neuron = LIF(surrogate="atan", reset="zero")
    one = NetworkSpec(
        ((Conv(), neuron), (Dropout(),), (FullyConnected(weights="gene"), LIF())), optimiser=Adam()
    )
    other = NetworkSpec(((FullyConnected(), neuron),))
    found = shares([one, other], [other])
    layers = {share.choice: (share.count, share.total, share.prior) for share in found["layers"]}
    assert layers == {"conv": (1, 4, 0.0), "dropout": (1, 4, 0.0), "fc": (2, 4, 1.0)}
    resets = {share.choice: share.share for share in found["reset"]}
    assert resets == {"zero": pytest.approx(2 / 3), "subtract": pytest.approx(1 / 3)}
    # The layer that reads the input chooses nothing: of `one` only its last layer counts, of `other` none.
    assert {s.choice: (s.count, s.total) for s in found["weights"]} == {"gene": (1, 1)}
    assert found["optimiser"][0].total == 2


def test_the_best_are_different_networks_in_order(made: MadeRun) -> None:
    assert best_different(made.run) == [3, 1, 0, 2]
    assert best_different(made.run, most=2) == [3, 1]
    with sqlite3.connect(made.run.path / "run.sqlite") as database:
        database.execute(
            "UPDATE candidates SET phenotype_key = (SELECT phenotype_key FROM candidates WHERE id = 3)"
            " WHERE id IN (1, 2)"
        )
    assert best_different(made.run) == [3, 0]


def test_preferences_beside_the_grammars(made: MadeRun) -> None:
    section = preferences_section(made.run)
    text = words(section)
    assert "4 fittest different networks" in text
    assert "all 4 descend from candidate 0" in text
    assert "without best.safetensors" in text
    (table,) = tables(section)
    shown = {(row[0], row[1]): row for row in table.rows}
    # tiny.lark has one optimiser, and draws the resets evenly.
    assert shown["optimiser", "adam"][2] == "100 %"
    assert shown["optimiser", "adam"][5] == "100 %"
    assert 40 <= int(shown["reset", "zero"][5].split()[0]) <= 60
    assert preferences_section(made.run) == section


def test_networks_that_an_edited_grammar_lacks_do_not_count(made: MadeRun) -> None:
    with sqlite3.connect(made.run.path / "run.sqlite") as database:
        database.execute("UPDATE candidates SET sentence = 'something else' WHERE id = 1")
    assert "Only 3 of them are in the grammar" in words(preferences_section(made.run))


def test_a_grammar_that_is_gone_is_told(made: MadeRun) -> None:
    (made.run.path / "grammar.lark").unlink()
    assert "grammar cannot be read" in words(preferences_section(made.run))


# --- inner search


def _history(number: int) -> dict[str, object]:
    rows = [
        {
            "f": -1.0 - i,
            "loss": 2.0,
            "r1": 0.1,
            "r2": 0.9,
            "sigma": 1.0,
            "beta1": 0.2,
            "beta2": 0.3,
            "dead": i,
        }
        for i in range(number)
    ]
    details = {"start": {"chosen": "evolved", "cost": 12.0, "guard": {"plain": 2.0}}}
    return {"inner": rows, "details": details}


def test_the_inner_search_of_the_best(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    run.evaluation(0, 0, 0.5, **_history(3))
    run.generation(0, 0, 0.5, 0.5)
    section = inner_search_section(run.run)
    assert "Candidate 0, the best candidate, in generation 0: 3 generations" in words(section)
    assert "start: evolved" in words(section)
    assert "plain 2.0000" in words(section)
    assert "f goes from -1.000 to -3.000" in figures(section)[0].description
    assert [row[1] for row in tables(section)[0].rows] == ["-1", "-2", "-3"]


def test_where_the_best_had_none_the_fittest_that_had_one_is_shown(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    run.evaluation(0, 0, 0.5, **_history(1))
    run.evaluation(1, 0, 0.6, details={"start": {"chosen": "no gene-encoded layers"}})
    run.evaluation(2, 0, None, **_history(2))
    run.generation(0, 1, 0.6, 0.55)
    section = inner_search_section(run.run)
    assert "The best candidate, 1, had no inner search" in words(section)
    assert "no gene-encoded layers" in words(section)
    assert "Candidate 0, the fittest candidate that had one" in words(section)
    assert not figures(section)  # one generation is no curve


def test_generations_without_a_living_start_are_gaps(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    history = _history(3)
    history["inner"][1] = {"f": 0.0, "dead": 4.0}  # type: ignore[index]
    run.evaluation(0, 0, 0.5, **history)
    run.generation(0, 0, 0.5, 0.5)
    section = inner_search_section(run.run)
    assert tables(section)[0].rows[1][2] == "–"
    assert len(figures(section)) == 1


def test_seven_curves_and_no_empty_axes(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    run.evaluation(0, 0, 0.5, **_history(3))
    run.generation(0, 0, 0.5, 0.5)
    svg = figures(inner_search_section(run.run))[0].svg
    assert svg.count("<clipPath ") == 7


def test_a_run_without_inner_search_says_so(made: MadeRun) -> None:
    section = inner_search_section(made.run)
    assert "No complete candidate had an inner search" in words(section)


# --- failures


def test_reasons_that_differ_in_numbers_are_one(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    run.evaluation(0, 0, 0.5)
    for number, reason in enumerate(["accuracy 0.41 after 38%", "accuracy 0.2 after 5%", "silent"], start=1):
        run.evaluation(number, 0, None, status="abandoned" if number < 3 else "infeasible", reason=reason)
    section = failures_section(run.run)
    assert "3 of 4 evaluations (75 %)" in words(section)
    (table,) = tables(section)
    assert table.rows == (
        ("abandoned", "2", "1", "0", "accuracy 0.41 after 38%"),
        ("infeasible", "1", "3", "0", "silent"),
    )


def test_nothing_failed(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    run.evaluation(0, 0, 0.5)
    assert words(failures_section(run.run)) == "Every recorded evaluation was complete."


# --- time


def _made(started: float, finished: float, number: int = 0) -> RecordedEvaluation:
    return RecordedEvaluation(
        number, 0, "complete", {"fitness": 0.5}, {}, {}, {}, "", True, started, finished, "a worker"
    )


def test_lanes_are_what_ran_at_a_time() -> None:
    jobs = times.lay_out(
        [_made(100, 104), _made(100, 102, 1), _made(102, 103, 2), _made(104, 105, 3)], [90.0]
    )
    assert [(job.lane, job.begin, job.end) for job in jobs] == [
        (0, 10, 14),
        (1, 10, 12),
        (1, 12, 13),
        (0, 14, 15),
    ]


def test_the_time_between_sessions_is_taken_out() -> None:
    made = [_made(100, 104), _made(1003, 1004, 1), _made(5001, 5002, 2)]
    jobs = times.lay_out(made, [100.0, 1000.0, 5000.0])
    assert [(job.begin, job.end) for job in jobs] == [(0, 4), (7, 8), (9, 10)]


def test_phases_add_up(made: MadeRun) -> None:
    evaluations = queries.evaluations(made.run)
    jobs = times.lay_out(evaluations, [evaluations[0].started or 0.0])
    final = queries.Final(0.5, 0.01, 100, 1, 10, 10, 0.0, training_seconds=7.0, test_seconds=1.0)
    spent = times.phases(evaluations, jobs, final)
    # Busy: 10 + (2 + 4 + 1) + (2 + 4 + 1) = 24 s of which 7 x 0.75 s are accounted for; two lanes had
    # 2 x (10 + 4 + 4) = 36 s.
    assert spent["training"] == pytest.approx(3.5)
    assert spent["building and start search"] == pytest.approx(1.75)
    assert spent["rest of evaluations"] == pytest.approx(24 - 5.25)
    assert spent["waiting for others"] == pytest.approx(36 - 24)
    assert spent["final training"] == 7.0


def test_time_has_bars_and_a_timeline(made: MadeRun) -> None:
    section = times.time_section(made.run)
    assert len(figures(section)) == 2
    assert "7 evaluations on 2 workers" in figures(section)[1].description


def test_long_runs_draw_a_part(made: MadeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(times, "MOST_BARS", 3)
    assert "Only the first 3 of 7 are drawn" in figures(times.time_section(made.run))[1].caption


# --- overview


def test_the_facts(made: MadeRun) -> None:
    facts = {row[0]: row[1] for table in tables(overview_section(made.run)) for row in table.rows}
    assert facts["best candidate"] == "3"
    assert facts["evaluations"] == "7 (6 complete, 1 failed)"
    assert facts["test accuracy"] == "not tested yet"
    assert facts["its sentence"] == made.candidate(3, (1,)).sentence
    assert facts["seed"] == "3"
    assert facts["data"].startswith("digits, 4 time steps")
    assert NASTY in facts["system"]


def test_the_final_test_is_told_with_its_error(made: MadeRun) -> None:
    result = {
        "test_accuracy": 0.8681,
        "test_standard_error": 0.0034,
        "test_images": 10_000,
        "epochs": 3,
        "parameters": 13_488,
        "dense_parameters": 20_000,
        "tests": 2,
    }
    made.run.write_final(result)
    section = overview_section(made.run)
    facts = {row[0]: row[1] for table in tables(section) for row in table.rows}
    assert facts["test accuracy"] == "0.8681 ± 0.0034 on 10,000 images, after 3 more epochs"
    assert facts["parameters"] == "13,488 (20,000 with ordinary weights)"
    assert "used for 2 networks" in words(section)


def test_the_command_can_be_typed(made: MadeRun) -> None:
    (table,) = tables(repeat_section(made.run))
    assert table.rows[0][1] == "python -m spenser_gee run 'a name.yaml'"


def test_an_environment_without_facts_is_no_error(made: MadeRun) -> None:
    (made.run.path / "environment.json").write_text(json.dumps({}))
    assert overview_section(made.run).parts
    assert "no command was recorded" in tables(repeat_section(made.run))[0].rows[0][1]
