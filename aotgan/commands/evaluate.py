"""The verb `aotgan evaluate`: measures a model, or the result files of any program."""

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aotgan.commands.options import DataRoot, Device, Model
from aotgan.errors import InputError
from aotgan.files import check_folder, check_new, check_writable, real

if TYPE_CHECKING:
    import pandas as pd

    from aotgan.metrics.embedding import Embedding
    from aotgan.metrics.files import FileSet, KnownPixels
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
    bins: Annotated[
        str | None,
        typer.Option(help="Sizes of the holes, by commas: 40-50%.", show_default="the six"),
    ] = None,
    mask_kind: Annotated[
        str | None,
        typer.Option(help="free-form, thick, mixed, boxes or centre.", show_default="free-form"),
    ] = None,
    pred: Annotated[
        Path | None,
        typer.Option(help="Folder of result files to measure instead.", show_default="a model"),
    ] = None,
    real: Annotated[
        Path | None,
        typer.Option(help="Folder of their originals.", show_default="the scale's pairs"),
    ] = None,
    masks: Annotated[
        Path | None, typer.Option(help="Folder of their masks.", show_default="the scale's pairs")
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
            help="Of the distances: inception, efficientnet-lite0 or random.",
            show_default="the scale's; with --real efficientnet-lite0",
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
    save_pairs: Annotated[
        Path | None,
        typer.Option(
            help="New folder for the pairs, photographs/ and masks/, for other programs to fill.",
            show_default="none",
        ),
    ] = None,
    save_fills: Annotated[
        Path | None,
        typer.Option(help="New folder for the model's filled pictures.", show_default="none"),
    ] = None,
) -> None:
    """Measures a model on the fixed image-mask pairs of a scale, or anybody's result files.

    With --pred, --real and --masks, files of one name belong together. With --pred alone they are
    fills of the scale's pairs, named as --save-pairs names these. Either way the composites of
    prediction and original are measured in the same way as a model's. --save-pairs alone writes
    the pairs and measures nothing.
    """
    # options that another one makes meaningless are refused, not ignored
    _check_sources(pred, real, masks, hole, composite)
    if pred:
        of_model = {"--model": model, "--save-pairs": save_pairs, "--save-fills": save_fills}
        _refuse(of_model, "--pred")
    if real:
        of_scale = {"--scale": scale, "--data": data, "--data-root": data_root, "--bins": bins}
        _refuse(of_scale | {"--mask-kind": mask_kind}, "--real and --masks")
    _check_targets(csv, out, save_pairs, save_fills)

    # PyTorch is loaded after the checks, so that a mistyped option is told at once
    from aotgan.devices import find_device

    # folders of anybody's files, fills of the scale's pairs, or a model that fills them
    device = find_device(device)
    if pred and real and masks:
        result, about = measure_files((pred, real, masks), hole, composite, features, device)
    else:
        pairs = ScalePairs(scale or SCALE, data or DATA, data_root, features, bins, mask_kind)
        if save_pairs and not (model or save_fills or csv or out):
            # nothing asks for a measurement, which would take minutes
            write_pairs(pairs, save_pairs)
            return
        if pred:
            result, about = measure_fills(pred, pairs, composite, device)
        else:
            result, about = measure_model(model, pairs, device, save_pairs, save_fills)
    show(result.per_bin)
    write_results(result, about, device, csv, out)


def _check_sources(
    pred: Path | None, real: Path | None, masks: Path | None, hole: str, composite: bool
) -> None:
    """Refuses folders of files that are not there or cannot be measured together."""
    if (real or masks) and not (pred and real and masks):
        raise InputError(
            "files with originals of their own need all of --pred, --real and --masks; --pred "
            "alone measures fills of a scale's pairs."
        )
    if hole != "white" and not masks:
        raise InputError("--hole is of no use without --masks.")
    if composite and not pred:
        raise InputError("--composite is of no use without --pred.")
    if pred:
        check_folder("predictions", pred)


def _refuse(options: dict[str, Any], beside: str) -> None:
    """Refuses options that would change nothing where files are measured."""
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise InputError(
            f"{' and '.join(given)}: of no use with {beside}, whose files are measured as they "
            "are. Leave one of both out."
        )


def _check_targets(
    csv: Path | None, out: Path | None, save_pairs: Path | None, save_fills: Path | None
) -> None:
    """Refuses, before any work, places that cannot be written or would mix with others."""
    if csv is not None and csv.is_dir():
        name = shlex.quote(str(csv / "table.csv"))
        raise InputError(f"--csv {csv} is a folder: give a file's name, {name} say.")
    new = [folder for folder in (save_pairs, save_fills) if folder is not None]
    targets = [*new, *(path for path in (out, csv) if path is not None)]
    for folder in new:
        check_new(folder)
        # a folder of pictures is read again as one: nothing else may lie in it
        inside = [path for path in targets if real(folder) in real(path).parents]
        if inside or targets.count(folder) > 1:
            raise InputError(
                f"{folder} is to hold pictures and nothing else, but {(inside or [folder])[0]} is "
                "to be written there as well: name another folder."
            )
    for path in targets:
        check_writable(path.parent if path is csv else path)


