"""Tables of measurements, built from records alone, as CSV for machines and Markdown for people.

The same records give the same bytes.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aotgan.errors import InputError
from aotgan.files import write_atomically
from aotgan.metrics.intervals import interval
from aotgan.reproduce.experiments import EXPERIMENTS
from aotgan.reproduce.notes import distance_interval, distance_lines, weight_lines
from aotgan.reproduce.outputs import RECORDS
from aotgan.reproduce.published import check_columns
from aotgan.reproduce.records import Record
from aotgan.reproduce.scales import get_scale
from aotgan.training.config import with_defaults

CHECK_SCALE = "smoke"
CHECK_LABEL = "pipeline check"  # what every table of that scale is called
HOLES = {
    "free-form": "free-form masks",
    "thick": "thick masks",
    "mixed": "free-form and thick masks",
    "boxes": "rectangles",
    "centre": "centre squares",
}
LOW, HIGH = " low", " high"


@dataclass(frozen=True)
class Metric:
    """A measured quantity as tables show it."""

    key: str  # in the record
    title: str
    factor: float = 1.0
    digits: int = 2
    higher: bool = False  # is better

    @property
    def name(self) -> str:
        """What sentences call it: the title without unit and network."""
        return self.title.split(" (")[0].split(",")[0]


PIXEL = (
    Metric("l1", "L1 (1e-2)", factor=100),
    Metric("l1_hole", "L1 in the hole (1e-2)", factor=100),
    Metric("psnr", "PSNR (dB)", higher=True),
    Metric("ssim", "SSIM", digits=3, higher=True),
)
DISTANCES = (("fd", 2, "frechet"), ("kd", 3, "kernel"))  # digits, and key in the protocol
COUNTS = {"bin": "hole", "n": "pairs", "images": "photographs", "identical": "identical"}


def metrics_of(record: Record) -> tuple[Metric, ...]:
    """Returns what a table shows of a record; distances have the name that its protocol says."""
    distances = ((key, digits, record.protocol.get(kind)) for key, digits, kind in DISTANCES)
    return PIXEL + tuple(Metric(key, what["name"], digits=n) for key, n, what in distances if what)


def metric_table(records: Sequence[Record]) -> pd.DataFrame:
    """Returns one row an experiment and mask-ratio bin.

    Columns: which experiment it is, how many pairs, distinct photographs and composites equal to
    the original, then each metric with the ends of its 95 % interval ("PSNR (dB)",
    "PSNR (dB) low", "PSNR (dB) high"). With one seed the interval is that of the mean over the
    photographs; with several it is Student's t over the seeds' means, all measured on the same
    pairs.

    Raises:
        InputError: no records, or records that do not belong into one table.
    """
    groups = _by_experiment(records)
    rows = [row for group in groups for row in _rows(group)]
    return pd.DataFrame(rows)


def write_tables(
    scale: str, records: Sequence[Record], folder: str | Path, notes: Sequence[str] = ()
) -> list[Path]:
    """Writes `<folder>/<scale>/<experiment>.md` and `.csv`, by the name of the first experiment.

    Args:
        scale: the scale of all records.
        records: finished runs, of any number of experiments and seeds.
        folder: folder of all figures and tables.
        notes: paragraphs under the Markdown table.

    Raises:
        InputError: as `metric_table`, or a record of another scale.
    """
    table = metric_table(records)
    if set(table["scale"]) != {scale}:
        raise InputError(f"the records are of scale {table['scale'][0]!r}, not {scale!r}.")
    parts = [heading(scale), markdown(shown(table, metrics_of(records[0]))), caption(records)]
    check_columns(table)
    target, name = Path(folder) / scale, records[0].experiment
    return [
        write_atomically(target / f"{name}.md", "\n\n".join([*parts, *notes]) + "\n"),
        write_atomically(
            target / f"{name}.csv",
            table.to_csv(index=False, float_format="%.6g", lineterminator="\n"),
        ),
    ]


def heading(scale: str, title: str = "Results") -> str:
    """Returns the title of a scale's table; a check of the pipeline says that it is one."""
    about = get_scale(scale).about
    if scale == CHECK_SCALE:
        return f"# {title} at scale {scale}: {CHECK_LABEL}\n\n**This is {about}.**"
    return f"# {title} at scale {scale}\n\nWhat they are worth: {about}."


