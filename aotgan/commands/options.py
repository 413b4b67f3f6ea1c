"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

from aotgan.errors import InputError

BAD_INPUT = 2  # as Click ends on a mistyped option
INTERRUPTED = 130  # 128 + SIGINT, as shells have it
DEFAULT_EXPERIMENTS = "aotgan,ablations,classical"

DataRoot = Annotated[
    Path | None,
    typer.Option(help="Folder of the named image sets.", show_default="$AOTGAN_DATA"),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Model = Annotated[
    str | None,
    typer.Option(
        help="Weights file, a shipped model, or smooth, telea, navier-stokes, which learn nothing.",
        show_default="the shipped default",
    ),
]
ModelArgument = Annotated[
    str | None,
    typer.Argument(help="Weights file, or a shipped model.", show_default="the shipped default"),
]
Scale = Annotated[str, typer.Option(help="How big: a name of `aotgan list`.")]
Experiments = Annotated[str, typer.Option(help="Names or groups of `aotgan list`, by commas.")]
Seeds = Annotated[str, typer.Option(help="Numbers, by commas.")]
Data = Annotated[
    str | None,
    typer.Option(help="Image set, or a folder of photographs.", show_default="the scale's"),
]
Out = Annotated[Path, typer.Option(help="Folder of all runs.")]
Figures = Annotated[Path, typer.Option(help="Folder of all results.")]
Workers = Annotated[int, typer.Option(min=-1, help="Loading processes; -1: 2, to 8 on a GPU.")]


def numbers_of(text: str) -> list[int]:
    """Returns seeds from a text such as "0,1,2"; InputError for another text."""
    try:
        return [int(number) for number in text.split(",")]
    except ValueError as error:
        raise InputError(
            f"seeds {text!r}: expected whole numbers by commas, like 0,1,2."
        ) from error
