"""A search from Python: change a shipped configuration, run it, and use the network that it found.

    python examples/search_from_python.py [RUN_FOLDER]

Half a minute; the 8 x 8 digits come with scikit-learn.
"""

import sys
import tempfile
from pathlib import Path

import spenser_gee


def main(folder: Path) -> None:
    """Two generations of two offspring, 30 training steps each."""
    config = spenser_gee.load_config(
        "configs/digits.yaml",
        [
            "search.generations=2",
            "search.offspring=2",
            "search.workers=0",
            "training.steps=30",
            "final.epochs=2",
        ],
    )
    summary = spenser_gee.start_run(config, folder)
    best = summary["best"]
    print(f"candidate {best['id']}: fitness {best['fitness']:.3f}, test accuracy {best['test_accuracy']:.3f}")
    print(best["sentence"])

    saved = spenser_gee.load_network(folder / "final.safetensors")
    test = spenser_gee.load_dataset("digits", None).test
    classes = saved.classify(test.images[:10])
    print("ten test images:", classes.tolist(), "labels:", test.labels[:10].tolist())


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()) / "run")