def shown(table: pd.DataFrame, metrics: Sequence[Metric]) -> pd.DataFrame:
    """Returns a table for reading: values as text, with half of their interval after a +-."""
    columns: dict[str, Any] = {"experiment": table["experiment"]}
    columns |= {name: table[name].astype(str) for name in ("hole", "pairs")}
    for metric in metrics:
        columns[metric.title] = [
            with_interval(value, high, metric.digits)
            for value, high in zip(table[metric.title], table[f"{metric.title}{HIGH}"], strict=True)
        ]
    return pd.DataFrame(columns)


def markdown(table: pd.DataFrame) -> str:
    """Returns a table of text in GitHub's Markdown, columns of numbers to the right.

    Raises:
        InputError: published numbers outside columns of their own.
    """
    check_columns(table)
    names = [_escaped(name) for name in table.columns]
    body = [[_escaped(value) for value in row] for row in table.itertuples(index=False)]
    rule = ["---:" if any(map(_numeric, cells)) else "---" for cells in zip(*body, strict=True)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (names, rule, *body))


def caption(records: Sequence[Record], intervals: str | None = None) -> str:
    """Says what a table's numbers are: data, size, n, seeds, networks, steps, intervals, source.

    Args:
        records: those that the table is made from.
        intervals: says what the intervals are, where they are not those of `metric_table`.
    """
    return "\n".join(f"- {line}" for line in _caption_lines(records, intervals))


def _caption_lines(records: Sequence[Record], intervals: str | None) -> Iterator[str]:
    groups = _by_experiment(records)
    first = groups[0][0]
    data, test = first.data, first.evaluation
    check = f"{CHECK_LABEL.capitalize()}. " if first.scale == CHECK_SCALE else ""
    trained = first.config.get("data", {}).get("masks", "free-form")  # `DataConfig`'s
    masks = first.evaluation.get("masks", trained)
    holes = HOLES.get(masks, f"masks of {masks}")
    yield (
        f"{check}Scale {first.scale}, {test['size_px']} px. Trained on {data['images']:,} "
        f"photographs of {data['name']}; measured on {test['pairs']:,} pairs of "
        f"{test['images']:,} held-out photographs of {test['name']} and {holes}, the same for "
        "every run."
    )
    for group in groups:
        if not group[0].trained:
            yield f"{group[0].experiment}: not trained, the same for every seed."
            continue
        record, seeds = group[0], ", ".join(str(record.seed) for record in group)
        word = "seed" if len(group) == 1 else f"{len(group)} seeds:"
        average = "moving average of the weights" if record.weights == "ema" else "final weights"
        known = EXPERIMENTS.get(record.experiment)
        departs = f" Not as in the paper: {known.departs}." if known and known.departs else ""
        yield (
            f"{record.experiment}: {record.steps:,} steps, {record.images_seen:,} images, "
            f"{word} {seeds}; {average}; feature network of the losses {record.features}.{departs}"
        )
    yield intervals or _interval_line(groups)
    yield from distance_interval(first)
    yield from weight_lines(groups)
    yield from distance_lines(first)
    yield from _source_lines(groups)


def _interval_line(groups: Sequence[Sequence[Record]]) -> str:
    photographs = "over photographs, pairs of one photograph counted as correlated"
    if all(len(group) == 1 for group in groups):
        return (
            f"± is half the 95 % t interval of the mean {photographs}; with one seed the spread "
            "between seeds is unknown."
        )
    seeds = "over seeds (Student's t of their means, on the same pairs)"
    if all(len(group) > 1 for group in groups):
        return f"± is half the 95 % interval {seeds}."
    return f"± is half the 95 % interval: {seeds}; with a single seed {photographs}."


def _source_lines(groups: Sequence[Sequence[Record]]) -> Iterator[str]:
    records = [record for group in groups for record in group]
    yield "Made from " + ", ".join(f"{RECORDS}/{record_name(record)}" for record in records) + "."
    hashes = sorted({record.environment.get("code_sha256", "unknown")[:12] for record in records})
    devices = sorted({record.environment.get("device", "unknown") for record in records})
    yield f"Code {', '.join(hashes)}; {', '.join(devices)}."


