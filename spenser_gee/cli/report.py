"""`report`: a run as one HTML page, and as TensorBoard events."""

from __future__ import annotations

from pathlib import Path

from spenser_gee.cli.console import say
from spenser_gee.report.report import write_report
from spenser_gee.runs.layout import RunPaths
from spenser_gee.runs.store import RunFolder


def report_command(
    run: Path, comparison: Path | None, out: Path | None, data_root: str | None, events: Path | None
) -> None:
    """See `app.report`."""
    target = out if out is not None else RunPaths(run).report_file
    print(write_report(run, comparison, target, data_root, warn=say))
    if events is not None:
        from spenser_gee.report.tensorboard import write_events

        with RunFolder.open(run) as folder:
            write_events(folder, events)
        print(events)
