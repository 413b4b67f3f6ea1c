"""The command line: one verb a job. Errors of input are one line, not a traceback."""

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from aotgan.errors import InputError

app = typer.Typer(
    help="Companion to AOT-GAN: train, evaluate and reproduce, from the command line.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
weights = typer.Typer(help="Convert and inspect weights files.", no_args_is_help=True)
app.add_typer(weights, name="weights")

DataRoot = Annotated[
    Optional[Path], typer.Option(help="Folder of the named image sets; default $AOTGAN_DATA.")
]


@app.command()
def train(
    experiment: Annotated[str, typer.Option(help="A name of `aotgan list`.")] = "aotgan",
    scale: Annotated[str, typer.Option(help="smoke, laptop, gpu or paper.")] = "smoke",
    seed: Annotated[int, typer.Option(min=0)] = 0,
    data: Annotated[Optional[str], typer.Option(help="Image set or folder.")] = None,
    data_root: DataRoot = None,
    out: Annotated[Path, typer.Option(help="Folder of all runs.")] = Path("runs"),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    devices: Annotated[int, typer.Option(min=1, help="Processes, one a device.")] = 1,
    minutes: Annotated[Optional[float], typer.Option(help="Stop training after this time.")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Data-loading processes.")] = 2,
    dry_run: Annotated[bool, typer.Option(help="Print the configuration and stop.")] = False,
) -> None:
    """Trains and evaluates one run; the same command goes on with it or shows its result."""
    import json

    from aotgan.reproduce.runs import run, run_directory
    from aotgan.reproduce.scales import make_config
    from aotgan.training.loop import RunOptions

    config = make_config(experiment, scale, seed, data)
    if dry_run:
        print(json.dumps(config.to_dict(), indent=2))
        return
    options = RunOptions(device=device, devices=devices, workers=workers, minutes=minutes)
    record = run(experiment, scale, seed, data, out, data_root, options)
    directory = run_directory(out, scale, experiment, seed)
    if record is None:
        print(f"stopped; the same command goes on with {directory}")
        raise typer.Exit(130)
    _show(record.table(record.weights))
    print(f"record, weights and samples: {directory}")


@app.command("list")
def list_() -> None:
    """Lists the declared experiments and scales."""
    from aotgan.reproduce.experiments import EXPERIMENTS
    from aotgan.reproduce.scales import SCALES

    print("experiments")
    for experiment in EXPERIMENTS.values():
        rows = ", ".join(f"Table {table} {row}" for table, row in experiment.rows)
        print(f"  {experiment.name:18} {experiment.title}{f' ({rows})' if rows else ''}")
    print("scales")
    for scale in SCALES.values():
        print(f"  {scale.name:18} {scale.size_px} px, width {scale.width}, {scale.steps} steps")


@app.command()
def evaluate(
    model: Annotated[Optional[str], typer.Option(help="Weights file or shipped model.")] = None,
    scale: Annotated[str, typer.Option(help="Decides size and number of pairs.")] = "smoke",
    data: Annotated[str, typer.Option(help="Image set or folder.")] = "bundled",
    data_root: DataRoot = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or mps.")] = "cpu",
    csv: Annotated[Optional[Path], typer.Option(help="Also write the table here.")] = None,
) -> None:
    """Measures a generator on the fixed image-mask pairs of a scale."""
    from aotgan.files import write_atomically
    from aotgan.models.weights import load_generator
    from aotgan.reproduce.runs import evaluate_generator, evaluation_manifest
    from aotgan.reproduce.scales import get_scale

    generator = load_generator(model, device)
    size = get_scale(scale)
    manifest = evaluation_manifest(data, size.size_px, scale, data_root)
    result = evaluate_generator(generator, manifest, size.features, device)
    _show(result.per_bin)
    if csv is not None:
        write_atomically(csv, result.per_bin.to_csv(index=False))


@weights.command("import")
def import_(source: Path, destination: Path) -> None:
    """Converts the authors' generator (G0000000.pt) to safetensors, checking names and shapes."""
    from aotgan.models.weights import import_released

    print(f"wrote {import_released(source, destination)}")


@weights.command()
def show(model: Annotated[Optional[str], typer.Argument()] = None) -> None:
    """Prints what a weights file says of itself."""
    from aotgan.models.weights import read_metadata

    for key, value in sorted(read_metadata(model).items()):
        print(f"{key}: {value}")


def _show(per_bin: "object") -> None:
    """Prints a table of measurements without its intervals."""
    import pandas as pd

    table = pd.DataFrame(per_bin)
    columns = [name for name in table if not str(name).endswith(("_low", "_high"))]
    print(table[columns].to_string(index=False, float_format="{:.4f}".format))


def main() -> None:
    """Runs the command line; bad input ends with its message and exit status 2."""
    try:
        app()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
