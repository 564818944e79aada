"""The libraries that only the report needs."""

from importlib.util import find_spec

from spenser_gee.errors import input_error

LIBRARIES = ("matplotlib", "jinja2")


def require_libraries() -> None:
    """Raises InputError where a library of the extra `report` is missing."""
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing:
        raise input_error(
            "report", f"{' and '.join(missing)} is not installed", 'pip install "spenser-gee[report]"'
        )
