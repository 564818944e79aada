"""The report on a run: its sections in one HTML file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from spenser_gee.atomic import write_text
from spenser_gee.comparison.folder import load_results
from spenser_gee.data import OtherData
from spenser_gee.errors import InputError, input_error
from spenser_gee.report.comparison.sections import comparison_sections
from spenser_gee.report.drawing.extra import require_libraries
from spenser_gee.report.drawing.page import GENERATOR, render
from spenser_gee.report.drawing.section import Section
from spenser_gee.report.run.activity import activity_sections
from spenser_gee.report.run.architecture import architecture_section
from spenser_gee.report.run.evolution import evolution_section
from spenser_gee.report.run.failures import failures_section
from spenser_gee.report.run.family import family_section
from spenser_gee.report.run.front import front_section
from spenser_gee.report.run.inner_search import inner_search_section
from spenser_gee.report.run.overview import overview_section, repeat_section
from spenser_gee.report.run.preferences import preferences_section
from spenser_gee.report.run.time import time_section
from spenser_gee.runs.database import DatabaseError
from spenser_gee.runs.store import RunFolder

# The mark stands among the first lines of a page.
_HEAD_BYTES = 1000


def write_report(
    run: Path,
    comparison: Path | None,
    out: Path,
    data_root: str | None,
    warn: Callable[[str], None] = lambda text: None,
) -> Path:
    """Writes the page to `out` and returns it. An earlier report there is replaced, nothing else is.

    Args:
        comparison: a comparison's folder, whose results are shown too.
        data_root: where the run's data lie, for what the trained network does with them.
        warn: gets a message for each section that could not be made.
    Raises InputError.
    """
    require_libraries()
    _require_ours(out)
    results = None if comparison is None else load_results(comparison)
    with RunFolder.open(run) as folder:
        makers: dict[str, Callable[[], Iterable[Section | None]]] = {
            "overview": lambda: [overview_section(folder)],
            "evolution": lambda: [evolution_section(folder)],
            "front": lambda: [front_section(folder)],
            "architecture": lambda: [architecture_section(folder)],
            "activity": lambda: activity_sections(folder, data_root),
            "family": lambda: [family_section(folder)],
            "preferences": lambda: [preferences_section(folder)],
            "inner-search": lambda: [inner_search_section(folder)],
            "failures": lambda: [failures_section(folder)],
            "time": lambda: [time_section(folder)],
            "comparison": lambda: [] if results is None else comparison_sections(results),
            "repeat": lambda: [repeat_section(folder)],
        }
        sections = [section for name, make in makers.items() for section in _made(name, make, warn)]
    page = render(f"Run {folder.path.resolve().name}", sections)
    try:
        write_text(out, page)
    except OSError as error:
        problem = f"the report cannot be written: {error.strerror}"
        raise input_error(str(out), problem, "name another file with --out") from error
    return out


def _made(
    name: str, make: Callable[[], Iterable[Section | None]], warn: Callable[[str], None]
) -> list[Section]:
    """The sections, or one that says why there are none. Without the database there is nothing to report, and on other
    data than the run's nothing that is true."""
    try:
        return [section for section in make() if section is not None]
    except (DatabaseError, OtherData):
        raise
    except Exception as error:
        why = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        words = f"this section could not be made: {' '.join(why.split())}"
        warn(f"report: {name}: {words}")
        return [Section(name.replace("-", " ").capitalize(), name, (f"{words[0].upper()}{words[1:]}",))]


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
