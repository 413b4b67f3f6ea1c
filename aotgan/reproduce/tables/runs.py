"""Finished runs with what was measured of each pair, as tables are made from them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from aotgan.errors import InputError
from aotgan.metrics import METRICS
from aotgan.metrics.metric import Metric
from aotgan.metrics.report import ALL
from aotgan.reproduce.runs.curve import read_curve
from aotgan.reproduce.runs.outputs import (
    CURVE_PAIRS_SUFFIX,
    PAIRS_SUFFIX,
    RECORDS,
    RESAMPLES_SUFFIX,
)
from aotgan.reproduce.runs.record import Record, load_record
from aotgan.reproduce.tables.captions import check_equal, evaluated
from aotgan.reproduce.tables.rows import rows_of_table


@dataclass(frozen=True)
class Run:
    """A finished run, or a point on the way of one.

    Attributes:
        record: its record.
        per_image: measurements of each pair: "weights", "image", "bin" and metrics.
        resamples: distances of each resample of the photographs: "weights", "bin", "fd", "kd";
            empty where none were kept.
    """

    record: Record
    per_image: pd.DataFrame
    resamples: pd.DataFrame = field(default_factory=pd.DataFrame)

    def value(self, metric: Metric, weights: str | None = None, at: str = ALL) -> float:
        """Mean over the pairs of a bin in the table's unit, of the tables' weights by default."""
        rows = self.record.rows(weights)
        value = next(row for row in rows if row["bin"] == at).get(metric.key)
        return math.nan if value is None else float(value) * metric.factor

    def pairs(self, weights: str | None = None) -> pd.DataFrame:
        """Returns the measurements of some weights, by default those that tables show."""
        return self.per_image[self.per_image["weights"] == self.record.weights_for(weights)]

    def distances(self, weights: str | None = None, at: str = ALL) -> pd.DataFrame:
        """Returns the distances of the resamples in a bin, the first row of all; or nothing."""
        if self.resamples.empty:
            return self.resamples
        of_weights = self.resamples["weights"] == self.record.weights_for(weights)
        return self.resamples[of_weights & (self.resamples["bin"] == at)].reset_index(drop=True)


Runs = Mapping[str, Sequence[Run]]  # by experiment


def read_run(record: str | Path) -> Run:
    """Reads a record and the measurements beside it.

    Raises:
        InputError: one of them is missing or no such file.
    """
    loaded, stem = load_record(record), str(Path(record).with_suffix(""))
    pairs, resamples = (Path(stem + suffix) for suffix in (PAIRS_SUFFIX, RESAMPLES_SUFFIX))
    try:
        draws = pd.read_csv(resamples) if resamples.exists() else pd.DataFrame()
        return Run(loaded, pd.read_csv(pairs), draws)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{pairs} has no measurements by pair ({error}). Move {record} away and run "
            f"{loaded.experiment}, seed {loaded.seed}, again."
        ) from error


def load_runs(
    folder: str | Path, table: str, seeds: Sequence[int] | None = None
) -> dict[str, list[Run]]:
    """Reads the runs of a table's rows from a folder of results.

    Where some were trained on fewer images than others, all are read at that point of their
    learning curve, so that the rows have seen equally many.

    Args:
        folder: `figures/<scale>`, whose `records/` has a record and a `-pairs.csv` for each run.
        table: a key of `aotgan.reproduce.tables.rows.TITLES`.
        seeds: those to read; by default all that are there.

    Returns:
        By experiment, in the order of the rows, seeds ascending; empty without records.

    Raises:
        InputError: a record without its measurements, or without that point of its curve.
    """
    runs: dict[str, list[Run]] = {}
    for name in rows_of_table(table).values():
        for run in read_runs(folder, name):
            # what is not trained stands beside every seed
            if seeds is None or run.record.seed in seeds or not run.record.trained:
                runs.setdefault(name, []).append(run)
    trained = [r.record.images_seen for group in runs.values() for r in group if r.record.trained]
    budget = min(trained, default=0)
    return {name: [at_budget(run, budget, folder) for run in group] for name, group in runs.items()}


def read_runs(folder: str | Path, experiment: str) -> list[Run]:
    """Reads the runs of an experiment, seeds ascending; arguments and errors as `load_runs`."""
    records = (Path(folder) / RECORDS).glob(f"{experiment}-seed*.json")
    return sorted((read_run(path) for path in records), key=lambda run: run.record.seed)


def at_budget(run: Run, images: int, folder: str | Path) -> Run:
    """Returns what a run was after so many images; itself where it has seen no more, or nothing.

    Raises:
        InputError: it was not measured there.
    """
    if not run.record.trained or run.record.images_seen <= images:
        return run
    record, stem = run.record.at(images), f"{run.record.experiment}-seed{run.record.seed}"
    path = Path(folder) / RECORDS / f"{stem}{CURVE_PAIRS_SUFFIX}"
    curve = read_curve(path)
    if curve.empty or not (curve["seen"] == images).any():
        raise InputError(f"{path} has no measurements at {images:,} images. Collect the run again.")
    pairs = curve[curve["seen"] == images].drop(columns="seen").reset_index(drop=True)
    # resamples are kept of the end of a training alone
    return replace(run, record=record, per_image=pairs, resamples=pd.DataFrame())


def metrics_of(record: Record) -> tuple[Metric, ...]:
    """Returns what a table shows of a record; distances have the name that its protocol says."""
    measured = record.metrics[record.weights][0]
    metrics = []
    for metric in METRICS:
        about = record.protocol.get(metric.described) if metric.described else None
        if about:
            # distances are named after the features that they were measured in
            metrics.append(replace(metric, title=about["name"]))
        elif metric.title and not metric.described and metric.key in measured:
            metrics.append(metric)
    return tuple(metrics)


def metrics_of_runs(runs: Runs) -> tuple[Metric, ...]:
    """Returns what a table of these runs shows.

    Raises:
        InputError: no runs, or runs that do not belong into one table.
    """
    records = [run.record for group in runs.values() for run in group]
    if not records:
        raise InputError("no runs of this table: train some first (aotgan reproduce).")
    check_equal(records, "table", evaluated)
    trained = [record for record in records if record.trained]
    check_equal(trained, "table", lambda r: {"steps": r.steps})
    return metrics_of(records[0])


def bins_of(runs: Runs) -> tuple[str, ...]:
    """Returns the labels of the measured bins in order; that of all pairs only beside others."""
    rows = next(iter(runs.values()))[0].record.metrics["raw"]
    labels = tuple(str(row["bin"]) for row in rows)
    # "all" beside a single bin would be the same pairs again
    return labels if len(labels) > 2 else labels[:1]
