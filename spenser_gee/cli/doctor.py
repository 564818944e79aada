"""`doctor`: what this installation can use, what it uses, and whether it computes what it should."""

from __future__ import annotations

import os
import platform
from typing import Any

import torch

from spenser_gee.cli.console import output, print_json
from spenser_gee.network.backends import describe_backends, resolve_backend
from spenser_gee.network.device import choose_device
from spenser_gee.network.self_check import deviation
from spenser_gee.runs.environment import describe_environment


def doctor_command(as_json: bool) -> None:
    """See `app.doctor`."""
    facts = _facts()
    if as_json:
        print_json(facts)
        return
    for name, value in facts.items():
        if isinstance(value, dict):
            output.print(f"{name}:")
            for key, text in value.items():
                output.print(f"  {key}: {text}")
        else:
            output.print(f"{name}: {value}")


def _facts() -> dict[str, Any]:
    device = choose_device("auto")
    used = resolve_backend("auto", device)
    environment = describe_environment(0)
    return {
        "python": platform.python_version(),
        "packages": {name: version or "not installed" for name, version in environment["packages"].items()},
        "device": f"{device.type} ({_device_name(device)})",
        "cores": f"{os.cpu_count()}; torch uses {torch.get_num_threads()} threads",
        "backends": describe_backends(),
        "backend in use": used,
        "check": deviation(used, device),
    }


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"
