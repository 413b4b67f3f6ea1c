"""Tables 1 and 2: AOT-GAN beside the models that section 4.2 compares it with, bin by bin.

Built from records alone; the same records give the same bytes. Every model of a table has seen the
same images and is measured on the same pairs. Classical fillings, which are not trained, stand
below the paper's rows.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import pandas as pd

from aotgan.models.inpainter import Inpainter
from aotgan.models.weights import skeleton
from aotgan.reproduce.ablations import (
    PAPER_COLUMNS,
    RANK,
    Runs,
    cell,
    load_runs,
    metrics_of_runs,
    rows_of_table,
)
from aotgan.reproduce.compare import Comparison, Run, compare, seed_spread
from aotgan.reproduce.others import Others, other_rows
from aotgan.reproduce.published import ABSENT, PREFIX, Published, load_published
from aotgan.reproduce.tables import HIGH, LOW

OURS = "AOT-GAN"
TITLES = {"1": "models by size of the hole", "2": "centre squares"}
COSTS = {
    "parameters": "parameters (M)",
    "gmacs": "multiply-adds (1e9)",
    "seconds": "time an image (s)",
    "memory_mb": "peak memory (MB)",
}


def load_models(
    table: str, folder: str | Path, seeds: Sequence[int] | None = None
) -> dict[str, list[Run]]:
    """Reads the runs of "1" or "2"; arguments, result and errors as `ablations.load_runs`."""
    return load_runs(folder, seeds, [table])


def bins_of(runs: Runs) -> tuple[str, ...]:
    """Returns the labels of the measured bins in order; that of all pairs only beside others."""
    rows = next(iter(runs.values()))[0].record.metrics["raw"]
    labels = tuple(str(row["bin"]) for row in rows)
    return labels if len(labels) > 2 else labels[:1]


def model_table(
    table: str, runs: Runs, weights: str | None = None, others: Others | None = None
) -> pd.DataFrame:
    """Returns a row for each model and bin, models in the paper's order, NaN where none was run.

    Columns: row, bin, experiment, seeds; for each metric our mean over seeds, the ends of its 95 %
    interval over seeds (their spread pooled over the table's models; over photographs where no
    model has two; none for what is not trained) and its rank in the bin; in "paper ..." columns the
    printed number, "-" where the paper has none.

    Args:
        table: "1" or "2".
        runs: as `load_models` returns them.
        weights: "raw" or "ema"; those that tables show by default.
        others: models from elsewhere, which follow without rank.
    """
    names = rows_of_table(table)
    frame = pd.DataFrame(
        {"row": row, "bin": at, "experiment": name, "seeds": len(runs.get(name, ()))}
        for at in bins_of(runs)
        for row, name in names.items()
    )
    for metric in metrics_of_runs(runs):
        spreads = {at: seed_spread(runs.values(), metric, weights, at) for at in bins_of(runs)}
        cells = [
            cell(runs.get(name, ()), metric, spreads[at], weights, at)
            for name, at in zip(frame["experiment"], frame["bin"], strict=True)
        ]
        for suffix, values in zip(("", LOW, HIGH), zip(*cells, strict=True), strict=True):
            frame[metric.title + suffix] = values
        ranks = frame.groupby("bin")[metric.title].rank(ascending=not metric.higher)
        frame[metric.title + RANK] = ranks
        if metric.key not in PAPER_COLUMNS:
            continue
        name = PAPER_COLUMNS[metric.key]
        printed = _printed(table, name)
        column = [
            printed.get((row, at), Published(ABSENT))
            for row, at in zip(frame["row"], frame["bin"], strict=True)
        ]
        frame[f"{PREFIX} {name}"] = pd.Series(column, dtype=object)
    if not others:
        return frame
    return pd.concat([frame, other_rows(others, metrics_of_runs(runs))], ignore_index=True)


def model_comparisons(
    table: str, runs: Runs, weights: str | None = None
) -> Iterator[tuple[str, Comparison]]:
    """Yields (model, what AOT-GAN changes against it over all pairs), metric by metric."""
    names = rows_of_table(table)
    for row, name in names.items():
        if row == OURS or name not in runs or names[OURS] not in runs:
            continue
        for metric in metrics_of_runs(runs):
            spread = seed_spread(runs.values(), metric, weights)
            yield row, compare(runs[name], runs[names[OURS]], metric, spread, weights)


def frechet_improvement(table: str, runs: Runs, at: str) -> tuple[str, float, float] | None:
    """How much lower AOT-GAN's Frechet distance is in a bin, as the abstract computes 38.60 %.

    Returns:
        The best other model by that distance among our runs of the paper's rows, our
        1 - AOT-GAN / other, and the paper's own for the best other among its numbers; None unless
        AOT-GAN and another were run.
    """
    fd = next((m for m in metrics_of_runs(runs) if m.key == "fd"), None)
    frame = model_table(table, runs)
    if fd is None:
        return None
    there = frame[(frame["bin"] == at) & frame[fd.title].notna()]
    there = there[there["row"].isin({row for row, _ in _printed(table, "FID")})]
    ours = {
        str(row): float(value) for row, value in zip(there["row"], there[fd.title], strict=True)
    }
    others = [row for row in ours if row != OURS]
    if OURS not in ours or not others:
        return None
    best = min(others, key=lambda row: ours[row])
    printed = {
        row: value.value for (row, hole), value in _printed(table, "FID").items() if hole == at
    }
    second = min(value for row, value in printed.items() if row != OURS)
    return best, 1 - ours[OURS] / ours[best], 1 - printed[OURS] / second


def cost_table(table: str, runs: Runs) -> pd.DataFrame:
    """Returns what one image costs each model that was run, as its first seed's record says.

    Columns: row, those of `COSTS`, and images a second in training.
    """
    rows = []
    for row, name in rows_of_table(table).items():
        if name in runs:
            record = runs[name][0].record
            cost = {title: record.cost.get(key, math.nan) for key, title in COSTS.items()}
            cost["parameters (M)"] /= 1e6
            rate = record.images_per_s if record.trained else math.nan
            rows.append({"row": row} | cost | {"training (images/s)": rate})
    return pd.DataFrame(rows)


def untrained(table: str, runs: Runs) -> list[str]:
    """Returns the labels of the rows that were run without any training."""
    rows = rows_of_table(table).items()
    return [row for row, name in rows if name in runs and not runs[name][0].record.trained]


def departures(table: str, runs: Runs) -> dict[str, tuple[str, ...]]:
    """Returns how each model that was run differs from its publication, by row label."""
    return {row: network.simplified for row, network in _networks(table, runs).items()}


def model_titles(table: str, runs: Runs) -> dict[str, str]:
    """Returns what a table calls its rows: with a qualifier where a model has one."""
    networks = _networks(table, runs)
    qualifiers = {row: network.qualifier for row, network in networks.items()}
    return {
        row: f"{row}, {qualifiers[row]}" if qualifiers.get(row) else row
        for row in rows_of_table(table)
    }


def _networks(table: str, runs: Runs) -> dict[str, Inpainter]:
    """The models that were run, without numbers in their weights, by row label."""
    return {
        row: _network(json.dumps(runs[name][0].record.config["generator"]))
        for row, name in rows_of_table(table).items()
        if name in runs
    }


@lru_cache
def _network(config: str) -> Inpainter:
    return skeleton(json.loads(config))


def _printed(table: str, metric: str) -> Mapping[tuple[str, str], Published]:
    """The paper's numbers of a metric by row and bin; Table 2 has one bin, which we call centre."""
    published = load_published()
    lines = published[(published["table"] == table) & (published["metric"] == metric)]
    return {
        (str(line.row), "centre" if table == "2" else str(line.setting)): line.value  # type: ignore[misc]
        for line in lines.itertuples(index=False)
    }
