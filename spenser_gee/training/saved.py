"""Trained networks as files: safetensors with the sentence and everything else that rebuilding needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from spenser_gee.atomic import write_bytes
from spenser_gee.data.batches import to_unit
from spenser_gee.data.image_input import check_images
from spenser_gee.errors import input_error
from spenser_gee.network.build import SpikingNetwork, build_network
from spenser_gee.phenotype.plan import plan_network
from spenser_gee.phenotype.spec import BUILDER_VERSION, NetworkSpec
from spenser_gee.phenotype.words.site import Infeasible, Shape
from spenser_gee.training.losses import decision_values, needs_membrane
from spenser_gee.training.stimulus import Stimulus

_NETWORK = "network."  # prefix of the network's own tensors; others belong to who saved them


@dataclass(frozen=True, eq=False)
class SavedNetwork:
    """A network with its description. `extra` and `notes` are what was saved beside it."""

    network: SpikingNetwork
    spec: NetworkSpec
    sentence: str
    input_shape: Shape
    classes: int
    time_steps: int
    extra: Mapping[str, Tensor]
    notes: Mapping[str, Any]

    @torch.no_grad()
    def classify(self, images: Tensor, seed: int = 0) -> Tensor:
        """The classes of images.

        Args:
            images: (B, C, H, W), integers in 0..255 or floats in 0..1.
            seed: of the spike noise of rate coding.

        Returns:
            Classes (B,), int64, on the network's device.

        Raises:
            InputError: another shape, or values out of range.
        """
        try:
            check_images(images, self.input_shape)
        except ValueError as error:
            raise input_error("images", str(error)) from None
        device = next(self.network.parameters()).device
        images = images.to(device)
        values = images.to(torch.float32) if images.is_floating_point() else to_unit(images)
        stimulus = Stimulus(self.spec, self.time_steps, seed, device, augment=False)
        self.network.eval()
        output = self.network(stimulus(values.unsqueeze(1)), membrane=needs_membrane(self.spec.loss))
        return decision_values(self.spec.loss, output).argmax(1)


def save_network(
    path: Path,
    network: SpikingNetwork,
    sentence: str,
    extra: Mapping[str, Tensor] | None = None,
    notes: Mapping[str, Any] | None = None,
) -> None:
    """Writes the network atomically. `extra` tensors and JSON-able `notes` travel with it."""
    plan = network.plan
    description = {
        "builder": BUILDER_VERSION,
        "spec": plan.spec.to_dict(),
        "sentence": sentence,
        "input_shape": plan.input_shape,
        "classes": plan.classes,
        "time_steps": network.time_steps,
        "notes": dict(notes or {}),
    }
    tensors = {f"{_NETWORK}{name}": t.contiguous().cpu() for name, t in network.state_dict().items()}
    tensors.update({name: t.contiguous().cpu() for name, t in (extra or {}).items()})
    write_bytes(path, save(tensors, metadata={"spenser_gee": json.dumps(description)}))


def load_network(path: str | Path, device: str | torch.device = "cpu") -> SavedNetwork:
    """Reads a network that `save_network` wrote, ready to run.

    Args:
        path: a .safetensors file of a run folder.
        device: where the network goes.

    Returns:
        The network with its sentence, its shapes and what was saved beside it.

    Raises:
        InputError: the file is missing, damaged, not ours, or of another builder version.
    """
    path = Path(path)
    try:
        with safe_open(str(path), framework="pt", device=str(device)) as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        description = json.loads(metadata["spenser_gee"])
        builder = description["builder"]
    except (OSError, SafetensorError) as error:
        raise input_error(str(path), f"cannot read the weights: {error}") from None
    except (KeyError, ValueError, TypeError):
        raise input_error(
            str(path),
            "the weights were not written by this program",
            "Name a .safetensors file of a run folder.",
        ) from None
    if builder != BUILDER_VERSION:
        raise input_error(
            str(path),
            f"the weights need version {builder} of the network builder, this is {BUILDER_VERSION}",
            "Read them with the version of the program that wrote them.",
        )
    try:
        return _rebuild(description, tensors, device)
    except (KeyError, ValueError, TypeError, AttributeError, RuntimeError, Infeasible) as error:
        raise input_error(str(path), f"the weights do not fit their description: {error}") from None


def _rebuild(
    description: Mapping[str, Any], tensors: Mapping[str, Tensor], device: str | torch.device
) -> SavedNetwork:
    spec = NetworkSpec.from_dict(description["spec"])
    channels, height, width = description["input_shape"]
    plan = plan_network(spec, (channels, height, width), description["classes"])
    network = build_network(plan, description["time_steps"], seed=0).to(device)
    own = {name.removeprefix(_NETWORK): t for name, t in tensors.items() if name.startswith(_NETWORK)}
    network.load_state_dict(own)
    network.eval()
    return SavedNetwork(
        network,
        spec,
        description["sentence"],
        plan.input_shape,
        plan.classes,
        description["time_steps"],
        {name: t for name, t in tensors.items() if not name.startswith(_NETWORK)},
        description["notes"],
    )
