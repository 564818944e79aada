"""From wherever a run stands to its end: the rest of the search, the final training, and the test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spenser_gee.execution import open_executor
from spenser_gee.runs.store import RunFolder
from spenser_gee.runs.summary import summarise
from spenser_gee.search import Standing, Stops, finished, run_search
from spenser_gee.search.proposals import EFFORT
from spenser_gee.session.final import final_training
from spenser_gee.session.generation import GenerationEvaluator, SessionRecord, order_weights
from spenser_gee.session.reporter import Reporter
from spenser_gee.session.setup import Setup


def carry_on(setup: Setup, folder: RunFolder, reporter: Reporter) -> dict[str, Any]:
    """The summary, as of `show --json`. What ends the run is recorded, and passes."""
    try:
        _search(setup, folder, reporter)
        _finish(setup, folder, reporter)
    except KeyboardInterrupt:
        folder.event("interrupted")
        raise
    except BaseException as error:
        folder.event("failed", f"{type(error).__name__}: {error}")
        raise
    return end(setup, folder)


def end(setup: Setup, folder: RunFolder) -> dict[str, Any]:
    """Records how the run ended; the summary."""
    if best_of(setup, folder) is None:
        folder.event("failed", "no candidate was complete")
    else:
        folder.event("finished")
    return summarise(folder).to_dict()


def nothing_to_do(setup: Setup, folder: RunFolder) -> bool:
    """Whether the search has reached its end, and its best network is tested."""
    if not finished(setup.strategy, state_of(setup, folder), folder, _stops(setup)):
        return False
    best = best_of(setup, folder)
    return best is None or _tested(folder, _identity(setup, best))


def state_of(setup: Setup, folder: RunFolder) -> Any:
    """The strategy's state after the last finished generation."""
    stored = folder.last_state()
    with folder.trusting():
        return setup.strategy.init() if stored is None else setup.strategy.state_from_json(stored)


def best_of(setup: Setup, folder: RunFolder) -> Standing | None:
    """The network to train further, or None while there is none."""
    front = setup.strategy.progress(state_of(setup, folder)).front
    return front[0] if front else None


def _stops(setup: Setup) -> Stops:
    search = setup.config.search
    return Stops(search.generations, search.evaluations, search.seconds)


def _search(setup: Setup, folder: RunFolder, reporter: Reporter) -> None:
    search, strategy, stops = setup.config.search, setup.strategy, _stops(setup)
    state = state_of(setup, folder)
    begun = strategy.progress(state).generation
    record = SessionRecord(setup, folder, reporter)
    if finished(strategy, state, record, stops):
        return
    done = begun - strategy.progress(state).finals
    budgets = setup.evaluations_from(done) + EFFORT * setup.finalists
    reporter.searching(begun, search.generations, budgets, strategy.objectives[0])

    def exhausted(generation: int) -> None:
        text = (
            f"The search ends before generation {generation}: {search.offspring} times {search.redraws} draws gave only "
            "networks that were evaluated already. A wider grammar, or more search.redraws, would give new ones."
        )
        folder.event("exhausted", text)
        reporter.note(text)

    with open_executor(
        setup.worker_start, search.workers, search.timeout, search.recycle, search.engine
    ) as executor:
        evaluate = GenerationEvaluator(setup, folder, executor)
        run_search(strategy, evaluate, record, stops=stops, state=state, exhausted=exhausted)


def _finish(setup: Setup, folder: RunFolder, reporter: Reporter) -> None:
    state = state_of(setup, folder)
    front = setup.strategy.progress(state).front
    if not front:
        return
    # Again: the run may have been stopped between recording its last generation and this.
    order_weights(setup, folder, state)
    best = front[0]
    identity = _identity(setup, best)
    if _tested(folder, identity):
        return
    done = folder.final()
    result = final_training(setup, folder, (best.id, best.trained), reporter.final)
    # Each further test of another network makes the test set a little less unseen: it is counted.
    tests = 1 if done is None else done.get("tests", 1) + 1
    folder.write_final({**result, **identity, "tests": tests})


def _identity(setup: Setup, best: Standing) -> dict[str, int]:
    """What a final training depends on."""
    return {"id": best.id, "generation": best.trained, "epochs": setup.config.final.epochs}


def _tested(folder: RunFolder, identity: Mapping[str, int]) -> bool:
    with folder.trusting():
        done = folder.final()
        return done is not None and all(done.get(key) == value for key, value in identity.items())
