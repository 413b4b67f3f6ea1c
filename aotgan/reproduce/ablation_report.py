"""Tables 4 to 7 and the readings as files: Markdown for people, CSV for machines, LaTeX for papers.

The same records give the same bytes.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from aotgan.files import write_atomically
from aotgan.reproduce.ablations import (
    PAPER_COLUMNS,
    RANK,
    TITLES,
    Runs,
    ablation_table,
    comparisons,
    metrics_of_runs,
    orders,
    paper_difference,
    rows_of_table,
)
from aotgan.reproduce.compare import Comparison, seed_spread
from aotgan.reproduce.experiments import READINGS
from aotgan.reproduce.outputs import ABLATIONS, file_stem, tables_with
from aotgan.reproduce.published import PREFIX, Published, check_columns
from aotgan.reproduce.records import Record
from aotgan.reproduce.tables import HIGH, Metric, caption, heading, markdown, with_interval

PAPER_TITLES = {"l1": "L1 (1e-2)", "psnr": "PSNR (dB)", "ssim": "SSIM", "fd": "FID"}
NOT_CORRECTED = "Verdicts are not corrected for the number of comparisons."


def write_ablations(scale: str, runs: Runs, folder: str | Path) -> list[Path]:
    """Writes `<stem>.md`, `.csv` and `.tex` into `<folder>/<scale>` for each table that has runs.

    Args:
        scale: the scale of all runs.
        runs: as `aotgan.reproduce.ablations.load_runs` returns them; none write nothing.
        folder: folder of all figures and tables.

    Raises:
        InputError: runs that do not belong into one table.
    """
    written = []
    for table in (table for table in tables_with(runs) if table in ABLATIONS):
        stem = Path(folder) / scale / file_stem(table)
        for ending, text in (
            (".md", report(table, scale, runs)),
            (".csv", as_csv(table, runs)),
            (".tex", as_latex(table, scale, runs)),
        ):
            written.append(write_atomically(stem.with_suffix(ending), text))
    return written


def report(table: str, scale: str, runs: Runs) -> str:
    """Returns a table in Markdown: numbers, orders, differences, and what all of these are."""
    records = records_of(table, runs)
    name = "Readings" if table == READINGS else f"Table {table}"
    parts = [heading(scale, f"{name}, {TITLES[table]},"), markdown(readable(table, runs))]
    if records[0].weights == "ema":
        parts += ["The same with the final weights instead of their moving average:"]
        parts += [markdown(readable(table, runs, "raw"))]
    if table != READINGS:
        parts += ["Order of the rows, and Kendall's tau between the paper's order and ours:"]
        parts += [markdown(readable_orders(table, runs))]
    differences = readable_differences(table, runs)
    if len(differences):
        parts += ["What the second row of each pair changes:", markdown(differences)]
    notes = [f"- {note}" for note in _notes(table, runs)]
    parts += ["\n".join([caption(records, interval_line(runs)), *notes])]
    return "\n\n".join(parts) + "\n"


def as_csv(table: str, runs: Runs) -> str:
    """Returns a table as CSV: the averaged weights' rows, then, where both exist, the raw ones'."""
    names = list(records_of(table, runs)[0].metrics)
    frames = {name: ablation_table(table, runs, name) for name in sorted(names)}
    frame = pd.concat(frames, names=["weights", None]).reset_index(level="weights")
    check_columns(frame)
    return frame.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def as_latex(table: str, scale: str, runs: Runs) -> str:
    """Returns a table for LaTeX with the package booktabs."""
    about = caption(records_of(table, runs), interval_line(runs)).split("\n")[0].removeprefix("- ")
    title = f"{TITLES[table].capitalize()}, scale {scale}. {about}"
    return latex_table(readable(table, runs), title)


def latex_table(frame: pd.DataFrame, title: str) -> str:
    """Returns a table of text in LaTeX, its first column to the left, with a caption."""
    lines = [" & ".join(map(_latex, frame.columns)) + r" \\", r"\midrule"]
    lines += [" & ".join(map(_latex, row)) + r" \\" for row in frame.itertuples(index=False)]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_latex(title)}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(frame.columns) - 1)}}}",
            r"\toprule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def readable(table: str, runs: Runs, weights: str | None = None) -> pd.DataFrame:
    """Returns a table for reading: ours with half of the interval and rank, beside the paper's."""
    frame = ablation_table(table, runs, weights)
    shown: dict[str, object] = {"model": frame["row"], "seeds": frame["seeds"].astype(str)}
    for metric in metrics_of_runs(runs):
        shown[metric.title] = [
            ranked(with_interval(value, high, metric.digits), rank)
            for value, high, rank in zip(
                frame[metric.title],
                frame[metric.title + HIGH],
                frame[metric.title + RANK],
                strict=True,
            )
        ]
        paper = f"{PREFIX} {PAPER_COLUMNS.get(metric.key)}"
        if paper in frame:
            shown[f"{PREFIX}: {PAPER_TITLES[metric.key]}"] = frame[paper]
    return pd.DataFrame(shown)


