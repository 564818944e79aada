"""The outer search: ask/tell strategies over candidates, and the loop that runs and records them."""

from __future__ import annotations

from spenser_gee.search.evolution import Evolution
from spenser_gee.search.finals import WithFinals
from spenser_gee.search.loop import Stops, finished, run_search
from spenser_gee.search.one_plus_lambda import OnePlusLambda
from spenser_gee.search.proposals import Described, Frame, Proposer, Space
from spenser_gee.search.random_search import RandomSearch
from spenser_gee.search.record import GenerationSummary, MemoryRecord, Record
from spenser_gee.search.registry import STRATEGIES, make_strategy
from spenser_gee.search.strategy import Candidate, Progress, Proposal, Standing, Strategy, Trained

__all__ = [
    "STRATEGIES",
    "Candidate",
    "Described",
    "Evolution",
    "Frame",
    "GenerationSummary",
    "MemoryRecord",
    "OnePlusLambda",
    "Progress",
    "Proposal",
    "Proposer",
    "RandomSearch",
    "Record",
    "Space",
    "Standing",
    "Stops",
    "Strategy",
    "Trained",
    "WithFinals",
    "finished",
    "make_strategy",
    "run_search",
]
