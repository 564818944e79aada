from __future__ import annotations

import subprocess
import sys

import pytest

LAZY = """
import sys
import spenser_gee.data as data
assert "torchvision" not in sys.modules, "importing spenser_gee.data imports torchvision"
first = data.import_torchvision()
assert first is data.import_torchvision()
import torchvision.datasets, torchvision.transforms
assert first is torchvision
"""

# The compiled operators cannot be loaded, as beside another build of torch.
DECLARED = """
import torch
from spenser_gee.data import torchvision_import as module
def refuse(path):
    raise OSError("libcudart.so: cannot open shared object file")
torch.ops.load_library = refuse
torchvision = module.import_torchvision()
assert torchvision.datasets.MNIST
assert len(module._declared) == 1
module._declare_operators()
assert len(module._declared) == 1, "declared twice"
schema = str(torch.ops.torchvision.nms.default._schema)
assert schema == "torchvision::nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor", schema
assert torch.ops.torchvision.qnms
"""

# A plain import was tried first; it fails where the builds differ, and must not spoil the remedy.
AFTER_FAILURE = """
try:
    import torchvision
except RuntimeError as error:
    assert "nms" in str(error)
from spenser_gee.data import import_torchvision
assert import_torchvision().datasets.FashionMNIST
"""

# `find_spec` finds no torchvision.
ABSENT = """
import importlib.util
from spenser_gee.data import import_torchvision
from spenser_gee.errors import InputError
importlib.util.find_spec = lambda name: None
try:
    import_torchvision()
except InputError as error:
    assert "not installed" in str(error)
else:
    raise SystemExit("no error")
"""


@pytest.mark.parametrize(
    "program", [LAZY, DECLARED, AFTER_FAILURE, ABSENT], ids=["lazy", "declared", "after-failure", "absent"]
)
def test_import_in_a_fresh_process(program: str) -> None:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
