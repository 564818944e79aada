"""Makes `tiny_runs` and `made_runs` importable here."""

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent.parent / name) for name in ("session", "report")]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run. Not to be changed: copy it."""
    from tiny_runs import tiny_run

    return tiny_run(tmp_path_factory.mktemp("finished"), "run")