class ScalePairs:
    """The fixed pairs of a scale and image set, and the features that distances are measured in."""

    def __init__(
        self,
        scale: str,
        data: str,
        data_root: Path | None,
        features: str | None,
        bins: str | None,
        masks: str | None,
    ):
        from aotgan.data.masks import MASK_KINDS, RATIO_BINS, bin_label
        from aotgan.errors import check_choice
        from aotgan.metrics.embedding import FEATURES
        from aotgan.reproduce.runs.evaluation import evaluation_manifest
        from aotgan.reproduce.runs.scales import get_scale

        size = get_scale(scale)
        if features is not None:
            check_choice("features", features, FEATURES)
        self.features = "imagenet" if features == "inception" else features or size.features
        # a mistyped bin is refused now, and not found empty at the end
        known = {bin_label(ratio): ratio for ratio in RATIO_BINS}
        labels = known if bins is None else dict.fromkeys(bins.split(","))
        for label in labels:
            check_choice("bins", label, [*known])
        ratios = [known[label] for label in labels]
        self.masks = masks or MASK_KINDS[0]
        check_choice("mask-kind", self.masks, MASK_KINDS)
        self.manifest = evaluation_manifest(
            data, size.size_px, scale, data_root, ratios, self.masks
        )
        # a record names a folder, and not where on this machine it lies
        self.name = Path(data).resolve().name

    def about(self) -> dict[str, Any]:
        """Says in a record what was measured."""
        return {**self.manifest.facts(self.name), "masks": self.masks}


def write_pairs(pairs: ScalePairs, folder: Path) -> None:
    """Writes photographs and masks of a scale's pairs, with nothing filled or measured."""
    from tqdm import tqdm

    from aotgan.metrics.exchange import MASKS, PHOTOGRAPHS, PairWriter

    writer = PairWriter(pairs.manifest, folder, None)
    for case in tqdm(pairs.manifest, unit="pair", disable=None):
        # no folder of fills is given: the photograph stands where a fill would be
        writer(case, case[0])
    print(f"{len(pairs.manifest)} pairs in {folder}: {PHOTOGRAPHS}/ and {MASKS}/, white = hole")


def measure_model(
    model: str | None,
    pairs: ScalePairs,
    device: str,
    save_pairs: Path | None = None,
    save_fills: Path | None = None,
) -> tuple["Evaluation", dict[str, Any]]:
    """Returns the measurements of a model on a scale's pairs, and what these are."""
    from aotgan.metrics.exchange import PairWriter
    from aotgan.models.weights import DEFAULT_MODEL, load_inpainter
    from aotgan.reproduce.runs.evaluation import evaluate_generator

    network = load_inpainter(model, device)
    writer = PairWriter(pairs.manifest, save_pairs, save_fills)
    result = evaluate_generator(network, pairs.manifest, pairs.features, device, keep=writer)
    return result, pairs.about() | {"model": Path(model or DEFAULT_MODEL).name}


def measure_fills(
    folder: Path, pairs: ScalePairs, composite: bool, device: str
) -> tuple["Evaluation", dict[str, Any]]:
    """Returns the measurements of files that fill a scale's pairs, and what these are."""
    from aotgan.metrics.exchange import pair_manifest
    from aotgan.reproduce.runs.evaluation import embedding_of

    embedding = embedding_of(pairs.features, device)
    result, off = _measured(pair_manifest(folder, pairs.manifest), composite, embedding)
    return result, pairs.about() | {"predictions": folder.resolve().name} | off


def measure_files(
    folders: tuple[Path, Path, Path],
    hole: str,
    composite: bool,
    features: str | None,
    device: str,
) -> tuple["Evaluation", dict[str, Any]]:
    """Returns the measurements of files with originals of their own, and what they are."""
    from aotgan.losses.lite0 import NAME
    from aotgan.metrics.embedding import Embedding
    from aotgan.metrics.files import pair_files

    embedding = Embedding(features or NAME, device=device)
    files = pair_files(*folders, hole)
    result, off = _measured(files, composite, embedding)
    about = {
        "name": folders[0].resolve().name,
        "images": len({pair.image for pair in files.pairs}),
        "pairs": len(files),
        "size_px": list(files.size),
        "manifest_sha256": files.hash,
    }
    return result, about | off


def _measured(
    files: "FileSet", composite: bool, embedding: "Embedding"
) -> tuple["Evaluation", dict[str, Any]]:
    """Measures files; returns, and says, how far their known pixels were off."""
    from aotgan.metrics.files import evaluate_files

    result, known = evaluate_files(files, composite, embedding)
    # the composite hides what a prediction did to known pixels: it is said, and recorded
    if known.mean > 0:
        print(f"note: {remark(known)}", file=sys.stderr)
    off = {"mean": round(known.mean, 3), "worst": round(known.worst[0], 3)}
    return result, {"known_pixels_off_by": off}


def remark(known: "KnownPixels") -> str:
    """Says in words by how much predictions missed the pixels that they were given."""
    worst, name = known.worst
    return (
        f"known pixels of the predictions are off by {known.mean:.2f} grey levels on average, at "
        f"most by {worst:.2f} ({name}); the originals' were measured in their place."
    )


def show(per_bin: "pd.DataFrame") -> None:
    """Prints a table of measurements without its intervals."""
    # with all intervals a row would be wider than any terminal; --csv has them
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
    from aotgan.reproduce.runs.kept import measurements_csv
    from aotgan.reproduce.runs.record import environment, rows_of

    if csv is not None:
        write_atomically(csv, result.per_bin.to_csv(index=False))
    if out is None:
        return
    # one record with all that is needed to read the numbers
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
    write_atomically(out / PAIRS, measurements_csv(result.per_image))
    write_atomically(out / RECORD, json.dumps(record, indent=1, allow_nan=False) + "\n")
