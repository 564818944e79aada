"""Does the gene encoding earn its place by size? Fronts of accuracy and parameters, with it and without it.

    python experiments/gene_front.py configs/digits.yaml --out docs/results/gene_front.json --figure gene_front.png

NSGA-II strives for (fitness, parameters) in the configuration's grammar as it is, where `weights` may be gene-encoded,
and with every `weights=gene` taken out of it: the same seeds, as many evaluations. Each member of the fronts is then
trained from birth on all training images and tested. Saved after every network; what --out has is not trained again.
Printed: the best test accuracy within limits of parameters, a mean over seeds, and what share of the networks on the
fronts have gene-encoded layers.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from spenser_gee.atomic import write_json
from spenser_gee.config import Config, load_config
from spenser_gee.errors import input_error, run_script
from spenser_gee.genotype import genotype_from_sentence
from spenser_gee.phenotype.check import open_grammar
from spenser_gee.runs import queries
from spenser_gee.runs.store import RunFolder
from spenser_gee.session import start_run
from spenser_gee.session.final import retrain
from spenser_gee.session.setup import set_up
from spenser_gee.text import read_text

GENE = '("gene" | "direct")'
SPACES = {"with gene encoding": GENE, "without": '"direct"'}
LIMITS = (500, 1000, 2000, 4000, 8000, 16000)
Row = Mapping[str, Any]


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path)
    parser.add_argument("--data-root")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--generations", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=20, help="of the members of the fronts")
    parser.add_argument("--set", action="extend", nargs="+", default=[], metavar="KEY=VALUE")
    parser.add_argument("--out", type=Path, default=Path("docs/results/gene_front.json"))
    parser.add_argument("--figure", type=Path)
    return parser.parse_args()


def main() -> None:
    """Runs what the output file does not have yet."""
    options = parse()
    results: dict[str, Any] = {"searches": []}
    if options.out.exists():
        results = json.loads(options.out.read_text())
    done = {(row["space"], row["seed"]) for row in results["searches"]}
    for seed in range(options.seeds):
        for space in SPACES:
            if (space, seed) not in done:
                with tempfile.TemporaryDirectory() as folder:
                    results["searches"].append(searched(options, space, seed, Path(folder)))
                write_json(options.out, results)
    print(table(results["searches"]))
    if options.figure is not None:
        draw(results["searches"], options.figure)


def searched(options: argparse.Namespace, space: str, seed: int, folder: Path) -> dict[str, Any]:
    """One search and the tests of its front."""
    config = configuration(options, space, seed, folder)
    start_run(config, folder / "run", options.data_root)
    return {"space": space, "seed": seed, "front": list(tested(config, folder, options))}


def configuration(options: argparse.Namespace, space: str, seed: int, folder: Path) -> Config:
    """Of one search; the grammar without gene-encoded weights is written into `folder`."""
    config = load_config(
        options.config,
        [
            "objectives=[fitness, parameters]",
            "search.strategy=nsga2",
            "search.finalists=10",
            f"search.generations={options.generations}",
            "initialisation.terms=off",
            "final.epochs=0",
            f"seed={seed}",
            *options.set,
        ],
    )
    text = read_text(config.grammar, "grammar")
    if GENE not in text:
        raise input_error(config.grammar, f"no {GENE} to replace", "Give a grammar with gene-encoded layers.")
    path = folder / "grammar.lark"
    path.write_text(text.replace(GENE, SPACES[space]))
    (folder / "numeric.lark").write_text(read_text(Path(config.grammar).with_name("numeric.lark"), "grammar"))
    return config.model_copy(update={"grammar": str(path)})


def tested(config: Config, folder: Path, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The members of the run's front, each trained from birth and tested."""
    setup = set_up(config, open_grammar(config.grammar), options.data_root)
    with RunFolder.open(folder / "run") as run:
        front = queries.generations(run)[-1].front
        sentences = {member.id: queries.candidate(run, member.id).sentence for member in front}
    for number, sentence in sentences.items():
        genotype = genotype_from_sentence(setup.grammar, sentence)
        target = folder / f"{number}.safetensors"
        result = retrain(setup, genotype, sentence, options.epochs, target, lambda share: None)
        yield {
            "sentence": sentence,
            "parameters": result["parameters"],
            "dense_parameters": result["dense_parameters"],
            "test_accuracy": result["test_accuracy"],
            "gene": "weights=gene" in sentence.replace(" = ", "="),
        }


def table(searches: Sequence[Row]) -> str:
    """In Markdown; accuracies in per cent, mean ± standard error over the seeds whose fronts reach so low."""
    lines = [
        "| space | searches | on the front | gene-encoded | " + " | ".join(f"≤ {n:,}" for n in LIMITS) + " |",
        "|---" * (4 + len(LIMITS)) + "|",
    ]
    for space in SPACES:
        own = [row["front"] for row in searches if row["space"] == space]
        members = [member for front in own for member in front]
        cells = [space, str(len(own)), str(len(members))]
        cells.append(f"{100 * sum(m['gene'] for m in members) / max(1, len(members)):.0f} %")
        for limit in LIMITS:
            best = [
                max(m["test_accuracy"] for m in front if m["parameters"] <= limit)
                for front in own
                if any(m["parameters"] <= limit for m in front)
            ]
            cells.append(_mean(best))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _mean(values: Sequence[float]) -> str:
    if not values:
        return "-"
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return f"{100 * statistics.mean(values):.1f} ± {100 * error:.1f} ({len(values)})"


def draw(searches: Sequence[Row], path: Path) -> None:
    """Every member of every front."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for space, colour, marker in zip(SPACES, ("tab:orange", "tab:blue"), "os", strict=True):
        for row in searches:
            if row["space"] == space:
                front = sorted(row["front"], key=lambda member: member["parameters"])
                xs = [member["parameters"] for member in front]
                ys = [100 * member["test_accuracy"] for member in front]
                axes.plot(xs, ys, color=colour, marker=marker, alpha=0.7, linewidth=0.8, markersize=4)
        axes.plot([], [], color=colour, marker=marker, label=space)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("parameters")
    axes.set_ylabel("test accuracy, per cent")
    axes.legend()
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    run_script(main)
