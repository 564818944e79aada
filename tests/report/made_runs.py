"""Run folders that are written, not run: what is in them is known exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tiny_runs import GRAMMAR, tiny_config

from spenser_gee.evaluation import Evaluation, Execution
from spenser_gee.genotype import Genotype, sample_genotype, sentence_of
from spenser_gee.grammar import Grammar
from spenser_gee.phenotype.check import open_grammar
from spenser_gee.phenotype.decode import decode
from spenser_gee.rng import stream
from spenser_gee.runs.store import RunFolder
from spenser_gee.search.record import GenerationSummary
from spenser_gee.search.strategy import Candidate, Standing

NASTY = '<script>alert("x")</script> & $x$ {{ 7 * 7 }} \\" </svg>'


def made_run(folder: Path, name: str = "made", *overrides: str, origin: str = "sampled") -> MadeRun:
    """An empty run of the tiny configuration, open for writing."""
    config = tiny_config(folder, *overrides)
    grammar = open_grammar(GRAMMAR)
    environment = {
        "command": ["/some/where/spenser_gee/__main__.py", "run", "a name.yaml"],
        "seed": config.seed,
        "packages": {"spenser-gee": "0.1.0"},
        "hardware": {"system": NASTY},
    }
    run = RunFolder.create(
        folder / name, config.to_dict(), grammar.source, grammar.canonical(), grammar.sha256, environment
    )
    run.event("start")
    return MadeRun(run, grammar, origin)


class MadeRun:
    """Writes a run bit by bit. Candidate n is a network sampled from a stream of its own."""

    def __init__(self, run: RunFolder, grammar: Grammar, origin: str) -> None:
        self.run, self._grammar, self._origin = run, grammar, origin
        self._begun = run.rows("SELECT time FROM events")[0]["time"]

    def candidate(self, number: int, parents: Sequence[int] = ()) -> Candidate[Genotype]:
        """A candidate as the search would propose it."""
        genotype = sample_genotype(self._grammar, stream(number, "made run"), {"features": (1,)})
        return Candidate(
            number,
            genotype,
            tuple(parents),
            ("learning 1: lr 0.0123456789 -> 0.5",) if parents else (self._origin,),
            sentence_of(genotype, self._grammar),
            decode(genotype, self._grammar).key(),
        )

    def evaluation(
        self,
        number: int,
        generation: int,
        fitness: float | None,
        parents: Sequence[int] = (),
        *,
        status: Any = "failed",
        reason: str = "",
        at: tuple[float, float] = (0.0, 1.0),
        details: Mapping[str, Any] | None = None,
        inner: Sequence[Mapping[str, Any]] = (),
        further: Mapping[str, float] | None = None,
        effort: float | None = None,
    ) -> None:
        """One evaluation: complete where it has a fitness. at: begin and end, seconds after the start. further:
        objectives beside it."""
        begin, end = at
        evaluation = Evaluation(
            "complete" if fitness is not None else status,
            {} if fitness is None else {"fitness": fitness, **(further or {})},
            {
                "training_seconds": 0.5,
                "start_seconds": 0.25,
                "parameters": 100.0,
                **({} if effort is None else {"effort": effort}),
            },
            reason,
            {"start": {"chosen": "plain"}, **(details or {})},
            errors={} if fitness is None else {"fitness": 0.01},
            measures={} if fitness is None else {"loss": 1.0},
            inner=inner,
            execution=Execution(self._begun + begin, self._begun + end, "process 1"),
        )
        self.run.evaluation(self.candidate(number, parents), generation, evaluation)

    def front(self, number: int, front: Sequence[Standing], **counts: int) -> None:
        """A generation is finished, with this front."""
        means = dict(front[0].means)
        self.run.generation(GenerationSummary(number, tuple(front), means, 2, counts, 1.0), {})

    def generation(self, number: int, best: int | None, fitness: float | None, mean: float | None) -> None:
        """A generation is finished."""
        latest = {} if fitness is None else {"fitness": fitness}
        front = () if best is None else (Standing(best, number, number, latest, latest, {}),)
        means = {} if mean is None else {"fitness": mean}
        summary = GenerationSummary(number, front, means, 2, {"complete": 2}, 1.0)
        self.run.generation(summary, {})


def family(made: MadeRun) -> None:
    """0 -> 1 -> 3, with 2 (complete) and 4 (failed) beside the chain, in three generations; 1 was the best twice."""
    made.evaluation(0, 0, 0.5, at=(0, 10))
    made.generation(0, 0, 0.5, 0.5)
    made.evaluation(0, 1, 0.4, at=(10, 12))
    made.evaluation(1, 1, 0.7, (0,), at=(10, 14))
    made.evaluation(2, 1, 0.3, (0,), at=(12, 13))
    made.generation(1, 1, 0.7, 0.4667)
    made.evaluation(1, 2, 0.8, at=(14, 16))
    made.evaluation(3, 2, 0.95, (1,), at=(14, 18))
    made.evaluation(4, 2, None, (1,), status="failed", reason=NASTY, at=(16, 17))
    made.generation(2, 3, 0.95, 0.875)


OBJECTIVES = ("fitness", "parameters", "firing_rate")

# The front of `several`, the best first: its figures, and the standard error of its fitness.
FRONT = {2: ((0.90, 2000.0, 0.2), 0.02), 1: ((0.92, 9000.0, 0.4), 0.03), 4: ((0.5, 300.0, 0.1), None)}
# 3 is dominated by 2.
DOMINATED = {3: (0.7, 2500.0, 0.3)}


def several(folder: Path, count: int = 3) -> MadeRun:
    """A run of one generation with the first `count` of `OBJECTIVES`, two at least."""
    names = OBJECTIVES[:count]
    made = made_run(folder, "several", f"objectives=[{', '.join(names)}]")

    def figures(values: Sequence[float]) -> dict[str, float]:
        return dict(zip(names, values, strict=False))

    for number, values in {**{n: v for n, (v, _) in FRONT.items()}, **DOMINATED}.items():
        made.evaluation(number, 0, values[0], further=figures(values))
    made.evaluation(5, 0, None)
    made.front(
        0,
        [
            Standing(n, 0, 0, figures(v), figures(v), {} if error is None else {"fitness": error})
            for n, (v, error) in FRONT.items()
        ],
    )
    return made


def finals(made: MadeRun) -> None:
    """After `family`: 3 and 1 are trained with four times the budget, as generation 3; 1 is the best."""
    made.evaluation(1, 3, 0.99, effort=4.0)
    made.evaluation(3, 3, 0.97, effort=4.0)
    values = {"fitness": 0.99}
    made.front(3, [Standing(1, 3, 3, values, values, {})], finals=2)
