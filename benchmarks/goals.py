"""The goals for speed and memory, and what the measurements say of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Results = Mapping[str, Mapping[str, Any]]  # benchmark -> its JSON, of one device
Measured = Callable[[Results], float | None]  # None: not measured

LITTLE_TIME = 1.08  # of a step in chunks, whole batch = 1: what bounding memory may cost


@dataclass(frozen=True)
class Goal:
    """One line of the table. at_least: whether `limit` is the least or the most that is wanted."""

    text: str
    measured: Measured
    limit: float
    at_least: bool = True
    form: str = "{:.2f} x"

    def line(self, results: Results) -> list[str]:
        """Goal, limit, measured, met."""
        value = self.measured(results)
        limit = f"{'at least' if self.at_least else 'at most'} {self.form.format(self.limit)}"
        if value is None:
            return [self.text, limit, "not measured", ""]
        met = value >= self.limit if self.at_least else value <= self.limit
        return [self.text, limit, self.form.format(value), "yes" if met else "**no**"]


def goals(device: str) -> list[Goal]:
    """Of "cpu" or "cuda"."""
    return [*_cpu(), *_common()] if device == "cpu" else [*_cuda(), *_common()]


def _cpu() -> list[Goal]:
    return [
        Goal("step against the loop: A, 1 thread", against("A", 1, "loop"), 1.9),
        Goal("step against the loop: B, 1 thread", against("B", 1, "loop"), 1.75),
        Goal("step against the loop: A, 2 threads", against("A", 2, "loop"), 2.4),
        Goal("step against the loop: B, 2 threads", against("B", 2, "loop"), 2.3),
        Goal("step against the loop: pools first, 1 thread", against("A-pool-first", 1, "loop"), 1.6),
        Goal("step's time in floors: A", of_floor("A"), 1.0, at_least=False),
        Goal("step's time in floors: B", of_floor("B"), 1.10, at_least=False),
        Goal(
            f"memory's share of the loop's, at {LITTLE_TIME} x the time at most: A", memory("A"), 0.1, False
        ),
        Goal(
            f"memory's share of the loop's, at {LITTLE_TIME} x the time at most: B", memory("B"), 0.1, False
        ),
        Goal("step against SpikingJelly, torch backend: A", against("A", 1, "spikingjelly"), 2.8),
        Goal("step against SpikingJelly, torch backend: B", against("B", 1, "spikingjelly"), 2.0),
        Goal("neurons: share of the bandwidth, trained parameters too", bandwidth, 0.60, form="{:.0%}"),
        Goal("epoch with its data against SPENSER's manner, whole machine: A", epoch("A"), 3.0),
        Goal("epoch with its data against SPENSER's manner, whole machine: B", epoch("B"), 6.0),
        Goal("inner generation against one by one: worst case", inner(None), 1.0),
    ]


def _cuda() -> list[Goal]:
    return [
        Goal("step against the loop: A", against("A", 1, "loop"), 10.0),
        Goal("step against the loop: B", against("B", 1, "loop"), 10.0),
        Goal("step's time in floors: A", of_floor("A"), 1.3, at_least=False),
        Goal("step's time in floors: B", of_floor("B"), 1.3, at_least=False),
        Goal("memory's share of the loop's: A", memory("A"), 0.3, at_least=False),
        Goal("step against SpikingJelly, Triton backend: A", against("A", 1, "spikingjelly"), 1.3),
        Goal("step against SpikingJelly, Triton backend: B", against("B", 1, "spikingjelly"), 1.3),
        Goal("neurons: share of the bandwidth, trained parameters too", bandwidth, 0.75, form="{:.0%}"),
        Goal("epoch with its data against SPENSER's manner: A", epoch("A"), 15.0),
        Goal("epoch with its data against SPENSER's manner: B", epoch("B"), 15.0),
        Goal("inner generation against one by one: P = 16", inner(16), 5.0),
    ]


def _common() -> list[Goal]:
    return [
        Goal("first step of a new network, beyond a later one", first_step, 0.1, False, "{:.3f} s"),
        Goal(
            "search overhead at 10 s a candidate", overhead("overhead_at_goal_seconds"), 0.03, False, "{:.1%}"
        ),
        Goal("... as measured, waiting included", overhead("overhead_with_waiting"), 0.03, False, "{:.1%}"),
    ]


def against(net: str, threads: int, variant: str) -> Measured:
    """How many times faster ours is."""

    def measured(results: Results) -> float | None:
        found = _step(results, net, threads).get(variant)
        return None if found is None else float(found["median"])

    return measured


def of_floor(net: str) -> Measured:
    """Our time in times of the faster floor, with one thread."""

    def measured(results: Results) -> float | None:
        compared = _step(results, net, 1)
        floors = [compared[name]["median"] for name in ("floor", "floor-channels-last") if name in compared]
        return 1.0 / min(floors) if floors else None

    return measured


def _step(results: Results, net: str, threads: int) -> Mapping[str, Any]:
    for row in _rows(results, "step"):
        if (row["net"], row["threads"]) == (net, threads):
            compared: Mapping[str, Any] = row["times_of_ours"]
            return compared
    return {}


def memory(net: str) -> Measured:
    """The least share of the loop's memory that takes little more time than the whole batch."""

    def measured(results: Results) -> float | None:
        for row in _rows(results, "memory"):
            if row["net"] == net:
                times = row["time_of_whole"]
                quick = [name for name in times if times[name]["median"] <= LITTLE_TIME]
                return float(min(row["share_of_loop"][name] for name in quick))
        return None

    return measured


def bandwidth(results: Results) -> float | None:
    """The least share over the kinds of parameters, on the fastest backend, at T = 25, atan, subtract."""
    rows = _rows(results, "lif")
    usual = [
        row["share_of_bandwidth"]["median"]
        for row in rows
        if row["backend"] == rows[0]["backend"]
        and (row["steps"], row["surrogate"], row["reset"]) == (25, "atan", "subtract")
    ]
    return float(min(usual)) if usual else None


def epoch(net: str) -> Measured:
    """How many times faster one-thread workers on all cores are."""

    def measured(results: Results) -> float | None:
        for row in _rows(results, "epoch"):
            if row["net"] == net:
                return float(row["times_faster"]["ours, one-thread workers"]["median"])
        return None

    return measured


def inner(population: int | None) -> Measured:
    """How many times faster a generation is: the worst over nets, of one population or of all."""

    def measured(results: Results) -> float | None:
        found = [
            float(row["times_faster"]["as chosen"]["median"])
            for row in _rows(results, "inner")
            if population in (None, row["population"])
        ]
        return min(found) if found else None

    return measured


def first_step(results: Results) -> float | None:
    """Median over new networks, in seconds."""
    return float(results["step"]["first_step_extra_seconds"]["median"]) if "step" in results else None


def overhead(key: str) -> Measured:
    """A share of the workers' time."""

    def measured(results: Results) -> float | None:
        rows = _rows(results, "search")
        return float(rows[0][key]) if rows else None

    return measured


def _rows(results: Results, benchmark: str) -> list[Mapping[str, Any]]:
    return list(results[benchmark]["rows"]) if benchmark in results else []
