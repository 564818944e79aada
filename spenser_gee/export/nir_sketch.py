"""A NIR graph while it is drawn: nodes, edges, signals, and what could not be said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spenser_gee.errors import Finding, Place
from spenser_gee.export.nir_geometry import Pair, Window
from spenser_gee.export.weights import Array


@dataclass(frozen=True)
class Block:
    """Some channels of a signal: the outputs of `nodes`, added up.

    shape: (channels, height, width), or (channels,) behind a fully connected layer. binary: whether all values are
    known to be 0 or 1.
    """

    nodes: tuple[str, ...]
    shape: tuple[int, ...]
    binary: bool = False

    @property
    def flat(self) -> bool:
        """Whether it has no map any more."""
        return len(self.shape) == 1

    @property
    def map_size(self) -> Pair:
        """(height, width); (1, 1) of a flat one."""
        return (1, 1) if self.flat else (self.shape[1], self.shape[2])


# NIR has no concatenation: channels that are concatenated stay blocks side by side, in order, up to the next weights.
Signal = tuple[Block, ...]


@dataclass
class Sketch:
    """nir: the package. rates: dt / tau of the neurons that have a tau. remarks: what was changed in form. refusals:
    what NIR cannot say; then there is no graph."""

    nir: Any
    where: str
    nodes: dict[str, Any] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    rates: dict[str, float] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    refusals: list[Finding] = field(default_factory=list)

    def remark(self, layer: str, text: str) -> None:
        """A line for the person."""
        self.remarks.append(f"{layer}: {text}")

    def refuse(self, layer: str, problem: str, remedy: str) -> None:
        """One thing that keeps the network from being written."""
        self.refusals.append(Finding(Place(f"{self.where}, {layer}"), problem, remedy))

    def put(
        self, name: str, node: Any, block: Block, shape: tuple[int, ...], *, binary: bool = False
    ) -> Block:
        """A node that reads a block. Its name gets a number where it is taken."""
        taken, count = name, 1
        while taken in self.nodes:
            count += 1
            taken = f"{name}_{count}"
        self.nodes[taken] = node
        self.edges += [(source, taken) for source in block.nodes]
        return Block((taken,), shape, binary)

    def plus(self, one: Block, other: Block) -> Block:
        """Their sum: NIR adds up all edges into a node. The same edge cannot be there twice, so it gets a node."""
        nodes = list(one.nodes)
        for node in other.nodes:
            if node in nodes:
                node = self.mix(f"{node}_again", Block((node,), other.shape), np.eye(other.shape[0])).nodes[0]
            nodes.append(node)
        return Block(tuple(nodes), one.shape)

    def flatten(self, name: str, block: Block) -> Block:
        """Without its map; values in the order channel, row, column."""
        if block.flat:
            return block
        node = self.nir.Flatten(input_type={"input": np.array(block.shape)}, start_dim=0, end_dim=-1)
        return self.put(name, node, block, (int(np.prod(block.shape)),), binary=block.binary)

    def affine(self, name: str, block: Block, weight: Array, bias: Array | None) -> Block:
        """weight (out, in) times a flat block."""
        nir = self.nir
        node = nir.Linear(weight=weight) if bias is None else nir.Affine(weight=weight, bias=bias)
        return self.put(name, node, block, (weight.shape[0],))

    def convolve(
        self,
        name: str,
        block: Block,
        weight: Array,
        bias: Array | None,
        window: Window,
        stride: Pair,
        out: Pair,
    ) -> Block:
        """weight (out, in, k, k) over a block; `window` says where it lies, `out` is the size of the result."""
        channels = weight.shape[0]
        node = self.nir.Conv2d(
            input_shape=block.map_size,
            weight=window.embed(weight),
            stride=stride,
            padding=window.padding,
            dilation=(1, 1),
            groups=1,
            bias=np.zeros(channels) if bias is None else bias,
        )
        return self.put(name, node, block, (channels, *out))

    def mix(self, name: str, block: Block, weight: Array, bias: Array | None = None) -> Block:
        """weight (out, in) over the channels, at each position alone."""
        if block.flat:
            return self.affine(name, block, weight, bias)
        return self.convolve(
            name, block, weight[:, :, None, None], bias, Window(1, (0, 0), (0, 0)), (1, 1), block.map_size
        )

    def pool(
        self, name: str, block: Block, size: Pair, stride: Pair, out: Pair, *, mean: bool = True
    ) -> Block:
        """Mean, or sum, over windows."""
        kind = self.nir.AvgPool2d if mean else self.nir.SumPool2d
        node = kind(kernel_size=np.array(size), stride=np.array(stride), padding=np.array((0, 0)))
        return self.put(name, node, block, (block.shape[0], *out))

    def threshold(self, name: str, block: Block, level: float) -> Block:
        """1 where a block is above the level, else 0."""
        node = self.nir.Threshold(threshold=np.full(block.shape, level, np.float32))
        return self.put(name, node, block, block.shape, binary=True)

    def merge(self, name: str, signal: Signal) -> Block:
        """One block of them all, by a weight of 0 and 1."""
        if len(signal) == 1:
            return signal[0]
        return self.mix_all(name, signal, np.eye(sum(block.shape[0] for block in signal)))

    def mix_all(self, name: str, signal: Signal, weight: Array) -> Block:
        """weight (out, in) over the channels of all blocks, as one block."""
        return total([self.mix(name, block, weight[:, part]) for block, part in parts(signal)])


def parts(signal: Signal) -> Iterator[tuple[Block, slice]]:
    """Each block, with its channels among those of the signal."""
    start = 0
    for block in signal:
        yield block, slice(start, start + block.shape[0])
        start += block.shape[0]


def stand_in(signal: Signal, size: Pair) -> Signal:
    """Of the right shape, for the walk to go on after a refusal."""
    return tuple(Block(block.nodes, (block.shape[0], *size)) for block in signal)


def total(blocks: list[Block]) -> Block:
    """The sum of blocks whose nodes are all different."""
    return Block(tuple(node for block in blocks for node in block.nodes), blocks[0].shape)
