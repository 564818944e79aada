"""Small networks on a part of the digits, for tests of training, of the inner search and of evaluations."""

from __future__ import annotations

import functools
from typing import Any

import torch

from spenser_gee.data import load_dataset
from spenser_gee.data.image_data import Dataset
from spenser_gee.fitness.task import DataSettings, make_task
from spenser_gee.fitness.trained import Task
from spenser_gee.network.build import SpikingNetwork, build_network
from spenser_gee.phenotype.plan import Plan, plan_network
from spenser_gee.phenotype.spec import (
    LIF,
    Adam,
    BatchNorm,
    CECount,
    Conv,
    Dropout,
    FullyConnected,
    Genes,
    Input,
    Layer,
    NetworkSpec,
)

SHAPE = (1, 8, 8)
STEPS = 4  # T
SETTINGS = DataSettings("digits", None, False, None, None, STEPS, 16, 200, 0.3)
HEAD: tuple[Layer, ...] = (FullyConnected(units=0), LIF(beta=0.8))


def gene_unit(filters: int = 6, kernel: int = 3, stride: int = 1) -> tuple[Layer, ...]:
    """A gene-coded convolution with batch norm."""
    return (
        Conv(filters=filters, kernel=kernel, stride=stride, weights="gene"),
        BatchNorm(),
        LIF(beta=0.7, threshold=0.5),
    )


def gene_spec(*units: tuple[Layer, ...], genes: int = 4, **parts: Any) -> NetworkSpec:
    """A network of gene-coded units; the first convolution is direct, as always."""
    chosen = units or (gene_unit(5, stride=2), gene_unit(6))
    defaults: dict[str, Any] = {"loss": CECount(), "optimiser": Adam(lr=0.01), "input": Input("rate")}
    return NetworkSpec((*chosen, HEAD), Genes(genes), **{**defaults, **parts})


def dropout_spec() -> NetworkSpec:
    """With dropout, whose masks are random too."""
    return gene_spec(gene_unit(5, stride=2), (Dropout(0.3),), gene_unit(6))


def plan_of(spec: NetworkSpec, classes: int = 10) -> Plan:
    return plan_network(spec, SHAPE, classes)


def network_of(spec: NetworkSpec, seed: int = 0, classes: int = 10) -> SpikingNetwork:
    return build_network(plan_of(spec, classes), STEPS, seed)


@functools.cache
def digits() -> Dataset:
    return load_dataset("digits", None)


@functools.cache
def task(seed: int = 0) -> Task:
    """EvoTrain: 140 digits in batches of 16; Fitness: 60."""
    return make_task(digits().train, 10, SETTINGS, seed, torch.device("cpu"))


def equal_states(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    """Bit for bit."""
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
