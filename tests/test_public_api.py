"""The package's own names: all there, and quick to import."""

from __future__ import annotations

import subprocess
import sys

import spenser_gee


def test_every_public_name_resolves() -> None:
    assert set(spenser_gee.__all__) == set(spenser_gee._HOMES)
    for name in spenser_gee.__all__:
        assert getattr(spenser_gee, name).__name__ == name


def test_importing_the_package_imports_no_torch() -> None:
    code = "import sys, spenser_gee; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
