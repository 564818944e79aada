"""A comparison's results as its folder would hold them: ten contenders, one that cannot take part, one half done."""

from __future__ import annotations

import math
import statistics
from typing import Any

import numpy as np

SEEDS = (0, 1, 2)
# name, kind, twin, parameters, ratio, accuracy, energy in nJ, neuron layers
_ABLE = (
    ("evolved", "evolved", False, 13_500, 0.31, 0.893, 210.0, 2),
    ("evolved-twin", "evolved", True, 43_600, 1.0, 0.897, 220.0, 2),
    ("first-generation", "first-generation", False, 15_000, 0.4, 0.842, 260.0, 3),
    ("random-1", "random", False, 41_000, 0.5, 0.871, 900.0, 4),
    ("random-2", "random", False, 44_000, 0.8, 0.869, 950.0, 3),
    ("random-3", "random", False, 39_000, 0.6, 0.866, 870.0, 3),
    ("lenet", "backbone", False, 107_000, 1.0, 0.9, 1_800.0, 4),
    ("vgg_small", "backbone", False, 480_000, 0.2, 0.915, 14_000.0, 7),
    ("resnet8", "backbone", False, 78_000, 0.3, 0.906, 9_000.0, 8),
)


def results() -> dict[str, Any]:
    """The same every time."""
    contenders = [_contender(*values) for values in _ABLE]
    contenders.append(_unable())
    _cut_short(contenders[4])
    contenders[5]["arms"]["own"]["trials"][1] |= {
        "status": "failed",
        "accuracy": None,
        "reason": "loss is NaN",
    }
    return {
        "format": 1,
        "finished": False,
        "seconds": 1234.5,
        "environment": {"torch": "2.13"},
        "data": {
            "dataset": "fashion-mnist",
            "train_images": 60000,
            "test_images": 10000,
            "input_shape": [1, 28, 28],
            "classes": 10,
            "time_steps": 4,
        },
        "budget": {"kind": "epochs", "amount": 1.0},
        "settings": {},
        "seeds": list(SEEDS),
        "arms": ["own", "common"],
        "common_recipe": "ce-rate adamw lr=0.001",
        "reference": "evolved",
        "contenders": contenders,
    }


def nothing_yet() -> dict[str, Any]:
    """Before the first trial is done: all that can be unknown is."""
    found = results()
    for contender in found["contenders"]:
        contender["latency"] = None
        for arm in contender["arms"].values():
            arm.update({key: None for key in arm if key not in ("recipe", "trials")}, trials=[])
    return found


def _spread(values: list[float]) -> dict[str, Any]:
    mean, n = statistics.fmean(values), len(values)
    if n == 1:
        return {"mean": mean, "low": None, "high": None, "n": 1}
    half = 4.3 * statistics.stdev(values) / math.sqrt(n)
    return {"mean": mean, "low": mean - half, "high": mean + half, "n": n}


def _contender(
    name: str,
    kind: str,
    twin: bool,
    parameters: int,
    ratio: float,
    accuracy: float,
    energy: float,
    depth: int,
) -> dict[str, Any]:
    rng = np.random.default_rng(parameters)
    return {
        "name": name,
        "kind": kind,
        "twin": twin,
        "source": f"runs/{name}",
        "sentence": "features conv",
        "problem": None,
        "search": None,
        "parameters": parameters,
        "dense_parameters": round(parameters / ratio),
        "ratio": ratio,
        "dense_macs": round(energy * 1000),
        "neurons": depth * 1000,
        "latency": {
            "single_ms": energy / 500,
            "single_ms_quartiles": [energy / 510, energy / 490],
            "batch": 64,
            "throughput": 1e6 / energy,
            "threads": 1,
            "device": "cpu",
        },
        "arms": {
            "own": _arm(rng, name, accuracy, energy, depth),
            "common": _arm(rng, name, accuracy - 0.01, energy * 1.1, depth),
        },
    }


def _arm(rng: np.random.Generator, name: str, accuracy: float, energy: float, depth: int) -> dict[str, Any]:
    found = [accuracy + float(rng.normal(0, 0.003)) for _ in SEEDS]
    falls = {
        "noise": [[x, _spread([a * math.exp(-x) for a in found])] for x in (0.0, 0.1, 0.2, 0.4)],
        "spike_drop": [[x, _spread([a * (1 - x**2) for a in found])] for x in (0.0, 0.1, 0.3, 0.5)],
    }
    against = {"difference": accuracy - 0.893, "low": accuracy - 0.9, "high": accuracy - 0.88}
    return {
        "recipe": "adamw lr=0.001",
        "accuracy": _spread(found),
        "sops": _spread([energy * 600, energy * 620, energy * 640]),
        "macs": _spread([energy * 30] * 3),
        "spikes": _spread([energy] * 3),
        "firing_rate": _spread([0.1, 0.11, 0.12]),
        "energy_gee_eq17_nj": _spread([energy / 3] * 3),
        "energy_operations_nj": _spread([energy / 2] * 3),
        "energy_with_memory_nj": _spread([energy] * 3),
        "energy_dense_ann_nj": _spread([energy / 4] * 3),
        "against_reference": None
        if name == "evolved"
        else {**against, "p": 0.012, "p_holm": 0.096, "n": 3, "seeds_needed": 5},
        "robustness": {**falls, "images": 1000},
        "layer_rates": [0.2 / (k + 1) for k in range(depth)],
        "trials": [
            {
                "seed": seed,
                "status": "complete",
                "reason": "",
                "accuracy": value,
                "loss": 0.4,
                "seconds": 30.0,
                "steps": 900,
                "start_steps": 0.0,
            }
            for seed, value in zip(SEEDS, found, strict=True)
        ],
    }


def _cut_short(contender: dict[str, Any]) -> None:
    """One trial of the first arm, none of the second."""
    own = contender["arms"]["own"]
    own["trials"] = own["trials"][:1]
    own["accuracy"] = _spread([own["trials"][0]["accuracy"]])
    own["against_reference"] |= {"low": None, "high": None, "p": None, "p_holm": None, "n": 1}
    common = contender["arms"]["common"]
    common.update({key: None for key in common if key not in ("recipe", "trials")}, trials=[])


def _unable() -> dict[str, Any]:
    empty = dict.fromkeys(("parameters", "dense_parameters", "ratio", "dense_macs", "neurons", "latency"))
    return {
        "name": "vgg_large",
        "kind": "backbone",
        "twin": False,
        "source": "configs/backbones/vgg_large.net",
        "sentence": "features conv",
        "search": None,
        "problem": "pool-max size=2 leaves nothing of 512 x 1 x 1",
        **empty,
        "arms": {},
    }
