"""Which populations of a parent an offspring has too, after what mutation does to units."""

from __future__ import annotations

import pytest
import torch
from tiny_networks import gene_spec, gene_unit, network_of, plan_of

from spenser_gee.initialisation.inherit import inherited_genes, inherited_weights, matched_encodings
from spenser_gee.phenotype.plan import EncodingKey, Plan
from spenser_gee.phenotype.words.layers import LIF, Conv, Layer, MaxPool, Skip

A, B, C, D = (gene_unit(n) for n in (5, 6, 7, 8))


def plan(*units: tuple[Layer, ...], genes: int = 4) -> Plan:
    return plan_of(gene_spec(*units, genes=genes))


def channels(matches: dict[EncodingKey, EncodingKey]) -> set[tuple[int, int]]:
    """(the child's channels, the parent's channels) of matched 3 x 3 encodings."""
    return {(a.channels, b.channels) for a, b in matches.items()}


def test_an_equal_plan_has_all() -> None:
    one = plan(A, B, C)
    assert matched_encodings(one, one) == {key: key for key in one.encodings}
    assert len(one.encodings) == 3


@pytest.mark.parametrize("at", [0, 1, 2, 3])
def test_an_inserted_unit_shifts_the_others(at: int) -> None:
    parent, units = plan(A, B, C), [A, B, C]
    units.insert(at, D)
    child = plan(*units)
    matches = matched_encodings(parent, child)
    assert channels(matches) == {(5, 5), (6, 6), (7, 7)}
    assert all(a.population >= b.population for a, b in matches.items())
    assert any(key.channels == 8 for key in set(child.encodings) - set(matches))


@pytest.mark.parametrize("removed", [0, 1, 2])
def test_a_removed_unit(removed: int) -> None:
    units = [A, B, C]
    del units[removed]
    child = plan(*units)
    matches = matched_encodings(plan(A, B, C), child)
    assert set(matches) == set(child.encodings)
    assert all(a.channels == b.channels for a, b in matches.items())


def test_a_duplicated_unit_matches_once() -> None:
    parent, child = plan(A, B, C), plan(A, B, B, C)
    matches = matched_encodings(parent, child)
    assert len(child.encodings) == 4
    assert len(matches) == 3
    assert len(set(matches.values())) == 3
    assert channels(matches) == {(5, 5), (6, 6), (7, 7)}


def test_order_is_kept_among_equal_units() -> None:
    parent, child = plan(B, B, B), plan(B, B, B, B)
    matches = matched_encodings(parent, child)
    ordered = sorted(matches.items())
    assert len(ordered) == 3
    assert [b.population for _, b in ordered] == sorted(b.population for _, b in ordered)


def test_another_shape_is_no_match() -> None:
    parent = plan(A, B, C)
    assert channels(matched_encodings(parent, plan(A, D, C))) == {(5, 5), (7, 7)}
    other_kernel = plan(A, B, gene_unit(7, kernel=2))
    found = matched_encodings(parent, other_kernel)
    assert {key.positions for key in found} == {9}
    assert channels(found) == {(5, 5), (6, 6)}


def test_layers_between_play_no_part() -> None:
    pooled = (A[0], MaxPool(), *A[1:])
    joined = (B[0], Skip(back=1), LIF())
    matches = matched_encodings(plan(A, B, C), plan(pooled, joined, C))
    assert channels(matches) == {(5, 5), (6, 6), (7, 7)}


def test_inherited_tensors_are_the_parents_by_the_childs_names() -> None:
    parent, child = network_of(gene_spec(A, B, C)), network_of(gene_spec(D, A, B, C), seed=1)
    tensors = inherited_genes(parent.plan, parent.state_dict(), child.plan)
    names = dict(child.named_parameters())
    assert len(tensors) == 3
    for name, tensor in tensors.items():
        assert tensor.shape == names[name].shape
        source = next(n for n, t in parent.state_dict().items() if t is tensor or torch.equal(t, tensor))
        assert source != name  # shifted by the inserted unit
    assert set(child.inherit(tensors)) == set(tensors)
    for name, tensor in tensors.items():
        assert torch.equal(names[name].detach(), tensor)


def test_inherited_weights_are_those_of_kept_layers() -> None:
    parent, child = network_of(gene_spec(A, B, C)), network_of(gene_spec(A, D, B, C), seed=1)
    for network, value in ((parent, 0.25), (child, 0.5)):  # buffers and biases are equal at birth
        with torch.no_grad():
            for tensor in (*network.parameters(), *network.buffers()):
                tensor.add_(value)
    before = {name: tensor.clone() for name, tensor in child.state_dict().items()}
    offered = inherited_weights(parent.plan, parent.state_dict(), child.plan)
    taken = set(child.inherit(offered))
    after = child.state_dict()
    # Units of three layers: A is in the same place, D (3 to 5) is new, B, C and the head are three later.
    for name, tensor in parent.state_dict().items():
        if name.startswith("layers."):
            _, number, rest = name.split(".", 2)
            index = int(number) + (3 if int(number) >= 3 else 0)
            assert torch.equal(after[f"layers.{index}.{rest}"], tensor), name
            assert f"layers.{index}.{rest}" in taken
    for name in set(before) - taken:
        assert torch.equal(after[name], before[name])
        assert name.startswith(("genes.", "layers.3.", "layers.4.", "layers.5."))


def test_weights_of_another_shape_stay() -> None:
    parent, child = network_of(gene_spec(A, B)), network_of(gene_spec(gene_unit(5, kernel=2), B), seed=1)
    before = child.layers[0].weight.clone()
    child.inherit(inherited_weights(parent.plan, parent.state_dict(), child.plan))
    assert torch.equal(child.layers[0].weight, before)


def test_another_number_of_genes_inherits_nothing() -> None:
    parent = network_of(gene_spec(A, B, C))
    assert inherited_genes(parent.plan, parent.state_dict(), plan(A, B, C, genes=5)) == {}


def test_a_plan_without_gene_coded_layers() -> None:
    direct = plan_of(gene_spec((Conv(filters=5), LIF()), genes=4))
    assert direct.encodings == ()
    assert matched_encodings(direct, plan(A, B)) == {}
    assert matched_encodings(plan(A, B), direct) == {}
