"""The worker process: makes its evaluate function once, then serves jobs until its driver is gone.

Messages are JSON over one socket. Driver to worker: {"factory", "arguments"} once, then {"payload",
"timeout_s"} for each job. Worker to driver: {"ready": true} or {"start_error": [findings], "traceback"}, then
the values of one `Evaluation` for each job.
"""

from __future__ import annotations

import dataclasses
import json
import os
import queue
import signal
import threading
from multiprocessing.connection import Connection

from spenser_gee.execution.guard import encode, guarded
from spenser_gee.execution.jobs import WorkerStart, WorkerStartError, import_evaluate
from spenser_gee.streams import guard_streams, keep_going


def main(descriptor: int) -> None:
    """Serve the driver at the other end of the socket `descriptor`."""
    guard_streams()
    keep_going()
    # Ctrl-C is the driver's to handle: it saves the run and kills its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.set_inheritable(descriptor, False)
    connection: Connection = Connection(descriptor)
    inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(connection, inbox), daemon=True).start()
    try:
        evaluate = import_evaluate(WorkerStart(**json.loads(inbox.get())))
    except WorkerStartError as error:
        findings = [dataclasses.asdict(finding) for finding in error.findings]
        connection.send_bytes(encode({"start_error": findings, "traceback": error.traceback_text}))
        return
    connection.send_bytes(encode({"ready": True}))
    name = f"process {os.getpid()}"
    while True:
        job = json.loads(inbox.get())
        connection.send_bytes(encode(guarded(evaluate, job["payload"], job["timeout_s"], name)))


def _read(connection: Connection, inbox: queue.SimpleQueue[bytes]) -> None:
    """Pass messages on. The end of the socket means that the driver is gone, however it died: exit at once,
    in the middle of an evaluation too, so that no orphan goes on computing."""
    try:
        while True:
            inbox.put(connection.recv_bytes())
    except (EOFError, OSError):
        os._exit(0)
