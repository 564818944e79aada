"""A run goes on under an edited grammar, or refuses and changes nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tiny_runs import GRAMMAR, contents, snapshot, tiny_config, tiny_run

from spenser_gee.config import Config
from spenser_gee.errors import InputError
from spenser_gee.genotype import Genotype, sentence_of
from spenser_gee.grammar import load_grammar
from spenser_gee.runs.store import RunFolder
from spenser_gee.runs.summary import summarise
from spenser_gee.session import resume as session_run
from spenser_gee.session import resume_run, start_run

FEATURES = 'features: convolution norm "no-pool" "no-skip" activation | dropout'


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A finished run to change."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def edit(run: Path, *pairs: tuple[str, str]) -> None:
    path = run / "grammar.lark"
    text = path.read_text()
    for old, new in pairs:
        assert text.count(old) == 1
        text = text.replace(old, new)
    path.write_text(text)


def assert_encoded_by_its_grammar(run: Path) -> None:
    """Every stored genotype stands for its stored sentence, by the grammar in the folder."""
    grammar = load_grammar(run / "grammar.lark")
    with RunFolder.open(run) as folder:
        rows = folder.rows("SELECT genotype_json, sentence FROM candidates")
        state = folder.last_state()
        assert folder.grammar_sha256() == grammar.sha256
        assert folder.grammar_canonical() == grammar.canonical()
    assert state is not None
    for row in [*rows, state["elite"]["candidate"]]:
        assert sentence_of(Genotype.from_json(row["genotype"]), grammar) == row["sentence"]


def test_alternatives_reordered_and_ranges_widened(run: Path) -> None:
    before = contents(run)["candidates"]
    edit(
        run,
        (FEATURES, 'features: dropout | convolution norm "no-pool" "no-skip" activation'),
        ('int{"4", "12"}', 'int{"4", "24"}'),
        ('("subtract" | "zero")', '("zero" | "none" | "subtract")'),
    )
    said: list[str] = []
    summary = resume_run(run, {"search.generations": "+1"}, warn=said.append)
    assert (summary["status"], summary["generation"]) == ("finished", 3)
    assert "- features: " in said[0]
    assert "+ features: " in said[0]
    assert "zero" in said[0]
    assert "6 of 6 stored networks" in said[1]
    after = contents(run)["candidates"]
    assert [row["sentence"] for row in after[:6]] == [row["sentence"] for row in before]
    assert [row["genotype"] for row in after[:6]] != [row["genotype"] for row in before]
    assert [row["generation"] for row in after[6:]] == [2, 2, 2]
    assert_encoded_by_its_grammar(run)
    said.clear()
    resume_run(run, {"search.generations": "+1"}, warn=said.append)
    assert said == []


def test_a_comment_is_no_change(run: Path) -> None:
    edit(run, ("// A search space", "// The search space"))
    said: list[str] = []
    resume_run(run, {"search.generations": "+1"}, warn=said.append)
    assert said == []


def test_a_grammar_from_elsewhere_with_its_own_imports(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    other.mkdir()
    (other / "filters.lark").write_text('filters: "filters" "=" int{"2", "16"}\n%import .numeric (int)\n')
    text = GRAMMAR.read_text().replace('filters: "filters" "=" int{"4", "12"}\n', "")
    (other / "new.lark").write_text(f"{text}%import .filters (filters)\n")
    resume_run(run, {"search.generations": "+1"}, grammar_path=other / "new.lark")
    assert (run / "grammar.lark").read_text() == (other / "new.lark").read_text()
    # From now on its imports are found where it came from.
    assert len(resume_run(run, {"search.generations": "+1"})["history"]) == 4


def test_an_unfinished_generation_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopping(session_run.Silent):
        def candidate(self, candidate, generation, evaluation) -> None:  # type: ignore[no-untyped-def]
            if generation == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start_run(tiny_config(tmp_path), tmp_path / "run", reporter=Stopping())
    edit(tmp_path / "run", (FEATURES, 'features: dropout | convolution norm "no-pool" "no-skip" activation'))
    summary = resume_run(tmp_path / "run")
    assert (summary["status"], summary["generation"], summary["evaluations"]) == ("finished", 2, 7)
    assert_encoded_by_its_grammar(tmp_path / "run")


def narrow(run: Path, keep: str) -> tuple[str, str, set[int]]:
    """An edit which makes one word unreadable that the sentence `keep` lacks, and the candidates it strikes."""
    options = {
        "no-norm": ('norm: "no-norm" | "batch-norm"', 'norm: "batch-norm"'),
        "batch-norm": (' | "batch-norm" "over" "=" "time-batch"', ""),
        "ce-count": ('loss: "ce-count" | "ce-membrane"', 'loss: "ce-membrane"'),
        "ce-membrane": ('loss: "ce-count" | "ce-membrane"', 'loss: "ce-count"'),
        "coding=rate": ('("rate" | "direct")', '"direct"'),
        "coding=direct": ('("rate" | "direct")', '"rate"'),
    }
    for word, (old, new) in options.items():
        struck = {row["id"] for row in contents(run)["candidates"] if word in row["sentence"].split()}
        if struck and word not in keep.split():
            return old, new, struck
    raise AssertionError("every candidate equals the best: choose another seed")


def best_of(run: Path) -> str:
    with RunFolder.open(run) as folder:
        best = summarise(folder).best
        assert best is not None
        return best.sentence


def test_a_narrowed_grammar_is_refused_until_networks_may_be_dropped(run: Path) -> None:
    old, new, struck = narrow(run, best_of(run))
    edit(run, (old, new))
    before = snapshot(run)
    with pytest.raises(
        InputError, match=rf"{len(struck)} of 6 stored networks .* first candidate {min(struck)}"
    ):
        resume_run(run, {"search.generations": "+1"})
    assert snapshot(run) == before
    said: list[str] = []
    summary = resume_run(run, {"search.generations": "+1"}, drop_unreadable=True, warn=said.append)
    assert summary["generation"] == 3
    assert f"{6 - len(struck)} of 6 stored networks" in said[1]


def test_without_the_best_network_a_run_cannot_go_on(run: Path) -> None:
    word = "ce-count" if "ce-count" in best_of(run).split() else "ce-membrane"
    edit(
        run,
        (
            'loss: "ce-count" | "ce-membrane"',
            f'loss: "{"ce-membrane" if word == "ce-count" else "ce-count"}"',
        ),
    )
    before = snapshot(run)
    with pytest.raises(InputError, match="the best network"):
        resume_run(run, drop_unreadable=True)
    assert snapshot(run) == before


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("features~1..2", "features~1..", r"grammar\.lark:\d+"),
        ('"lif" beta', '"lief" beta', 'did you mean "lif"'),
        ("%import .numeric", "%import .numbers", "numbers"),
    ],
)
def test_a_broken_grammar_is_located_and_changes_nothing(run: Path, old: str, new: str, message: str) -> None:
    edit(run, (old, new))
    before = snapshot(run)
    with pytest.raises(InputError, match=message):
        resume_run(run)
    assert snapshot(run) == before


def test_stopped_in_the_middle_of_the_change(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new grammar's text is in the folder before the database knows it: the next try adopts it again."""
    new = run.parent / "new.lark"
    new.write_text(
        GRAMMAR.read_text().replace(
            FEATURES, 'features: dropout | convolution norm "no-pool" "no-skip" activation'
        )
    )

    def stopped(self: RunFolder) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "_writing", stopped)
        with pytest.raises(KeyboardInterrupt):
            resume_run(run, grammar_path=new)
    said: list[str] = []
    resume_run(run, {"search.generations": "+1"}, warn=said.append)
    assert "6 of 6" in said[1]
    assert_encoded_by_its_grammar(run)


def test_another_builder_is_refused(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = snapshot(run)
    monkeypatch.setattr(session_run, "BUILDER_VERSION", session_run.BUILDER_VERSION + 1)
    with pytest.raises(InputError, match="version of the program that began it"):
        resume_run(run, {"search.generations": "+1"})
    assert snapshot(run) == before


def test_the_original_grammar_file_is_not_needed(tmp_path: Path) -> None:
    own = tmp_path / "own.lark"
    shutil.copyfile(GRAMMAR, own)
    run = tiny_run(tmp_path, "run", f"grammar={own}")
    own.unlink()
    assert resume_run(run, {"search.generations": "+1"})["generation"] == 3
    with RunFolder.open(run) as folder:
        assert Config.from_dict(folder.config()).search.generations == 3
