"""What the report shows of the trained network: measured again, and compared with what the run recorded."""

from __future__ import annotations

import dataclasses
import itertools
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
import yaml
from html_checks import check_page
from hypothesis import given
from hypothesis import strategies as st
from made_runs import made_run
from sklearn.metrics import confusion_matrix
from tiny_networks import SHAPE, STEPS, network_of
from tiny_runs import GRAMMAR, tiny_run

from spenser_gee.data import Dataset, OtherData, Samples, load_dataset, split
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.layers import LIF, Conv, FullyConnected, MaxPool
from spenser_gee.phenotype.words.training import Input
from spenser_gee.report.drawing.page import render
from spenser_gee.report.drawing.section import Figure, Section
from spenser_gee.report.run import traces
from spenser_gee.report.run.activity import _membranes, _raster, activity_sections, evenly, layer_names
from spenser_gee.report.run.traces import Firing, Subject, answers, find_subject, fire, samples
from spenser_gee.rng import derive_seed
from spenser_gee.runs.queries import best_standing
from spenser_gee.runs.store import RunFolder
from spenser_gee.training.losses import decision_values, needs_membrane
from spenser_gee.training.mode import PLAIN
from spenser_gee.training.saved import SavedNetwork
from spenser_gee.training.source import Source
from spenser_gee.training.stimulus import Stimulus


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run whose networks see spikes drawn at random: what is measured depends on the seed."""
    folder = tmp_path_factory.mktemp("noisy")
    text = GRAMMAR.read_text().replace('("rate" | "direct")', '"rate"')
    (folder / "noisy.lark").write_text(text)
    return tiny_run(folder, "run", f"grammar={folder / 'noisy.lark'}", "search.generations=1")


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """A finished run to change."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def subject_of(path: Path) -> Subject:
    with RunFolder.open(path) as run:
        subject = find_subject(run, None)
    assert subject is not None
    return subject


def sections_of(path: Path, data_root: str | None = None) -> list[Section]:
    with RunFolder.open(path) as run:
        return activity_sections(run, data_root)


def words(section: Section) -> str:
    return "\n".join(part for part in section.parts if isinstance(part, str))


def forget_the_test(path: Path) -> None:
    with sqlite3.connect(path / "run.sqlite") as database:
        database.execute("DELETE FROM final")


# --- which network, and which images ------------------------------------------------------------------


