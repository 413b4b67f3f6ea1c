"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

DataRoot = Annotated[
    Path | None,
    typer.Option(help="Folder of the named image sets.", show_default="$AOTGAN_DATA"),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Model = Annotated[
    str | None,
    typer.Option(help="Weights file, or a shipped model.", show_default="the first shipped"),
]
ModelArgument = Annotated[
    str | None,
    typer.Argument(help="Weights file, or a shipped model.", show_default="the first shipped"),
]
