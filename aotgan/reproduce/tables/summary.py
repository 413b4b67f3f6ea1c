"""Experiments one by one, in every bin: what a run says by itself.

Built from records alone; the same records give the same bytes.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aotgan.errors import InputError
from aotgan.files import write_atomically
from aotgan.metrics.metric import Metric
from aotgan.reproduce.runs.record import Record
from aotgan.reproduce.runs.scales import CHECK_LABEL, CHECK_SCALE
from aotgan.reproduce.tables.captions import ENDS, by_experiment, caption, heading
from aotgan.reproduce.tables.runs import metrics_of
from aotgan.reproduce.tables.significance import over_seeds
from aotgan.reproduce.tables.text import csv, markdown, with_ends

LOW, HIGH = " low", " high"
COUNTS = {"bin": "hole", "n": "pairs", "images": "photographs", "identical": "identical"}


def metric_table(records: Sequence[Record]) -> pd.DataFrame:
    """Returns one row an experiment and mask-ratio bin.

    Columns: which experiment it is, how many pairs, distinct photographs and composites equal to
    the original, then each metric with the ends of its 95 % interval ("PSNR (dB)",
    "PSNR (dB) low", "PSNR (dB) high"). Of one seed the interval is that of the mean over the
    photographs, of three or more Student's t over the seeds' means, all measured on the same pairs;
    of two the ends are their range.

    Raises:
        InputError: no records, or records that do not belong into one table.
    """
    groups = by_experiment(records)
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
        others = ", ".join(sorted({*table["scale"]} - {scale}))
        raise InputError(f"records of scale {others} among those of {scale!r}: give {scale} alone.")
    parts = [
        heading(scale, records[0].experiment),
        markdown(shown(records)),
        caption(records, ENDS),
    ]
    stem = Path(folder) / scale / records[0].experiment
    return [
        write_atomically(stem.with_suffix(".md"), "\n\n".join([*parts, *notes]) + "\n"),
        write_atomically(stem.with_suffix(".csv"), csv(table)),
    ]


def shown(records: Sequence[Record]) -> pd.DataFrame:
    """Returns `metric_table` for reading, its values as text; see `ENDS`."""
    table = metric_table(records)
    columns: dict[str, Any] = {"experiment": table["experiment"]}
    columns |= {name: table[name].astype(str) for name in ("hole", "pairs")}
    for metric in metrics_of(records[0]):
        ends = (table[metric.title + end] for end in ("", LOW, HIGH))
        columns[metric.title] = [
            with_ends(value, low, high, metric.digits, seeds)
            for value, low, high, seeds in zip(*ends, table["seeds"], strict=True)
        ]
    return pd.DataFrame(columns)


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
    # the rows of one bin, a seed each
    for cells in zip(*(record.metrics[record.weights] for record in group), strict=True):
        row = about | {title: cells[0][key] for key, title in COUNTS.items()}
        row["identical"] = sum(cell["identical"] for cell in cells)
        for metric in metrics_of(first):
            value, low, high = _ends(cells, metric)
            row |= {metric.title: value, f"{metric.title}{LOW}": low, f"{metric.title}{HIGH}": high}
        yield row


def _ends(cells: Sequence[dict[str, Any]], metric: Metric) -> tuple[float, float, float]:
    """Value and ends of a metric: of one seed over its photographs, of several over seeds."""
    if len(cells) == 1:
        keys = (metric.key, f"{metric.key}_low", f"{metric.key}_high")
        value, low, high = (_number(cells[0].get(key)) * metric.factor for key in keys)
        return value, low, high
    return over_seeds(np.array([_number(cell.get(metric.key)) for cell in cells]) * metric.factor)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
