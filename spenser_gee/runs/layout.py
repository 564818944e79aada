"""Where the parts of a run lie in its folder."""

from __future__ import annotations

from pathlib import Path


class RunPaths:
    """Every path of a run folder, whether there is something or not."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # The resolved configuration, the grammar's text, and the sentence of the first parent, if the run was given one.
        self.config_file = path / "config.yaml"
        self.grammar_file = path / "grammar.lark"
        self.first_parent = path / "start.net"
        # What the data are: classes, sizes, content.
        self.data_file = path / "data.json"
        # Versions, hardware, command.
        self.environment_file = path / "environment.json"
        # Everything that happened, see `database`.
        self.database_file = path / "run.sqlite"
        # Held by the process that writes.
        self.lock_file = path / "lock"
        # Trained weights of candidates; of the best, of the one trained last, of the best after its final training.
        self.weights_folder = path / "weights"
        self.best_weights = path / "best.safetensors"
        self.last_weights = path / "last.safetensors"
        self.final_weights = path / "final.safetensors"
        self.report_file = path / "report.html"

    def retrained_weights(self, candidate: int | None) -> Path:
        """Of a candidate (None: the best) that `train` trained anew from its birth."""
        return self.path / f"retrained{'' if candidate is None else f'-{candidate}'}.safetensors"
