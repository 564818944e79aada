"""The search space of a run: what the configuration's preset makes of mutation, and crossover."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_runs import tiny_config

from spenser_gee.config import Mutation
from spenser_gee.config.sections import KEYS_OF_PRESET
from spenser_gee.data import load_data
from spenser_gee.genotype import RELATIVE_RATES, SPENSER_RATES, FewChanges, Rates
from spenser_gee.grammar import load_grammar
from spenser_gee.session.setup import make_space, mutation_settings


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, FewChanges()),
        ({"most": 3, "sigma": 0.1}, FewChanges(most=3, sigma=0.1)),
        ({"preset": "spenser"}, SPENSER_RATES),
        ({"preset": "spenser-relative"}, RELATIVE_RATES),
        ({"preset": "spenser-relative", "macro": 0.1}, Rates(macro=0.1)),
    ],
)
def test_presets(values: dict[str, object], expected: object) -> None:
    assert mutation_settings(Mutation.model_validate(values)) == expected


@pytest.mark.parametrize("preset", KEYS_OF_PRESET)
def test_every_key_of_a_preset_reaches_it(preset: str) -> None:
    for key in KEYS_OF_PRESET[preset]:
        settings = mutation_settings(Mutation.model_validate({"preset": preset, key: 1}))
        assert getattr(settings, key) == 1


def test_mutants_are_other_networks_and_children_of_two_can_be_described(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, "search.mutation.most=1", "search.sizes={}")
    grammar = load_grammar(Path(__file__).parents[2] / "grammars" / "spenser_gee.lark")
    space = make_space(config, grammar, load_data(config.data))
    assert space.cross is not None
    rng = np.random.default_rng(5)
    for _ in range(60):
        first, second = space.sample(rng), space.sample(rng)
        child, changes = space.mutate(first, rng)
        assert len(changes) == 1
        assert space.describe(child).phenotype_key != space.describe(first).phenotype_key
        both, _ = space.cross(first, second, rng)
        units = {unit for parent in (first, second) for part in parent.parts.values() for unit in part}
        assert {unit for part in both.parts.values() for unit in part} <= units
        assert space.describe(both).sentence
