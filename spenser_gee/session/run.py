"""Starting and resuming runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spenser_gee.config import Config
from spenser_gee.data import require_same
from spenser_gee.errors import input_error
from spenser_gee.evaluation import Evaluation
from spenser_gee.execution import Executor, Job, open_executor
from spenser_gee.genotype import Genotype
from spenser_gee.grammar import Grammar, parse_grammar
from spenser_gee.phenotype.check import check_words, open_grammar
from spenser_gee.phenotype.decode import decode
from spenser_gee.phenotype.plan import plan_network
from spenser_gee.phenotype.spec import BUILDER_VERSION, NetworkSpec
from spenser_gee.rng import derive_seed
from spenser_gee.runs.environment import describe_environment
from spenser_gee.runs.record import RunRecord
from spenser_gee.runs.store import RunFolder, require_free
from spenser_gee.search import Candidate, GenerationSummary, Stops, run_search
from spenser_gee.session.edited_grammar import adopt_grammar
from spenser_gee.session.final import load_best, train_and_test
from spenser_gee.session.reporter import Reporter, Silent
from spenser_gee.session.setup import Setup, read_text, set_up

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
    "backend",
    "threads",
)


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
    require_free(out)
    grammar = open_grammar(config.grammar)
    setup = set_up(config, grammar, data_root)
    if announce is not None:
        announce(setup)
    environment = {
        "builder": BUILDER_VERSION,
        "backend": setup.backend,
        **describe_environment(config.seed),
    }
    start = None if config.search.start is None else read_text(config.search.start)
    folder = RunFolder.create(
        out,
        _resolved(config, setup),
        grammar.source,
        grammar.canonical(),
        grammar.sha256,
        environment,
        start,
        setup.identity.to_dict(),
    )
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
        warn: gets messages on an edited grammar, on data that were not recorded, and that there is nothing to do.
    """
    with RunFolder.open(path, write=True) as folder:
        config = _changed(config_of(folder), changes or {})
        _check_builder(folder)
        if grammar_path is None:
            grammar = grammar_of(folder, config)
        else:
            grammar = open_grammar(grammar_path)
            config = config.model_copy(update={"grammar": str(grammar_path.resolve())})
        setup = set_up(_with_own_start(folder, config), grammar, data_root)
        require_same(folder.data_record(), setup.identity, str(path))
        _check_parent(setup, folder)
        _compare_backend(setup, folder, warn)
        if grammar.sha256 != folder.grammar_sha256():
            adopt_grammar(folder, grammar, drop_unreadable, warn)
        folder.write_config(_resolved(config, setup))
        _record_data(setup, folder, warn)
        if announce is not None:
            announce(setup)
        if _nothing_to_do(setup, folder):
            warn(
                "The run is finished: there is nothing to do. For two more generations: "
                "resume --set search.generations=+2"
            )
            summary = folder.summary()
            if summary["status"] == ("finished" if summary["best"] else "failed"):
                return summary
            folder.event("resume")
            return _end(folder)
        folder.event("resume")
        return _carry_on(setup, folder, reporter or Silent())


def config_of(folder: RunFolder) -> Config:
    """The configuration of a run. Raises InputError."""
    name = str(folder.path / "config.yaml")
    try:
        return Config.from_dict(folder.config(), name)
    except RecursionError:
        raise input_error(name, "a value contains itself") from None


def grammar_of(folder: RunFolder, config: Config) -> Grammar:
    """The grammar in a run folder. Raises InputError."""
    # Files that the grammar imports are looked for where it came from.
    text, name = folder.grammar_text(), str(folder.path / "grammar.lark")
    grammar = parse_grammar(text, name, Path(config.grammar).parent)
    check_words(grammar)
    return grammar


def _resolved(config: Config, setup: Setup) -> dict[str, Any]:
    return config.model_copy(update={"data": setup.data_settings}).to_dict()


