"""A run's configuration: YAML -> validated, frozen sections."""

from __future__ import annotations

from spenser_gee.config.fitness_kinds import FITNESS_KINDS, FitnessKind
from spenser_gee.config.sections import Config, Data, Initialisation, Mutation, Training
from spenser_gee.config.yaml_reader import load_config

__all__ = [
    "FITNESS_KINDS",
    "Config",
    "Data",
    "FitnessKind",
    "Initialisation",
    "Mutation",
    "Training",
    "load_config",
]
