"""Which rows a table has: the paper's in its order, then those that only we have."""

from collections.abc import Mapping
from functools import cache

import pandas as pd

from aotgan.errors import check_choice
from aotgan.metrics import METRICS
from aotgan.reproduce.runs.experiments import EXPERIMENTS, READINGS
from aotgan.reproduce.runs.outputs import COMPARISONS, TABLES
from aotgan.reproduce.tables.published import Published, load_published

TITLES = {
    "1": "models by size of the hole",
    "2": "centre squares",
    "4": "dilation rates of the AOT block",
    "5": "components of AOT-GAN",
    "6": "residual connections in the AOT block",
    "7": "discriminators",
    READINGS: "text against released code, one choice at a time",
}
OURS = "AOT-GAN"


def name_of(table: str) -> str:
    """Returns "Table 4", or "Readings"."""
    return "Readings" if table == READINGS else f"Table {table}"


def rows_of_table(table: str) -> dict[str, str]:
    """Returns the experiment behind each row label: the paper's rows in its order, then others.

    Raises:
        InputError: no such table.
    """
    check_choice("table", table, TABLES)
    rows = {label: e.name for e in EXPERIMENTS.values() for t, label in e.rows if t == table}
    # | leaves in its place what is there already
    return {label: rows[label] for label in paper_rows(table) if label in rows} | rows


def paper_rows(table: str) -> list[str]:
    """Returns the labels of the rows that the paper prints, in its order."""
    return list(dict.fromkeys(row for row, _ in printed(table, "PSNR_dB")))


@cache
def printed(table: str, column: str) -> Mapping[tuple[str, str], Published]:
    """Returns the paper's numbers of a metric by row and bin.

    Args:
        table: a key of `TITLES`.
        column: a metric of `published.csv`.
    """
    published = load_published()
    lines = published[(published["table"] == table) & (published["metric"] == column)]
    return {
        # the one bin of Table 2 is called so in our records
        (line.row, "centre" if table == "2" else line.setting): line.value  # type: ignore[misc]
        for line in lines.itertuples(index=False)
    }


def paper_table(table: str, at: str | None = None) -> pd.DataFrame:
    """Returns what the paper prints in a bin: its row labels down, metrics across.

    Args:
        table: "1", "2" or "4" to "7".
        at: the bin, such as "50-60%"; of a table with one it need not be said.

    Returns:
        Columns by `Metric.paper_title`, cells `Published`.

    Raises:
        InputError: a table without such numbers, or no such bin.
    """
    metrics = [metric for metric in METRICS if metric.paper]
    bins = dict.fromkeys(bin for _, bin in printed(table, metrics[0].paper))
    if at is None and len(bins) == 1:
        at = next(iter(bins))
    check_choice("at", str(at), bins)
    columns = {
        metric.paper_title: {
            row: cell for (row, bin), cell in printed(table, metric.paper).items() if bin == at
        }
        for metric in metrics
    }
    return pd.DataFrame(columns)


def pairs_of_table(table: str) -> list[tuple[str, str]]:
    """Returns the row labels that are compared, the second against the first.

    Of Tables 1 and 2, AOT-GAN against each other row. Of the readings, each against the text's. Of
    the others, neighbours, the ends, and what Fig. 6 compares; a row that the paper does not have,
    against its last.
    """
    labels = list(rows_of_table(table))
    if table == READINGS:
        return [(labels[0], label) for label in labels[1:]]
    if table in COMPARISONS:
        return [(label, OURS) for label in labels if label != OURS]
    # the last row of an ablation is what the paper decides for
    *_, last = paper = [label for label in paper_rows(table) if label in labels]
    pairs = list(zip(paper, paper[1:], strict=False))
    pairs += [("rates 2", last)] if table == "4" else []
    pairs += [(paper[0], last)] if len(paper) > 2 else []
    return pairs + [(last, label) for label in labels if label not in paper]
