"""Tables of the paper beside ours: from records to numbers, verdicts, files and pictures."""

from aotgan.metrics.metric import Metric
from aotgan.reproduce.tables.captions import caption
from aotgan.reproduce.tables.curves import GATE, Curves
from aotgan.reproduce.tables.published import Published, load_published
from aotgan.reproduce.tables.results import Results
from aotgan.reproduce.tables.rows import (
    OURS,
    TITLES,
    paper_rows,
    paper_table,
    printed,
    rows_of_table,
)
from aotgan.reproduce.tables.runs import Run, load_runs, metrics_of
from aotgan.reproduce.tables.significance import Comparison, compare, holm
from aotgan.reproduce.tables.summary import metric_table, shown
from aotgan.reproduce.tables.table import Table

__all__ = [
    "GATE",
    "OURS",
    "TITLES",
    "Comparison",
    "Curves",
    "Metric",
    "Published",
    "Results",
    "Run",
    "Table",
    "caption",
    "compare",
    "holm",
    "load_published",
    "load_runs",
    "metric_table",
    "metrics_of",
    "paper_rows",
    "paper_table",
    "printed",
    "rows_of_table",
    "shown",
]
