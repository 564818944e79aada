"""Evolve spiking neural networks.

The public API, in the order of the pipeline. Names are imported when they are first used, so that
`import spenser_gee` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spenser_gee.config import Config, load_config
    from spenser_gee.data import load_dataset
    from spenser_gee.errors import InputError
    from spenser_gee.evaluation import Evaluation
    from spenser_gee.genotype import Genotype, genotype_from_sentence, sample_genotype, sentence_of
    from spenser_gee.genotype.mutate import mutate
    from spenser_gee.grammar import Grammar
    from spenser_gee.network.build import SpikingNetwork, build_network
    from spenser_gee.phenotype.check import open_grammar
    from spenser_gee.phenotype.decode import decode
    from spenser_gee.phenotype.plan import plan_network
    from spenser_gee.phenotype.spec import NetworkSpec
    from spenser_gee.runs.store import RunFolder
    from spenser_gee.runs.summary import summarise
    from spenser_gee.session.resume import resume_run
    from spenser_gee.session.start import start_run
    from spenser_gee.training.saved import SavedNetwork, load_network

_HOMES = {
    "Config": "config",
    "load_config": "config",
    "load_dataset": "data",
    "InputError": "errors",
    "Grammar": "grammar",
    "open_grammar": "phenotype.check",
    "Genotype": "genotype",
    "sample_genotype": "genotype",
    "mutate": "genotype",
    "genotype_from_sentence": "genotype",
    "sentence_of": "genotype",
    "NetworkSpec": "phenotype.spec",
    "decode": "phenotype.decode",
    "plan_network": "phenotype.plan",
    "SpikingNetwork": "network.build",
    "build_network": "network.build",
    "SavedNetwork": "training.saved",
    "load_network": "training.saved",
    "Evaluation": "evaluation",
    "start_run": "session.start",
    "resume_run": "session.resume",
    "RunFolder": "runs.store",
    "summarise": "runs.summary",
}

__all__ = [
    "Config",
    "Evaluation",
    "Genotype",
    "Grammar",
    "InputError",
    "NetworkSpec",
    "RunFolder",
    "SavedNetwork",
    "SpikingNetwork",
    "build_network",
    "decode",
    "genotype_from_sentence",
    "load_config",
    "load_dataset",
    "load_network",
    "mutate",
    "open_grammar",
    "plan_network",
    "resume_run",
    "sample_genotype",
    "sentence_of",
    "start_run",
    "summarise",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
