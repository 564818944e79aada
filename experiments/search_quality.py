"""Does a search earn its evaluations? Strategies, and Optuna's, at equal cost from paired seeds.

    python experiments/search_quality.py table --table FILE.npz --epochs 10 --arms random one-plus-lambda optuna-tpe
    python experiments/search_quality.py real --data-root DATA --arms random evolution --seeds 0 17 --workers 2

table: a table of trained networks is looked up (SpikeNAS-Bench): seconds. real: networks of spenser_gee.lark are trained
on Fashion-MNIST, pooled to 14 x 14 unless --pool says otherwise; the endpoint is the chosen network trained from birth,
on the test images. An arm is a name (quality/arms.py) or NAME={"strategy": ...}. Every search spends as many budgets of
one evaluation, finalists included. Searches of one seed begin with the same networks where the strategies sample them.
What --out has already is not made again; tables in Markdown are printed of all that it has of this ground.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from quality.analysis import analyse, draw, tables
from quality.arms import ARMS, read_arms
from quality.grounds import Request
from quality.real import RealRequest
from quality.reckoning import reckon
from quality.study import Study, run_study
from quality.table import TableRequest

from spenser_gee.atomic import write_json
from spenser_gee.errors import run_script


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    grounds = parser.add_subparsers(dest="kind", required=True)
    table = grounds.add_parser("table", help="looked up")
    table.add_argument("--table", type=Path, required=True)
    table.add_argument("--epochs", type=int, default=10, help="of the fitness")
    real = grounds.add_parser("real", help="trained")
    real.add_argument("--dataset", default="fashion-mnist")
    real.add_argument("--data-root", type=Path)
    real.add_argument("--pool", type=int, default=2, help="the mean of so many pixels squared is one pixel")
    real.add_argument(
        "--images", type=int, default=8000, help="for candidates: 70 %% train, 30 %% are Fitness"
    )
    real.add_argument("--steps", type=int, default=352, help="of a candidate")
    real.add_argument("--batch", type=int, default=16, help="images of a step")
    real.add_argument("--final-steps", type=int, default=1800, help="of the chosen network")
    real.add_argument("--parameters", type=int, default=35_000, help="limit")
    real.add_argument("--macs", type=int, default=1_000_000, help="limit, per time step and image")
    real.add_argument("--activations", type=int, help="limit, per time step and image; without it, none")
    for ground, searches, evaluations in ((table, 200, 150), (real, 17, 128)):
        ground.add_argument("--arms", nargs="+", default=["random", "one-plus-lambda"], help=", ".join(ARMS))
        ground.add_argument("--seeds", nargs=2, type=int, default=(0, searches), metavar=("FIRST", "END"))
        ground.add_argument("--evaluations", type=int, default=evaluations, help="plain budgets of a search")
        ground.add_argument("--reference", default="random")
        ground.add_argument("--workers", type=int, default=0, help="processes; 0: this one")
        ground.add_argument("--out", type=Path, default=Path("docs/results/search_quality.json"))
        ground.add_argument("--figure", type=Path)
        ground.add_argument("--reckon", action="store_true", help="what it would cost; nothing is run")
    return parser.parse_args()


def request_of(options: argparse.Namespace) -> Request:
    """The ground that is asked for."""
    if options.kind == "table":
        return TableRequest(options.table, options.epochs)
    return RealRequest(
        options.dataset,
        options.data_root,
        options.pool,
        options.images,
        options.steps,
        options.batch,
        options.final_steps,
        options.parameters,
        options.macs,
        options.activations,
    )


def main() -> None:
    """Runs what the output file does not have yet. Raises InputError."""
    options = parse()
    arms = read_arms(options.arms)
    study = Study(request_of(options), arms, range(*options.seeds), options.evaluations)
    if options.reckon:
        print(reckon(study, options.workers))
        return
    results = run_study(study, options.out, options.workers)
    results["analysis"] = {
        **results.get("analysis", {}),
        **analyse(results["rows"], [study.label], options.reference),
    }
    write_json(options.out, results)
    own = {study.label: results["analysis"][study.label]}
    print(tables(own))
    if options.figure is not None:
        draw(results["rows"], own, options.figure)


if __name__ == "__main__":
    run_script(main)
