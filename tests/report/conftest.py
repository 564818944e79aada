"""Makes `tiny_runs` importable here."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "session"))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run. Not to be changed: copy it."""
    from tiny_runs import tiny_run

    return tiny_run(tmp_path_factory.mktemp("finished"), "run")
