"""Padding, striding and averaging in the words of NIR: symmetric padding and square kernels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spenser_gee.export.weights import Array

Pair = tuple[int, int]


class Window(NamedTuple):
    """A kernel of `wide` x `wide` with symmetric padding that holds a smaller one, moved in by `inset`."""

    wide: int
    padding: Pair
    inset: Pair

    def embed(self, kernel: Array) -> Array:
        """kernel (out, in, k, k) in one of (out, in, wide, wide), 0 around it."""
        around = [(i, self.wide - kernel.shape[-1] - i) for i in self.inset]
        return np.pad(kernel, [(0, 0), (0, 0), *around])


def window(size: Pair, out: Pair, kernel: int, stride: Pair, before: Pair) -> Window | None:
    """The smallest window with which a convolution of maps of `size` gives `out`, where output i reads from input
    i * stride - before on. None: there is none.

    Square, because nir 1.0.8 works out the shape behind a Conv2d from the kernel's height alone.
    """
    for wide in range(kernel, kernel + max(size) + 2):
        padding = [
            _padding(size[d], out[d], wide, stride[d], range(before[d], before[d] + wide - kernel + 1))
            for d in (0, 1)
        ]
        if padding[0] is not None and padding[1] is not None:
            inset = (padding[0] - before[0], padding[1] - before[1])
            return Window(wide, (padding[0], padding[1]), inset)
    return None


def _padding(size: int, out: int, wide: int, stride: int, tried: range) -> int | None:
    return next((p for p in tried if (size + 2 * p - wide) // stride + 1 == out), None)


def subsample_stride(size: int, count: int) -> int | None:
    """The stride s for which floor(i * size / count) = i * s for all i < count; None: there is none."""
    starts = np.arange(count) * size // count
    stride = int(starts[1]) if count > 1 else size
    return stride if np.array_equal(starts, np.arange(count) * stride) else None


def average_windows(size: int, count: int) -> tuple[int, int] | None:
    """(window, stride) of an adaptive average over `size` values with `count` outputs; None where windows differ.

    Output i is the mean from floor(i * size / count) to below ceil((i + 1) * size / count), as in PyTorch.
    """
    starts, ends = _adaptive(size, count)
    wide, stride = int(ends[0]), int(starts[1]) if count > 1 else size
    equal = np.all(ends - starts == wide) and np.array_equal(starts, np.arange(count) * stride)
    return (wide, stride) if equal and (size - wide) // stride + 1 == count else None


def average_matrix(size: int, count: int) -> Array:
    """(count, size): the adaptive average as a matrix."""
    starts, ends = _adaptive(size, count)
    where = np.arange(size)
    inside = (where >= starts[:, None]) & (where < ends[:, None])
    matrix: Array = inside / inside.sum(1, keepdims=True)
    return matrix


def _adaptive(size: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    index = np.arange(count)
    return index * size // count, -(-(index + 1) * size // count)
