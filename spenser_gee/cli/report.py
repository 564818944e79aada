"""`report`: a run as one HTML page, and as TensorBoard events."""

from __future__ import annotations

from pathlib import Path

from spenser_gee.report.report import write_report
from spenser_gee.runs.store import RunFolder
from spenser_gee.streams import keep_going


def report_command(
    run: Path, comparison: Path | None, out: Path | None, data_root: str | None, events: Path | None
) -> None:
    """See `app.report`."""
    keep_going()
    print(write_report(run, comparison, out if out is not None else run / "report.html", data_root))
    if events is not None:
        from spenser_gee.report.tensorboard import write_events

        with RunFolder.open(run) as folder, folder.trusting():
            write_events(folder, events)
        print(events)
