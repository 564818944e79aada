"""The package's own names: all there, and quick to import."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys

import spenser_gee


def test_every_public_name_resolves() -> None:
    assert set(spenser_gee.__all__) == set(spenser_gee._HOMES)
    for name in spenser_gee.__all__:
        assert getattr(spenser_gee, name).__name__ == name


def test_public_functions_say_what_they_take_give_and_refuse() -> None:
    for name in spenser_gee.__all__:
        public = getattr(spenser_gee, name)
        if not inspect.isfunction(public):
            continue
        said = inspect.getdoc(public) or ""
        assert "\nArgs:\n" in said, name
        assert "\nReturns:\n" in said, name
        for parameter in inspect.signature(public).parameters:
            assert re.search(rf"^ .*\b{parameter}\b.*:", said, re.MULTILINE), (name, parameter)


def test_importing_the_package_imports_no_torch() -> None:
    code = "import sys, spenser_gee; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
