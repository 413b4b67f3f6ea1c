"""`aotgan measure logos|borders|sizes|depths`: studies with finished networks."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from aotgan.commands.options import DataRoot, Figures, Out

measure = typer.Typer(
    help="Measure what the paper's tables leave out, with finished networks.",
    no_args_is_help=True,
)
Scale = Annotated[str, typer.Argument(help="Whose networks: a scale of `aotgan list`.")]


@measure.command()
def logos(
    scale: Scale,
    out: Out = Path("runs"),
    figures: Figures = Path("figures"),
    data_root: DataRoot = None,
) -> None:
    """Measures how well logos are removed, by holes of their shape where the truth is known."""
    from aotgan.reproduce.studies.logos import measure_removal

    _print(measure_removal(scale, out, figures, data_root))


@measure.command()
def borders(scale: Scale, figures: Figures = Path("figures"), data_root: DataRoot = None) -> None:
    """Measures what a mask does that misses the border of what it removes."""
    from aotgan.reproduce.studies.borders import border_result

    _print(border_result(scale, figures, data_root))


@measure.command()
def sizes(
    scale: Scale,
    out: Out = Path("runs"),
    figures: Figures = Path("figures"),
    data_root: DataRoot = None,
) -> None:
    """Measures the networks of Table 4 at other image sizes than they were trained at."""
    from aotgan.reproduce.studies.sizes import size_result

    _print(size_result(scale, out, figures, data_root))


@measure.command("depths")
def depths_(scale: Scale, figures: Figures = Path("figures"), data_root: DataRoot = None) -> None:
    """Measures deep holes, filled in one pass and from coarse to fine."""
    from aotgan.reproduce.studies.depths import depth_result

    _print(depth_result(scale, figures, data_root))


def _print(written: Iterable[Path]) -> None:
    for path in written:
        print(path)
