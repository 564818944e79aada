"""`init`: a grammar and a configuration to begin with."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from spenser_gee.atomic import missing_folders, take_away, write_text
from spenser_gee.cli.console import output
from spenser_gee.errors import InputError, input_error
from spenser_gee.paths import shipped_folder


def init_command(folder: Path) -> None:
    """See `app.init`."""
    grammar = (shipped_folder("grammars") / "digits.lark").read_text(encoding="utf-8")
    config = (shipped_folder("configs") / "digits.yaml").read_text(encoding="utf-8")
    # A path in a configuration is looked for beside it.
    config = re.sub(r"(?m)^grammar: .*$", "grammar: grammar.lark", config)
    made = missing_folders(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        occupied = any(folder.iterdir())
    except OSError as error:
        raise _unwritable(folder, error) from None
    if occupied:
        raise input_error(str(folder), "the folder is not empty", "Name a new one.")
    try:
        write_text(folder / "grammar.lark", grammar)
        write_text(folder / "config.yaml", config)
    except OSError as error:
        take_away(folder, made)
        raise _unwritable(folder, error) from None
    files = [shlex.quote(str(folder / name)) for name in ("config.yaml", "grammar.lark")]
    output.print(
        f"{folder}: config.yaml and grammar.lark, for the digits that come with scikit-learn. What next:\n"
        f"  python -m spenser_gee run {files[0]}\n"
        f"  python -m spenser_gee grammar check {files[1]} --shape 1x8x8\n"
        f"  python -m spenser_gee config check {files[0]}"
    )


def _unwritable(folder: Path, error: OSError) -> InputError:
    return input_error(str(folder), f"nothing can be written here: {error.strerror}", "Name another folder.")
