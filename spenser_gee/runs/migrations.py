"""What earlier versions wrote into a run folder, brought up to date: its configuration, and its database's schema."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import Any


def upgrade_config(values: dict[str, Any]) -> None:
    """Says in today's keys what a run's whole configuration said when it was written; one of today stays as it is."""
    _section(values, "training").pop("abandon", None)
    search = _section(values, "search")
    search.setdefault("finalists", 0)
    mutation = _section(search, "mutation")
    if mutation.get("preset") == "default":
        mutation["preset"] = "spenser-relative"


def _section(values: dict[str, Any], name: str) -> dict[str, Any]:
    """An empty one where the file holds something else: who reads the configuration says so."""
    found = values.get(name)
    return found if isinstance(found, dict) else {}


def _objectives_are_declared(connection: sqlite3.Connection) -> None:
    """1 -> 2: one fitness among other figures becomes declared objectives with their errors, beside measures; what
    steered the program in `details` becomes columns; a generation has a front; a genotype is values, no text."""
    for column in (
        "errors_json TEXT NOT NULL DEFAULT '{}'",
        "measures_json TEXT NOT NULL DEFAULT '{}'",
        "curve_json TEXT NOT NULL DEFAULT '[]'",
        "same_as INTEGER",
    ):
        connection.execute(f"ALTER TABLE evaluations ADD COLUMN {column}")
    for column in ("front_json TEXT NOT NULL DEFAULT '[]'", "means_json TEXT NOT NULL DEFAULT '{}'"):
        connection.execute(f"ALTER TABLE generations ADD COLUMN {column}")
    _candidates(connection)
    _evaluations(connection)
    _generations(connection)
    _states(connection)
    connection.execute("ALTER TABLE evaluations DROP COLUMN fitness")
    for name in ("best_id", "best_fitness", "best_mean", "best_standard_error", "mean_fitness"):
        connection.execute(f"ALTER TABLE generations DROP COLUMN {name}")


def _candidates(connection: sqlite3.Connection) -> None:
    for row in connection.execute("SELECT id, genotype_json FROM candidates").fetchall():
        connection.execute(
            "UPDATE candidates SET genotype_json = ? WHERE id = ?",
            (json.dumps(_values(json.loads(row["genotype_json"]))), row["id"]),
        )


def _evaluations(connection: sqlite3.Connection) -> None:
    query = "SELECT rowid, status, objectives_json, details_json FROM evaluations"
    for row in connection.execute(query).fetchall():
        measures, details = json.loads(row["objectives_json"]), json.loads(row["details_json"])
        objectives = {"fitness": measures.pop("fitness")} if row["status"] == "complete" else {}
        error = measures.pop("standard_error", None)
        curve, same_as = details.pop("curve", []), details.pop("same_network_as", None)
        for key in ("not_evaluated", "worker_spent", "inner_generations"):
            details.pop(key, None)
        connection.execute(
            "UPDATE evaluations SET objectives_json = ?, errors_json = ?, measures_json = ?, details_json = ?,"
            " curve_json = ?, same_as = ? WHERE rowid = ?",
            (
                json.dumps(objectives),
                json.dumps({} if error is None else {"fitness": error}),
                json.dumps(measures),
                json.dumps(details),
                json.dumps(curve),
                same_as,
                row["rowid"],
            ),
        )


def _generations(connection: sqlite3.Connection) -> None:
    for row in connection.execute("SELECT * FROM generations").fetchall():
        front = []
        if row["best_id"] is not None:
            error = row["best_standard_error"]
            front.append(
                {
                    "id": row["best_id"],
                    "trained": _trained(connection, row["best_id"], row["generation"]),
                    "latest": {"fitness": row["best_fitness"]},
                    "means": {"fitness": row["best_mean"]},
                    "errors": {} if error is None else {"fitness": error},
                }
            )
        mean = row["mean_fitness"]
        connection.execute(
            "UPDATE generations SET front_json = ?, means_json = ? WHERE generation = ?",
            (json.dumps(front), json.dumps({} if mean is None else {"fitness": mean}), row["generation"]),
        )


def _states(connection: sqlite3.Connection) -> None:
    for row in connection.execute("SELECT generation, state_json FROM state").fetchall():
        state = json.loads(row["state_json"])
        if state["elite"] is not None:
            candidate = state["elite"]["candidate"]
            candidate["genotype"] = _values(candidate["genotype"])
            state["elite"]["trained"] = _trained(connection, candidate["id"], row["generation"])
        connection.execute(
            "UPDATE state SET state_json = ? WHERE generation = ?", (json.dumps(state), row["generation"])
        )


def _trained(connection: sqlite3.Connection, candidate: int, generation: int) -> int:
    """The last generation up to this one in which the candidate was complete."""
    query = (
        "SELECT max(generation) FROM evaluations WHERE candidate_id = ? AND generation <= ?"
        " AND evaluated AND status = 'complete'"
    )
    return int(connection.execute(query, (candidate, generation)).fetchone()[0])


def _values(genotype: Any) -> Any:
    """It was JSON in JSON."""
    return json.loads(genotype) if isinstance(genotype, str) else genotype


def _standings_have_draws(connection: sqlite3.Connection) -> None:
    """2 -> 3: a standing names its draw, which was that of its generation; only the last state is kept, and the elite
    in it holds values by objective."""
    for row in connection.execute("SELECT generation, front_json FROM generations").fetchall():
        front = [{**standing, "draw": standing["trained"]} for standing in json.loads(row["front_json"])]
        connection.execute(
            "UPDATE generations SET front_json = ? WHERE generation = ?",
            (json.dumps(front), row["generation"]),
        )
    connection.execute("DELETE FROM state WHERE generation < (SELECT max(generation) FROM state)")
    for row in connection.execute("SELECT generation, state_json FROM state").fetchall():
        state = json.loads(row["state_json"])
        state["leading"], elite = [], state["elite"]
        if elite is not None:
            last = "SELECT objectives_json, errors_json FROM evaluations WHERE candidate_id = ? AND generation = ?"
            found = connection.execute(last, (elite["candidate"]["id"], elite["trained"])).fetchone()
            (name,) = json.loads(found["objectives_json"])
            elite["values"] = [{name: score} for score in elite.pop("scores")]
            elite["errors"], elite["draw"] = json.loads(found["errors_json"]), elite["trained"]
        connection.execute(
            "UPDATE state SET state_json = ? WHERE generation = ?", (json.dumps(state), row["generation"])
        )


MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {
    1: _objectives_are_declared,
    2: _standings_have_draws,
}
"""From version n to n + 1, by n. Each has an old run folder among the tests. It changes the tables and what is in them;
the transaction and the version's number are not its business."""
