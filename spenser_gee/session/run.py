"""Starting and resuming runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from spenser_gee.config import Config
from spenser_gee.environment import describe_environment
from spenser_gee.errors import input_error
from spenser_gee.evaluation import Evaluation
from spenser_gee.execution import Executor, Job, open_executor
from spenser_gee.genotype import Genotype
from spenser_gee.grammar import Grammar, load_grammar, parse_grammar
from spenser_gee.phenotype.check import check_words
from spenser_gee.phenotype.decode import decode
from spenser_gee.phenotype.spec import BUILDER_VERSION
from spenser_gee.rng import derive_seed
from spenser_gee.run_folder import RunFolder
from spenser_gee.run_record import RunRecord
from spenser_gee.search import Candidate, GenerationSummary, Stops, run_search
from spenser_gee.session.edited_grammar import adopt_grammar
from spenser_gee.session.final import load_best, train_and_test
from spenser_gee.session.reporter import Reporter, Silent
from spenser_gee.session.setup import Setup, set_up

# What may be changed when a run goes on: nothing that decides what was evaluated so far.
CHANGEABLE = (
    "search.generations",
    "search.evaluations",
    "search.seconds",
    "search.workers",
    "search.timeout",
    "search.recycle",
    "final.epochs",
    "data.root",
    "device",
    "threads",
)


def open_grammar(path: str | Path) -> Grammar:
    """A grammar whose words the builder knows. Raises InputError."""
    grammar = load_grammar(path)
    check_words(grammar)
    return grammar


def start_run(
    config: Config,
    out: Path,
    data_root: str | None = None,
    reporter: Reporter | None = None,
    announce: Callable[[Setup], None] | None = None,
) -> dict[str, Any]:
    """Runs a whole configuration in the new folder `out`; the summary as of `show --json`.

    announce: called once all input has been checked, before the folder is made.
    Raises InputError before anything is written where the input is wrong.
    """
    grammar = open_grammar(config.grammar)
    setup = set_up(config, grammar, data_root)
    if announce is not None:
        announce(setup)
    environment = {"builder": BUILDER_VERSION, **describe_environment(config.seed)}
    resolved = {**config.to_dict(), "data": {**config.to_dict()["data"], "root": setup.data_settings.root}}
    folder = RunFolder.create(out, resolved, grammar.source, grammar.canonical(), grammar.sha256, environment)
    with folder:
        folder.event("start")
        return _carry_on(setup, folder, reporter or Silent())


def resume_run(
    path: Path,
    changes: Mapping[str, Any] | None = None,
    *,
    grammar_path: Path | None = None,
    drop_unreadable: bool = False,
    data_root: str | None = None,
    reporter: Reporter | None = None,
    announce: Callable[[Setup], None] | None = None,
    warn: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Goes on with a run from where it stopped; with more generations where `changes` says so.

    Args:
        changes: dotted key -> value, of `CHANGEABLE`.
        grammar_path: an edited grammar to go on with; by default the run folder's own.
        drop_unreadable: go on although some stored networks are not in the edited grammar.
        warn: gets messages on an edited grammar.
    """
    with RunFolder.open(path, write=True) as folder:
        config = Config.from_dict(_changed(folder.config(), changes or {}), str(folder.path / "config.yaml"))
        _check_builder(folder)
        grammar = _grammar_of(folder, config, grammar_path)
        setup = set_up(config, grammar, data_root)
        if grammar.sha256 != folder.grammar_sha256():
            adopt_grammar(folder, grammar, drop_unreadable, warn)
        folder.write_config(
            {**config.to_dict(), "data": {**config.to_dict()["data"], "root": setup.data_settings.root}}
        )
        if announce is not None:
            announce(setup)
        folder.event("resume")
        return _carry_on(setup, folder, reporter or Silent())


