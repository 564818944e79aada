"""The genes of a network that offspring may inherit, kept in its weight file."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from spenser_gee.initialisation.evolve import ParentGenes
from spenser_gee.initialisation.start import GeneStart
from spenser_gee.training.saved import SavedNetwork

_G = "start.G"


def start_to_save(start: GeneStart | None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The extra tensors and notes that keep a start beside the trained weights."""
    if start is None:
        return {}, {}
    notes = {"start": {"beta1": start.beta1, "beta2": start.beta2, "seed": start.seed}}
    return {_G: torch.from_numpy(start.G)}, notes


def parent_genes(saved: SavedNetwork) -> ParentGenes:
    """What can be inherited from a saved network."""
    start = None
    if _G in saved.extra:
        start = GeneStart(**saved.notes["start"], G=saved.extra[_G].double().cpu().numpy())
    return ParentGenes(saved.network.plan, start, saved.network.state_dict())
