"""The commands and their options. Heavy imports happen inside the commands, so that --help is quick."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from spenser_gee.errors import InputError
from spenser_gee.paths import output_path, user_path
from spenser_gee.streams import StreamLost, guard_streams, keep_going, stdout_lost

app = typer.Typer(
    name="spenser-gee",
    help="Evolve spiking neural networks: a grammar and a configuration in, a trained and tested network out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
grammar_app = typer.Typer(help="Check a grammar, draw from it, read a network with it.", no_args_is_help=True)
config_app = typer.Typer(help="Check a configuration.", no_args_is_help=True)
app.add_typer(grammar_app, name="grammar")
app.add_typer(config_app, name="config")


def _argument(help_: str, metavar: str) -> Any:
    """An argument that is a path."""
    return typer.Argument(metavar=metavar, help=help_, parser=user_path)


def _option(help_: str, *names: str) -> Any:
    """An option that is a path to read from."""
    return typer.Option(*names, metavar="PATH", help=help_, parser=user_path)


def _output(help_: str, *names: str, metavar: str = "PATH") -> Any:
    """An option that is a path to write to."""
    return typer.Option(*names, metavar=metavar, help=help_, parser=output_path)


Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a configuration key (repeatable)."),
]
DataRoot = Annotated[
    str | None,
    typer.Option(
        help="Folder that holds the data sets, in torchvision's layout.",
        metavar="PATH",
        parser=lambda text: str(user_path(text)),
    ),
]
RunPath = Annotated[Path, _argument("A run folder.", "RUN")]
GrammarFile = Annotated[Path, _argument("A .lark grammar.", "FILE")]
ConfigFile = Annotated[Path, _argument("A YAML file, for example configs/digits.yaml.", "CONFIG")]
Device = Annotated[str | None, typer.Option(help="auto, cpu or cuda.")]
Workers = Annotated[int | None, typer.Option(help="Worker processes; 0 = in this process.")]
Seed = Annotated[int | None, typer.Option(help="Seed of every random draw.")]
CandidateId = Annotated[
    int | None,
    typer.Option("--candidate", metavar="ID", help="Another candidate of the run than the best.", min=0),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]


def main() -> None:
    """Runs a command; exit code 0 done, 1 failed, 2 wrong usage or input, 130 interrupted."""
    # A terminated run saves as an interrupted one does.
    signal.signal(signal.SIGTERM, _terminated)
    guard_streams()
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except InputError as error:
        _complain(str(error))
        code = 2
    except KeyboardInterrupt:
        code = 130
    except StreamLost as error:  # `show RUN | head` has had enough
        code = 0 if isinstance(error.__cause__, BrokenPipeError) else 1
    except OSError as error:  # a full disk, a folder without permission
        _complain(str(error))
        code = 1
    except Exception as error:
        # Usage errors of the option parser know how they want to be shown.
        if not hasattr(error, "exit_code") or not hasattr(error, "format_message"):
            raise
        text = error.format_message()
        if text.startswith("Usage:"):  # a command that was left out: the message is the help
            print(text, file=sys.stderr)
        else:
            _complain(f"{text} (see --help)")
        code = error.exit_code
    keep_going()
    lost = stdout_lost()
    if lost is not None and not isinstance(lost, BrokenPipeError):
        _complain(f"standard output: {lost.strerror}; what was to be printed there is lost")
    # The outcome is settled: Ctrl-C while Python shuts down does not change it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(code if isinstance(code, int) else 0)


def _terminated(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def _complain(text: str) -> None:
    print(f"error: {text}", file=sys.stderr)


def _overrides(
    settings: list[str] | None, device: str | None, workers: int | None, seed: int | None
) -> list[str]:
    """The options that are short forms of --set come last: they were said more plainly."""
    short = {"device": device, "search.workers": workers, "seed": seed}
    return [*(settings or []), *(f"{key}={value}" for key, value in short.items() if value is not None)]


@app.command()
def run(
    config: ConfigFile,
    settings: Set = None,
    out: Annotated[Path | None, _output("The run's new folder; by default runs/NAME, NAME-2, ...")] = None,
    data_root: DataRoot = None,
    device: Device = None,
    workers: Workers = None,
    seed: Seed = None,
    json_: Json = False,
) -> int:
    """Search, train the best further, and test it."""
    from spenser_gee.cli.runs import run_command

    return run_command(config, _overrides(settings, device, workers, seed), out, data_root, json_)


@app.command()
def init(folder: Annotated[Path, _argument("A new or empty folder.", "DIR")]) -> None:
    """A grammar and a configuration to begin with."""
    from spenser_gee.cli.init import init_command

    init_command(folder)


@app.command()
def resume(
    path: RunPath,
    settings: Set = None,
    data_root: DataRoot = None,
    device: Device = None,
    workers: Workers = None,
    grammar: Annotated[Path | None, _option("An edited grammar to go on with.")] = None,
    drop_unreadable: Annotated[
        bool, typer.Option("--drop-unreadable", help="Go on without networks that an edited grammar lacks.")
    ] = False,
    json_: Json = False,
) -> int:
    """Go on with an interrupted run, or give a finished one more generations (--set search.generations=+N)."""
    from spenser_gee.cli.runs import resume_command

    return resume_command(
        path, _overrides(settings, device, workers, None), data_root, grammar, drop_unreadable, json_
    )


@app.command()
def doctor(
    json_: Json = False,
) -> None:
    """What this installation can use, and what it uses: versions, devices, threads, the neurons' backends."""
    from spenser_gee.cli.doctor import doctor_command

    doctor_command(json_)