@pytest.mark.parametrize("which", ["finished", "noisy"])
def test_the_tested_network_has_its_recorded_accuracy_and_rates(
    which: str, request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(which)
    subject = subject_of(path)
    measured = answers(subject)
    with RunFolder.open(path) as run:
        final = run.final()
    assert final is not None
    assert subject.part == "Test"
    assert measured.accuracy == final["test_accuracy"] == subject.recorded
    assert measured.rates == pytest.approx(final["firing_rates"], abs=1e-6)


def test_the_confusions_are_those_of_the_answers(noisy: Path) -> None:
    subject = subject_of(noisy)
    saved, test = subject.saved, subject.data.test
    stimulus = Stimulus(
        saved.spec, saved.time_steps, derive_seed(3, "test"), torch.device("cpu"), augment=False
    )
    guesses = []
    with torch.no_grad():
        for images in (test.inputs.float() / 255).split(4 * 32):
            output = saved.network(stimulus(images), membrane=needs_membrane(saved.spec.loss))
            guesses.append(decision_values(saved.spec.loss, output).argmax(1))
    expected = confusion_matrix(test.labels, torch.cat(guesses), labels=range(10))
    assert answers(subject).confusion.tolist() == expected.tolist()


def _unfinished(path: Path) -> None:
    forget_the_test(path)


def _another_best(path: Path) -> None:
    """As after a resumed search that has not come to its final training."""
    with sqlite3.connect(path / "run.sqlite") as database:
        result = json.loads(database.execute("SELECT result_json FROM final").fetchone()[0])
        result["generation"] += 1
        database.execute("UPDATE final SET result_json = ?", (json.dumps(result),))


def _final_weights_are_gone(path: Path) -> None:
    (path / "final.safetensors").unlink()


@pytest.mark.parametrize("change", [_unfinished, _another_best, _final_weights_are_gone])
def test_a_network_that_was_not_tested_is_never_shown_test(
    copied: Path, change: Callable[[Path], None]
) -> None:
    change(copied)
    subject = subject_of(copied)
    train = load_dataset("digits", None).train
    expected = split(train.labels, 3, 0.3, 200).fitness
    assert subject.part == "Fitness"
    assert torch.equal(subject.images.data.images, train.images)
    assert torch.equal(subject.images.indices, expected)
    assert set(samples(subject, 3)) <= set(expected.tolist())
    assert answers(subject).confusion.sum() == len(expected)


@pytest.mark.parametrize("which", ["finished", "noisy"])
def test_the_best_has_its_recorded_fitness(
    which: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    copied = Path(shutil.copytree(request.getfixturevalue(which), tmp_path / "copy"))
    forget_the_test(copied)
    subject = subject_of(copied)
    with RunFolder.open(copied) as run:
        best = best_standing(run)
        assert best is not None
    assert answers(subject).accuracy == best.latest["fitness"] == subject.recorded
    assert "Test is not looked at" in words(sections_of(copied)[1])


def test_samples_are_the_first_of_different_classes(finished: Path) -> None:
    subject = subject_of(finished)
    chosen = samples(subject, 3)
    labels = subject.data.test.labels.tolist()
    assert [labels[place] for place in chosen] == [0, 3, 6]
    assert chosen == [labels.index(label) for label in (0, 3, 6)]
    assert len(samples(subject, 99)) == 10


# --- spikes and membranes -----------------------------------------------------------------------------


def _subject(spec: NetworkSpec) -> Subject:
    """Three random images in front of an untrained network."""
    network = network_of(spec, seed=5)
    saved = SavedNetwork(network, spec, "", SHAPE, 10, STEPS, {}, {})
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (3, *SHAPE), dtype=torch.uint8, generator=generator)
    data = Samples.of_images(images, torch.arange(3))
    source = Source(data, torch.arange(3), 16, STEPS)
    return Subject(saved, PLAIN, Dataset("made", data, data, tuple("abcdefghij")), source, "Test", None, 0)


POOLED = NetworkSpec(
    (
        (Conv(filters=5), LIF(beta=0.6, threshold=0.4, reset="subtract"), MaxPool(2)),
        (FullyConnected(units=7), LIF(beta=0.8, threshold=0.3, reset="zero")),
        (FullyConnected(units=0), LIF(beta=0.9, threshold=0.2, learn_beta="plif", reset="subtract")),
    ),
    input=Input("direct"),
)


def test_membranes_follow_from_the_currents() -> None:
    """The first layer by hand: v_t = beta v_{t-1} + x - threshold s_{t-1}, s_t = [v_t > threshold]."""
    subject = _subject(POOLED)
    firings, _ = fire(subject, [2, 0])
    network = subject.saved.network
    images = subject.images.data.images[[2, 0]].float() / 255
    with torch.no_grad():
        current = network.layers[0](images, None).flatten(1)
    membrane, spikes = torch.zeros_like(current), torch.zeros_like(current)
    assert len(firings) == 3
    for step in range(STEPS):
        membrane = 0.6 * membrane + current - 0.4 * spikes
        spikes = (membrane > 0.4).float()
        assert torch.allclose(firings[0].membrane[step], membrane, atol=1e-5)
        assert torch.equal(firings[0].spikes[step], spikes)
    assert 0 < firings[0].spikes.mean() < 1


POOLED_FIRST = dataclasses.replace(
    POOLED, units=((POOLED.units[0][0], POOLED.units[0][2], POOLED.units[0][1]), *POOLED.units[1:])
)


@pytest.mark.parametrize(("spec", "index", "neurons"), [(POOLED, 1, 5 * 64), (POOLED_FIRST, 2, 5 * 16)])
def test_neurons_are_seen_apart_from_the_pooling_beside_them(
    spec: NetworkSpec, index: int, neurons: int
) -> None:
    subject = _subject(spec)
    firings, guesses = fire(subject, [0, 1, 2])
    assert [tuple(firing.spikes.shape) for firing in firings] == [(STEPS, 3, n) for n in (neurons, 7, 10)]
    assert [firing.index for firing in firings] == [index, 4, 6]
    network = subject.saved.network
    signal = (subject.images.data.images.float() / 255).unsqueeze(0)
    with torch.no_grad():
        output = network(signal, membrane=True, rates=True)
    assert torch.allclose(torch.stack([firing.spikes.mean() for firing in firings]), output.rates, atol=1e-6)
    assert torch.allclose(firings[-1].membrane, output.membrane, atol=1e-6)
    assert torch.equal(guesses, output.spikes.sum(0).argmax(1))


def test_looking_leaves_the_network_as_it_was() -> None:
    subject = _subject(POOLED)
    network = subject.saved.network.train()
    fire(subject, [0])
    answers(subject)
    assert network.training
    assert all(not layer._forward_pre_hooks for layer in network.layers)


def test_names_of_layers() -> None:
    assert layer_names(network_of(POOLED).plan) == ["lif 1", "lif 2", "output"]


@given(st.integers(0, 500), st.integers(1, 80))
def test_evenly_chosen(count: int, most: int) -> None:
    chosen = evenly(count, most)
    assert len(chosen) == min(count, most)
    assert all(0 <= place < count for place in chosen)
    steps = [after - before for before, after in itertools.pairwise(chosen)]
    assert not steps or (min(steps) >= 1 and max(steps) - min(steps) <= 1)


# --- the sections -------------------------------------------------------------------------------------


def test_a_page_of_them(finished: Path) -> None:
    sections = sections_of(finished)
    assert [section.anchor for section in sections] == ["activity", "confusions", "firing-rates"]
    check_page(render("Activity", sections))
    assert "equal to what the run recorded" in words(sections[1])
    figures = [part for section in sections for part in section.parts if isinstance(part, Figure)]
    assert len(figures) == 4
    test = subject_of(finished).data.test
    matrix = [int(text) for text in _texts(figures[2]) if text.isdigit()]
    # The numbers in the cells, and the names of ten digits along two sides.
    assert sum(matrix) == len(test) + 2 * sum(range(10))


def _texts(figure: Figure) -> list[str]:
    return [
        "".join(element.itertext()).strip()
        for element in ElementTree.fromstring(figure.svg).iter("{http://www.w3.org/2000/svg}text")
    ]


NAMES = (
    *("$cash$", "</svg><script>alert(1)</script>", "caf\udce9", "$\\frac{1$", "a\x00\x1b[31m"),
    *("_", "<b>", "&", "{{ 7 }}", "日"),
)


def test_names_of_classes_are_never_markup_nor_formulas(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = dataclasses.replace(load_dataset("digits", None), classes=NAMES)
    monkeypatch.setattr(traces, "load_data", lambda section: data)
    (copied / "data.json").unlink()  # other names are other data
    sections = sections_of(copied)
    assert len(sections) == 3
    checker = check_page(render(NAMES[1], sections))
    assert "caf\\udce9" in "".join(checker.text)
    matrix = next(part for part in sections[1].parts if isinstance(part, Figure))
    texts = _texts(matrix)
    shown = [*NAMES[:2], "caf\\udce9", NAMES[3], "a\\x00\\x1b[31m", *NAMES[5:]]
    assert all(texts.count(name) == 2 for name in shown), texts


def test_another_accuracy_than_recorded_is_told(copied: Path) -> None:
    with sqlite3.connect(copied / "run.sqlite") as database:
        result = json.loads(database.execute("SELECT result_json FROM final").fetchone()[0])
        database.execute(
            "UPDATE final SET result_json = ?", (json.dumps({**result, "test_accuracy": 0.9876}),)
        )
    assert "The run recorded 0.9876" in words(sections_of(copied)[1])


def test_without_weights_there_is_nothing(tmp_path: Path) -> None:
    made = made_run(tmp_path)
    assert activity_sections(made.run, None) == []


def test_missing_data_are_told_with_the_remedy(copied: Path, tmp_path: Path) -> None:
    config = yaml.safe_load((copied / "config.yaml").read_text())
    config["data"] |= {"dataset": "mnist", "root": str(tmp_path / "nowhere"), "download": True}
    (copied / "config.yaml").write_text(yaml.safe_dump(config))
    (section,) = sections_of(copied)
    assert "MNIST" in words(section)
    assert "--data-root" in words(section)


def test_other_data_are_not_shown_to_it(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = load_dataset("digits", None)
    fewer = dataclasses.replace(data, classes=data.classes[:9])
    monkeypatch.setattr(traces, "load_data", lambda settings: fewer)
    with pytest.raises(OtherData, match="10 classes before, 9 now"):
        sections_of(copied)
    # A run of an earlier version has no record of its data; its network knows some of them.
    (copied / "data.json").unlink()
    (section,) = sections_of(copied)
    assert "9 classes" in words(section)


def test_a_network_of_many_layers_and_a_silent_one_can_be_drawn() -> None:
    plan = network_of(NetworkSpec(tuple((Conv(filters=2), LIF()) for _ in range(12)) + POOLED.units[2:])).plan
    silent = [
        Firing(index, torch.zeros(STEPS, 2, 128), torch.zeros(STEPS, 2, 128), 1.0)
        for index, planned in enumerate(plan.layers)
        if isinstance(planned.layer, LIF)
    ]
    images = [torch.zeros((channels, 8, 8), dtype=torch.uint8) for channels in (2, 3)]
    assert _raster(plan, silent, images, ["one", "two"]).startswith("<svg ")
    assert _membranes(plan, silent, [0, 1], ["one", "two"]).startswith("<svg ")
    assert _membranes(plan, silent[:-1], [0, 1], ["one", "two"]).startswith("<svg ")
