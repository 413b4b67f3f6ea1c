"""Verbs of `aotgan weights`."""

from pathlib import Path
from typing import Annotated

import typer

from aotgan.commands.options import ModelArgument
from aotgan.errors import InputError

weights = typer.Typer(help="Converts and inspects weights files.", no_args_is_help=True)


@weights.command("import")
def import_(
    source: Annotated[Path, typer.Argument(help="The authors' file.")],
    destination: Annotated[Path, typer.Argument(help="The .safetensors file to write.")],
) -> None:
    """Converts the authors' generator (G0000000.pt) to safetensors, checking names and shapes."""
    from aotgan.models.weights import import_released

    print(f"wrote {import_released(source, destination)}")


@weights.command()
def export(
    model: Annotated[str, typer.Argument(help="Weights file, or a shipped model.")],
    destination: Annotated[Path, typer.Argument(help="The file to write.")],
    onnx: Annotated[
        bool, typer.Option("--onnx", help="As ONNX, for all sizes that 4 divides.")
    ] = False,
) -> None:
    """Converts a generator for other programs."""
    if not onnx:
        raise InputError("no format was asked for: give --onnx.")
    from aotgan.models.onnx import export_onnx

    print(f"wrote {export_onnx(model, destination)}")


@weights.command()
def show(model: ModelArgument = None) -> None:
    """Prints what a weights file says of itself."""
    from aotgan.models.weights import read_metadata

    for key, value in sorted(read_metadata(model).items()):
        print(f"{key}: {value}")


@weights.command()
def ship(
    run: Annotated[Path, typer.Argument(help="Directory of a finished run.")],
) -> None:
    """Packs a run's generator into the package, with a model card made from its record."""
    from aotgan.reproduce.ship import ship as ship_run

    for path in ship_run(run):
        print(path.name)
