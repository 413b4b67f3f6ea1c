"""The verb `aotgan evaluate`: measures a model, or the result files of any program."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aotgan.commands.options import DataRoot, Device, Model
from aotgan.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from aotgan.metrics.files import KnownPixels
    from aotgan.metrics.report import Evaluation

SCALE, DATA = "smoke", "bundled"  # of a model, where nothing else is given
RECORD, PAIRS = "evaluation.json", "pairs.csv"
FORMAT = 1


def evaluate(
    model: Model = None,
    scale: Annotated[
        str | None, typer.Option(help="Decides size and number of pairs.", show_default=SCALE)
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Image set, or a folder of photographs.", show_default=DATA)
    ] = None,
    data_root: DataRoot = None,
    pred: Annotated[
        Path | None,
        typer.Option(help="Folder of result files to measure instead.", show_default="a model"),
    ] = None,
    real: Annotated[
        Path | None, typer.Option(help="Folder of their originals.", show_default="none")
    ] = None,
    masks: Annotated[
        Path | None, typer.Option(help="Folder of their masks.", show_default="none")
    ] = None,
    hole: Annotated[str, typer.Option(help="What marks the hole in them: white or black.")] = (
        "white"
    ),
    composite: Annotated[
        bool,
        typer.Option("--composite", help="Accept files whose known pixels are not the originals'."),
    ] = False,
    features: Annotated[
        str | None,
        typer.Option(
            help="Of the Frechet distance: inception or random.",
            show_default="the scale's; of files random",
        ),
    ] = None,
    device: Device = "cpu",
    csv: Annotated[
        Path | None, typer.Option(help="Also write the table here.", show_default="nowhere")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help=f"Folder for {RECORD}, all numbers with their protocol, and {PAIRS}.",
            show_default="none",
        ),
    ] = None,
) -> None:
    """Measures a model on the fixed image-mask pairs of a scale, or anybody's result files.

    With --pred, --real and --masks, files of one name belong together: the composites of
    prediction and original are measured in the same way as a model's.
    """
    from aotgan.training.devices import find_device
    from aotgan.training.loop import check_writable

    device = find_device(device)
    for folder in (csv.parent if csv else None, out):
        if folder is not None:
            check_writable(folder)
    if pred or real or masks:
        if not (pred and real and masks):
            raise InputError("result files need all of --pred, --real and --masks.")
        if model or scale or data or data_root:
            raise InputError(
                "--model, --scale, --data and --data-root are of no use with --pred: the files "
                "are measured as they are. Leave them out."
            )
        result, about = measure_files(
            (pred, real, masks), hole, composite, features or "random", device
        )
    else:
        if composite or hole != "white":
            raise InputError("--hole and --composite are of no use without --pred.")
        result, about = measure_model(
            model, scale or SCALE, data or DATA, data_root, features, device
        )
    show(result.per_bin)
    write_results(result, about, device, csv, out)


def measure_model(
    model: str | None,
    scale: str,
    data: str,
    data_root: Path | None,
    features: str | None,
    device: str,
) -> tuple["Evaluation", dict[str, Any]]:
    """Returns the measurements of a model on a scale's pairs, and what these are."""
    from aotgan.metrics.frechet import FEATURES
    from aotgan.models.blocks import check_choice
    from aotgan.models.weights import load_inpainter
    from aotgan.reproduce.runs import evaluate_generator, evaluation_manifest
    from aotgan.reproduce.scales import get_scale

    size = get_scale(scale)
    if features is not None:
        check_choice("features", features, FEATURES)
    chosen = {None: size.features, "inception": "imagenet", "random": "random"}[features]
    network = load_inpainter(model, device)
    manifest = evaluation_manifest(data, size.size_px, scale, data_root)
    about = {
        "name": Path(data).resolve().name,
        "split": "test",
        "images": len(manifest.image_digests),
        "pairs": len(manifest),
        "size_px": manifest.size,
        "manifest_sha256": manifest.hash,
    }
    return evaluate_generator(network, manifest, chosen, device), about


def measure_files(
    folders: tuple[Path, Path, Path], hole: str, composite: bool, features: str, device: str
) -> tuple["Evaluation", dict[str, Any]]:
    """Returns the measurements of files, and what they are; says how far known pixels were off."""
    from aotgan.metrics.files import evaluate_files, pair_files
    from aotgan.metrics.frechet import FrechetDistance

    frechet = FrechetDistance(features, device=device)
    files = pair_files(*folders, hole)
    result, known = evaluate_files(files, composite, frechet)
    if known.mean > 0:
        print(f"note: {remark(known)}", file=sys.stderr)
    about = {
        "name": folders[0].resolve().name,
        "images": len({pair.image for pair in files.pairs}),
        "pairs": len(files),
        "size_px": list(files.size),
        "manifest_sha256": files.hash,
        "known_pixels_off_by": {"mean": round(known.mean, 3), "worst": round(known.worst[0], 3)},
    }
    return result, about


def remark(known: "KnownPixels") -> str:
    """Says in words by how much predictions missed the pixels that they were given."""
    worst, name = known.worst
    return (
        f"known pixels of the predictions are off by {known.mean:.2f} grey levels on average, at "
        f"most by {worst:.2f} ({name}); the originals' were measured in their place."
    )


def show(per_bin: "pd.DataFrame") -> None:
    """Prints a table of measurements without its intervals."""
    columns = [name for name in per_bin if not str(name).endswith(("_low", "_high"))]
    print(per_bin[columns].to_string(index=False, float_format="{:.4f}".format))


def write_results(
    result: "Evaluation",
    about: dict[str, Any],
    device: str,
    csv: Path | None,
    out: Path | None,
) -> None:
    """Writes the table, and the record with the measurements of each pair, where asked for."""
    import torch

    from aotgan.files import write_atomically
    from aotgan.reproduce.records import environment, rows_of
    from aotgan.reproduce.runs import pairs_csv

    if csv is not None:
        write_atomically(csv, result.per_bin.to_csv(index=False))
    if out is None:
        return
    rows = [
        {key: None if value != value else value for key, value in row.items()}  # JSON has no NaN
        for row in rows_of(result.per_bin)
    ]
    record = {
        "format": FORMAT,
        "evaluation": about,
        "protocol": result.protocol,
        "metrics": rows,
        "environment": environment(torch.device(device)),
    }
    write_atomically(out / PAIRS, pairs_csv(result.per_image))
    write_atomically(out / RECORD, json.dumps(record, indent=1, allow_nan=False) + "\n")
