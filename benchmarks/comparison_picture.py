"""Draws accuracy against parameters from the results of a comparison, as an SVG file.

    python benchmarks/comparison_picture.py docs/results/comparison --out docs/results/comparison/accuracy.svg

FOLDER is that of a comparison, or any with its results.json; needs the extra [report].
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from spenser_gee.atomic import write_text
from spenser_gee.comparison.folder import load_results
from spenser_gee.errors import input_error, run_script
from spenser_gee.report.comparison.picture import size_picture


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(argv)
    results = load_results(options.folder)
    try:
        picture = size_picture(results)
    except ValueError as error:
        raise input_error(str(options.folder), str(error), "Let a training finish: compare.") from None
    write_text(options.out, picture)


if __name__ == "__main__":
    run_script(main)
