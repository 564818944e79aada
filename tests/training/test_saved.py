"""Weight files: what is saved is what is read, and anything else is refused with its name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save
from tiny_networks import STEPS, dropout_spec, equal_states, gene_spec, network_of, task

from spenser_gee.errors import InputError
from spenser_gee.phenotype.spec import (
    LIF,
    BatchNorm,
    Conv,
    FullyConnected,
    Input,
    NetworkSpec,
    Skip,
)
from spenser_gee.training.measure import measure
from spenser_gee.training.saved import load_network, save_network
from spenser_gee.training.train import Budget, train

KINDS = {
    "gene-coded": gene_spec(),
    "dropout": dropout_spec(),
    "everything": NetworkSpec(
        (
            (Conv(filters=4, kernel=2, stride=2), BatchNorm(over="step"), LIF(learn_beta="plif")),
            (Conv(filters=5, weights="gene"), Skip(back=1), LIF(learn_threshold=True, reset="zero")),
            (FullyConnected(units=0, weights="gene"), LIF(learn_beta="true")),
        ),
        input=Input("latency"),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_survives_its_file(tmp_path: Path, kind: str) -> None:
    spec = KINDS[kind]
    network = network_of(spec)
    source = task().evo_train
    train(network, spec, source.training(0), source.stimulus(spec, 0, augment=False), Budget(steps=3))
    path = tmp_path / "best.safetensors"
    save_network(path, network, "the sentence", {"start.G": torch.eye(3).double()}, {"one": [1, "two"]})
    saved = load_network(path)
    assert equal_states(saved.network, network)
    assert saved.network.plan == network.plan
    assert (saved.spec, saved.sentence, saved.time_steps) == (spec, "the sentence", STEPS)
    assert (saved.input_shape, saved.classes) == ((1, 8, 8), 10)
    assert set(saved.extra) == {"start.G"}
    assert torch.equal(saved.extra["start.G"], torch.eye(3).double())
    assert saved.notes == {"one": [1, "two"]}
    assert not saved.network.training
    x = torch.rand(STEPS, 5, 1, 8, 8)
    assert torch.equal(saved.network(x).spikes, network.eval()(x).spikes)
    # Saving what was read gives the same bytes.
    save_network(tmp_path / "again", saved.network, saved.sentence, saved.extra, saved.notes)
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_classify_decides_as_measured(tmp_path: Path) -> None:
    for coding in ("direct", "latency"):
        spec = gene_spec(input=Input(coding))
        network = network_of(spec)
        source = task().evo_train
        train(network, spec, source.training(0), source.stimulus(spec, 0, augment=False), Budget(steps=60))
        save_network(tmp_path / "n", network, "")
        part = task().fitness
        accuracy = measure(network, spec, part.once(), part.stimulus(spec, 0, augment=False)).accuracy
        saved = load_network(tmp_path / "n")
        images, labels = part.data.images[part.indices], part.data.labels[part.indices]
        classes = saved.classify(images)
        assert classes.shape == labels.shape
        assert classes.dtype == torch.int64
        assert float((classes == labels).double().mean()) == pytest.approx(accuracy)
        assert accuracy > 0.3
        assert torch.equal(saved.classify(images.float() * (1 / 255)), classes)


def test_the_seed_of_classify_is_that_of_the_spike_noise(tmp_path: Path) -> None:
    save_network(tmp_path / "n", network_of(gene_spec()), "")
    saved = load_network(str(tmp_path / "n"))
    images = task().fitness.data.images[:60]
    torch.manual_seed(1)
    first = saved.classify(images, seed=1)
    torch.manual_seed(2)
    assert torch.equal(saved.classify(images, seed=1), first)
    assert not torch.equal(saved.classify(images, seed=2), first)


WRONG_IMAGES = {
    "floats 0..255": (torch.full((2, 1, 8, 8), 254.0), "float32 from 254 to 254: use images / 255"),
    "just above 1": (torch.full((2, 1, 8, 8), 1.001, dtype=torch.float64), "from 1.001 to 1.001"),
    "scaled": (torch.linspace(-1, 1, 64).view(1, 1, 8, 8), "from -1 to 1: undo what scaled them"),
    "int64": (torch.full((1, 1, 8, 8), 256), "torch.int64 from 256 to 256: undo what scaled them"),
    "16 bits": (torch.full((1, 1, 8, 8), 65535, dtype=torch.uint16), "torch.uint16 from 65535 to 65535"),
    "negative": (torch.full((1, 1, 8, 8), -1, dtype=torch.int8), "torch.int8 from -1 to -1"),
    "NaN": (torch.zeros(1, 1, 8, 8).index_fill(3, torch.tensor([5]), torch.nan), "found NaN or infinity"),
    "infinity": (torch.full((1, 1, 8, 8), torch.inf), "found NaN or infinity"),
    "bool": (torch.ones(1, 1, 8, 8, dtype=torch.bool), "found torch.bool: use images.float()"),
    "complex": (torch.ones(1, 1, 8, 8, dtype=torch.complex64), "found torch.complex64"),
    "one image": (torch.zeros(1, 8, 8), r"shape \(B, 1, 8, 8\).*; found \(1, 8, 8\)"),
    "channels last": (torch.zeros(2, 8, 8, 1), r"found \(2, 8, 8, 1\)"),
    "colour": (torch.zeros(2, 3, 8, 8), r"found \(2, 3, 8, 8\)"),
    "none": (torch.zeros(0, 1, 8, 8), r"found \(0, 1, 8, 8\)"),
    "an array": (np.zeros((1, 1, 8, 8), np.uint8), r"found ndarray: use torch.from_numpy"),
}


@pytest.mark.parametrize("kind", WRONG_IMAGES)
def test_images_of_another_range_or_shape_are_refused(tmp_path: Path, kind: str) -> None:
    save_network(tmp_path / "n", network_of(gene_spec()), "")
    images, message = WRONG_IMAGES[kind]
    with pytest.raises(InputError, match=message) as caught:
        load_network(tmp_path / "n").classify(images)  # type: ignore[arg-type]
    assert len(str(caught.value).splitlines()) == 1


def test_all_types_of_the_same_images_give_the_same_classes(tmp_path: Path) -> None:
    spec = gene_spec(input=Input("direct"))
    save_network(tmp_path / "n", network_of(spec), "")
    saved = load_network(tmp_path / "n")
    images = task().fitness.data.images[:100]
    classes = saved.classify(images)
    assert len(classes.unique()) > 1
    for dtype in (torch.int16, torch.uint16, torch.int32, torch.int64):
        assert torch.equal(saved.classify(images.to(dtype)), classes)
    for dtype in (torch.float32, torch.float64):
        assert torch.equal(saved.classify(images.to(dtype) / 255), classes)


# --- files that are no network ------------------------------------------------------------------------


def description(**changes: Any) -> dict[str, str]:
    values: dict[str, Any] = {
        "builder": 1,
        "spec": gene_spec().to_dict(),
        "sentence": "",
        "input_shape": (1, 8, 8),
        "classes": 10,
        "time_steps": STEPS,
        "notes": {},
    }
    values.update(changes)
    return {"spenser_gee": json.dumps({k: v for k, v in values.items() if v is not None})}


def tensors() -> dict[str, torch.Tensor]:
    return {f"network.{name}": t for name, t in network_of(gene_spec()).state_dict().items()}


def refused(path: Path, data: bytes, message: str) -> None:
    path.write_bytes(data)
    with pytest.raises(InputError, match=message) as caught:
        load_network(path)
    assert str(caught.value).startswith(str(path))


def test_the_description_above_is_a_good_one(tmp_path: Path) -> None:
    (tmp_path / "n").write_bytes(save(tensors(), metadata=description()))
    assert equal_states(load_network(tmp_path / "n").network, network_of(gene_spec()))


def test_missing_and_damaged_files(tmp_path: Path) -> None:
    path = tmp_path / "n.safetensors"
    for missing in (path, tmp_path):
        with pytest.raises(InputError, match="cannot read the weights"):
            load_network(missing)
    good = save(tensors(), metadata=description())
    for end in (0, 4, 100, len(good) // 2, len(good) - 1):
        refused(path, good[:end], "cannot read the weights")
    refused(path, b"\x00" * 200, "cannot read the weights")
    refused(path, b"not a network at all" * 20, "cannot read the weights")


def test_foreign_files(tmp_path: Path) -> None:
    path = tmp_path / "n.safetensors"
    for metadata in (
        None,
        {"format": "pt"},
        {"spenser_gee": "no json"},
        {"spenser_gee": "[1]"},
        {"spenser_gee": "3"},
        {"spenser_gee": "{}"},
    ):
        refused(path, save(tensors(), metadata=metadata), "not written by this program")


def test_another_builder(tmp_path: Path) -> None:
    refused(
        tmp_path / "n",
        save(tensors(), metadata=description(builder=0)),
        "need version 0 of the network builder",
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"spec": None},
        {"spec": 3},
        {"spec": {**gene_spec().to_dict(), "loss": ["mse", {}]}},
        {"spec": {**gene_spec().to_dict(), "loss": ["tet", {"nothing": 1}]}},
        {"spec": gene_spec(genes=5).to_dict()},
        {"input_shape": [1, 8]},
        {"input_shape": "1x8x8"},
        {"input_shape": [1, 9, 30]},
        {"classes": 11},
        {"classes": "ten"},
        {"time_steps": 0},
        {"time_steps": None},
        {"notes": None},
        {"sentence": None},
    ],
)
def test_descriptions_that_do_not_fit(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = tmp_path / "n.safetensors"
    refused(
        path, save(tensors(), metadata=description(**changes)), "the weights do not fit their description"
    )


def test_tensors_that_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "n.safetensors"
    fewer = tensors()
    fewer.popitem()
    refused(path, save(fewer, metadata=description()), "do not fit")
    refused(path, save({**tensors(), "network.more": torch.ones(1)}, metadata=description()), "do not fit")
    refused(
        path, save({**tensors(), "network.genes.G": torch.ones(2, 2)}, metadata=description()), "do not fit"
    )
