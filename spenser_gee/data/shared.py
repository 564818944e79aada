"""Labelled samples that processes share: written once into memory, mapped by whoever gets the open file."""

from __future__ import annotations

import math
import mmap
import os
import tempfile
import weakref
from typing import IO, Literal

import torch
from typing_extensions import TypedDict

from spenser_gee.data.samples import Samples
from spenser_gee.errors import input_error

_LABEL_BYTES = 8


class SharedHandle(TypedDict):
    """For a process of this host that has the same descriptor. shape and dtype: of the inputs."""

    kind: Literal["shared memory"]
    descriptor: int
    shape: list[int]
    dtype: str


class SharedSamples:
    """A copy of `data` in a file that has no name, so nothing is left of it once the last process that holds it
    has ended, in whatever way. Under Linux it lies in memory, elsewhere in the folder for temporary files.

    descriptor: of the open file, which is closed with this object. What has been mapped stays.
    handle: for `map_samples`, JSON-able.

    Raises InputError where there is no room for the copy.
    """

    def __init__(self, data: Samples) -> None:
        try:
            file = _nameless_file()
            weakref.finalize(self, file.close)
            # The labels first: they need an address that is a multiple of eight.
            for tensor in (data.labels, data.inputs):
                rest = tensor.cpu().contiguous().numpy().data.cast("B")
                while rest:  # The system may take a part only.
                    rest = rest[file.write(rest) :]
        except OSError as error:
            raise input_error(
                "data",
                f"no room for a copy of the data that workers can read: {error.strerror}",
                "Free some memory (outside Linux: space for temporary files).",
            ) from None
        self.descriptor: int = file.fileno()
        self.handle: SharedHandle = {
            "kind": "shared memory",
            "descriptor": self.descriptor,
            "shape": list(data.inputs.shape),
            "dtype": str(data.inputs.dtype).removeprefix("torch."),
        }


def map_samples(handle: SharedHandle) -> Samples:
    """The inputs and labels of a `SharedSamples`, without a copy.

    All processes read the same pages of memory. The pages are private where somebody writes, as torch wants
    writable memory: a process can spoil its own view only.
    """
    shape, kind = handle["shape"], getattr(torch, handle["dtype"])
    count = shape[0]
    size = _LABEL_BYTES * count + math.prod(shape) * kind.itemsize
    memory = mmap.mmap(handle["descriptor"], size, access=mmap.ACCESS_COPY)
    labels = torch.frombuffer(memory, dtype=torch.int64, count=count)
    inputs = torch.frombuffer(memory, dtype=kind, offset=_LABEL_BYTES * count)
    return Samples(inputs.reshape(shape), labels)


def _nameless_file() -> IO[bytes]:
    # Unbuffered: what could not be written is not tried again when the file is closed.
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("spenser_gee images"), "w+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)
