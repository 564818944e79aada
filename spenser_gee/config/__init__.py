"""A run's configuration: YAML -> validated, frozen sections."""

from __future__ import annotations

from spenser_gee.config.sections import Config, Data, Mutation, Training
from spenser_gee.config.yaml_reader import load_config

__all__ = ["Config", "Data", "Mutation", "Training", "load_config"]
