"""The card of a shipped model: every number in it comes from the record, the file or `bars`."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from aotgan.data.sources import CATALOGUE
from aotgan.metrics import METRICS
from aotgan.metrics.metric import Metric
from aotgan.metrics.report import ALL
from aotgan.models.generator import Generator
from aotgan.models.weights import PREFIX
from aotgan.reproduce.bars import CHANNELS, COMPARED, readable_bars
from aotgan.reproduce.runs.batch import duration
from aotgan.reproduce.runs.experiments import get_experiment
from aotgan.reproduce.runs.record import Record
from aotgan.reproduce.tables.text import markdown

SHOWN = {metric.key: metric for metric in METRICS}
CARD = """# Model card: {name}

{title}.

A generator of {parameters:,} parameters that fills holes in photographs of any size on a CPU,
offline: `aotgan.inpaint(photo, mask, model="{short}")`, or
`aotgan inpaint photos masks results --model {short}`.

| | |
| --- | --- |
| trained on | {images:,} photographs of `{data}`, listing SHA-256 {listing} |
| their source | {source} |
| their terms | {licence} |
| terms of these weights | {terms} |
| images seen | {seen:,} in {steps:,} steps of {batch}: {passes:.1f} passes over them{planned} |
| training | {sizes}, {times}, seed {seed}{restarts} |
| losses | objective "{objective}"; feature network {features} |
| network | {network} |
| not as in the paper | {departs} |
| file | {weights}, float16, safetensors, {megabytes:.1f} MB, SHA-256 {digest} |
| code | SHA-256 {code} |

## Limits

{limits}

## Learning curve

{curve}

## Beside fillings that learn nothing

{beside}

## Colour cast

{cast}
"""


def model_card(
    record: Record, generator: Generator, content: bytes, bars: Mapping[str, Any]
) -> str:
    """Returns the card of a model.

    Args:
        record: of its training.
        generator: the network.
        content: of the weights file.
        bars: what `aotgan.reproduce.bars.measure_bars` measured of the file.
    """
    entry = CATALOGUE.get(record.data["name"])
    config = record.config
    experiment = get_experiment(record.experiment)
    return CARD.format(
        name=record.experiment,
        short=record.experiment.removeprefix(PREFIX),
        title=experiment.title,
        parameters=sum(parameter.numel() for parameter in generator.parameters()),
        images=record.data["images"],
        data=record.data["name"],
        listing=record.data["manifest_sha256"][:16],
        source=entry.source if entry else "a folder of the user's",
        licence=entry.licence if entry else "as the user's photographs",
        terms=terms_of(record),
        seen=record.images_seen,
        steps=record.steps,
        batch=config["optim"]["batch_size"],
        passes=record.images_seen / record.data["images"],
        planned=_planned(record),
        sizes=_sizes(record),
        times=_times(record),
        seed=record.seed,
        restarts=_restarts(record),
        objective=config["loss"]["objective"],
        features=record.features,
        network=", ".join(f"{key} {value}" for key, value in generator.config.items()),
        departs=experiment.departs or "the scale alone",
        weights="moving average" if record.weights == "ema" else "final weights",
        megabytes=len(content) / 1e6,
        digest=hashlib.sha256(content).hexdigest(),
        code=record.environment["code_sha256"],
        limits="\n".join(f"- {line}" for line in _limits(record, bars)),
        curve=_curve(record),
        beside=_beside(bars),
        cast=_cast(bars),
    )


def terms_of(record: Record) -> str:
    """Returns the terms of weights: those of the photographs that they were trained on."""
    entry = CATALOGUE.get(record.data["name"])
    return f"as the photographs': {entry.licence}" if entry else "as the user's photographs"


def _times(record: Record) -> str:
    """How long the training took on each device, in the order that it went through them."""
    # records without times by device are of one device
    seconds_on = record.seconds_on or {record.environment["device"]: record.train_seconds}
    return ", ".join(f"{duration(seconds)} on {name}" for name, seconds in seconds_on.items())


def _planned(record: Record) -> str:
    """How long the training was to be, where it ended before."""
    return f"; stopped before {record.config['steps']:,} steps" if _done(record) < 1 else ""


def _done(record: Record) -> float:
    return record.steps / record.config["steps"]


def _sizes(record: Record) -> str:
    """The sides of the images, in the order in which they were seen."""
    data = record.config["data"]
    stages = data.get("stages", ())
    # a stage begins where the one before it ends
    starts = [0.0, *(end for end, _ in stages)]
    begun = zip((start < _done(record) for start in starts), stages, strict=False)
    sides = [int(side) for seen, (_, side) in begun if seen] or [data["size_px"]]
    return f"images of {', then '.join(map(str, dict.fromkeys(sides)))} px"


def _restarts(record: Record) -> str:
    steps = ", ".join(f"{step:,}" for step in record.restarts)
    return f"; went on from networks in half precision after step {steps}" if steps else ""


def _limits(record: Record, bars: Mapping[str, Any]) -> Iterator[str]:
    yield (
        "What it fills in is invented; it is no evidence of what was there. Photographs unlike "
        f"those of `{record.data['name']}` were not measured."
    )
    yield (
        f"Numbers below are of {bars['evaluation']['size_px']} px. A larger picture's deep holes "
        "are filled from coarse to fine, and get blurred as they grow."
    )
    share = bars["config"]["width"] / Generator.published_width
    yield (
        f"Scale {record.scale}, {share:.0%} of the paper's width. No claim of the paper rests on "
        "this model."
    )
    worse = list(_worse(bars))
    yield from worse or ["No filling below is better in any bin, as far as the intervals tell."]


def _worse(bars: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each filling and metric by which it is better, beyond its interval."""
    bins: dict[tuple[str, str], list[str]] = {}
    for row in bars["differences"]:
        # the end of the interval that speaks least for the filling; None of too few pairs
        end = row["high"] if SHOWN[row["metric"]].higher else row["low"]
        sign = -1 if SHOWN[row["metric"]].higher else 1
        if end is not None and sign * end > 0:
            bins.setdefault((row["against"], row["metric"]), []).append(row["bin"])
    for (against, metric), labels in bins.items():
        yield f"{against} is better in {SHOWN[metric].name}, holes of {', '.join(labels)}."