def record_name(record: Record) -> str:
    """Returns the file name of a record beside the tables."""
    return f"{record.experiment}-seed{record.seed}.json"


def _by_experiment(records: Sequence[Record]) -> list[list[Record]]:
    """Groups records in the order of the declaration, seeds ascending, and checks that they fit."""
    if not records:
        raise InputError("no records were given: train a run first (aotgan train).")
    order = {name: position for position, name in enumerate(EXPERIMENTS)}
    names = sorted({r.experiment for r in records}, key=lambda n: (order.get(n, len(order)), n))
    groups = [
        sorted((r for r in records if r.experiment == n), key=lambda r: r.seed) for n in names
    ]
    check_equal(records, "table", evaluated)
    for group in groups:
        check_equal(group, f"experiment {group[0].experiment}", _configured)
        if len({record.seed for record in group}) < len(group):
            raise InputError(f"two records of {group[0].experiment} have the same seed.")
    return groups


def evaluated(record: Record) -> dict[str, Any]:
    """What all records of one table must have in common."""
    return {
        "scale": record.scale,
        "training data": record.data["manifest_sha256"],
        "evaluation pairs": record.evaluation["manifest_sha256"],
        "protocol": record.protocol,
    }


def _configured(record: Record) -> dict[str, Any]:
    """What the seeds of one experiment must have in common."""
    config = {key: value for key, value in with_defaults(record.config).items() if key != "seed"}
    return {"configuration": config, "steps": record.steps, "weights": record.weights}


def check_equal(
    records: Sequence[Record], where: str, facts: Callable[[Record], Mapping[str, Any]]
) -> None:
    """Refuses records that differ in a fact that a table needs them to share.

    Raises:
        InputError: names two records and the fact.
    """
    first = facts(records[0]) if records else {}
    for record in records[1:]:
        other = facts(record)
        for name in first:
            if first[name] != other[name]:
                raise InputError(
                    f"{record_name(records[0])} and {record_name(record)} differ in {name} and "
                    f"cannot share a {where}. Collect them separately."
                )


def _rows(group: Sequence[Record]) -> Iterator[dict[str, Any]]:
    first = group[0]
    about = {
        "scale": first.scale,
        "label": CHECK_LABEL if first.scale == CHECK_SCALE else "",
        "experiment": first.experiment,
        "data": first.evaluation["name"],
        "steps": first.steps,
        "weights": first.weights,
        "seeds": len(group),
    }
    for cells in zip(*(record.metrics[record.weights] for record in group), strict=True):
        row = about | {title: cells[0][key] for key, title in COUNTS.items()}
        row["identical"] = sum(cell["identical"] for cell in cells)
        for metric in metrics_of(first):
            value, low, high = summary([dict(cell) for cell in cells], metric)
            row |= {metric.title: value, f"{metric.title}{LOW}": low, f"{metric.title}{HIGH}": high}
        yield row


def summary(cells: Sequence[dict[str, Any]], metric: Metric) -> tuple[float, float, float]:
    """Returns value and ends of the interval, of one seed's photographs or of several seeds.

    Args:
        cells: a bin's row of a record's numbers for each seed.
        metric: which of them.
    """
    if len(cells) == 1:
        keys = (metric.key, f"{metric.key}_low", f"{metric.key}_high")
        value, low, high = (_number(cells[0].get(key)) * metric.factor for key in keys)
        return value, low, high
    values = np.array([_number(cell.get(metric.key)) for cell in cells]) * metric.factor
    return interval(values, np.arange(len(values)))


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def with_interval(value: float, high: float, digits: int) -> str:
    """Returns "21.08 ± 0.51", without the interval where it is unknown, "-" for NaN."""
    if not math.isfinite(value):
        return "-"
    text = f"{value:.{digits}f}"
    return f"{text} ± {high - value:.{digits}f}" if math.isfinite(high) else text


def _numeric(text: str) -> bool:
    return re.match(r"[-+<]|\d[\d.,]*(-\d+%)?(\s|$)", text) is not None


def _escaped(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
