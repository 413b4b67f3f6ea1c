"""The command line: one verb a job. Bad input ends with one line on stderr, not a traceback."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, cast

import typer

from aotgan.commands.bench import bench
from aotgan.commands.evaluate import evaluate, show
from aotgan.commands.inpaint import inpaint
from aotgan.commands.options import DataRoot, Device
from aotgan.commands.weights import weights
from aotgan.errors import InputError

# OpenMP's threads would spin while they wait, which costs more than it gains on a busy machine. Set
# before torch is imported; a value of the user's stays.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

BAD_INPUT = 2
DEFAULT_EXPERIMENTS = "aotgan,ablations,classical"
INTERRUPTED = 130  # 128 + SIGINT, as shells have it
# Click's UsageError, or newer typer's copy of it, which has no public name.
USAGE_ERROR = cast(type[Exception], typer.BadParameter.__base__)

app = typer.Typer(
    help="Companion to AOT-GAN: train, evaluate and reproduce, from the command line.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(weights, name="weights")
app.command()(evaluate)
app.command()(inpaint)
app.command()(bench)

Scale = Annotated[str, typer.Option(help="How big: a name of `aotgan list`.")]
Experiments = Annotated[str, typer.Option(help="Names or groups of `aotgan list`, by commas.")]
Seeds = Annotated[str, typer.Option(help="Numbers, by commas.")]
Data = Annotated[
    str | None,
    typer.Option(help="Image set, or a folder of photographs.", show_default="the scale's"),
]
Out = Annotated[Path, typer.Option(help="Folder of all runs.")]
Workers = Annotated[int, typer.Option(min=-1, help="Loading processes; -1: 2, to 8 on a GPU.")]


@app.command()
def train(
    experiment: Annotated[str, typer.Option(help="What to train: a name of `aotgan list`.")] = (
        "aotgan"
    ),
    scale: Scale = "smoke",
    seed: Annotated[int, typer.Option(min=0, help="Of weights, crops and masks.")] = 0,
    data: Data = None,
    data_root: DataRoot = None,
    out: Out = Path("runs"),
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Training steps; a finished run goes on to more.",
            show_default="the scale's",
        ),
    ] = None,
    device: Device = "auto",
    devices: Annotated[int, typer.Option(min=1, help="Processes here, one a device.")] = 1,
    nodes: Annotated[
        int, typer.Option(min=1, help="Machines, if torchrun or Slurm started several.")
    ] = 1,
    minutes: Annotated[
        float | None,
        typer.Option(
            help="Stop after this much training, evaluate what there is; a later, longer limit "
            "goes on.",
            show_default="no limit",
        ),
    ] = None,
    workers: Workers = -1,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the configuration as JSON and stop.")
    ] = False,
) -> None:
    """Trains and evaluates one run; what is not trained is evaluated alone.

    Ctrl-C saves the run and stops it; the same command goes on with it.

    Of a finished run, the same command shows the result.
    """
    from aotgan.reproduce.scales import make_config

    config = make_config(experiment, scale, seed, data, steps)
    if dry_run:
        print(json.dumps(config.to_dict(), indent=2))
        return
    from aotgan.reproduce.runs import run, run_directory  # Lightning takes seconds to import
    from aotgan.training.devices import RunOptions, is_first_process

    options = RunOptions(
        device=device,
        devices=devices,
        nodes=nodes,
        workers=workers,
        minutes=minutes,
        progress="bar" if sys.stderr.isatty() else "lines",
    )
    record = run(experiment, scale, seed, data, out, data_root, options, steps)
    if not is_first_process():  # of several, one speaks
        return
    directory = run_directory(out, scale, experiment, seed)
    if record is None:
        print(f"stopped; the same command goes on with {directory}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED)
    show(record.table(record.weights))
    print(f"record, weights and samples: {directory}")


@app.command("list")
def list_() -> None:
    """Lists the declared experiments and scales."""
    from aotgan.reproduce.experiments import EXPERIMENTS, GROUPS
    from aotgan.reproduce.scales import SCALES

    for group in GROUPS:
        print(f"{group} (experiments)")
        for experiment in EXPERIMENTS.values():
            if experiment.group == group:
                rows = ", ".join(
                    f"Table {table}" for table, _ in experiment.rows if table.isdigit()
                )
                print(f"  {experiment.name:20} {experiment.title}{f' ({rows})' if rows else ''}")
    print("scales")
    for scale in SCALES.values():
        print(f"  {scale.name:20} {scale.size_px} px, width {scale.width}, {scale.steps} steps")


@app.command()
def reproduce(
    scale: Scale = "smoke",
    experiments: Experiments = DEFAULT_EXPERIMENTS,
    seeds: Seeds = "0",
    data: Data = None,
    data_root: DataRoot = None,
    out: Out = Path("runs"),
    figures: Annotated[Path, typer.Option(help="Folder of all results.")] = Path("figures"),
    device: Device = "auto",
    minutes: Annotated[
        float | None,
        typer.Option(
            help="Begin no step after so long; what is unfinished then is saved, and the same "
            "command goes on.",
            show_default="no limit",
        ),
    ] = None,
    workers: Workers = -1,
) -> None:
    """Trains what is missing and writes tables and figures, in one process, without notebooks.

    `make reproduce` does the same through papermill and Snakemake; the records are equal.
    """
    from aotgan.files import check_writable
    from aotgan.reproduce.batch import make_batch, run_batch
    from aotgan.training.devices import RunOptions

    if minutes is not None and not minutes > 0:
        raise InputError(f"minutes={minutes}: must be above 0.")
    numbers = _numbers(seeds)
    batch = make_batch(scale, experiments.split(","), numbers, out, data)
    check_writable(figures)  # now, not after days of training
    options = RunOptions(
        device=device, workers=workers, progress="bar" if sys.stderr.isatty() else "lines"
    )
    outcome = run_batch(batch, options, data_root, minutes)
    # what is finished has its tables, even where the rest is not
    if outcome.records:
        from aotgan.reproduce.collect import collect

        names = list(dict.fromkeys(record.experiment for record in outcome.records))
        for path in collect(scale, out, figures, names):
            print(path)
    if text := outcome.remarks():
        print(text, file=sys.stderr)
    if outcome.interrupted:
        raise typer.Exit(INTERRUPTED)
    if outcome.failed:
        raise typer.Exit(1)


@app.command()
def status(
    scale: Scale = "smoke",
    experiments: Experiments = DEFAULT_EXPERIMENTS,
    seeds: Seeds = "0",
    data: Data = None,
    out: Out = Path("runs"),
    queue: Annotated[
        bool, typer.Option("--queue", help="Of `aotgan queue` in place of experiments and seeds.")
    ] = False,
) -> None:
    """Says how far a batch has come, whoever runs it: runs done, running, time left."""
    from aotgan.reproduce.batch import each, make_batch, overview
    from aotgan.reproduce.queue import make_queue

    if queue:
        batch = make_queue(scale, out)
        print("\n".join(each(batch)))
    else:
        batch = make_batch(scale, experiments.split(","), _numbers(seeds), out, data)
    print(overview(batch))


@app.command("queue")
def queue_(
    scale: Scale = "laptop",
    processes: Annotated[int, typer.Option(min=1, help="Runs at a time, a thread each.")] = 1,
    data_root: DataRoot = None,
    out: Out = Path("runs"),
    minutes: Annotated[
        float | None, typer.Option(help="Stop after so long.", show_default="no limit")
    ] = None,
) -> None:
    """Trains what the committed results rest on, in its declared order, beside other work.

    Ctrl-C saves the runs and stops; the same command goes on. `aotgan status --queue
    --scale laptop` tells the order and how far it is.
    """
    from aotgan.reproduce.queue import make_queue, work

    if work(
        make_queue(scale, out), processes, data_root, minutes, lambda line: print(line, flush=True)
    ):
        raise typer.Exit(1)


@app.command()
def remeasure(
    scale: Scale = "smoke",
    experiments: Experiments = DEFAULT_EXPERIMENTS,
    seeds: Seeds = "0",
    data: Data = None,
    data_root: DataRoot = None,
    out: Out = Path("runs"),
    device: Device = "cpu",
) -> None:
    """Measures finished runs again, by the present metrics, from the fills that they kept.

    Their records are renewed; `python -m aotgan.reproduce.collect` makes tables of them.
    """
    from aotgan.devices import find_device
    from aotgan.reproduce.batch import make_batch
    from aotgan.reproduce.remeasure import remeasure as measure_again

    device = find_device(device)
    batch = make_batch(scale, experiments.split(","), _numbers(seeds), out, data)
    jobs = batch.done()
    if not jobs:
        raise InputError(f"{out / scale} holds no finished run of these. See `aotgan status`.")
    for job in jobs:
        measure_again(job.experiment, scale, job.seed, data, out, data_root, device)
        print(f"measured again: {job}", flush=True)


def _numbers(text: str) -> list[int]:
    try:
        return [int(number) for number in text.split(",")]
    except ValueError as error:
        raise InputError(
            f"seeds {text!r}: expected whole numbers by commas, like 0,1,2."
        ) from error


def main() -> None:
    """Runs the command line and exits.

    Status 0: done; 1: the training diverged, or a part of a batch failed; 2: bad input; 130:
    interrupted, and saved where there was something to save.
    """
    try:
        status = app(prog_name="aotgan", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):  # newer typer returns 130 of its own accord
        status = INTERRUPTED
    except (InputError, USAGE_ERROR) as error:
        status = BAD_INPUT
        if text := _one_line(error):
            print(f"error: {text}", file=sys.stderr)
    except FloatingPointError as error:
        status = 1
        print(f"error: {error}", file=sys.stderr)
    sys.exit(status if isinstance(status, int) else 0)


def _one_line(error: Exception) -> str:
    """The message of an error; of a wrong option with the command whose help lists the right ones.

    Empty where the command line was empty, for then the help was shown.
    """
    message = getattr(error, "format_message", error.__str__)()
    context = getattr(error, "ctx", None)
    if message and context:
        message = f"{message.rstrip('.')}. See '{context.command_path} --help'."
    return " ".join(message.split())


if __name__ == "__main__":
    main()
