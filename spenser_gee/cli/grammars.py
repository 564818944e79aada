"""`grammar check|sample|parse`."""

from __future__ import annotations

import re
from pathlib import Path

from spenser_gee.cli.console import print_json, say
from spenser_gee.errors import input_error
from spenser_gee.genotype import genotype_from_sentence, sample_genotype, sentence_of
from spenser_gee.grammar import Grammar, check_round_trip, space_size
from spenser_gee.phenotype.check import open_grammar
from spenser_gee.phenotype.decode import decode
from spenser_gee.phenotype.plan import Plan, plan_network
from spenser_gee.phenotype.space import infeasible_share
from spenser_gee.phenotype.words.site import Infeasible, Shape
from spenser_gee.rng import stream
from spenser_gee.text import read_text


def check_command(path: Path, shape_text: str, classes: int, as_json: bool) -> None:
    """See `app.grammar_check`."""
    shape = _shape(shape_text)
    grammar = open_aloud(path)
    check_round_trip(grammar)
    share, reasons = infeasible_share(grammar, shape, classes)
    if as_json:
        print_json(
            {
                "grammar": str(path),
                "sha256": grammar.sha256,
                "parts": [[p.name, p.minimum, p.maximum] for p in grammar.parts],
                "log10_networks": space_size(grammar),
                "infeasible_share": share,
                "infeasible_reasons": reasons,
                "warnings": [str(warning) for warning in grammar.warnings],
            }
        )
        return
    parts = ", ".join(
        f"{p.name} {p.minimum}..{p.maximum}" if p.minimum != p.maximum else p.name for p in grammar.parts
    )
    print(f"{path}: no errors, {len(grammar.warnings)} warnings")
    print(f"parts: {parts}")
    print(f"space: about 10^{space_size(grammar):.1f} networks (a real number counted as 1,000 values)")
    why = f" ({', '.join(f'{word} {count}' for word, count in reasons.items())})" if reasons else ""
    print(f"collapse: {share:.1%} of 500 samples cannot be built for {shape_text} and {classes} classes{why}")


def sample_command(path: Path, number: int, seed: int) -> None:
    """See `app.grammar_sample`."""
    grammar = open_aloud(path)
    for index in range(number):
        print(sentence_of(sample_genotype(grammar, stream(seed, "grammar sample", index)), grammar))


def parse_command(path: Path, grammar_path: Path, shape_text: str, classes: int, as_json: bool) -> None:
    """See `app.grammar_parse`."""
    shape = _shape(shape_text)
    grammar = open_aloud(grammar_path)
    spec = decode(genotype_from_sentence(grammar, read_text(path, "network"), str(path)), grammar)
    try:
        plan = plan_network(spec, shape, classes)
    except Infeasible as error:
        raise input_error(str(path), f"for {shape_text} and {classes} classes: {error}") from None
    if as_json:
        layers = [
            {
                "layer": p.layer.word,
                **vars(p.layer),
                "unit": p.unit + 1,
                "output": list(p.output),
                "parameters": p.parameters,
                "gene_coded": p.gene_coded,
            }
            for p in plan.layers
        ]
        print_json(
            {
                "parameters": plan.parameters,
                "dense_parameters": plan.dense_parameters,
                "layers": layers,
                "spec": spec.to_dict(),
            }
        )
        return
    _print_plan(plan)


def _print_plan(plan: Plan) -> None:
    print(f"{'unit':>4}  {'layer':<14}{'output':>16}  {'parameters':>12}")
    for p in plan.layers:
        c, h, w = p.output
        coded = "  gene-coded" if p.gene_coded else ""
        print(f"{p.unit + 1:>4}  {p.layer.word:<14}{f'{c} x {h} x {w}':>16}  {p.parameters:>12,}{coded}")
    if plan.encodings:
        print(f"{'':>4}  {f'genes (g = {plan.spec.genes.count})':<14}{'':>14}  {plan.gene_parameters:>12,}")
    ratio = plan.parameters / plan.dense_parameters
    print(
        f"{plan.parameters:,} parameters, {ratio:.2f} of the {plan.dense_parameters:,} with ordinary weights; "
        f"{plan.neurons:,} neurons, {plan.macs:,} MACs per time step"
    )


def open_aloud(path: Path | str) -> Grammar:
    """The grammar of a file; its warnings are said."""
    grammar = open_grammar(path)
    for warning in grammar.warnings:
        say(f"warning: {warning}")
    return grammar


def _shape(text: str) -> Shape:
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if match is None:
        raise input_error(f"--shape {text}", "expected channels x height x width, for example 3x32x32")
    channels, height, width = (int(part) for part in match.groups())
    return channels, height, width
