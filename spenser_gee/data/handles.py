"""Handles on samples: JSON-able values with which a worker opens data that another process has."""

from __future__ import annotations

from typing import Any, Literal, assert_never

from typing_extensions import TypedDict

from spenser_gee.config import Data
from spenser_gee.data.datasets import load_data
from spenser_gee.data.identity import Identity, require_same
from spenser_gee.data.samples import Samples
from spenser_gee.data.shared import SharedHandle, map_samples


class ReloadHandle(TypedDict):
    """For another host: the resolved section on data, the part that is meant, and what the data have to be."""

    kind: Literal["reload"]
    data: dict[str, Any]
    part: Literal["train", "test"]
    identity: dict[str, Any]


DataHandle = SharedHandle | ReloadHandle


def reload_handle(data: Data, part: Literal["train", "test"], identity: Identity) -> ReloadHandle:
    """For a process that reads the data for itself; identity: of the whole data set."""
    return {"kind": "reload", "data": data.model_dump(), "part": part, "identity": identity.to_dict()}


def open_data(handle: DataHandle) -> Samples:
    """The samples of a handle, on the CPU. Raises InputError where data that are read again are missing or others."""
    if handle["kind"] == "shared memory":
        return map_samples(handle)
    if handle["kind"] == "reload":
        section = Data(**handle["data"])
        data = load_data(section)
        require_same(
            handle["identity"], Identity.of(data), f"{section.root or section.dataset}, read by a worker"
        )
        return data.train if handle["part"] == "train" else data.test
    assert_never(handle)
