"""Going on with a run under an edited grammar.

Stored expansion choices mean other networks once alternatives have moved; stored sentences still say what they
said. So every stored sentence is read again with the new grammar.
"""

from __future__ import annotations

from collections.abc import Callable

from spenser_gee.errors import InputError, input_error
from spenser_gee.genotype import Genotype, grammar_difference, reencode, sentence_of
from spenser_gee.runs.queries import candidates
from spenser_gee.runs.store import RunFolder
from spenser_gee.search import Candidate
from spenser_gee.session.setup import Setup


def adopt_grammar(
    folder: RunFolder, setup: Setup, drop_unreadable: bool, warn: Callable[[str], None]
) -> None:
    """Re-encodes every stored candidate and the search's state with the grammar of `setup`, in one transaction.

    An unfinished generation is begun anew: under another grammar the same draws propose other candidates.
    Raises InputError where stored sentences are not in the new grammar (unless `drop_unreadable`), or where
    one that the search goes on from is not.
    """
    grammar, strategy = setup.grammar, setup.strategy
    difference = grammar_difference(folder.grammar_canonical(), grammar)
    warn(f"The grammar has changed since the run began:\n{difference}")
    stored = candidates(folder)
    read = reencode([each.sentence for each in stored], grammar)
    found = dict(zip((each.id for each in stored), read, strict=True))
    bad = [(number, error) for number, error in found.items() if isinstance(error, InputError)]
    if bad and not drop_unreadable:
        first_id, first = bad[0]
        raise input_error(
            str(folder.path),
            f"{len(bad)} of {len(stored)} stored networks are not in the edited grammar, first candidate "
            f"{first_id}: {first.findings[0].problem}",
            "Widen the grammar, or go on without them: resume --drop-unreadable.",
        )
    genotypes = {number: each for number, each in found.items() if isinstance(each, Genotype)}

    def change(candidate: Candidate[Genotype]) -> Candidate[Genotype]:
        if candidate.id not in genotypes:
            raise input_error(
                str(folder.path),
                f"the best network (candidate {candidate.id}) is not in the edited grammar",
                "Widen the grammar so that it contains this network, or start a new run.",
            )
        return setup.space.candidate_of(candidate, genotypes[candidate.id])

    last, state = folder.last_state(), None
    if last is not None:
        with folder.trusting():
            before = strategy.state_from_json(last)
        state = strategy.state_to_json(strategy.reencode(before, change))
    folder.adopt_grammar(
        grammar.source,
        grammar.canonical(),
        grammar.sha256,
        {number: (g.to_json(), sentence_of(g, grammar)) for number, g in genotypes.items()},
        state,
    )
    warn(f"{len(genotypes)} of {len(stored)} stored networks were read with the edited grammar.")
