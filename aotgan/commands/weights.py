"""Verbs of `aotgan weights`."""

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from aotgan.commands.options import DataRoot, ModelArgument
from aotgan.errors import InputError

weights = typer.Typer(help="Converts and inspects weights files.", no_args_is_help=True)


@weights.command("import")
def import_(
    source: Annotated[Path, typer.Argument(help="The authors' file.")],
    destination: Annotated[Path, typer.Argument(help="The .safetensors file to write.")],
    prefix: Annotated[
        str | None,
        typer.Option(
            help="How the names of the generator begin, in a file with several.",
            show_default="the only one, or the moving average",
        ),
    ] = None,
) -> None:
    """Converts the authors' generator (G0000000.pt) to safetensors, checking names and values."""
    from aotgan.models.weights import import_released

    print(f"wrote {import_released(source, destination, prefix)}")


@weights.command()
def export(
    model: Annotated[str, typer.Argument(help="Weights file, or a shipped model.")],
    destination: Annotated[Path, typer.Argument(help="The .onnx file to write.")],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file that is there.")
    ] = False,
) -> None:
    """Converts a generator to ONNX for other programs, for all sizes that 4 divides."""
    if destination.suffix != ".onnx":
        raise InputError(
            f"{destination}: expected a name that ends in .onnx, for example "
            f"{shlex.quote(str(destination.with_suffix('.onnx')))}."
        )
    if os.path.isfile(destination) and not overwrite:
        raise InputError(
            f"{destination} is there already: give another name, or --overwrite to replace it."
        )
    from aotgan.models.onnx import export_onnx

    print(f"wrote {export_onnx(model, destination)}")


@weights.command()
def show(model: ModelArgument = None) -> None:
    """Prints what a weights file says of itself."""
    from aotgan.models.file_kinds import printable
    from aotgan.models.weights import read_metadata

    for key, value in sorted(read_metadata(model).items()):
        print(f"{printable(key)}: {printable(value, 2000)}")


@weights.command()
def ship(
    run: Annotated[Path, typer.Argument(help="Directory of a finished run.")],
    data: Annotated[
        str | None,
        typer.Option(help="Folder of its photographs, where it has one of its own."),
    ] = None,
    data_root: DataRoot = None,
    replaces: Annotated[
        bool, typer.Option("--replaces", help="Puts it in the place of a model of this name.")
    ] = False,
) -> None:
    """Packs a run's generator into the package, with a card of what it is and how good it is."""
    from aotgan.reproduce.ship import ship as ship_run

    for path in ship_run(run, data=data, data_root=data_root, replaces=replaces):
        print(path.name)


@weights.command()
def bars(
    model: Annotated[str, typer.Argument(help="Weights file, or a shipped model.")],
    data: Annotated[str, typer.Option(help="Image set, whose test photographs are filled.")],
    data_root: DataRoot = None,
    size: Annotated[int, typer.Option(min=36, help="Side of the squares in px.")] = 128,
    pairs: Annotated[int, typer.Option(min=12, help="Over all six bins of holes.")] = 600,
    out: Annotated[Path, typer.Option(help="Folder of the record.")] = Path("figures/laptop/bars"),
) -> None:
    """Measures a model beside the fillings that learn nothing, on the same pairs."""
    from aotgan.models.weights import load_inpainter
    from aotgan.reproduce.bars import measure_bars, readable_bars, save_bars
    from aotgan.reproduce.runs.evaluation import evaluation_manifest
    from aotgan.reproduce.runs.scales import SCALES
    from aotgan.reproduce.tables.text import markdown

    network = load_inpainter(model)
    # pairs are those of the scale, fewer or more of them
    share = pairs / SCALES["laptop"].pairs
    manifest = evaluation_manifest(data, size, "laptop", data_root, share=share)
    bars = measure_bars(Path(model).stem, network, manifest, data)
    path = save_bars(bars, out)
    print(markdown(readable_bars(bars)))
    print(path)