@app.command()
def show(
    path: RunPath,
    json_: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="Every evaluation as CSV.")] = False,
) -> None:
    """What a run has found so far; also while it goes on."""
    from spenser_gee.cli.show import show_command

    show_command(path, json_, csv)


@app.command()
def compare(
    paths: Annotated[
        list[Path],
        _argument("Run folders, or RUN:ID for a candidate of one; the first one is the reference.", "RUN..."),
    ],
    backbones: Annotated[
        list[Path] | None, _option("Hand-designed networks: .net files, or a pattern of them.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Trainings of each contender with each recipe.", min=1)] = 5,
    epochs: Annotated[
        float | None, typer.Option(help="Budget of a training: passes over all training images.", min=0)
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="Or: seconds of wall clock.", min=0)] = None,
    samples: Annotated[int | None, typer.Option(help="Or: training samples.", min=1)] = None,
    random: Annotated[
        int, typer.Option(help="Random searches, each of as many evaluations as the first run made.", min=0)
    ] = 0,
    common: Annotated[
        bool, typer.Option("--common/--no-common", help="Also train all with one common recipe.")
    ] = True,
    grammar: Annotated[Path | None, _option("Grammar of the backbones; by default the shipped one.")] = None,
    images: Annotated[
        int, typer.Option(help="Test images for operations, energy and robustness.", min=1)
    ] = 1000,
    timeout: Annotated[
        float | None, typer.Option(help="Give a training up after so many seconds.", min=0)
    ] = None,
    out: Annotated[
        Path, _output("Folder of the comparison; one that is there already is gone on with.")
    ] = Path("runs/comparison"),
    settings: Set = None,
    data_root: DataRoot = None,
    device: Device = None,
    workers: Workers = None,
    json_: Json = False,
) -> int:
    """Train and measure evolved and hand-designed networks on equal terms."""
    from spenser_gee.cli.compare import budget_of, compare_command, sorted_paths
    from spenser_gee.comparison.request import Assessed, Request

    evolved, sentences = sorted_paths([*paths, *(backbones or [])])
    request = Request(
        evolved,
        sentences,
        out,
        seeds,
        budget_of(epochs, seconds, samples),
        random,
        common,
        grammar,
        timeout,
        Assessed(images),
    )
    return compare_command(request, _overrides(settings, device, workers, None), data_root, json_)


@app.command()
def report(
    path: RunPath,
    comparison: Annotated[
        Path | None, _argument("The folder of a comparison to show too.", "COMPARISON")
    ] = None,
    out: Annotated[Path | None, _output("HTML file to write, by default RUN/report.html.")] = None,
    data_root: DataRoot = None,
    tensorboard: Annotated[Path | None, _output("Write TensorBoard events there too.", metavar="DIR")] = None,
) -> None:
    """A run as one HTML page that needs no network; also while it goes on."""
    from spenser_gee.cli.report import report_command

    report_command(path, comparison, out, data_root, tensorboard)


