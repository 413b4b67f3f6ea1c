"""Models beside Table 1, measured by `aotgan evaluate` on its pairs: their files or their weights.

They were trained elsewhere, or otherwise than the rows, or not at all, so they have no rank.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from aotgan.errors import InputError
from aotgan.reproduce.ablations import PAPER_COLUMNS, RANK, rows_of_table
from aotgan.reproduce.published import ABSENT, PREFIX, Published
from aotgan.reproduce.records import Record
from aotgan.reproduce.tables import HIGH, LOW, Metric, summary

FOLDER, FILE = "others", "evaluation.json"
ELSEWHERE = "elsewhere"  # in the column that names the experiment of a row
Others = Mapping[str, Sequence[dict[str, Any]]]  # by name: a row of numbers for each bin


def load_others(folder: str | Path, record: Record) -> dict[str, list[dict[str, Any]]]:
    """Reads the results of other models.

    Args:
        folder: holds `others/NAME/evaluation.json`, what `aotgan evaluate --out` writes, for each
            model; or none.
        record: of a run in the table that they are shown beside.

    Returns:
        Rows of numbers, one a bin, by name in alphabetical order.

    Raises:
        InputError: a file that is none, a name of a row of Table 1, or other pairs or another
            protocol than the record's.
    """
    paths = sorted((Path(folder) / FOLDER).glob(f"*/{FILE}"))
    taken = {path.parent.name for path in paths} & set(rows_of_table("1"))
    if taken:
        raise InputError(
            f"{Path(folder) / FOLDER / min(taken)} has the name of a row that is trained here. "
            f'Rename the folder, for example to "{min(taken)}, authors\' weights".'
        )
    return {path.parent.name: _rows(path, record) for path in paths}


def _rows(path: Path, record: Record) -> list[dict[str, Any]]:
    try:
        values = json.loads(path.read_text("utf-8"))
        pairs, protocol = values["evaluation"]["manifest_sha256"], values["protocol"]
        rows = list(values["metrics"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is not what `aotgan evaluate --out` writes ({error!r}). Measure again."
        ) from error
    for what, found, expected in (
        ("on other pairs", pairs, record.evaluation["manifest_sha256"]),
        ("by another protocol", protocol, record.protocol),
    ):
        if found != expected:
            raise InputError(
                f"{path} was measured {what} than {record.experiment}, seed {record.seed}. Fill "
                f"and measure the table's: `aotgan evaluate --scale {record.scale} --data "
                f"{record.evaluation['name']}` (with its --data-root, or the folder that the runs "
                "were trained on) and --save-pairs, then --pred."
            )
    return rows


def other_rows(others: Others, metrics: Sequence[Metric]) -> pd.DataFrame:
    """Returns them in the columns of `aotgan.reproduce.model_tables.model_table`, without ranks."""
    rows = []
    for name, numbers in others.items():
        for cell in numbers:
            row = {"row": name, "bin": cell["bin"], "experiment": ELSEWHERE, "seeds": 0}
            for metric in metrics:
                ends = (metric.title + suffix for suffix in ("", LOW, HIGH))
                row |= dict(zip(ends, summary([cell], metric), strict=True))
                row[metric.title + RANK] = math.nan
                if metric.key in PAPER_COLUMNS:
                    row[f"{PREFIX} {PAPER_COLUMNS[metric.key]}"] = Published(ABSENT)
            rows.append(row)
    return pd.DataFrame(rows)
