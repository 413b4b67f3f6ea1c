"""Packs a finished run's generator into the package, with a model card made from its record."""

from pathlib import Path

from aotgan.data.catalogue import CATALOGUE
from aotgan.errors import InputError
from aotgan.files import sha256_of, write_atomically
from aotgan.models.weights import SHIPPED, load_generator, save_generator
from aotgan.reproduce.runs.record import Record, load_record
from aotgan.reproduce.runs.run import RECORD
from aotgan.reproduce.tables.captions import caption, heading
from aotgan.reproduce.tables.summary import ENDS, shown
from aotgan.reproduce.tables.text import markdown
from aotgan.training.loop import EMA_WEIGHTS, WEIGHTS

LIMIT_BYTES = 10 * 2**20  # the largest model that is committed
CARD = """# Model card: {name}

The generator of AOT-GAN (variant "{variant}", width {width}, {blocks} blocks, {parameters:,}
parameters, {megabytes:.1f} MB), a small model that fills a hole in seconds on a CPU, offline:
`aotgan.load_generator("{name}")`.

| | |
| --- | --- |
| trained on | {images:,} photographs of `{data}`, listing SHA-256 {listing} |
| their source | {source} |
| their terms | {licence} |
| terms of these weights | research and education only, as the photographs' |
| steps | {steps:,} of {batch} images at {size} px, {minutes:.0f} minutes of training on {device} |
| losses | objective "{objective}"; feature network {features} |
| weights | {weights}, float32, safetensors, SHA-256 {digest} |
| settings | the whole record is in `figures/{scale}/records/` |

## Limits

Trained for {steps:,} steps on small images: expect blurred fills of large holes, and results that
get worse the further an image's size is from {size} px. The feature network is random where its
name says so, which is not what the paper trains with. No claim of the paper rests on this model.

{results}
"""


def ship(run_directory: str | Path, folder: str | Path = SHIPPED) -> list[Path]:
    """Writes `<experiment>.safetensors` and `<experiment>.md` from a finished run.

    Args:
        run_directory: holds `record.json` and the weights; the moving average is taken where the
            run kept one.
        folder: where the package keeps its models.

    Raises:
        InputError: the run is not finished, or its weights exceed 10 MiB.
    """
    run_directory, folder = Path(run_directory), Path(folder)
    record = load_record(run_directory / RECORD)
    source = run_directory / (EMA_WEIGHTS if record.weights == "ema" else WEIGHTS)
    generator = load_generator(source)
    if source.stat().st_size > LIMIT_BYTES:
        raise InputError(
            f"{source} has {source.stat().st_size / 2**20:.1f} MiB: a shipped model has at most "
            f"{LIMIT_BYTES // 2**20}. Train a narrower one."
        )
    facts = {"data": record.data["name"], "steps": str(record.steps), "scale": record.scale}
    terms = {"terms": "research and education only", "features": record.features}
    target = save_generator(
        generator, folder / f"{record.experiment}.safetensors", {**facts, **terms}
    )
    count = sum(parameter.numel() for parameter in generator.parameters())
    card = write_atomically(folder / f"{record.experiment}.md", model_card(record, target, count))
    return [target, card]


def model_card(record: Record, weights: Path, parameters: int) -> str:
    """Returns the card of a model; every number in it comes from the record or the file."""
    entry = CATALOGUE.get(record.data["name"])
    config = record.config
    return CARD.format(
        name=record.experiment,
        variant=config["generator"]["variant"],
        width=config["generator"]["width"],
        blocks=config["generator"].get("blocks", 8),
        parameters=parameters,
        megabytes=weights.stat().st_size / 1e6,
        images=record.data["images"],
        data=record.data["name"],
        listing=record.data["manifest_sha256"][:16],
        source=entry.source if entry else "a folder of the user's",
        licence=entry.licence if entry else "as the user's photographs",
        steps=record.steps,
        batch=config["optim"]["batch_size"],
        size=config["data"]["size_px"],
        minutes=record.train_seconds / 60,
        device=record.environment["device"],
        objective=config["loss"]["objective"],
        features=record.features,
        weights="moving average" if record.weights == "ema" else "final weights",
        digest=sha256_of(weights),
        scale=record.scale,
        results=results(record),
    )


def results(record: Record) -> str:
    """Returns the record's table with its caption, under a heading one level down."""
    table = markdown(shown([record]))
    return f"#{heading(record.scale)}\n\n{table}\n\n{caption([record], ENDS)}"
