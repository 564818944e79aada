"""Numbers below the smallest normal float are zero in trainings, on all threads, and only there."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from tiny_networks import gene_spec, network_of, task

from spenser_gee.network.denormals import flushed_denormals
from spenser_gee.training.train import Budget, train

SMALL = 1e-39


def is_zero() -> bool:
    return bool((torch.full((4,), SMALL) * 1.0 == 0).all())


@pytest.fixture(autouse=True)
def _supported() -> None:
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush denormals")
    torch.set_flush_denormal(False)


def test_only_within_the_block_and_also_after_an_error() -> None:
    assert not is_zero()
    with flushed_denormals():
        assert is_zero()
        with flushed_denormals():
            assert is_zero()
        assert is_zero()
    assert not is_zero()
    with pytest.raises(RuntimeError), flushed_denormals():
        raise RuntimeError
    assert not is_zero()


def test_a_training_makes_none() -> None:
    """Weights that nothing uses shrink by weight decay and Adam's means of their gradients with them."""
    from spenser_gee.phenotype.words.training import SGD

    network, source = network_of(gene_spec(optimiser=SGD(lr=0.5, decay=1.0, momentum=0.0))), task().evo_train
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(1e-37)  # a few halvings above the smallest normal number
    seen = []
    train(
        network,
        gene_spec(optimiser=SGD(lr=0.5, decay=1.0, momentum=0.0)),
        source.training(1),
        source.stimulus(gene_spec(), 2, augment=False),
        Budget(steps=12),
        on_step=lambda step, share: seen.append(is_zero()),
    )
    values = torch.cat([p.detach().flatten() for p in network.parameters()])
    assert not ((values != 0) & (values.abs() < torch.finfo(torch.float32).tiny)).any()
    assert seen == [True] * 12
    assert not is_zero()


CODE = """
import numpy, torch
from spenser_gee.network.denormals import flushed_denormals, start_threads
small = torch.from_numpy(numpy.full(2**22, 1e-39, dtype=numpy.float32))  # by numpy: no thread of torch is started
torch.set_num_threads(2)
{first}
with flushed_denormals():
    left = small * 1.0
print(numpy.count_nonzero(left.numpy()))
"""


@pytest.mark.parametrize(
    ("first", "flushed"), [("start_threads()", True), ("torch.ones(2**22).add_(1)", False)]
)
def test_all_threads_or_those_that_were_there_before_do_not(first: str, flushed: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(first=first)], capture_output=True, text=True, check=True
    )
    assert (int(done.stdout) == 0) == flushed