def _curve(record: Record) -> str:
    last = [{**row, "seen": record.images_seen} for row in record.metrics[record.weights]]
    # raw weights and their moving average have curves of their own
    before = [row for row in record.curve if row["weights"] == record.weights]
    points = [row for row in (*before, *last) if row["bin"] == ALL]
    # a curve that ends in the last measurement has it twice: the last one stands
    points = list({row["seen"]: row for row in points}.values())
    metrics = [SHOWN[key] for key in COMPARED]
    rows = [{"images seen": f"{row['seen']:,}", **_cells(row, metrics)} for row in points]
    where = record.evaluation
    return (
        f"Means over {where['pairs']:,} pairs of {where['images']:,} held-out photographs of "
        f"`{where['name']}`, {where['size_px']} px, holes of all sizes; weights in float32.\n\n"
        f"{markdown(pd.DataFrame(rows))}"
    )


def _cells(row: Mapping[str, Any], metrics: list[Metric]) -> dict[str, str]:
    values = {m: row[m.key] for m in metrics}
    return {
        m.title: "-" if value is None else f"{m.factor * value:.{m.digits}f}"
        for m, value in values.items()
    }


def _beside(bars: Mapping[str, Any]) -> str:
    about = bars["evaluation"]
    tables = []
    # a table for each bin of hole sizes, in the order of the measurement
    for label in dict.fromkeys(row["bin"] for row in bars["metrics"][bars["model"]]):
        table = readable_bars(bars, label)
        table.insert(0, "hole", label)
        tables.append(table)
    features = bars["protocol"]["frechet"]["name"].partition(", ")[2]
    return (
        f"The file's own weights on {about['pairs']:,} pairs of {about['images']:,} held-out "
        f"photographs of `{about['name']}`, {about['size_px']} px. In brackets what this model "
        "changes against a filling, pair by pair, with the 95 % interval over photographs. "
        f"Distances are in {features}, not FID's; - stands where there are too few pairs.\n\n"
        f"{markdown(pd.concat(tables))}"
    )


def _cast(bars: Mapping[str, Any]) -> str:
    rows = [
        {
            "channel": channel,
            "mean signed error": f"{mean:+.2f}",
            "95 % interval": f"{low:+.2f} to {high:+.2f}",
        }
        for channel in CHANNELS
        for mean, low, high in [bars["cast"][channel]]
    ]
    return (
        "Fill minus original in the hole, mean over the pairs above, in levels of 8 bits; above 0 "
        f"is too bright.\n\n{markdown(pd.DataFrame(rows))}"
    )
