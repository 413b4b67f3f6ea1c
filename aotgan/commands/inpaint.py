"""The verb `aotgan inpaint`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from aotgan.apply.defaults import FEATHER_PX, GROW_PX
from aotgan.commands.options import Device, Model


def inpaint(
    images: Annotated[Path, typer.Argument(help="An image, or a folder of images.")],
    masks: Annotated[
        Path,
        typer.Argument(help="A mask for all, white in the hole, or a folder with a mask for each."),
    ],
    # a path would lose the slash at its end
    out: Annotated[
        str, typer.Argument(help="Folder of the results (out/), or a file for one image (out.png).")
    ],
    model: Model = None,
    hole: Annotated[
        str,
        typer.Option(help="What marks it in the masks: white, black, painted or transparent."),
    ] = "white",
    grow: Annotated[
        float, typer.Option(min=0, help="Grow the holes by so many px, against rims.")
    ] = GROW_PX,
    feather: Annotated[
        float, typer.Option(min=0, help="Fade out over so many known px around a hole.")
    ] = FEATHER_PX,
    context: Annotated[
        int | None,
        typer.Option(
            min=0, help="Px around a hole that are looked at.", show_default="all that matter"
        ),
    ] = None,
    levels: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Halvings of a picture with a deep hole, filled from coarse to fine.",
            show_default="by the hole's depth",
        ),
    ] = None,
    file_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="png, tiff, webp, bmp or jpeg.",
            show_default="that of a file's name, else png",
        ),
    ] = None,
    quality: Annotated[
        int | None,
        typer.Option(
            min=1, max=100, help="Of jpeg and webp.", show_default="95, and webp without loss"
        ),
    ] = None,
    device: Device = "auto",
    precision: Annotated[
        str, typer.Option(help="auto, float32, float64, bfloat16 or float16.")
    ] = "auto",
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes.", show_default="the cores, at most 4; a GPU: 1"),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Fill again what has a result.")
    ] = False,
) -> None:
    """Fills the holes of pictures; known pixels stay as they are.

    A mask has the name of its image, but for the ending, or that with _mask behind it; or there is
    one mask for all.

    Profile, camera data, texts, resolution and pages stay where the format has a place for them; a
    note names the rest.

    Results that are there already are left alone, so that the same command goes on where it was
    stopped. A picture that cannot be filled is named at the end, and the status is then 1.
    """
    from tqdm import tqdm

    from aotgan.apply.folders import Settings, fill_files
    from aotgan.apply.tasks import choose_format, plan_tasks

    chosen = choose_format(images, out, file_format)
    settings = Settings(
        model, device, chosen, quality, grow, feather, context, precision, levels, hole
    )
    # what cannot be paired or written is refused here, before a network is loaded
    tasks, outcome = plan_tasks(images, masks, out, chosen, overwrite)
    # one picture shows the parts of its fill, several show the pictures
    single = len(tasks) == 1
    with tqdm(
        total=len(tasks), unit="part" if single else "picture", disable=not sys.stderr.isatty()
    ) as bar:

        def show(done: int, total: int) -> None:
            # how many parts a fill has is known when its picture has been read
            bar.total = total
            bar.update(done - bar.n)

        fill_files(
            tasks,
            settings,
            outcome,
            workers,
            on_file=lambda task: None if single else bar.update(),
            on_progress=show,
        )
    # what is odd comes last, where it is not scrolled away
    for kind, texts in (("note", outcome.remarks), ("failed", outcome.failed)):
        for image, text in texts.items():
            print(f"{kind}: {image}: {text}", file=sys.stderr)
    print(outcome.summary(Path(out)))
    if outcome.failed:
        raise typer.Exit(1)
