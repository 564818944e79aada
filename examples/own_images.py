"""A search on one's own images: folders of classes, and a configuration that names them.

    python examples/own_images.py

Draws 200 small pictures of bars in two directions into train/ and test/, and evolves a network that tells them apart.
"""

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import spenser_gee

CONFIG = """
name: bars
grammar: grammars/digits.lark
data: {dataset: image-folder, root: images, time_steps: 4, batch_size: 16}
search: {generations: 2, offspring: 2, sizes: {features: [1], classification: [0]}}
training: {steps: 20}
final: {epochs: 3}
"""


def draw(folder: Path) -> None:
    """Pictures of 12 x 12 pixels with one bright row or column, and noise."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 80), ("test", 20)):
        for name in ("across", "upright"):
            (folder / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 60, (12, 12), dtype=np.uint8)
                pixels[rng.integers(12)] = 255
                turned = pixels if name == "across" else pixels.T
                Image.fromarray(np.ascontiguousarray(turned)).save(folder / part / name / f"{number}.png")


def main(folder: Path) -> None:
    """The images, the configuration beside them, and the run."""
    draw(folder / "images")
    (folder / "bars.yaml").write_text(CONFIG)
    config = spenser_gee.load_config(folder / "bars.yaml")
    summary = spenser_gee.start_run(config, folder / "run")
    print(f"test accuracy {summary['best']['test_accuracy']:.2f}")


if __name__ == "__main__":
    main(Path(tempfile.mkdtemp()))
