"""Training one network from its birth."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from tiny_runs import tiny_config, weights

from spenser_gee.errors import InputError
from spenser_gee.genotype import Genotype, genotype_from_sentence
from spenser_gee.phenotype.check import open_grammar
from spenser_gee.session.final import retrain
from spenser_gee.session.setup import Setup, set_up
from spenser_gee.training.saved import load_network

HEAD = (
    "features conv filters=6 kernel=3 stride=2 padding=same bias=true weights=gene no-norm no-pool no-skip "
    "lif beta=0.5 threshold=1 surrogate=atan reset=zero "
)
TAIL = (
    "output fc units=classes bias=true weights=gene lif beta=0.5 threshold=1 surrogate=atan reset=zero "
    "genes count=4 input coding=direct ce-membrane adam lr=0.01 lr-constant"
)


def prepare(folder: Path, *overrides: str) -> tuple[Setup, Genotype]:
    config = tiny_config(folder, *overrides)
    grammar = open_grammar(config.grammar)
    return set_up(config, grammar), genotype_from_sentence(grammar, f"{HEAD} classification {TAIL}")


def test_equal_seeds_give_equal_weights(tmp_path: Path) -> None:
    setup, genotype = prepare(tmp_path)
    shares: list[float] = []
    results = [
        retrain(setup, genotype, "net", 2, tmp_path / f"{i}.safetensors", shares.append) for i in range(2)
    ]
    one, other = weights(tmp_path / "0.safetensors"), weights(tmp_path / "1.safetensors")
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert shares[-1] == 1.0
    assert [r["test_accuracy"] for r in results] == [results[0]["test_accuracy"]] * 2
    assert results[0]["weights"] == str(tmp_path / "0.safetensors")
    assert results[0]["test_images"] == 359
    assert len(results[0]["inner"]) > 0
    another, _ = prepare(tmp_path, "seed=9")
    retrain(another, genotype, "net", 2, tmp_path / "9.safetensors", shares.append)
    nine = weights(tmp_path / "9.safetensors")
    assert any(not torch.equal(one[key], nine[key]) for key in one)


def test_the_saved_network_is_the_tested_one(tmp_path: Path) -> None:
    setup, genotype = prepare(tmp_path)
    result = retrain(setup, genotype, "net", 3, tmp_path / "net.safetensors", lambda share: None)
    saved = load_network(tmp_path / "net.safetensors")
    assert saved.sentence == result["sentence"]
    # Direct coding draws no spikes, so the accuracy is a function of the weights alone.
    right = saved.classify(setup.data.test.images) == setup.data.test.labels
    assert right.float().mean().item() == pytest.approx(result["test_accuracy"], abs=1e-6)
    assert result["test_accuracy"] > 0.2  # one in ten is chance


def test_no_training_at_all(tmp_path: Path) -> None:
    setup, genotype = prepare(tmp_path)
    result = retrain(setup, genotype, "net", 0, tmp_path / "net.safetensors", lambda share: None)
    assert 0.0 <= result["test_accuracy"] <= 1.0
    assert load_network(tmp_path / "net.safetensors").sentence == result["sentence"]


def test_a_network_that_cannot_be_built_is_named(tmp_path: Path) -> None:
    grammar = tmp_path / "pooled.lark"
    shutil.copyfile(Path(__file__).with_name("tiny.lark"), grammar)
    pooled = grammar.read_text().replace('"no-pool"', '"pool-max" "size" "=" "9"')
    grammar.write_text(pooled)
    config = tiny_config(tmp_path, f"grammar={grammar}")
    opened = open_grammar(config.grammar)
    text = f"{HEAD} classification {TAIL}".replace("no-pool", "pool-max size=9")
    genotype = genotype_from_sentence(opened, text)
    with pytest.raises(InputError, match=r"my\.net: this network cannot be built for digits"):
        retrain(set_up(config, opened), genotype, "my.net", 1, tmp_path / "x.safetensors", lambda share: None)
    assert not (tmp_path / "x.safetensors").exists()
