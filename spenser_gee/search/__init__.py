"""The outer search: ask/tell strategies over candidates, and the loop that runs and records them."""

from __future__ import annotations

from spenser_gee.search.loop import Stops, run_search
from spenser_gee.search.one_plus_lambda import OnePlusLambda
from spenser_gee.search.proposals import Described, Proposer, Space
from spenser_gee.search.random_search import RandomSearch
from spenser_gee.search.record import GenerationSummary, MemoryRecord, Record
from spenser_gee.search.strategy import Candidate, Progress, Proposal, Strategy

__all__ = [
    "Candidate",
    "Described",
    "GenerationSummary",
    "MemoryRecord",
    "OnePlusLambda",
    "Progress",
    "Proposal",
    "Proposer",
    "RandomSearch",
    "Record",
    "Space",
    "Stops",
    "Strategy",
    "run_search",
]
