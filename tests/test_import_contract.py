"""Every module stands in the import contract, which counts type-only imports too."""

from __future__ import annotations

import tomllib
from pathlib import Path

import spenser_gee

PACKAGE = Path(spenser_gee.__file__).parent
CONTRACTS = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["tool"]["importlinter"]


def test_every_room_and_every_single_file_has_its_layer() -> None:
    (layers,) = [c for c in CONTRACTS["contracts"] if c["name"] == "Arrows point one way"]
    assert (layers["containers"], layers["exhaustive"]) == (["spenser_gee"], True)
    named = {name.strip() for row in layers["layers"] for name in row.replace("|", ":").split(":")}
    rooms = {folder.name for folder in PACKAGE.iterdir() if (folder / "__init__.py").is_file()}
    files = {file.stem for file in PACKAGE.glob("*.py")} - {"__init__"}
    assert named == rooms | files
    assert "exclude_type_checking_imports" not in CONTRACTS
