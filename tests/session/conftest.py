"""Makes `tiny_runs` and what lies above importable here and, through sys.path, in the workers."""

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run. Not to be changed: copy it."""
    from tiny_runs import tiny_run

    return tiny_run(tmp_path_factory.mktemp("finished"), "run")
