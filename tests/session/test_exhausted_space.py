"""A grammar of one or two networks: none is trained again and again, and the run says why it ended."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_runs import command, tiny_config

from spenser_gee.runs.queries import evaluations, events
from spenser_gee.runs.store import RunFolder
from spenser_gee.session import resume_run, start_run
from spenser_gee.session.reporter import Silent

LINES = """
start: "features" features "output" output genes input loss learning
features: "conv" "filters" "=" ({filters}) "stride" "=" "2" "lif"
output: "fc" "units" "=" "classes" "lif"
genes: "genes" "count" "=" "4"
input: "input" "coding" "=" "direct"
loss: "ce-membrane"
learning: "adam" "lr" "=" "0.01"
%import common.WS
%ignore WS
"""


class _Heard(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.mark.parametrize("strategy", ["one-plus-lambda", "random"])
@pytest.mark.parametrize("filters", ['"4"', '"4" | "8"'])
def test_a_space_of_few_networks(tmp_path: Path, filters: str, strategy: str) -> None:
    (tmp_path / "few.lark").write_text(LINES.replace("{filters}", filters))
    count = filters.count('"') // 2
    config = tiny_config(
        tmp_path,
        f"grammar={tmp_path / 'few.lark'}",
        f"search.strategy={strategy}",
        "search.generations=12",
        "search.sizes={}",
    )
    heard = _Heard()
    summary = start_run(config, tmp_path / "run", reporter=heard)
    assert (summary["status"], summary["evaluations"]) == ("finished", count)
    assert summary["final"] is not None
    with RunFolder.open(tmp_path / "run") as run:
        assert sum(each.evaluated for each in evaluations(run)) == count
        assert [event.kind for event in events(run)] == ["start", "exhausted", "finished"]
    assert len(heard.notes) == 1
    assert heard.notes[0].startswith("The search ends before generation 1: ")
    # Going on finds nothing either, and trains nothing.
    again = resume_run(tmp_path / "run", reporter=heard)
    assert (again["evaluations"], len(heard.notes)) == (count, 2)
    code, text, _ = command("show", tmp_path / "run")
    assert (code, "finished, 1 generations" in text) == (0, True)
