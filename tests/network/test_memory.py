"""Large blocks are reused: counted as page faults in a fresh process."""

from __future__ import annotations

import subprocess
import sys

import pytest

COUNT = """
import resource, sys
import torch
from spenser_gee.network.memory import reuse_large_blocks
torch.set_num_threads(1)
if sys.argv[1] == "reuse" and not reuse_large_blocks():
    print("unsupported")
    raise SystemExit
def step():
    return [torch.ones(2**22 * (1 + i % 3)) for i in range(8)]
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(setting: str) -> str:
    run = subprocess.run([sys.executable, "-c", COUNT, setting], capture_output=True, text=True, check=True)
    return run.stdout.strip()


def test_freed_blocks_are_used_again() -> None:
    reused = faults("reuse")
    if reused == "unsupported":
        pytest.skip("the C library is not glibc")
    # Without the setting nearly every block is new memory: 4 steps of 240 MB, in pages of 4 KB.
    assert int(faults("plain")) > 3 * int(reused)
