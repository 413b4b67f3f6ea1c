"""Tables of text as Markdown and LaTeX, and numbers as their cells."""

import math
import re
from collections.abc import Sequence

import pandas as pd

from aotgan.reproduce.tables.published import check_columns


def markdown(table: pd.DataFrame) -> str:
    """Returns a table of text in GitHub's Markdown, columns of numbers to the right.

    Raises:
        InputError: published numbers outside columns of their own.
    """
    check_columns(table)
    names = [_escaped(name) for name in table.columns]
    body = [[_escaped(value) for value in row] for row in table.itertuples(index=False)]
    rule = ["---:" if any(map(_numeric, cells)) else "---" for cells in zip(*body, strict=True)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (names, rule, *body))


def latex(table: pd.DataFrame, title: str) -> str:
    """Returns a table of text for LaTeX's package booktabs, with a caption.

    Columns of numbers stand to the right.

    Raises:
        InputError: published numbers outside columns of their own.
    """
    check_columns(table)
    columns = [[str(value) for value in table.iloc[:, at]] for at in range(table.shape[1])]
    sides = "".join("r" if any(map(_numeric, cells)) else "l" for cells in columns)
    lines = [" & ".join(map(_latex, table.columns)) + r" \\", r"\midrule"]
    lines += [" & ".join(map(_latex, row)) + r" \\" for row in table.itertuples(index=False)]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_latex(title)}}}",
            rf"\begin{{tabular}}{{{sides}}}",
            r"\toprule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def csv(table: pd.DataFrame) -> str:
    """Returns a table as CSV, six significant digits; errors as `markdown`."""
    check_columns(table)
    return table.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def with_ends(value: float, low: float, high: float, digits: int, seeds: int = 1) -> str:
    """Returns a number with what surrounds it, "-" for NaN.

    Args:
        value: the number.
        low: the lower end, NaN where it is unknown.
        high: the upper end.
        digits: after the point.
        seeds: of two, "21.08 [20.90, 21.26]", their range; else "21.08 ± 0.51", an interval.
    """
    if not math.isfinite(value):
        return "-"
    text = f"{value:.{digits}f}"
    if not math.isfinite(high):
        return text
    if seeds == 2:
        return f"{text} [{low:.{digits}f}, {high:.{digits}f}]"
    return f"{text} ± {high - value:.{digits}f}"


def signed(value: float, digits: int) -> str:
    """Returns "+0.25", "-" for NaN."""
    return f"{value:+.{digits}f}" if math.isfinite(value) else "-"


def signed_ends(ends: Sequence[float], digits: int) -> str:
    """Returns "-0.10 to +0.25", "-" for NaN."""
    return " to ".join(signed(end, digits) for end in ends) if math.isfinite(ends[0]) else "-"


def _numeric(text: str) -> bool:
    # 21.08 ± 0.51 and 40-50% are numbers, 1x1 conv is none
    return re.match(r"[-+<]|\d[\d.,]*(-\d+%)?(\s|$)", text) is not None


def _escaped(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _latex(value: object) -> str:
    """Text with the characters that LaTeX would take for commands written out."""
    special = {"\\": r"\textbackslash{}", "±": r"$\pm$", "†": r"$\dagger$"}
    special |= {letter: f"\\{letter}" for letter in "%_&#${}"}
    special |= {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    # letter by letter: replaced one after the other, commands would be escaped in turn
    return "".join(special.get(letter, letter) for letter in str(value))
