"""The report on a run: its sections in one HTML file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from spenser_gee.atomic import write_text
from spenser_gee.comparison.folder import load_results
from spenser_gee.errors import input_error
from spenser_gee.report.comparison.sections import comparison_sections
from spenser_gee.report.drawing.extra import require_libraries
from spenser_gee.report.drawing.page import GENERATOR, render
from spenser_gee.report.drawing.section import Section
from spenser_gee.report.run.activity import activity_sections
from spenser_gee.report.run.architecture import architecture_section
from spenser_gee.report.run.evolution import evolution_section
from spenser_gee.report.run.failures import failures_section
from spenser_gee.report.run.family import family_section
from spenser_gee.report.run.inner_search import inner_search_section
from spenser_gee.report.run.overview import overview_section, repeat_section
from spenser_gee.report.run.preferences import preferences_section
from spenser_gee.report.run.time import time_section
from spenser_gee.runs.store import RunFolder

# The mark stands among the first lines of a page.
_HEAD_BYTES = 1000


def write_report(run: Path, comparison: Path | None, out: Path, data_root: str | None) -> Path:
    """Writes the page to `out` and returns it. An earlier report there is replaced, nothing else is.

    Args:
        comparison: a comparison's folder, whose results are shown too.
        data_root: where the run's data lie, for what the trained network does with them.
    Raises InputError.
    """
    require_libraries()
    _require_ours(out)
    with RunFolder.open(run) as folder, folder.trusting():
        sections = [section for section in _sections(folder, data_root) if section is not None]
    if comparison is not None:
        sections[-1:-1] = comparison_sections(load_results(comparison))
    page = render(f"Run {folder.path.resolve().name}", sections)
    try:
        write_text(out, page)
    except OSError as error:
        problem = f"the report cannot be written: {error.strerror}"
        raise input_error(str(out), problem, "name another file with --out") from error
    return out


def _sections(run: RunFolder, data_root: str | None) -> Iterator[Section | None]:
    yield overview_section(run)
    yield evolution_section(run)
    yield architecture_section(run)
    yield from activity_sections(run, data_root)
    yield family_section(run)
    yield preferences_section(run)
    yield inner_search_section(run)
    yield failures_section(run)
    yield time_section(run)
    yield repeat_section(run)


def _require_ours(out: Path) -> None:
    if out.is_dir():
        raise input_error(str(out), "this is a folder; a report is one file", "name a file with --out")
    if not out.exists():
        return
    try:
        with out.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise input_error(
            str(out), f"cannot be read: {error.strerror}", "name another file with --out"
        ) from error
    if f'name="generator" content="{GENERATOR}"'.encode() not in head:
        raise input_error(
            str(out),
            "there is a file that is no report of ours, and it is not replaced",
            "name another file with --out",
        )
