"""The claims ledger: every checkable statement of the paper, how it was checked, what came out.

`claims.csv` holds the statements in our words, with their place in the paper and the name of their
check. Verdicts are calculated, never written down, except where nothing here can decide
(`needs_data`, `unknown`) or a line of the released code does (`differs`).
"""

import csv
import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path

import pandas as pd

from aotgan.errors import InputError
from aotgan.reproduce.claims import from_networks, from_runs, from_tables
from aotgan.reproduce.claims.from_runs import Committed
from aotgan.reproduce.claims.verdicts import (
    CONTRADICTED,
    DATA,
    EXACT,
    OPEN,
    SCALED,
    VERDICTS,
    Finding,
)
from aotgan.reproduce.figures.display import Folded, HtmlTable

__all__ = [
    "CLAIMS",
    "COLUMNS",
    "KINDS",
    "VERDICTS",
    "Claim",
    "check",
    "counts",
    "ledger",
    "of_section",
    "readable",
]

KINDS = {
    "tables": "the paper's own numbers decide",
    "networks": "the network built from the text decides",
    "equations": "the equation, evaluated, decides",
    "released code": "the released code (commit 2cd1afd), set against the text",
    "our training": "our records decide, at their scale",
    "their experiments": "only the authors' data, or nothing printed, could decide",
}
COLUMNS = ("number", "place", "claim", "how checked", "verdict", "evidence")
LINE, WIDE = "\n", 'style="min-width: 12em; padding: 0 0.6em"'  # no f-string of 3.11 takes \
READ_FIRST = (CONTRADICTED, OPEN)  # open at first, above what holds
SECTIONS = re.compile(r"[Ss]ections? (\d(?:\.\d)*(?:, \d(?:\.\d)*)*)")
WRITTEN = {"needs_data": DATA, "unknown": OPEN, "differs": CONTRADICTED}


@dataclass(frozen=True)
class Claim:
    """One statement of the paper.

    Attributes:
        id: its number in the ledger.
        place: section, equation, table or figure; "code" where the released code is asked.
        kind: one of `KINDS`: what decides it.
        statement: in our words.
        how: the check, in words.
        check: name of the function that does it, or one of `WRITTEN`.
        arguments: what it is given; the evidence itself where the verdict is written down.
        shown: notebook or file that shows more, may be empty.
    """

    id: int
    place: str
    kind: str
    statement: str
    how: str
    check: str
    arguments: str
    shown: str


def _load() -> tuple[Claim, ...]:
    with (
        resources.files("aotgan.reproduce.claims")
        .joinpath("claims.csv")
        .open(encoding="utf-8") as file
    ):
        return tuple(Claim(number, **row) for number, row in enumerate(csv.DictReader(file), 1))


CLAIMS = _load()


def ledger(folder: str | Path | None = None) -> pd.DataFrame:
    """Returns the ledger, a row for each claim in the paper's order of topics.

    Args:
        folder: `figures/<scale>`, whose records decide the claims about training. Without one, or
            at the scale of pipeline checks, these are not resolved.

    Returns:
        Columns as in `COLUMNS`; "verdict" is one of `VERDICTS`.

    Raises:
        InputError: no such folder, or records in it that cannot be read or compared.
    """
    if folder is not None and not Path(folder).is_dir():
        raise InputError(
            f"{folder} is no folder: give figures/<scale>, or None to leave the claims about "
            "training open."
        )
    committed = Committed(folder)
    rows = []
    for claim in CLAIMS:
        finding = check(claim, committed)
        reference = f" [{claim.shown}]" if claim.shown else ""
        rows.append(
            (
                claim.id,
                claim.place,
                claim.statement,
                claim.how,
                finding.verdict,
                finding.evidence + reference,
            )
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def check(claim: Claim, committed: Committed | None = None) -> Finding:
    """Checks one claim; `committed` are the results of a scale, none by default."""
    if claim.check in WRITTEN:
        return Finding(WRITTEN[claim.check], claim.arguments)
    if claim.check in from_runs.CHECKS:
        return from_runs.CHECKS[claim.check](committed or Committed(), claim.arguments)
    return _exact_check(claim.check)(claim.arguments)


def _exact_check(name: str) -> Callable[[str], Finding]:
    """The check of that name among those that need no records."""
    return (from_tables.CHECKS | from_networks.CHECKS)[name]


def counts(table: pd.DataFrame) -> pd.Series:
    """Returns how many claims of a ledger have each of `VERDICTS`, in their order."""
    return table["verdict"].value_counts().reindex(list(VERDICTS), fill_value=0)


def of_section(table: pd.DataFrame, section: str) -> pd.DataFrame:
    """Returns the rows of a ledger that concern a section of the paper or one below it.

    Args:
        table: a ledger.
        section: its number, such as "4.7"; all rows for "".

    Raises:
        InputError: no claim of that section; the message lists those that have some.
    """
    if not section:
        return table
    named = [_sections(place) for place in table["place"]]
    # the dot ends a number: 4.1 is not within 4.10
    rows = table[[any(f"{name}.".startswith(f"{section}.") for name in row) for row in named]]
    if rows.empty:
        known = ", ".join(sorted({name for row in named for name in row}))
        raise InputError(f"no claim of section {section!r} is in the ledger: choose of {known}.")
    return rows


def readable(table: pd.DataFrame) -> Folded:
    """Returns a ledger for reading: a part for each verdict, what does not hold first.

    Under each claim stands its place in the paper, under its evidence how it was checked.
    """
    numbers = counts(table)[[*READ_FIRST, SCALED, EXACT, DATA]]
    parts = []
    for verdict in numbers.index:
        rows = table[table["verdict"] == verdict].to_dict(orient="records")
        cells = HtmlTable(("#", "the paper says", "what came out"), list(map(_cells, rows)))
        parts.append((f"{verdict}: {numbers[verdict]}", cells, verdict in READ_FIRST))
    summary = ", ".join(f"{number} {verdict}" for verdict, number in numbers.items())
    return Folded(f"{len(table)} claims: {summary}.", [part for part in parts if part[1].rows])


def _sections(place: str) -> list[str]:
    """Numbers of the sections that a place names."""
    return [number for group in SECTIONS.findall(place) for number in group.split(", ")]


def _cells(row: Mapping[Hashable, str]) -> list[str]:
    cell = {name: escape(str(text), quote=False) for name, text in row.items()}
    return [
        cell["number"],
        f"<div {WIDE}>{cell['claim']}<br><small>{cell['place']}</small></div>",
        f"{cell['evidence'].replace(LINE, '<br>')}<br><small>{cell['how checked']}</small>",
    ]
