"""`aotgan notebook`: a notebook as a job."""

import sys
from pathlib import Path
from typing import Annotated

import typer


def notebook(
    source: Annotated[Path, typer.Argument(help="The notebook, which stays as it is.")],
    destination: Annotated[Path, typer.Argument(help="Where its executed copy goes.")],
    parameters: Annotated[
        list[str] | None,
        typer.Argument(help="name=value, for names of its cell tagged parameters."),
    ] = None,
) -> None:
    """Executes a copy of a notebook with other parameters, which are checked before it starts.

    Ctrl-C keeps what is done; the same command goes on from the last saved step.
    """
    from aotgan.reproduce.runs.notebook import (
        PROGRESS,
        NotebookError,
        parse_parameters,
        read_parameters,
        run_notebook,
    )

    values = parse_parameters(read_parameters(source), parameters or [])
    # several notebooks run at a time and share a terminal: each line says whose it is
    names = [values[name] for name in ("experiment", "seed") if name in values]
    label = " seed ".join(str(name) for name in names)
    try:
        run_notebook(source, destination, values, label=label, echo=PROGRESS)
    except NotebookError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
