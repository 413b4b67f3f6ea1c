"""Tables 4 to 7 and the table of readings: ours beside the paper's, with ranks and paired tests.

Built from records alone; the same records give the same bytes.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from aotgan.errors import InputError
from aotgan.metrics.report import ALL
from aotgan.reproduce.compare import (
    Comparison,
    Run,
    Spread,
    compare,
    read_run,
    seed_spread,
)
from aotgan.reproduce.experiments import EXPERIMENTS, READINGS
from aotgan.reproduce.outputs import ABLATIONS, PAIRS_SUFFIX, RECORDS, TABLES, tables_of
from aotgan.reproduce.published import ABSENT, PREFIX, Published, load_published
from aotgan.reproduce.tables import (
    HIGH,
    LOW,
    Metric,
    check_equal,
    evaluated,
    metrics_of,
)

TITLES = {
    "4": "dilation rates of the AOT block",
    "5": "components of AOT-GAN",
    "6": "residual connections in the AOT block",
    "7": "discriminators",
    READINGS: "text against released code, one choice at a time",
}
PAPER_COLUMNS = {"l1": "L1_1e-2", "psnr": "PSNR_dB", "ssim": "SSIM", "fd": "FID"}
OURS_ALONE = ("kd",)  # shown as well
RANK = " rank"
Runs = Mapping[str, Sequence[Run]]


def load_runs(
    folder: str | Path, seeds: Sequence[int] | None = None, tables: Sequence[str] = ABLATIONS
) -> dict[str, list[Run]]:
    """Reads the runs of some tables, by default 4 to 7 and the readings, from a folder of results.

    Args:
        folder: `figures/<scale>`, whose `records/` has a record and a `-pairs.csv` for each run.
        seeds: those to read; all by default. What is not trained belongs to every seed.
        tables: those whose rows to read.

    Returns:
        By experiment, in the order of their declaration, seeds ascending; empty without records.

    Raises:
        InputError: a record without its measurements.
    """
    runs: dict[str, list[Run]] = {}
    for name in (name for name in EXPERIMENTS if set(tables) & set(tables_of(name))):
        for record in (Path(folder) / RECORDS).glob(f"{name}-seed*.json"):
            run = read_run(record, record.with_name(record.stem + PAIRS_SUFFIX))
            if seeds is None or run.record.seed in seeds or not run.record.trained:
                runs.setdefault(name, []).append(run)
    return {name: sorted(group, key=lambda run: run.record.seed) for name, group in runs.items()}


def rows_of_table(table: str) -> dict[str, str]:
    """Returns the experiment behind each row label: the paper's rows in its order, then others."""
    if table not in TABLES:
        raise InputError(f"no table {table!r}: choose one of {', '.join(TABLES)}.")
    rows = {label: e.name for e in EXPERIMENTS.values() for t, label in e.rows if t == table}
    published = load_published()
    printed = published.loc[published["table"] == table, "row"].unique()
    return {label: rows[label] for label in printed} | rows


def pairs_of_table(table: str) -> list[tuple[str, str]]:
    """Returns the row labels that are compared: neighbours, the ends, and what Fig. 6 compares.

    Of the readings, each is compared with the text's, and a row that the paper does not have with
    the paper's last.
    """
    labels = list(rows_of_table(table))
    if table == READINGS:
        return [(labels[0], label) for label in labels[1:]]
    *_, last = paper = [label for label in labels if label in _printed(table, "PSNR_dB")]
    pairs = list(zip(paper, paper[1:], strict=False))
    pairs += [("rates 2", last)] if table == "4" else []
    pairs += [(paper[0], last)] if len(paper) > 2 else []
    return pairs + [(last, label) for label in labels if label not in paper]


def metrics_of_runs(runs: Runs) -> tuple[Metric, ...]:
    """Returns the paper's four columns, and the kernel distance where it was measured.

    Raises:
        InputError: no runs, or runs that do not belong into one table.
    """
    records = [run.record for group in runs.values() for run in group]
    if not records:
        raise InputError("no runs of Tables 4 to 7: train some first (aotgan reproduce).")
    check_equal(records, "table", evaluated)
    trained = [record for record in records if record.trained]
    check_equal(trained, "table", lambda r: {"steps": r.steps})
    return tuple(m for m in metrics_of(records[0]) if m.key in (*PAPER_COLUMNS, *OURS_ALONE))