def readable_orders(table: str, runs: Runs) -> pd.DataFrame:
    """Returns for each metric tau, the number of rows it rests on, and our order."""
    found = orders(table, runs)
    taus = ["-" if math.isnan(tau) else f"{tau:+.2f}" for tau in found["tau"]]
    best = ["; ".join(order) for order in found["order"]]
    columns = {"metric": found["metric"], "tau": taus, "rows": found["rows"].astype(str)}
    return pd.DataFrame(columns | {"ours, best first": best})


def readable_differences(table: str, runs: Runs) -> pd.DataFrame:
    """Returns each comparison: change, both intervals, p over photographs, verdict, the paper's."""
    rows = []
    for first, second, found in comparisons(table, runs):
        row: dict[str, str | Published] = {"from": first, "to": second, **difference_row(found)}
        if table != READINGS:
            printed = paper_difference(table, first, second, found.metric)
            row[f"{PREFIX}'s change"] = printed or Published("-")
        rows.append(row)
    return pd.DataFrame(rows)


def difference_row(found: Comparison) -> dict[str, str]:
    """Returns a comparison as text: metric, change, both intervals, p over photographs, verdict."""
    metric = found.metric
    return {
        "metric": metric.title,
        "change": _signed(found.difference, metric.digits),
        "95 % over seeds": _range(found.low, found.high, metric.digits),
        "95 % over photographs": _range(found.image_low, found.image_high, metric.digits),
        "p, photographs": _p(found),
        "verdict": found.verdict,
    }


def records_of(table: str, runs: Runs) -> list[Record]:
    """Returns the records that a table is made from."""
    return [run.record for name in rows_of_table(table).values() for run in runs.get(name, ())]


def interval_line(runs: Runs) -> str:
    """Says what the intervals of these tables are."""
    spreads = [(metric, seed_spread(runs.values(), metric)) for metric in metrics_of_runs(runs)]
    degrees = spreads[0][1].degrees
    if not degrees:
        return (
            "± is half the 95 % t interval of the mean over photographs. No experiment was run "
            "with two seeds: how much another seed would change is unknown, and nothing is "
            "resolved."
        )
    values = ", ".join(
        f"{_unit(metric)} {spread.deviation:.{metric.digits}f}" for metric, spread in spreads
    )
    several = sum(len(of_name) > 1 for of_name in runs.values())
    return (
        "± is half the 95 % interval over seeds. Their standard deviation is pooled over the "
        f"{several} compared experiments with two seeds or more ({degrees} degrees of freedom): "
        f"{values}."
    )


def _notes(table: str, runs: Runs) -> Iterator[str]:
    yield (
        "In brackets: our rank. Better or worse: the interval over seeds leaves out zero. The "
        "interval and p over photographs are of these very weights, pair by pair, and say nothing "
        f"of another training. {NOT_CORRECTED}"
    )
    missing = [label for label, name in rows_of_table(table).items() if name not in runs]
    if missing:
        yield f"Not run at this scale yet: {', '.join(missing)}."
    if table != READINGS:
        yield (
            "The paper's numbers are of CELEBA-HQ at 512 px and full training; only orders and "
            "signs can be compared with ours."
        )


def ranked(text: str, rank: float) -> str:
    """Returns a cell with its rank in brackets, without it where there is none."""
    return text if math.isnan(rank) else f"{text} ({rank:g})"


def _signed(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:+.{digits}f}"


def _range(low: float, high: float, digits: int) -> str:
    return "-" if math.isnan(low) else f"{low:+.{digits}f} to {high:+.{digits}f}"


def _p(found: Comparison) -> str:
    p = found.p_images
    return "-" if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def _unit(metric: Metric) -> str:
    return metric.name if metric.key in ("fd", "kd") else metric.title


def _latex(value: object) -> str:
    """Text with the characters that LaTeX would take for commands written out."""
    special = {"%": r"\%", "_": r"\_", "&": r"\&", "#": r"\#", "±": r"$\pm$"}
    return "".join(special.get(letter, letter) for letter in str(value))
