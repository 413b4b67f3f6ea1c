"""Paper against released code: complete, well-formed, and true of what this package offers."""

import importlib
import re

import pytest

from aotgan.errors import InputError
from aotgan.models.generator import Generator
from aotgan.reproduce.claims.text_and_code import (
    COLUMNS,
    SOURCE,
    VERDICTS,
    check_differences,
    load_differences,
    readable,
)
from aotgan.reproduce.figures.display import HtmlTable
from aotgan.reproduce.runs.experiments import EXPERIMENTS, READINGS
from aotgan.training.config import DataConfig, LossConfig, OptimConfig, TrainConfig

FRAME = load_differences()
SPANS = [
    pytest.param(span, id=f"{row.number}-{span}")
    for row in FRAME.itertuples()
    for span in re.findall(r"`([^`]+)`", row.here)
]
SECTIONS = {"LossConfig": "loss", "OptimConfig": "optim", "DataConfig": "data"}
DEFAULTS = {"LossConfig": LossConfig(), "OptimConfig": OptimConfig(), "DataConfig": DataConfig()}


def build(name, options):
    """What `Name(option=...)` names: a generator, or a validated section of the configuration."""
    if name == "Generator":
        return Generator(width=1, blocks=1, **options)
    return getattr(TrainConfig.from_dict({SECTIONS[name]: options}), SECTIONS[name])


def resolve(span):
    """What a span of the column `here` names; an exception if there is no such thing."""
    if span in EXPERIMENTS:
        return EXPERIMENTS[span]
    if call := re.fullmatch(r"(\w+)\((.+)\)", span):
        return build(call[1], eval(f"dict({call[2]})", {"__builtins__": {}, "dict": dict}))  # noqa: S307
    module, name = span.rsplit(".", 1)
    return getattr(importlib.import_module(f"aotgan.{module}"), name)


def test_all_39_rows_are_there_in_four_parts():
    assert list(FRAME["number"]) == list(range(1, 40))
    assert FRAME.groupby("part", sort=False).size().tolist() == [13, 9, 11, 6]
    assert set(FRAME["verdict"]) == set(VERDICTS)


@pytest.mark.parametrize("span", SPANS)
def test_what_a_row_names_exists_here(span):
    assert resolve(span) is not None


@pytest.mark.parametrize(
    "span", ["no-such-run", "losses.adversarial.nothing", 'Generator(gate="other")', "x.y"]
)
def test_a_name_that_does_not_exist_is_noticed(span):
    with pytest.raises((ImportError, AttributeError, InputError, ValueError)):
        resolve(span)


def test_every_row_names_what_covers_it_or_says_that_it_is_left_out():
    for row in FRAME.itertuples():
        assert "`" in row.here or "left out" in row.here, row.number


def changed(experiment):
    """The settings by which a reading departs from the text, as "section.option"."""
    sections = {
        "generator": experiment.generator,
        "loss": experiment.loss,
        "optim": experiment.optim,
        "data": experiment.data,
    }
    return {f"{name}.{option}" for name, options in sections.items() for option in options}


def test_every_reading_that_is_trained_is_a_row():
    runs = {n for n, e in EXPERIMENTS.items() if e.group == READINGS} - {"objective-none"}
    named = {name for name in runs for here in FRAME["here"] if f"`{name}`" in here}
    assert named == runs


def test_a_run_changes_the_option_that_its_row_names():
    kinds = {"Generator": "generator", **SECTIONS}
    for row in FRAME.itertuples():
        options = {
            f"{kinds[name]}.{option}"
            for name, arguments in re.findall(r"`(\w+)\(([^`]+)\)`", row.here)
            for option in re.findall(r"(\w+)=", arguments)
        }
        for run in re.findall(r"run `([\w-]+)`", row.here):
            assert options <= changed(EXPERIMENTS[run]), row.number


@pytest.mark.parametrize("number, option", [(13, "adversarial"), (29, "batch_size")])
def test_rows_that_name_a_default_name_ours(number, option):
    (call,) = re.findall(r"`(\w+\([^`]+\))`", FRAME.set_index("number").loc[number, "here"])
    ours = DEFAULTS[call.split("(")[0]]
    assert getattr(resolve(call), option) == getattr(ours, option)


def spoilt(column, value):
    frame = FRAME.copy()
    frame.loc[4, column] = value
    return frame


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (FRAME.drop(columns="here"), "columns"),
        (FRAME.iloc[:-1], "expected 1 to 39"),
        (spoilt("number", 4), "expected 1 to 39"),
        (spoilt("verdict", "odd"), "row 5 has verdict 'odd'"),
        (spoilt("where", "loss/loss.py"), "row 5 points to"),
        (spoilt("where", "loss/loss.py:1; there"), "row 5 points to"),
        (spoilt("paper", " "), "row 5 says nothing under 'paper'"),
    ],
    ids=["column", "row", "number", "verdict", "no line", "second place", "empty"],
)
def test_incomplete_rows_are_refused(frame, message):
    with pytest.raises(InputError, match=message):
        check_differences(frame)


def test_the_table_for_reading_loses_nothing():
    html = readable()._repr_html_()
    assert "..." not in html and html.count("<tr>") == 40
    text = re.sub(r"<[^>]+>", "", html).replace("&lt;", "<").replace("&gt;", ">")
    text = text.replace("&amp;", "&")
    for row in FRAME.to_dict(orient="records"):
        for name in COLUMNS:
            if name != "part":
                wanted = str(row[name]).replace("`", "")
                assert all(piece in text for piece in wanted.split("; ")), (row["number"], name)


def test_parts_together_are_the_whole():
    parts = FRAME["part"].unique()
    assert sum(len(readable(part).rows) for part in parts) == 39
    with pytest.raises(InputError, match="adversarial part"):
        readable("nothing")


def test_places_are_links_to_their_lines():
    cells = readable().rows[0]
    assert f'<a href="{SOURCE}loss/loss.py#L97-L98">loss/loss.py:97-98,101</a>' in cells[3]


def test_headings_are_escaped_and_the_plain_form_is_short():
    table = HtmlTable(("a < b",), [["<b>1</b>"]])
    assert "a &lt; b" in table._repr_html_() and "<b>1</b>" in table._repr_html_()
    assert repr(table) == "table of 1 rows: a < b"
