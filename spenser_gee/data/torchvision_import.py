"""Import torchvision beside any torch build.

The registry's torchvision wheels are built for CUDA. Beside a CPU torch their compiled operators cannot be
loaded, and `import torchvision` ends with "operator torchvision::nms does not exist", because torchvision
registers a fake kernel for an operator that nobody declared. Declaring the operator is enough for the data
sets and transforms, which are all that this package uses: they are plain Python.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from spenser_gee.errors import input_error

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_OPERATORS = ("nms", "qnms")
_lock = threading.Lock()
# A torch Library withdraws its declarations when it is collected, so it lives as long as the process.
_declared: list[Any] = []


def import_torchvision() -> ModuleType:
    """The torchvision module, imported at the first call.

    Raises:
        InputError: torchvision is not installed.
    """
    with _lock:
        loaded = sys.modules.get("torchvision")
        if loaded is not None:
            return loaded
        spec = importlib.util.find_spec("torchvision")
        if spec is None or spec.origin is None:
            raise input_error(
                "torchvision",
                "expected the package torchvision, which reads the data sets; it is not installed",
                "Install torch and torchvision as a pair, with the version bounds of this package.",
            )
        if not _compiled_operators_load(Path(spec.origin).parent):
            _declare_operators()
        return importlib.import_module("torchvision")


def _compiled_operators_load(package: Path) -> bool:
    operators: Any = torch.ops
    libraries = [*package.glob("_C*.so"), *package.glob("_C*.pyd")]
    try:
        for library in libraries:
            operators.load_library(str(library))
    except OSError:
        return False
    return bool(libraries)


def _declare_operators() -> None:
    missing = [name for name in _OPERATORS if not hasattr(torch.ops.torchvision, name)]
    if missing:
        declare: Any = torch.library.Library  # torch leaves it untyped
        library = declare("torchvision", "FRAGMENT")
        for name in missing:
            library.define(name + _SCHEMA)
        _declared.append(library)
