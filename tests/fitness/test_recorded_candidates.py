"""The plain backend gives every recorded candidate the fitness that it had when it was recorded.

The last bits of floating-point results depend on the instructions of the processor, so the candidates are evaluated
in a process of their own that uses what all x86-64 processors have: their results are then the same on all of them.

`python tests/fitness/test_recorded_candidates.py record` records anew, after a change that is meant to change results.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import cma
import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

import tiny_networks

from spenser_gee.config import Initialisation
from spenser_gee.evaluation import Evaluation
from spenser_gee.fitness.trained import evaluate
from spenser_gee.genotype import genotype_from_sentence, sample_genotype, sentence_of
from spenser_gee.network.backends import backend
from spenser_gee.phenotype.check import open_grammar
from spenser_gee.phenotype.decode import decode
from spenser_gee.rng import stream
from spenser_gee.training.train import Budget

RECORD = Path(__file__).with_name("recorded_candidates.json")
GRAMMAR = Path(__file__).parents[2] / "grammars" / "digits.lark"
SIZES = {"features": (1, 2, 3), "classification": (0, 1)}
COUNT = 20


# oneDNN, which has no such mode, is switched off in `main`.
PORTABLE = {
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_CBWR": "COMPATIBLE",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR "  # since numpy 2.4; before:
    "AVX2 FMA3 AVX512F AVX512CD AVX512_KNL AVX512_KNM AVX512_SKX AVX512_CLX AVX512_CNL",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


def setting() -> dict[str, str]:
    """What the last bits of a result depend on still."""
    return {
        "machine": platform.machine(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "cma": cma.__version__,
    }


def outcome(sentence: str) -> dict[str, Any]:
    """What an evaluation of 60 steps gives, without what it costs in time."""
    grammar = open_grammar(GRAMMAR)
    spec = decode(genotype_from_sentence(grammar, sentence), grammar)
    torch.set_num_threads(1)
    inner = Initialisation(generations=2, population=4, steps=4, budget_share=None)
    with backend("plain"):
        done = evaluate(spec, tiny_networks.task(), Budget(steps=60), inner, seed=5).evaluation
    return {
        "status": done.status,
        # The standard error and the measures stood among the objectives when this was recorded.
        "objectives": recorded_objectives(done),
        # (step, loss); the accuracy beside them was not recorded.
        "curve": [list(point[:2]) for point in done.curve],
        "firing_rates": done.details.get("firing_rates"),
        "inner": list(done.inner),
    }


def recorded_objectives(done: Evaluation) -> dict[str, float]:
    errors = {"standard_error": done.errors["fitness"]} if done.errors else {}
    return {**done.objectives, **errors, **done.measures}


def record() -> None:
    """Draws candidates and records what becomes of those that are complete."""
    grammar = open_grammar(GRAMMAR)
    candidates: list[dict[str, Any]] = []
    number = 0
    while len(candidates) < COUNT:
        genotype = sample_genotype(grammar, stream(11, "recorded", number), SIZES)
        number += 1
        sentence = sentence_of(genotype, grammar)
        found = outcome(sentence)
        if found["status"] == "complete":
            candidates.append({"sentence": sentence, **found})
            print(len(candidates), found["objectives"]["fitness"], flush=True)
    RECORD.write_text(json.dumps({"setting": setting(), "candidates": candidates}, indent=1) + "\n")


def main(arguments: list[str]) -> int:
    """Evaluates the recorded candidates, or draws new ones; in the portable setting, in which it starts itself."""
    if any(os.environ.get(name) != value for name, value in PORTABLE.items()):
        return subprocess.run([sys.executable, __file__, *arguments], env=os.environ | PORTABLE).returncode
    torch.backends.mkldnn.enabled = False
    if arguments == ["record"]:
        record()
    else:
        print(json.dumps([outcome(candidate["sentence"]) for candidate in RECORDED["candidates"]]))
    return 0


RECORDED = json.loads(RECORD.read_text()) if RECORD.exists() else {"setting": {}, "candidates": []}


@pytest.fixture(scope="module")
def outcomes() -> Any:
    if RECORDED["setting"] != setting():
        pytest.skip(f"recorded with {RECORDED['setting']}, this is {setting()}")
    environment = os.environ | PORTABLE | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, __file__], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("number", range(COUNT))
def test_fitness_is_unchanged(number: int, outcomes: Any) -> None:
    recorded = RECORDED["candidates"][number]
    assert {"sentence": recorded["sentence"], **outcomes[number]} == recorded


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
