"""A run from beginning to end: set up, search, train the best further, test it once; and resuming all that."""

from spenser_gee.session.reporter import Reporter, Silent
from spenser_gee.session.resume import resume_run
from spenser_gee.session.start import start_run

__all__ = ["Reporter", "Silent", "resume_run", "start_run"]