def _with_own_start(folder: RunFolder, config: Config) -> Config:
    """With the run's own copy of the first parent, while the search may still need it."""
    with folder.trusting():
        state = folder.last_state()
        needed = state is None or state["elite"] is None
    start = str(folder.first_parent) if needed and config.search.start is not None else None
    return config.model_copy(update={"search": config.search.model_copy(update={"start": start})})


def _changed(config: Config, changes: Mapping[str, Any]) -> Config:
    values = config.to_dict()
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
        target[last] = _more(target[last], value)
    where = " ".join(f"--set {key}={value}" for key, value in changes.items())
    return Config.from_dict(values, where) if changes else config


def _more(before: Any, value: Any) -> Any:
    """`+N` is N more than before."""
    if isinstance(value, str) and isinstance(before, int) and re.fullmatch(r"\+[0-9]+", value):
        return before + int(value)
    return value


def _check_builder(folder: RunFolder) -> None:
    found = folder.environment().get("builder")
    if found != BUILDER_VERSION:
        raise input_error(
            str(folder.path),
            f"the run needs version {found} of the network builder, this is {BUILDER_VERSION}: "
            "its words mean other networks now",
            "Resume it with the version of the program that began it (environment.json).",
        )


def _compare_backend(setup: Setup, folder: RunFolder, warn: Callable[[str], None]) -> None:
    """Results of backends differ in their last digits; a search can take another way from there."""
    before = folder.environment().get("backend", "plain")
    if before != setup.backend:
        warn(
            f"The neurons ran on the {before} backend when this run began, and run on {setup.backend} now: "
            f"results may differ in their last digits (--set backend={before} keeps it, where it works)"
        )


def _record_data(setup: Setup, folder: RunFolder, warn: Callable[[str], None]) -> None:
    """An earlier version recorded no data; from now on they are these."""
    if folder.data_record() is None:
        folder.write_data_record(setup.identity.to_dict())
        warn(
            "Nothing was known of the run's data, as an earlier version began it: data.json records these now."
        )


def _check_parent(setup: Setup, folder: RunFolder) -> None:
    """The search and the final training go on from the trained best network. Raises InputError without it."""
    best = folder.best_before(folder.generations_done())
    if best is not None:
        load_best(setup, folder.weights_path(*best))


def _nothing_to_do(setup: Setup, folder: RunFolder) -> bool:
    search, record = setup.config.search, RunRecord(folder, Genotype.to_json)
    stops = Stops(search.generations, search.evaluations, search.seconds)
    done = folder.generations_done()
    if not stops.reached(done, record.evaluations_done(), record.seconds_spent()):
        return False
    best = folder.best_before(done)
    return best is None or _tested(folder, _identity(setup, best))


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
    return _end(folder)


def _end(folder: RunFolder) -> dict[str, Any]:
    if folder.best_before(folder.generations_done()) is None:
        folder.event("failed", "no candidate was complete")
    else:
        folder.event("finished")
    return folder.summary()