@app.command()
def train(
    what: Annotated[Path, _argument("A run folder, or a hand-written sentence.", "RUN|NET")],
    candidate: CandidateId = None,
    config: Annotated[
        Path | None, _option("Configuration for a sentence: its data and grammar.", "--config")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over all training images; else final.epochs.", min=0)
    ] = None,
    out: Annotated[Path | None, _output("Weight file to write, by default NAME.safetensors.")] = None,
    settings: Set = None,
    data_root: DataRoot = None,
    device: Device = None,
    seed: Seed = None,
    json_: Json = False,
) -> None:
    """Train a run's best network anew, another candidate, or a hand-written one, on all of Train, and test it once."""
    from spenser_gee.cli.training import train_command

    train_command(
        what, candidate, config, epochs, out, _overrides(settings, device, None, seed), data_root, json_
    )


@app.command()
def export(
    what: Annotated[Path, _argument("A run folder, or a .safetensors file of `train`.", "RUN|WEIGHTS")],
    format_: Annotated[
        str, typer.Option("--format", help="nir (one file), or state-dict (a folder: PyTorch and snnTorch).")
    ],
    candidate: CandidateId = None,
    out: Annotated[
        Path | None, _output("What to write; by default beside the weights.", "--out", "-o")
    ] = None,
    dt: Annotated[float | None, typer.Option(help="nir: seconds per time step, by default 1e-4.")] = None,
    subtract: Annotated[
        str | None,
        typer.Option(help="nir: reset=subtract as loop (exact), or as zero (changes the network)."),
    ] = None,
) -> None:
    """Write a trained network for other programs: NIR, or PyTorch with snnTorch."""
    from spenser_gee.cli.export import export_command

    export_command(what, candidate, format_, out, dt, subtract)


@grammar_app.command("check")
def grammar_check(
    path: GrammarFile,
    shape: Annotated[
        str, typer.Option(help="Input shape CxHxW for the share of networks that collapse.")
    ] = "1x28x28",
    classes: Annotated[int, typer.Option(help="Classes of the data.", min=2)] = 10,
    json_: Json = False,
) -> None:
    """Errors and warnings of a grammar, the size of its space, and the share of samples that collapse."""
    from spenser_gee.cli.grammars import check_command

    check_command(path, shape, classes, json_)


@grammar_app.command("sample")
def grammar_sample(
    path: GrammarFile,
    number: Annotated[int, typer.Option("-n", "--number", help="How many.", min=1)] = 1,
    seed: Annotated[int, typer.Option(help="Seed of the draws.", min=0)] = 0,
) -> None:
    """Random sentences, one a line."""
    from spenser_gee.cli.grammars import sample_command

    sample_command(path, number, seed)


@grammar_app.command("parse")
def grammar_parse(
    path: Annotated[Path, _argument("A sentence.", "FILE.net")],
    grammar: Annotated[Path, _option("The grammar that it has to follow.", "--grammar")],
    shape: Annotated[str, typer.Option(help="Input shape CxHxW.")] = "1x28x28",
    classes: Annotated[int, typer.Option(help="Classes of the data.", min=2)] = 10,
    json_: Json = False,
) -> None:
    """Read a sentence: its layers with their shapes and parameters."""
    from spenser_gee.cli.grammars import parse_command

    parse_command(path, grammar, shape, classes, json_)


@grammar_app.command("words")
def grammar_words() -> None:
    """Every keyword and key that the network builder knows, as Markdown."""
    from spenser_gee.phenotype.reference import reference

    print(reference(), end="")


@config_app.command("check")
def config_check(
    config: ConfigFile,
    settings: Set = None,
    json_: Json = False,
) -> None:
    """Check a configuration and its grammar, and print it with all defaults."""
    from spenser_gee.cli.configs import check_command

    check_command(config, settings or [], json_)


@config_app.command("kinds")
def config_kinds() -> None:
    """List the strategies, kinds of fitness, engines and objectives that a configuration can name."""
    from spenser_gee.cli.configs import kinds_command

    kinds_command()
