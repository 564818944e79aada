"""A run knows its data: every command that goes on with it refuses others, and says what differs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_cli_usage import cli_main
from tiny_runs import tiny_run

Captured = pytest.CaptureFixture[str]

CLASSES = ("bright", "dark")
TRAIN = 20


def write_images(root: Path, classes: tuple[str, ...] = CLASSES) -> Path:
    """Classes of noise, each darker than the one before."""
    rng = np.random.default_rng(0)
    for part, count in (("train", TRAIN), ("test", 4)):
        for place, name in enumerate(classes):
            (root / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(128 // (place + 1), 256 // (place + 1), (8, 8), dtype=np.uint8)
                Image.fromarray(pixels).save(root / part / name / f"{number:02d}.png")
    return root


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `images` and a `run` on them. Not to be changed: copy it."""
    folder = tmp_path_factory.mktemp("made")
    root = write_images(folder / "images")
    data = ("data.dataset=image-folder", f"data.root={root}", "data.train_subset=20", "training.steps=2")
    tiny_run(folder, "run", *data)
    return folder


@pytest.fixture
def here(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "here"))


def renamed(root: Path) -> None:
    for part in ("train", "test"):
        (root / part / "bright").rename(root / part / "light")


def swapped(root: Path) -> None:
    one, other = root / "train" / "bright" / "00.png", root / "train" / "dark" / "00.png"
    before = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(before)


def added(root: Path) -> None:
    for part in ("train", "test"):
        shutil.copytree(root / part / "dark", root / part / "extra")


def removed(root: Path) -> None:
    (root / "train" / "dark" / "00.png").unlink()


def darkened(root: Path) -> None:
    Image.new("L", (8, 8), 7).save(root / "test" / "dark" / "00.png")


CHANGES: list[tuple[Callable[[Path], None], str]] = [
    (renamed, 'without "bright" and with a new "light"'),
    (swapped, "same classes and sizes, but other training samples or labels"),
    (added, '2 classes before, 3 now, with a new "extra"'),
    (removed, "40 training samples before, 39 now"),
    (darkened, "other test samples"),
]


def contents(folder: Path) -> dict[str, bytes]:
    # Readers of a database make two files beside it.
    files = (
        path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    )
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def arguments_of(name: str, here: Path) -> list[str | Path]:
    run = here / "run"
    quick = ["--seeds", "1", "--samples", "64", "--images", "8", "--set", "initialisation.terms=off"]
    more: dict[str, list[str | Path]] = {
        "resume": ["--set", "search.generations=+1"],
        "train": ["--epochs", "1"],
        "compare": [*quick, "--out", here / "comparison"],
        "report": ["--out", here / "page.html"],
    }
    return [name, run, *more[name], "--data-root", here / "images"]


@pytest.mark.parametrize("name", ["resume", "train", "compare", "report"])
@pytest.mark.parametrize(("change", "said"), CHANGES, ids=lambda value: getattr(value, "__name__", ""))
def test_other_data_are_refused_and_nothing_is_changed(
    here: Path, capsys: Captured, name: str, change: Callable[[Path], None], said: str
) -> None:
    change(here / "images")
    before = contents(here)
    code, output, errors = cli_main(capsys, *arguments_of(name, here))
    assert (code, output) == (2, "")
    assert said in " ".join(errors.split())
    assert "--data-root" in errors
    assert contents(here) == before


@pytest.mark.parametrize("name", ["resume", "train", "compare", "report"])
def test_the_same_data_elsewhere_are_taken(here: Path, capsys: Captured, name: str) -> None:
    (here / "images").rename(here / "moved")
    arguments = [here / "moved" if each == here / "images" else each for each in arguments_of(name, here)]
    code, _, errors = cli_main(capsys, *arguments)
    assert code == 0, errors


def test_what_is_recorded(made: Path) -> None:
    found = json.loads((made / "run" / "data.json").read_text())
    assert (found["dataset"], found["classes"]) == ("image-folder", list(CLASSES))
    # Of all training samples, though the search uses 20 of them.
    assert (found["train"]["count"], found["test"]["count"]) == (2 * TRAIN, 8)


def test_a_run_of_an_earlier_version_records_its_data_when_it_goes_on(here: Path, capsys: Captured) -> None:
    record = here / "run" / "data.json"
    recorded = record.read_text()
    record.unlink()
    for name in ("train", "compare", "report"):
        code, _, errors = cli_main(capsys, *arguments_of(name, here))
        assert code == 0, errors
        assert not record.exists()
    code, _, errors = cli_main(capsys, *arguments_of("resume", here))
    assert code == 0
    assert "data.json records these" in " ".join(errors.split())
    assert record.read_text() == recorded
    code, _, errors = cli_main(capsys, *arguments_of("resume", here))
    assert code == 0
    assert "data.json" not in errors


def test_a_comparison_that_goes_on_keeps_to_its_data(here: Path, capsys: Captured) -> None:
    assert cli_main(capsys, *arguments_of("compare", here))[0] == 0
    # Whoever says which data are wanted need not have those of the run, but one comparison has one data set.
    removed(here / "images")
    chosen = ["--set", "data.dataset=image-folder"]
    before = contents(here / "comparison")
    code, _, errors = cli_main(capsys, *arguments_of("compare", here), *chosen)
    assert code == 2
    assert "40 training samples before, 39 now" in " ".join(errors.split())
    assert contents(here / "comparison") == before
    elsewhere = [
        here / "another" if each == here / "comparison" else each for each in arguments_of("compare", here)
    ]
    assert cli_main(capsys, *elsewhere, *chosen)[0] == 0
    # A comparison of an earlier version has no record.
    definition = here / "comparison" / "comparison.json"
    values = json.loads(definition.read_text())
    identity = values["settings"].pop("identity")
    definition.write_text(json.dumps(values))
    assert cli_main(capsys, *arguments_of("compare", here), *chosen)[0] == 2  # `images` differ
    shutil.copy(here / "images" / "train" / "dark" / "01.png", here / "images" / "train" / "dark" / "00.png")
    assert cli_main(capsys, *arguments_of("compare", here), *chosen)[0] == 0
    assert json.loads(definition.read_text())["settings"]["identity"] != identity


def test_a_damaged_record_is_one_message(here: Path, capsys: Captured) -> None:
    for text in ("{", "[]", "{}"):
        (here / "run" / "data.json").write_text(text)
        code, _, errors = cli_main(capsys, *arguments_of("resume", here))
        assert code == 2
        assert "run" in errors
        assert "Traceback" not in errors
