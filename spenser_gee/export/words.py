"""What goes into a network, how its answer is read, and why it cannot be written, in words."""

from __future__ import annotations

import os
from importlib import metadata

from spenser_gee.phenotype.spec import BUILDER_VERSION, NetworkSpec
from spenser_gee.phenotype.words.layers import LIF
from spenser_gee.training.losses import needs_membrane

_CODINGS = {
    "rate": "at each of {steps} steps, 1 with the pixel's value (0..1) as probability, else 0",
    "latency": "each pixel x of at least 0.01 is 1 once, at step round((1 - x) * {last}) of {steps}, and 0 otherwise",
    "direct": "the image, pixels in 0..1, at each of {steps} steps",
}


def program_in_words() -> str:
    """Which program wrote a file."""
    try:
        version = f" {metadata.version('spenser-gee')}"
    except metadata.PackageNotFoundError:  # run from a checkout
        version = ""
    return f"spenser_gee{version}, network builder {BUILDER_VERSION}"


def input_in_words(spec: NetworkSpec, time_steps: int) -> str:
    """What the network expects at its input."""
    words = _CODINGS[spec.input.coding].format(steps=time_steps, last=time_steps - 1)
    return f"{spec.input.coding} coding, not a part of the network: {words}"


def decision_in_words(spec: NetworkSpec) -> str:
    """How the class is read."""
    if not ends_with_neurons(spec):
        return "the class whose output, summed over time, is largest"
    if needs_membrane(spec.loss):
        return "the class with the largest mean membrane over time, read before the spike's reset"
    return "the class with the most output spikes"


def reason(error: OSError) -> str:
    """Why a file cannot be written: the system's words, where HDF5 has long ones of its own."""
    return os.strerror(error.errno) if error.errno else str(error)


def ends_with_neurons(spec: NetworkSpec) -> bool:
    """Whether the last layer fires."""
    return isinstance([layer for unit in spec.units for layer in unit][-1], LIF)
