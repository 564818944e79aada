"""The weight files of a run: only their names and places; who trains writes them."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from spenser_gee.atomic import TEMPORARY_SUFFIX, atomic_path
from spenser_gee.runs.layout import RunPaths


class WeightFiles(RunPaths):
    """Named by candidate and generation: a parent is trained again in every generation, while its offspring still read
    the weights of the one before."""

    def weights_path(self, candidate_id: int, generation: int) -> Path:
        """Where the weights of a candidate belong that was trained in this generation."""
        return self.weights_folder / f"candidate-{candidate_id:06d}-{generation:05d}.safetensors"

    def newest_weights(self, candidate_id: int) -> Path | None:
        """Of a candidate, as far as they are kept."""
        return max(self.weights_folder.glob(f"candidate-{candidate_id:06d}-*.safetensors"), default=None)

    def publish_weights(self, source: Path, target: Path) -> None:
        """Make `target` (`best_weights`, `last_weights`) a copy of a candidate's weights, if they are there."""
        if source.is_file():
            with atomic_path(target) as temporary:
                shutil.copyfile(source, temporary)

    def keep_weights(self, kept: Iterable[tuple[int, int]]) -> None:
        """Remove the weights of all but these (candidate, generation), and what interrupted writers left."""
        names = {self.weights_path(*which).name for which in kept}
        for file in self.weights_folder.glob("*"):
            abandoned = file.name.endswith(TEMPORARY_SUFFIX)
            if abandoned or (file.name.startswith("candidate-") and file.name not in names):
                file.unlink(missing_ok=True)
