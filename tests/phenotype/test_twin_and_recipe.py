from pathlib import Path

import pytest

from spenser_gee.genotype import genotype_from_sentence, sample_genotype
from spenser_gee.phenotype.check import open_grammar
from spenser_gee.phenotype.decode import decode, read_units
from spenser_gee.phenotype.plan import plan_network
from spenser_gee.phenotype.recipe import COMMON_RECIPE, Recipe
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.twin import dense_twin
from spenser_gee.phenotype.words.site import Infeasible
from spenser_gee.rng import stream

SHIPPED = Path(__file__).parents[2]
GRAMMAR = open_grammar(SHIPPED / "grammars" / "spenser_gee.lark")


def sampled(number: int) -> NetworkSpec:
    return decode(sample_genotype(GRAMMAR, stream(0, "twins", number), {}), GRAMMAR)


def backbone(name: str) -> NetworkSpec:
    path = SHIPPED / "configs" / "backbones" / f"{name}.net"
    return decode(genotype_from_sentence(GRAMMAR, path.read_text(), name), GRAMMAR)


def test_a_twin_has_the_same_layers_with_ordinary_weights() -> None:
    found = 0
    for number in range(100):
        spec = sampled(number)
        twin = dense_twin(spec)
        assert dense_twin(twin) == twin
        try:
            plan, other = plan_network(spec, (1, 28, 28), 10), plan_network(twin, (1, 28, 28), 10)
        except Infeasible:
            continue
        assert not other.encodings
        assert other.parameters == plan.dense_parameters
        assert [p.output for p in other.layers] == [p.output for p in plan.layers]
        assert other.macs == plan.macs
        assert (twin == spec) == (not plan.encodings)
        found += bool(plan.encodings)
    assert found > 10


def test_the_twin_of_a_backbone_by_hand() -> None:
    # LeNet 20-50-500: 25 * 20 + 25 * 20 * 50 + 4 * 4 * 50 * 500 + 500 + 500 * 10 + 10, and two batch norms.
    plan = plan_network(dense_twin(backbone("lenet")), (1, 28, 28), 10)
    assert plan.parameters == 500 + 25_000 + 400_000 + 500 + 5_000 + 10 + 2 * (20 + 50)


@pytest.mark.parametrize("number", range(20))
def test_a_recipe_changes_the_training_alone(number: int) -> None:
    spec = sampled(number)
    other = COMMON_RECIPE.apply(spec)
    assert (other.units, other.genes, other.input) == (spec.units, spec.genes, spec.input)
    assert Recipe.of(other) == COMMON_RECIPE
    assert Recipe.of(spec).apply(other) == spec


@pytest.mark.parametrize("number", range(20))
def test_a_recipe_is_shown_in_the_words_of_a_sentence(number: int) -> None:
    spec = sampled(number)
    text = str(Recipe.of(spec))
    # Words and values apart, as a sentence's tokens are.
    tokens = text.replace("=", " = ").split()
    read = read_units([("conv", *tokens)])
    shown, own = Recipe.of(read), Recipe.of(spec)
    assert type(shown.optimiser) is type(own.optimiser)
    assert shown.optimiser.lr == pytest.approx(own.optimiser.lr, rel=1e-5)
    assert (shown.loss.word, shown.schedule.word) == (own.loss.word, own.schedule.word)
    assert [a.word for a in shown.augmentation] == [a.word for a in own.augmentation]
    assert (shown.clip is None) == (own.clip is None)