def _changed(values: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in changes.items():
        if key not in CHANGEABLE:
            raise input_error(
                f"--set {key}",
                "this would change what was evaluated so far, so a resumed run cannot change it",
                f"Start a new run, or change one of: {', '.join(CHANGEABLE)}.",
            )
        *sections, last = key.split(".")
        target = values
        for section in sections:
            target = target[section]
        target[last] = value
    return values


def _check_builder(folder: RunFolder) -> None:
    found = folder.environment().get("builder")
    if found != BUILDER_VERSION:
        raise input_error(
            str(folder.path),
            f"the run needs version {found} of the network builder, this is {BUILDER_VERSION}: "
            "its words mean other networks now",
            "Resume it with the version of the program that began it (environment.json).",
        )


def _grammar_of(folder: RunFolder, config: Config, path: Path | None) -> Grammar:
    if path is not None:
        return open_grammar(path)
    # Files that the grammar imports are looked for where it came from.
    text, name = folder.grammar_text(), str(folder.path / "grammar.lark")
    grammar = parse_grammar(text, name, Path(config.grammar).parent)
    check_words(grammar)
    return grammar


def _carry_on(setup: Setup, folder: RunFolder, reporter: Reporter) -> dict[str, Any]:
    try:
        _search(setup, folder, reporter)
        _finish(setup, folder, reporter)
    except KeyboardInterrupt:
        folder.event("interrupted")
        raise
    except BaseException as error:
        folder.event("failed", f"{type(error).__name__}: {error}")
        raise
    folder.event("finished")
    return folder.summary()


def _search(setup: Setup, folder: RunFolder, reporter: Reporter) -> None:
    search, strategy = setup.config.search, setup.strategy
    stored = folder.last_state()
    state = strategy.init() if stored is None else strategy.state_from_json(stored)
    stops = Stops(search.generations, search.evaluations, search.seconds)
    record = _SessionRecord(folder, reporter)
    begun = strategy.progress(state).generation
    if stops.reached(begun, record.evaluations_done(), record.seconds_spent()):
        return
    reporter.searching(begun, search.generations, search.offspring)
    with open_executor(setup.worker_start, search.workers, search.timeout, search.recycle) as executor:
        run_search(strategy, _Evaluator(setup, folder, executor), record, stops=stops, state=state)


@dataclass(frozen=True, eq=False)
class _Evaluator:
    """Sends the candidates of a generation to the executor."""

    setup: Setup
    folder: RunFolder
    executor: Executor

    def __call__(
        self, candidates: Sequence[Candidate[Genotype]], generation: int
    ) -> Iterator[tuple[int, Evaluation]]:
        # One draw for the whole generation: the same weights' seeds, data order and spike noise for all.
        seed = derive_seed(self.setup.config.seed, "generation", generation)
        parent = self._parent_weights(generation)
        jobs = [
            Job(
                candidate.id,
                {
                    "spec": decode(candidate.genotype, self.setup.grammar).to_dict(),
                    "sentence": candidate.sentence,
                    "seed": seed,
                    "parent": parent,
                    "save": str(self.folder.weights_path(candidate.id, generation)),
                },
            )
            for candidate in candidates
        ]
        yield from self.executor.run(jobs)

    def _parent_weights(self, generation: int) -> str | None:
        """The trained parent: in every generation all candidates inherit from it, the parent itself too, so
        that what is compared is the architecture. Random search has no parents."""
        if self.setup.config.search.strategy == "random":
            return None
        best = self.folder.best_before(generation)
        return None if best is None else str(self.folder.weights_path(*best))


class _SessionRecord(RunRecord):
    """Records, reports, and keeps the weight files in order."""

    def __init__(self, folder: RunFolder, reporter: Reporter) -> None:
        super().__init__(folder, Genotype.to_json)
        self._run, self._reporter = folder, reporter
        self._last: tuple[int, int] | None = None

    def evaluation(self, candidate: Candidate[Any], generation: int, evaluation: Evaluation) -> None:
        """See `Record.evaluation`."""
        super().evaluation(candidate, generation, evaluation)
        if self._run.weights_path(candidate.id, generation).is_file():
            self._last = (candidate.id, generation)
        self._reporter.candidate(candidate, generation, evaluation)

    def generation(self, summary: GenerationSummary, state: Mapping[str, Any]) -> None:
        """See `Record.generation`."""
        super().generation(summary, state)
        best = self._run.best_before(summary.generation + 1)
        if best is not None:
            self._run.publish_weights(self._run.weights_path(*best), self._run.best_weights)
        if self._last is not None:
            self._run.publish_weights(self._run.weights_path(*self._last), self._run.last_weights)
        self._run.keep_weights([best] if best is not None else [])
        self._reporter.generation(summary)


def _finish(setup: Setup, folder: RunFolder, reporter: Reporter) -> None:
    best = folder.best_before(folder.generations_done())
    if best is None:
        return
    if setup.config.threads is not None:
        torch.set_num_threads(setup.config.threads)
    done = folder.final()
    epochs = setup.config.final.epochs
    identity = {"id": best[0], "generation": best[1], "epochs": epochs}
    if done is not None and all(done.get(key) == value for key, value in identity.items()):
        return
    saved = load_best(setup, folder.weights_path(*best))
    result = train_and_test(setup, saved, epochs, folder.final_weights, reporter.final)
    # Each further test of another network makes the test set a little less unseen: it is counted.
    tests = 1 if done is None else done.get("tests", 1) + 1
    folder.write_final({**result, **identity, "tests": tests})
