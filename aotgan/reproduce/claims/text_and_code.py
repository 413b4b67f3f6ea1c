"""The paper's text beside the authors' released code: 39 rows, each with the file and the line.

`differences.csv` says of every aspect what the paper has, what the released code does and where,
what the port in OpenMMLab's mmagic does, how the first two relate, and which option or module of
this package covers it. Names in backticks in the column `here` exist: a test resolves them.

Released: researchmm/AOT-GAN-for-Inpainting at 2cd1afd (May 2024), paths below its `src/`. mmagic:
open-mmlab/mmagic at 0a560bb. A hole is 1 in both, as here.
"""

import re
from collections.abc import Mapping
from html import escape
from importlib import resources

import pandas as pd

from aotgan.errors import InputError
from aotgan.reproduce.figures.display import HtmlTable

ROWS = 39
COLUMNS = ("number", "part", "aspect", "paper", "released", "where", "mmagic", "verdict", "here")
VERDICTS = {
    "agrees": "text and code say the same",
    "text is silent": "only the code decides",
    "text is inconsistent": "no program can do all that the text says",
    "differs": "each is a choice that one can defend",
    "defect": "the code does what was plausibly not meant",
    "not released": "the text describes it, the code lacks it",
}
SOURCE = "https://github.com/researchmm/AOT-GAN-for-Inpainting/blob/2cd1afd/src/"
PLACE = re.compile(r"([\w/]+\.py):(\d+)(-\d+)?(?:,\d+(?:-\d+)?)*")  # file:line-line,line
HEADINGS = ("#", "aspect", "the paper", "released code", "mmagic", "verdict", "in this package")


def load_differences() -> pd.DataFrame:
    """Returns the rows, columns as in `COLUMNS`; `number` is int, all else str."""
    with resources.files("aotgan.reproduce.claims").joinpath("differences.csv").open("rb") as file:
        # words such as "none" are words here, and no missing numbers
        frame = pd.read_csv(file, dtype=str, keep_default_na=False).astype({"number": int})
    check_differences(frame)
    return frame


def check_differences(frame: pd.DataFrame) -> None:
    """Refuses rows that are incomplete.

    Raises:
        InputError: other columns, a missing number, an empty cell, a place that is not file:line or
            a word that is not in `VERDICTS`.
    """
    if tuple(frame.columns) != COLUMNS:
        raise InputError(f"columns {list(frame.columns)}: expected {', '.join(COLUMNS)}.")
    numbers = list(frame["number"])
    if numbers != list(range(1, ROWS + 1)):
        raise InputError(f"rows {numbers}: expected 1 to {ROWS}, each once, in order.")
    for row in frame.astype(str).to_dict(orient="records"):
        problem = _problem({str(name): cell for name, cell in row.items()})
        if problem:
            raise InputError(f"row {row['number']} {problem}")


def _problem(row: Mapping[str, str]) -> str:
    """What is wrong with a row, or nothing."""
    for name in COLUMNS:
        if not row[name].strip():
            return f"says nothing under {name!r}."
    if row["verdict"] not in VERDICTS:
        return f"has verdict {row['verdict']!r}: choose one of {', '.join(VERDICTS)}."
    if not all(map(PLACE.fullmatch, row["where"].split("; "))):
        return f"points to {row['where']!r}: expected file.py:lines, or several joined by '; '."
    return ""


def readable(part: str | None = None) -> HtmlTable:
    """Returns the rows of a part, or all, for reading; places are links to the released code.

    Args:
        part: a value of the column `part`.

    Raises:
        InputError: no such part; the message lists them.
    """
    frame = load_differences()
    parts = list(frame["part"].unique())
    if part is not None and part not in parts:
        raise InputError(f"no part {part!r}: choose one of {', '.join(parts)}.")
    chosen = frame if part is None else frame[frame["part"] == part]
    rows = chosen.astype(str).to_dict(orient="records")
    return HtmlTable(HEADINGS, [_cells({str(k): v for k, v in row.items()}) for row in rows])


def _cells(row: Mapping[str, str]) -> list[str]:
    number, aspect, paper, released, mmagic, verdict, here = (
        escape(row[name], quote=False)
        for name in ("number", "aspect", "paper", "released", "mmagic", "verdict", "here")
    )
    places = " ".join(map(_link, row["where"].split("; ")))
    strong = f"<b>{verdict}</b>" if row["verdict"] == "defect" else verdict
    # after escaping, which would turn the tags into text
    code = re.sub(r"`([^`]+)`", r"<code>\1</code>", here)
    return [number, aspect, paper, f"{released}<br>{places}", mmagic, strong, code]


def _link(place: str) -> str:
    """A place in the released code as a link to its first lines."""
    match = PLACE.fullmatch(place)
    if match is None:
        raise InputError(f"{place!r} is not file.py:lines.")
    file, first, last = match.groups()
    target = f"{SOURCE}{file}#L{first}" + (f"-L{last[1:]}" if last else "")
    return f'<a href="{target}">{place}</a>'
