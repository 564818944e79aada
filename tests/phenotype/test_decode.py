"""Words to networks: values, defaults, what is silent, and errors in the words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spenser_gee.errors import InputError
from spenser_gee.genotype.genotype import genotype_from_sentence, sentence_of
from spenser_gee.genotype.sample import sample_genotype
from spenser_gee.grammar.load import load_grammar
from spenser_gee.phenotype.decode import decode, read_units, read_value
from spenser_gee.phenotype.plan import plan_network
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.keys import CLASSES, keys_of
from spenser_gee.phenotype.words.keywords import KEYWORDS
from spenser_gee.phenotype.words.layers import LIF, Conv, Dropout, FullyConnected, MaxPool, Skip
from spenser_gee.phenotype.words.site import Infeasible
from spenser_gee.phenotype.words.training import Adam, Clip, CosineRate, Crop, Flip, Genes, Input, MSECount

ROOT = Path(__file__).parents[2]


def words(text: str) -> tuple[str, ...]:
    return tuple(text.replace("=", " = ").split())


def units(*texts: str) -> NetworkSpec:
    return read_units(words(text) for text in texts)


def test_words_become_layers_in_order() -> None:
    spec = units(
        "conv filters=16 kernel=5 stride=2 padding=valid bias=false weights=direct pool-max size=2 no-skip "
        "lif beta=0.5 learn_beta=plif threshold=2 learn_threshold=true surrogate=sigmoid reset=zero",
        "no-pool",
        "fc units=classes bias=true weights=gene lif",
        "genes count=32",
        "input coding=latency",
    )
    assert spec.units == (
        (
            Conv(filters=16, kernel=5, stride=2, padding="valid", bias=False),
            MaxPool(size=2),
            LIF(
                beta=0.5,
                learn_beta="plif",
                threshold=2.0,
                learn_threshold=True,
                surrogate="sigmoid",
                reset="zero",
            ),
        ),
        (FullyConnected(units=CLASSES, bias=True, weights="gene"), LIF()),
    )
    assert spec.genes == Genes(32)
    assert spec.input == Input("latency")
    assert spec.loss == MSECount()


def test_macro_words() -> None:
    spec = units(
        "fc units=classes lif",
        "adam lr=0.01 beta1=0.8 beta2=0.99 decay=0 amsgrad=true lr-cosine warmup=0.1 clip norm=2",
        "flip probability=0.5 crop padding=3",
    )
    assert spec.optimiser == Adam(lr=0.01, beta1=0.8, beta2=0.99, decay=0.0, amsgrad=True)
    assert spec.schedule == CosineRate(0.1)
    assert spec.clip == Clip(2.0)
    assert spec.augmentation == (Flip(0.5), Crop(3))
    assert units("fc", "clip norm=2", "clip norm=3").clip == Clip(3.0)


def test_silent_genes_make_no_difference() -> None:
    plain = units("conv lif", "fc units=classes lif")
    assert units("conv skip back=0 mode=concat lif", "fc units=classes lif", "genes count=99") == plain
    assert units("conv skip back=2 lif", "fc units=classes lif").key() == plain.key()
    assert units("conv dropout rate=0 lif", "fc units=classes lif") == plain
    assert units("conv skip back=1 lif", "fc units=classes lif").units[0][1] == Skip(back=1)
    assert units("conv dropout rate=0.1 lif").units[0][1] == Dropout(0.1)
    # The layer that reads the input has ordinary weights whatever it says.
    assert units("conv weights=gene lif", "fc units=classes lif", "genes count=99") == plain
    assert units("conv lif", "conv weights=gene lif", "genes count=99").genes == Genes(99)
    assert units("conv lif", "tet weight=0 target=1") == units("conv lif", "tet weight=0 target=2")
    assert units("conv lif", "tet weight=0.1 target=1") != units("conv lif", "tet weight=0.1 target=2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("conw filters=3", 'unknown word "conw"; did you mean "conv"'),
        ("conv filter=3", '"conv" has no key "filter"; did you mean "filters"'),
        ("conv filters=0", "conv: filters=0 is not in: whole number 1 to 4096"),
        ("conv filters=2.5", "filters=2.5 is not in"),
        ("conv filters=nan", "filters=nan is not in"),
        ("dropout rate=inf", "rate=inf is not in"),
        ("conv padding=full", "padding=full is not in: same | valid"),
        ("conv bias=maybe", "bias=maybe is not in: true | false"),
        ("fc units=many", "units=many is not in: whole number 1 to 65536 | classes"),
        ("pool-global size=2", r'"pool-global" has no key "size"'),
    ],
)
def test_unknown_words_and_values_are_refused(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        units(text)
    assert message in str(caught.value)


def test_every_default_is_a_permitted_value() -> None:
    for word, kind in KEYWORDS.items():
        for key, (declared, default) in keys_of(kind).items():
            assert default is not None
            text = str(default).lower() if isinstance(default, bool) else str(default)
            assert read_value(word, key, text) == default
            assert declared.meaning


def test_networks_of_the_default_grammar() -> None:
    grammar = load_grammar(ROOT / "grammars" / "spenser_gee.lark")
    feasible = 0
    for index in range(150):
        genotype = sample_genotype(grammar, np.random.default_rng(index))
        spec = decode(genotype, grammar)
        # Equal sentences mean equal networks, and a network survives its plain values.
        again = genotype_from_sentence(grammar, sentence_of(genotype, grammar), "again")
        assert decode(again, grammar) == spec
        assert NetworkSpec.from_dict(spec.to_dict()) == spec
        assert NetworkSpec.from_dict(spec.to_dict()).key() == spec.key()
        try:
            plan = plan_network(spec, (1, 28, 28), 10)
        except Infeasible:
            continue
        feasible += 1
        assert plan.layers[-1].output == (10, 1, 1)
        assert plan.parameters > 0
    assert feasible > 15
