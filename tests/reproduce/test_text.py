"""Tables of text as Markdown and LaTeX, and numbers as their cells."""

import math

import pandas as pd
import pytest

from aotgan.errors import InputError
from aotgan.reproduce.tables.published import Published
from aotgan.reproduce.tables.text import csv, latex, markdown, signed, signed_ends, with_ends

NAN = math.nan


def test_markdown_is_a_table_of_github():
    text = markdown(pd.DataFrame({"name": ["a|b", "c"], "value": ["1", "2\n3"]}))
    assert text.split("\n") == [
        "| name | value |",
        "| --- | ---: |",
        "| a\\|b | 1 |",
        "| c | 2 3 |",
    ]


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("a_b", r"a\_b"),
        ("5 %", r"5 \%"),
        ("a & b", r"a \& b"),
        ("#1", r"\#1"),
        ("{$x$}", r"\{\$x\$\}"),
        ("~", r"\textasciitilde{}"),
        ("x^2", r"x\textasciicircum{}2"),
        ("a\\b", r"a\textbackslash{}b"),
        ("\\{", r"\textbackslash{}\{"),
        ("1 ± 2", r"1 $\pm$ 2"),
        ("Telea †", r"Telea $\dagger$"),
    ],
)
def test_latex_sees_no_command_in_a_text(given, written):
    text = latex(pd.DataFrame({given: [given]}), given)
    assert rf"\caption{{{written}}}" in text
    assert text.count(rf"{written} \\") == 2, "heading and cell"


def test_latex_is_a_table_of_booktabs():
    frame = pd.DataFrame({"model": ["a", "b"], "PSNR": ["20.1 (1)", "-"]})
    assert latex(frame, "Models").splitlines() == [
        r"\begin{table}",
        r"\centering",
        r"\caption{Models}",
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"model & PSNR \\",
        r"\midrule",
        r"a & 20.1 (1) \\",
        r"b & - \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]


@pytest.mark.parametrize("write", [markdown, lambda frame: latex(frame, "t"), csv])
def test_a_published_number_cannot_enter_a_column_of_ours(write):
    with pytest.raises(InputError, match="mixes sources"):
        write(pd.DataFrame({"PSNR (dB)": [Published("24.06")]}))
    assert "24.06" in write(pd.DataFrame({"paper: PSNR (dB)": [Published("24.06")]}))


def test_csv_has_six_digits():
    assert csv(pd.DataFrame({"a": [1 / 3], "b": ["x"]})) == "a,b\n0.333333,x\n"


@pytest.mark.parametrize(
    ("ends", "seeds", "text"),
    [
        ((NAN, NAN), 1, "21.08"),
        ((20.904, 21.255), 2, "21.08 [20.90, 21.25]"),
        ((20.57, 21.59), 3, "21.08 ± 0.51"),
        ((20.57, 21.59), 1, "21.08 ± 0.51"),
    ],
)
def test_a_number_says_what_is_known_of_other_seeds(ends, seeds, text):
    assert with_ends(21.08, *ends, 2, seeds) == text
    assert with_ends(NAN, *ends, 2, seeds) == "-"


def test_changes_have_their_sign():
    assert (signed(0.251, 2), signed(-0.25, 1), signed(NAN, 2)) == ("+0.25", "-0.2", "-")
    assert signed_ends((-0.1, 0.25), 2) == "-0.10 to +0.25" and signed_ends((NAN, NAN), 2) == "-"
