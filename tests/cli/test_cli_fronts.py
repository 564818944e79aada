"""Fronts and finals from the command line: what `show` and the live lines say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_runs import family, finals, made_run, several
from test_cli_usage import cli_main

from spenser_gee.cli.progress import ProgressReporter
from spenser_gee.evaluation import Evaluation
from spenser_gee.objective import FITNESS, OBJECTIVES
from spenser_gee.search.record import GenerationSummary
from spenser_gee.search.strategy import Candidate, Standing, best_rule

Captured = pytest.CaptureFixture[str]

RULE = "best: of those within one standard error of the highest fitness, the one with the best parameters"


def test_how_the_best_is_chosen() -> None:
    assert best_rule((FITNESS, OBJECTIVES["parameters"], OBJECTIVES["macs"])) == RULE
    turned = best_rule((OBJECTIVES["loss"], FITNESS))
    assert (
        turned == "best: of those within one standard error of the lowest loss, the one with the best fitness"
    )


def test_show_has_the_front(capsys: Captured, tmp_path: Path) -> None:
    path = several(tmp_path).run.path
    code, output, errors = cli_main(capsys, "show", path)
    assert (code, errors) == (0, "")
    lines = [line.split() for line in output.splitlines()]
    head = next(k for k, line in enumerate(lines) if line[:1] == ["front"])
    assert " ".join(lines[head]) == ("front fitness (maximise) parameters (minimise) firing_rate (minimise)")
    assert lines[head + 1 : head + 4] == [
        ["2", "0.9000", "+-", "0.0200", "2,000", "0.2000", "best"],
        ["1", "0.9200", "+-", "0.0300", "9,000", "0.4000"],
        ["4", "0.5000", "300", "0.1000"],
    ]
    assert RULE in output.splitlines()
    _, text, _ = cli_main(capsys, "show", path, "--json")
    front = json.loads(text)["front"]
    assert [member["id"] for member in front] == [2, 1, 4]
    assert front[1]["means"] == {"fitness": 0.92, "parameters": 9000.0, "firing_rate": 0.4}
    assert (front[1]["errors"], front[2]["errors"]) == ({"fitness": 0.03}, {})
    assert (front[0]["parameters"], front[0]["sentence"][:9]) == (100.0, "features ")


def test_a_front_of_one_objective_is_one_network(capsys: Captured, tmp_path: Path) -> None:
    made = made_run(tmp_path)
    _, text, _ = cli_main(capsys, "show", made.run.path, "--json")
    assert json.loads(text)["front"] == []
    family(made)
    _, text, _ = cli_main(capsys, "show", made.run.path, "--json")
    assert [member["id"] for member in json.loads(text)["front"]] == [3]
    _, output, _ = cli_main(capsys, "show", made.run.path)
    assert "(maximise)" not in output
    assert "one standard error" not in output


def test_a_large_front_is_shown_in_part(capsys: Captured, tmp_path: Path) -> None:
    made = made_run(tmp_path, "large", "objectives=[fitness, loss]")
    values = [{"fitness": 0.9 - k / 100, "loss": 1.0 - k / 100} for k in range(23)]
    for number, figures in enumerate(values):
        made.evaluation(number, 0, figures["fitness"], further=figures)
    made.front(0, [Standing(number, 0, 0, each, each, {}) for number, each in enumerate(values)])
    _, output, _ = cli_main(capsys, "show", made.run.path)
    lines = output.splitlines()
    head = next(k for k, line in enumerate(lines) if line.startswith("front"))
    assert [line.split()[0] for line in lines[head + 1 : head + 21]] == [str(k) for k in range(20)]
    # Parameters are no objective here: they have a column of their own.
    assert lines[head + 1].split() == ["0", "0.9000", "1.0000", "100", "best"]
    assert lines[head + 21] == "and 3 more: --json"


def test_the_finals_are_marked(capsys: Captured, tmp_path: Path) -> None:
    made = made_run(tmp_path)
    family(made)
    finals(made)
    _, output, _ = cli_main(capsys, "show", made.run.path)
    marked = [line.split() for line in output.splitlines() if line.endswith("finals")]
    assert marked == [["3", "0.9900", "0.9900", "finals"]]
    _, text, _ = cli_main(capsys, "show", made.run.path, "--json")
    assert [row["finals"] for row in json.loads(text)["history"]] == [0, 0, 0, 2]


def test_the_finals_have_a_line_of_their_own(capsys: Captured) -> None:
    values = {"fitness": 0.5}
    candidate = Candidate(7, (), (), (), "s", "k")
    front = (Standing(7, 3, 3, values, values, {}),)
    with ProgressReporter() as reporter:
        for generation, effort, counts in ((2, 1.0, {}), (3, 4.0, {"finals": 5}), (4, None, {"finals": 5})):
            if effort is not None:
                made = Evaluation("complete", values, {"effort": effort})
                reporter.candidate(candidate, generation, made)
            reporter.generation(GenerationSummary(generation, front, values, 1, counts, 1.0))
    lines = [line for line in capsys.readouterr().err.splitlines() if "mean" in line]
    assert lines == [
        "generation 2: best 0.5000 (candidate 7), mean 0.5000, 1 s",
        "finals: 5 networks, 4 x the training: best 0.5000 (candidate 7), mean 0.5000, 1 s",
        # Gone on with after an interruption, when all were recorded: none was seen here.
        "finals: 5 networks: best 0.5000 (candidate 7), mean 0.5000, 1 s",
    ]