def _search(setup: Setup, folder: RunFolder, reporter: Reporter) -> None:
    search, strategy = setup.config.search, setup.strategy
    stored = folder.last_state()
    with folder.trusting():
        state = strategy.init() if stored is None else strategy.state_from_json(stored)
        begun = strategy.progress(state).generation
    stops = Stops(search.generations, search.evaluations, search.seconds)
    record = _SessionRecord(folder, reporter)
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
        parent = self._parent(generation)
        weights = None if parent is None else str(self.folder.weights_path(*parent))
        curve = None if parent is None else self._parent_curve(parent)
        specs = {c.id: decode(c.genotype, self.setup.grammar) for c in candidates}
        jobs = [
            Job(
                candidate.id,
                {
                    "spec": specs[candidate.id].to_dict(),
                    "sentence": candidate.sentence,
                    "seed": seed,
                    "parent": weights,
                    "save": str(self.folder.weights_path(candidate.id, generation)),
                    # The parent itself is never given up: the others are compared with it.
                    "rival": None if parent is not None and candidate.id == parent[0] else curve,
                },
            )
            # The longest first: begun last, one would keep all other workers waiting.
            for candidate in sorted(candidates, key=lambda c: -self._work(specs[c.id]))
        ]
        yield from self.executor.run(jobs)

    def _work(self, spec: NetworkSpec) -> int:
        """Multiply-accumulates of a network, which its time follows roughly."""
        data = self.setup.data
        return plan_network(spec, data.input_shape, data.class_count).macs

    def _parent(self, generation: int) -> tuple[int, int] | None:
        """(candidate, generation) of the trained parent: in every generation all candidates inherit from it, the
        parent itself too, so that what is compared is the architecture. Random search has no parents."""
        if self.setup.config.search.strategy == "random":
            return None
        return self.folder.best_before(generation)

    def _parent_curve(self, parent: tuple[int, int]) -> list[Any] | None:
        """The parent's learning curve in the generation before: it is known before this one begins, so that neither
        the order of the results nor the number of workers changes what is given up."""
        if not self.setup.config.training.abandon:
            return None
        number, generation = parent
        with self.folder.trusting():
            curve = dict(self.folder.evaluations(number))[generation].details["curve"]
            # An earlier version recorded no accuracies: then nothing is given up yet.
            if any(len(entry) != 3 for entry in curve):
                return None
            return [[int(step), float(loss), float(accuracy)] for step, loss, accuracy in curve]


class _SessionRecord(RunRecord):
    """Records, reports, and keeps the weight files in order."""

    def __init__(self, folder: RunFolder, reporter: Reporter) -> None:
        super().__init__(folder, Genotype.to_json)
        self._run, self._reporter = folder, reporter

    def evaluation(self, candidate: Candidate[Any], generation: int, evaluation: Evaluation) -> None:
        """See `Record.evaluation`."""
        super().evaluation(candidate, generation, evaluation)
        self._reporter.candidate(candidate, generation, evaluation)

    def generation(self, summary: GenerationSummary, state: Mapping[str, Any]) -> None:
        """See `Record.generation`."""
        super().generation(summary, state)
        _order_weights(self._run)
        self._reporter.generation(summary)


def _order_weights(folder: RunFolder) -> None:
    """Publishes the best and the last weights, and removes those that nothing needs any more."""
    done = folder.generations_done()
    best, last = folder.best_before(done), folder.last_trained(done)
    if best is not None:
        folder.publish_weights(folder.weights_path(*best), folder.best_weights)
    if last is not None:
        folder.publish_weights(folder.weights_path(*last), folder.last_weights)
    # One of a begun generation may become the best.
    folder.keep_weights([*([] if best is None else [best]), *folder.trained_since(done)])


def _finish(setup: Setup, folder: RunFolder, reporter: Reporter) -> None:
    best = folder.best_before(folder.generations_done())
    if best is None:
        return
    # Again: the run may have been stopped between recording its last generation and this.
    _order_weights(folder)
    identity = _identity(setup, best)
    if _tested(folder, identity):
        return
    done = folder.final()
    saved = load_best(setup, folder.weights_path(*best))
    result = train_and_test(setup, saved, setup.config.final.epochs, folder.final_weights, reporter.final)
    # Each further test of another network makes the test set a little less unseen: it is counted.
    tests = 1 if done is None else done.get("tests", 1) + 1
    folder.write_final({**result, **identity, "tests": tests})


def _identity(setup: Setup, best: tuple[int, int]) -> dict[str, int]:
    """What a final training depends on."""
    return {"id": best[0], "generation": best[1], "epochs": setup.config.final.epochs}


def _tested(folder: RunFolder, identity: Mapping[str, int]) -> bool:
    with folder.trusting():
        done = folder.final()
        return done is not None and all(done.get(key) == value for key, value in identity.items())
