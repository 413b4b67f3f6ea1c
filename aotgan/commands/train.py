"""`aotgan train`: one run."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from aotgan.commands.evaluate import show
from aotgan.commands.options import INTERRUPTED, Data, DataRoot, Device, Out, Scale, Workers


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
    from aotgan.reproduce.runs.scales import make_config

    config = make_config(experiment, scale, seed, data, steps)
    if dry_run:
        print(json.dumps(config.to_dict(), indent=2))
        return
    from aotgan.reproduce.runs.run import run, run_directory  # Lightning takes seconds to import
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
