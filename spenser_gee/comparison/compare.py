"""A comparison from beginning to end: who takes part, every trial, latencies, results."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from spenser_gee.comparison.collect import all_finished, collect
from spenser_gee.comparison.contenders import (
    Contender,
    backbone,
    candidate_contender,
    entrants,
    evolved_contenders,
)
from spenser_gee.comparison.finished import Finished
from spenser_gee.comparison.folder import ComparisonFolder, Definition
from spenser_gee.comparison.ground import Ground, prepare_ground
from spenser_gee.comparison.latencies import measure_latencies
from spenser_gee.comparison.random_searches import random_contenders
from spenser_gee.comparison.recipes import arms_of
from spenser_gee.comparison.request import Request
from spenser_gee.comparison.results import Results
from spenser_gee.comparison.schedule import Key, carry_out, due_trials
from spenser_gee.comparison.settings import trial_settings
from spenser_gee.evaluation import Evaluation
from spenser_gee.paths import shipped_folder
from spenser_gee.phenotype.check import open_grammar
from spenser_gee.runs.environment import describe_environment
from spenser_gee.session import Reporter


class ComparisonReporter(Protocol):
    """Hears of a comparison's progress."""

    @property
    def search(self) -> Reporter:
        """What hears of the random searches."""
        ...

    def announce(self, ground: Ground, contenders: Sequence[Contender], due: int) -> None:
        """All input has been checked; `due` trainings are still to do."""
        ...

    def training(self, keys: Sequence[Key], evaluation: Evaluation) -> None:
        """A training was finished and recorded; `keys`: the trials that it is."""
        ...


def compare(
    request: Request, overrides: Sequence[str], data_root: str | None, reporter: ComparisonReporter
) -> Results:
    """Trains and measures every contender that is not done yet; the results, which are in the folder too.

    overrides: `key=value` for the first run's configuration. Raises InputError before anything is trained where the
    input is wrong.
    """
    begun = time.time()
    ground = prepare_ground(request, overrides, data_root)
    shape, classes = ground.data.input_shape, ground.data.class_count
    named = [*_evolved(request), *_backbones(request)]
    contenders = entrants(named, shape, classes)
    settings = trial_settings(request, ground)
    with ComparisonFolder.opened(request.out, Definition(settings, request.seeds, tuple(contenders))):
        pass  # what does not fit an earlier comparison is found here, before any random search
    found = random_contenders(
        ground.search, request.runs[0], request.out, request.random, data_root, reporter.search
    )
    contenders = entrants([*named, *found], shape, classes)
    definition = Definition(settings, request.seeds, tuple(contenders))
    with ComparisonFolder.opened(request.out, definition) as folder:
        return _run(request, ground, folder, contenders, reporter, begun)


def _evolved(request: Request) -> list[Contender]:
    found: list[Contender] = []
    for each in request.evolved:
        number = request.runs.index(each.run) + 1
        name = "evolved" if number == 1 else f"evolved-{number}"
        if each.candidate is None:
            found += evolved_contenders(each.run, name)
        else:
            found.append(candidate_contender(each.run, each.candidate, f"{name}-candidate-{each.candidate}"))
    return found


def _backbones(request: Request) -> list[Contender]:
    if not request.backbones:
        return []
    grammar = open_grammar(request.grammar or shipped_folder("grammars") / "spenser_gee.lark")
    return [backbone(path, grammar) for path in request.backbones]


def _run(
    request: Request,
    ground: Ground,
    folder: ComparisonFolder,
    contenders: Sequence[Contender],
    reporter: ComparisonReporter,
    begun: float,
) -> Results:
    trials = all_finished(folder)
    settings = folder.definition.settings
    due = due_trials(contenders, arms_of(settings), request.seeds, ground, trials)
    reporter.announce(ground, contenders, len(due))
    before, environment = folder.seconds_spent(), describe_environment(ground.config.seed)

    def write() -> Results:
        seconds = before + time.time() - begun
        results = collect(folder, trials, ground, environment, seconds)
        folder.write_results(results)
        return results

    write()
    for keys, evaluation in carry_out(due, settings, ground, request.timeout):
        for key in keys:
            folder.write_trial(*key, evaluation)
            trials[key] = Finished.of(evaluation, key[2])
        write()
        reporter.training(keys, evaluation)
    measure_latencies(folder, contenders, ground)
    return write()
