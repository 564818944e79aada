"""`train`: a run's best network anew, or another of its candidates, or a hand-written one."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from spenser_gee.cli.console import output, print_json, say
from spenser_gee.cli.progress import ProgressReporter
from spenser_gee.config import load_config
from spenser_gee.data import chooses_data, require_same
from spenser_gee.errors import input_error
from spenser_gee.genotype import genotype_from_sentence
from spenser_gee.phenotype.check import open_grammar
from spenser_gee.runs.layout import RunPaths
from spenser_gee.runs.origin import changed_config, config_of, grammar_of
from spenser_gee.runs.queries import best_candidate, candidate
from spenser_gee.runs.store import RunFolder
from spenser_gee.session.final import retrain
from spenser_gee.session.setup import read_sentence, set_up
from spenser_gee.streams import keep_going


def train_command(
    what: Path,
    candidate_id: int | None,
    config_path: Path | None,
    epochs: int | None,
    out: Path | None,
    overrides: Sequence[str],
    data_root: str | None,
    as_json: bool,
) -> None:
    """See `app.train`."""
    keep_going()
    recorded = None
    if what.is_dir():
        if config_path is not None:
            raise input_error(f"--config {config_path}", "a run folder has its own configuration")
        with RunFolder.open(what) as folder:
            number = best_candidate(folder) if candidate_id is None else candidate_id
            if number is None:
                raise input_error(str(what), "the run has no complete candidate to train")
            grammar, sentence = grammar_of(folder, config_of(folder)), candidate(folder, number).sentence
            recorded = None if chooses_data(overrides) else folder.data_record()
        config = changed_config(what, overrides)
        name = f"{what}: candidate {number}"
        genotype = genotype_from_sentence(grammar, sentence, name)
    else:
        if candidate_id is not None:
            raise input_error(f"--candidate {candidate_id}", f"only a run has candidates, and {what} is none")
        if config_path is None:
            raise input_error(
                str(what), "a sentence needs --config CONFIG for its data and grammar, or name a run folder"
            )
        config = load_config(config_path, overrides)
        grammar = open_grammar(config.grammar)
        name = str(what)
        genotype = read_sentence(what, grammar)
        config = config.model_copy(update={"search": config.search.model_copy(update={"start": None})})
    target = out or _target(what, candidate_id)
    _require_writable(target)
    setup = set_up(config, grammar, data_root)
    require_same(recorded, setup.identity, str(what))
    passes = epochs if epochs is not None else config.final.epochs
    say(f"training {name} for {passes} epochs on {setup.data.name}, {setup.device}; weights to {target}")
    with ProgressReporter() as reporter:
        result = retrain(setup, genotype, name, passes, target, reporter.final)
    if as_json:
        print_json(result)
        return
    output.print(
        f"test accuracy {result['test_accuracy']:.4f} +- {result['test_standard_error']:.4f} on "
        f"{result['test_images']:,} images, {result['parameters']:,} parameters; weights in {target}"
    )


def _require_writable(target: Path) -> None:
    if target.exists():
        raise input_error(
            str(target), "the file exists, and nothing is overwritten", "Choose another with --out."
        )
    try:
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise input_error(
            str(target), f"the weights cannot be written here: {error.strerror}", "Choose another with --out."
        ) from None


def _target(what: Path, candidate_id: int | None) -> Path:
    return (
        RunPaths(what).retrained_weights(candidate_id) if what.is_dir() else Path(f"{what.stem}.safetensors")
    )
