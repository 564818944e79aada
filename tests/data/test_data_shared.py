"""Images that processes share: the same values, in memory once, and nothing left behind."""

from __future__ import annotations

import gc
import io
import json
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import pytest
import torch

from spenser_gee.data import Samples, SharedSamples, open_data
from spenser_gee.data import shared as module
from spenser_gee.errors import InputError

needs_proc = pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="this system has no /proc")


def random_images(*shape: int) -> Samples:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
    return Samples.of_images(images, torch.randint(-(2**40), 2**40, shape[:1], generator=generator))


def equal(one: Samples, other: Samples) -> bool:
    return torch.equal(one.images, other.images) and torch.equal(one.labels, other.labels)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (7, 3, 5, 4), (1000, 1, 28, 28)])
def test_what_is_mapped_is_what_was_shared(shape: tuple[int, ...]) -> None:
    data = random_images(*shape)
    shared = SharedSamples(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mapped = open_data(json.loads(json.dumps(shared.handle)))
    assert equal(mapped, data)
    assert mapped.images.is_contiguous()


def test_views_are_shared_by_their_values() -> None:
    data = random_images(9, 3, 4, 5)
    turned = Samples.of_images(data.images.transpose(2, 3)[::2], data.labels[::2])
    shared = SharedSamples(turned)
    assert equal(open_data(shared.handle), turned)


def test_the_map_outlives_the_descriptor() -> None:
    data = random_images(50, 1, 8, 8)
    shared = SharedSamples(data)
    mapped = open_data(shared.handle)
    del shared
    gc.collect()
    assert equal(mapped, data)


def test_nobody_can_spoil_the_others_images() -> None:
    data = random_images(50, 1, 8, 8)
    shared = SharedSamples(data)
    mine, theirs = open_data(shared.handle), open_data(shared.handle)
    mine.images.zero_()
    mine.labels.zero_()
    assert equal(theirs, data)
    assert equal(open_data(shared.handle), data)


READER = """
import json, sys
from spenser_gee.data import open_data
data = open_data(json.loads(sys.argv[1]))
total = int(data.images.sum()) + int(data.labels.sum())  # Every page is read.
pages, inside = {}, False
for line in open("/proc/self/smaps"):
    words = line.split()
    if "-" in words[0]:
        inside = "spenser_gee images" in line
        if inside:
            pages["inode"] = int(words[4])
    elif inside and words[0].startswith(("Private", "Shared")):
        pages[words[0].rstrip(":")] = int(words[1])
print(json.dumps({"total": total, **pages}))
"""


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="this system has no files in memory")
@needs_proc
def test_another_process_reads_the_same_memory() -> None:
    data = random_images(2000, 3, 32, 32)
    shared = SharedSamples(data)
    here = open_data(shared.handle)
    assert equal(here, data)  # Read here too: the pages have two users.
    done = subprocess.run(
        [sys.executable, "-c", READER, json.dumps(shared.handle)],
        pass_fds=[shared.descriptor],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found["total"] == int(data.images.sum()) + int(data.labels.sum())
    status = os.fstat(shared.descriptor)
    assert (status.st_ino, status.st_nlink) == (found["inode"], 0)
    kilobytes = data.images.numel() // 1024
    assert found["Shared_Clean"] + found["Shared_Dirty"] >= kilobytes
    assert found["Private_Clean"] + found["Private_Dirty"] == 0


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="this system has no files in memory")
def test_a_file_that_takes_a_part_at_a_time_gets_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(io.FileIO):
        def write(self, rest: memoryview) -> int:
            return super().write(rest[:100])

    monkeypatch.setattr(module, "_nameless_file", lambda: Slow(os.memfd_create("slow"), "r+"))
    data = random_images(50, 1, 8, 8)
    shared = SharedSamples(data)
    assert equal(open_data(shared.handle), data)


@needs_proc
def test_the_file_is_closed_with_its_object() -> None:
    before = len(os.listdir("/proc/self/fd"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(20):
            shared = SharedSamples(random_images(4, 1, 2, 2))
            open_data(shared.handle)
        del shared
        gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


def test_without_files_in_memory_it_is_a_temporary_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    data = random_images(50, 1, 8, 8)
    shared = SharedSamples(data)
    assert os.fstat(shared.descriptor).st_nlink == 0
    assert list(tmp_path.iterdir()) == []
    assert os.fstat(shared.descriptor).st_dev == tmp_path.stat().st_dev
    assert equal(open_data(shared.handle), data)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_no_room_is_an_input_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "memfd_create", lambda name: os.open("/dev/full", os.O_RDWR), raising=False)
    with pytest.raises(InputError, match=r"no room for a copy of the data.*No space left") as caught:
        SharedSamples(random_images(50, 1, 8, 8))
    assert "Free some memory" in (caught.value.findings[0].remedy or "")
