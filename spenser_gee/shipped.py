"""Where the grammars and configurations that come with the program lie."""

from __future__ import annotations

import sys
from pathlib import Path


def shipped_folder(name: str) -> Path:
    """`grammars` or `configs`: beside the package in a checkout, else where an installed wheel puts them."""
    beside = Path(__file__).resolve().parent.parent / name
    return beside if beside.is_dir() else Path(sys.prefix) / "share" / "spenser_gee" / name
