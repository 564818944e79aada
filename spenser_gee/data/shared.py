"""Labelled images that processes share: written once into memory, mapped by whoever gets the open file."""

from __future__ import annotations

import math
import mmap
import os
import tempfile
import weakref
from collections.abc import Sequence
from typing import IO, Any

import torch

from spenser_gee.data.image_data import ImageData
from spenser_gee.errors import input_error

_LABEL_BYTES = 8


class SharedImages:
    """A copy of `data` in a file that has no name, so nothing is left of it once the last process that holds it
    has ended, in whatever way. Under Linux it lies in memory, elsewhere in the folder for temporary files.

    descriptor: of the open file, which is closed with this object. What has been mapped stays.

    Raises InputError where there is no room for the copy.
    """

    def __init__(self, data: ImageData) -> None:
        self.shape: tuple[int, ...] = tuple(data.images.shape)
        try:
            file = _nameless_file()
            weakref.finalize(self, file.close)
            # The labels first: they need an address that is a multiple of eight.
            for tensor in (data.labels, data.images):
                rest = tensor.cpu().contiguous().numpy().data.cast("B")
                while rest:  # The system may take a part only.
                    rest = rest[file.write(rest) :]
        except OSError as error:
            raise input_error(
                "data",
                f"no room for a copy of the images that workers can read: {error.strerror}",
                "Free some memory (outside Linux: space for temporary files).",
            ) from None
        self.descriptor: int = file.fileno()

    @property
    def address(self) -> dict[str, Any]:
        """The arguments of `map_images`, JSON-able, for a process that has the same descriptor."""
        return {"descriptor": self.descriptor, "shape": list(self.shape)}


def map_images(descriptor: int, shape: Sequence[int]) -> ImageData:
    """The images and labels of a `SharedImages`, without a copy; shape: of the images, (N, C, H, W).

    All processes read the same pages of memory. The pages are private where somebody writes, as torch wants
    writable memory: a process can spoil its own view only.
    """
    count = shape[0]
    memory = mmap.mmap(descriptor, _LABEL_BYTES * count + math.prod(shape), access=mmap.ACCESS_COPY)
    labels = torch.frombuffer(memory, dtype=torch.int64, count=count)
    images = torch.frombuffer(memory, dtype=torch.uint8, offset=_LABEL_BYTES * count)
    return ImageData(images.reshape(tuple(shape)), labels)


def _nameless_file() -> IO[bytes]:
    # Unbuffered: what could not be written is not tried again when the file is closed.
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("spenser_gee images"), "w+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)
