"""What only `runs/` may do."""

from __future__ import annotations

import re
from pathlib import Path

import spenser_gee

PACKAGE = Path(spenser_gee.__file__).parent
# The words of statements, and the call that sends them.
SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE FROM|CREATE TABLE|PRAGMA)\b|\.rows\(|\bsqlite3\b")


def test_sql_is_written_in_runs_only() -> None:
    found = {
        str(file.relative_to(PACKAGE)): sorted({match[0] for match in SQL.finditer(file.read_text())})
        for file in PACKAGE.rglob("*.py")
        if PACKAGE / "runs" not in file.parents and SQL.search(file.read_text())
    }
    assert found == {}


def test_names_of_files_in_a_run_folder_are_written_in_one_place() -> None:
    names = re.compile(
        r'"(run\.sqlite|best\.safetensors|last\.safetensors|final\.safetensors|environment\.json)"'
    )
    found = {str(f.relative_to(PACKAGE)) for f in PACKAGE.rglob("*.py") if names.search(f.read_text())}
    # The comparison has files of its own that are named alike, and asks for a run's database by its name.
    assert found - {"comparison/random_searches.py"} == {"runs/layout.py"}
