"""Models beside a table, measured by `aotgan evaluate` on its pairs: their files or their weights.

They were trained elsewhere, or otherwise than the rows, or not at all, so they have no rank.
"""

import json
from pathlib import Path
from typing import Any

from aotgan.errors import InputError
from aotgan.reproduce.runs.record import Record
from aotgan.reproduce.tables.rows import rows_of_table

FOLDER, FILE = "others", "evaluation.json"
TABLE = "1"  # beside which they stand


def load_elsewhere(
    folder: str | Path, record: Record, table: str = TABLE
) -> dict[str, list[dict[str, Any]]]:
    """Reads the results of models from elsewhere; none stand beside other tables than Table 1.

    Args:
        folder: holds `others/NAME/evaluation.json`, what `aotgan evaluate --out` writes, for each
            model; or none.
        record: of a run in the table that they are shown beside.
        table: that table.

    Returns:
        Rows of numbers, one a bin, by name in alphabetical order.

    Raises:
        InputError: a file that is none, a name of a row of Table 1, or other pairs or another
            protocol than the record's.
    """
    if table != TABLE:
        return {}
    paths = sorted((Path(folder) / FOLDER).glob(f"*/{FILE}"))
    # under one name two rows would be one in the table
    taken = {path.parent.name for path in paths} & set(rows_of_table(TABLE))
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
    # what would be compared in silence although it cannot be
    for what, value, expected in (
        ("on other pairs", pairs, record.evaluation["manifest_sha256"]),
        ("by another protocol", protocol, record.protocol),
    ):
        if value != expected:
            raise InputError(
                f"{path} was measured {what} than {record.experiment}, seed {record.seed}. Fill "
                f"and measure the table's: `aotgan evaluate --scale {record.scale} --data "
                f"{record.evaluation['name']}` (with its --data-root, or the folder that the runs "
                "were trained on) and --save-pairs, then --pred."
            )
    return rows