def ablation_table(table: str, runs: Runs, weights: str | None = None) -> pd.DataFrame:
    """Returns a row for each of the paper's, in its order, with NaN where nothing was run.

    Rows that the paper does not have follow. Columns: row, experiment, seeds; for each metric our
    mean over seeds, the ends of its 95 % interval (`low`, `high`) and its rank among ours; in
    "paper ..." columns the printed number.
    The interval is over seeds, with their spread pooled over all runs; where no experiment has
    two seeds, it is that of the mean over photographs.

    Args:
        table: a key of `TITLES`.
        runs: of all experiments of the scale, as `load_runs` returns them.
        weights: "raw" or "ema"; those that tables show by default.
    """
    metrics = metrics_of_runs(runs)
    rows = rows_of_table(table)
    frame = pd.DataFrame(
        {
            "row": list(rows),
            "experiment": list(rows.values()),
            "seeds": [len(runs.get(name, ())) for name in rows.values()],
        }
    )
    for metric in metrics:
        spread = seed_spread(runs.values(), metric, weights)
        cells = [cell(runs.get(name, ()), metric, spread, weights) for name in rows.values()]
        for suffix, values in zip(("", LOW, HIGH), zip(*cells, strict=True), strict=True):
            frame[metric.title + suffix] = values
        frame[metric.title + RANK] = frame[metric.title].rank(ascending=not metric.higher)
        name = PAPER_COLUMNS.get(metric.key)
        if table != READINGS and name:
            frame[f"{PREFIX} {name}"] = pd.Series(published_column(table, name), dtype=object)
    return frame


def published_column(table: str, metric: str) -> list[Published]:
    """Returns what the paper prints in a column of Tables 4 to 7, a cell for each of our rows."""
    printed = _printed(table, metric)
    return [printed.get(label, Published(ABSENT)) for label in rows_of_table(table)]


def _printed(table: str, metric: str) -> dict[str, Published]:
    published = load_published()
    column = published[(published["table"] == table) & (published["metric"] == metric)]
    return dict(zip(column["row"], column["value"], strict=True))


def orders(table: str, runs: Runs) -> pd.DataFrame:
    """Returns, for each metric, Kendall's tau between the paper's order and ours of the same rows.

    Columns: metric, rows that both have, tau (tau-b where values tie; NaN below two rows), and
    our row labels, best first.
    """
    from scipy.stats import kendalltau  # scikit-image brings scipy

    ours = ablation_table(table, runs)
    found = []
    for metric in (m for m in metrics_of_runs(runs) if m.key in PAPER_COLUMNS):
        paper = pd.Series([p.value for p in ours[f"{PREFIX} {PAPER_COLUMNS[metric.key]}"]])
        there = ours[ours[metric.title].notna() & paper.notna()]
        printed = paper[there.index]
        tau = kendalltau(printed, there[metric.title]).statistic if len(there) > 1 else math.nan
        best = there.sort_values(metric.title + RANK, kind="stable")["row"]
        found.append({"metric": metric.title, "rows": len(there), "tau": tau, "order": list(best)})
    return pd.DataFrame(found)


def comparisons(
    table: str, runs: Runs, weights: str | None = None
) -> Iterator[tuple[str, str, Comparison]]:
    """Yields (first label, second label, what the second changes), pairs first, then metrics."""
    rows, metrics = rows_of_table(table), metrics_of_runs(runs)
    spreads = {metric.key: seed_spread(runs.values(), metric, weights) for metric in metrics}
    for first, second in pairs_of_table(table):
        if rows[first] not in runs or rows[second] not in runs:
            continue
        for metric in metrics:
            groups = runs[rows[first]], runs[rows[second]]
            yield first, second, compare(*groups, metric, spreads[metric.key], weights)


def paper_difference(table: str, first: str, second: str, metric: Metric) -> Published | None:
    """Returns second minus first as the paper's numbers have it; None where it has no such column.

    `ABSENT` where the paper does not have both.
    """
    if table == READINGS or metric.key not in PAPER_COLUMNS:
        return None
    labels = list(rows_of_table(table))
    column = published_column(table, PAPER_COLUMNS[metric.key])
    change = column[labels.index(second)].value - column[labels.index(first)].value
    return Published(ABSENT if math.isnan(change) else f"{change:+.{metric.digits}f}")


def cell(
    group: Sequence[Run],
    metric: Metric,
    spread: Spread,
    weights: str | None = None,
    at: str = ALL,
) -> tuple[float, float, float]:
    """Returns the mean over the seeds of an experiment in a bin, and the ends of its interval.

    NaN without a run. Where no seed has a second one beside it, the interval is over photographs.
    What is not trained has none over seeds.
    """
    if not group:
        return math.nan, math.nan, math.nan
    mean = sum(run.value(metric, weights, at) for run in group) / len(group)
    record = group[0].record
    if spread.degrees:
        half = spread.half_width(len(group)) if record.trained else math.nan
        return mean, mean - half, mean + half
    row = next(row for row in record.rows(weights) if row["bin"] == at)
    ends = (row.get(f"{metric.key}{end}") for end in ("_low", "_high"))
    low, high = (math.nan if end is None else float(end) * metric.factor for end in ends)
    return mean, low, high
