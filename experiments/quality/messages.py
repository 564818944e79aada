"""How a script ends that was given bad input: one message, no traceback, exit code 2."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from spenser_gee.errors import InputError


@contextmanager
def bad_input_as_message() -> Iterator[None]:
    """For all that a script does."""
    try:
        yield
    except InputError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
